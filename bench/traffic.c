// The load itself. See traffic.h.
//
//   PROBING ─every member has heard a probe─► WARMING ──► MEASURING ──► DRAINING ─all is delivered, or too
//   late─►
//
//   publish: what is due by the clock, or what the window has room for ──► one write for each publisher
//   hear:    every frame ──► ledger (order, once) ──► window ──► histogram
#include "traffic.h"

#include "note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBE     NOTE_MOST  // as publisher: a Note that only asks who hears it
#define PROBE_NS  500000000u // until the next one
#define SECOND_NS 1000000000u
#define SLACK     8192 // what a protocol may add to a Note
#define BACKLOG_MOST                                                                                         \
    (256u << 10) // bytes that wait for a publisher's socket before the window is not filled further

struct publisher {
    struct member *member;
    struct buf frame; // a publication, to be filled in
    size_t fields;    // where
    bool pending;     // its member->out has grown
    uint32_t published;
    uint32_t complete; // of these, delivered to all
    uint32_t *heard;   // by sequence, modulo `mask` + 1: how many have heard it
};

struct traffic {
    struct crowd *crowd;
    const struct options *options;
    struct traffic_report *report;
    struct note_form form;
    struct ledger ledger;
    struct publisher *publishers;
    uint32_t share, mask; // of the window: one publisher's; its rings' size less one
    size_t size;          // of a Note
    size_t frame,
        fields;        // length of the last delivery, and where its fields were: so are the next ones, mostly
    uint64_t began_ns; // the run's zero
    uint64_t measure_ns; // since then: latencies count from here
    uint64_t due;        // at a rate: how many are due or published
    uint32_t probing;    // the publisher that is asked about
    bool *probed;        // by member: has heard it
    uint32_t probed_count;
};

// --- hearing
// ------------------------------------------------------------------------------------------------

static void hear_note(struct traffic *traffic, struct member *member, const struct note *note,
                      uint64_t now_ns) {
    if (note->publisher >= traffic->options->publishers) {
        if (note->publisher != PROBE)
            traffic->report->garbled++;
        else if (note->sequence == traffic->probing && !traffic->probed[member->index]) {
            traffic->probed[member->index] = true;
            traffic->probed_count++;
        }
        return;
    }
    struct publisher *publisher = &traffic->publishers[note->publisher];
    uint64_t run_ns = now_ns - traffic->began_ns;
    if (note->sequence >= publisher->published || note->due_ns > run_ns) {
        traffic->report->garbled++;
        return;
    }
    if (!ledger_hear(&traffic->ledger, member->index, note->publisher, note->sequence)) return;
    uint32_t *heard = &publisher->heard[note->sequence & traffic->mask];
    if (++*heard == traffic->ledger.readers) {
        *heard = 0;
        publisher->complete++;
    }
    if (note->due_ns >= traffic->measure_ns) histogram_add(&traffic->report->latency, run_ns - note->due_ns);
}

// Most frames are as long as the last and have their fields at the same place. Any other is looked at in
// full.
static const char *find_fields(struct traffic *traffic, const char *data, size_t left) {
    const struct dialect *dialect = traffic->options->dialect;
    if (traffic->frame > 0 && left >= traffic->frame && data[traffic->frame - 1] == dialect->last &&
        memcmp(data + traffic->fields, traffic->form.mark, NOTE_MARK_LEN) == 0)
        return data + traffic->fields;
    size_t frame = dialect->frame(data, left);
    if (frame == 0 || frame == DIALECT_GARBLED) return NULL;
    const char *fields = memmem(data, frame, traffic->form.mark, NOTE_MARK_LEN);
    if (fields == NULL || (size_t)(data + frame - fields) < NOTE_FIELDS_LEN) return NULL;
    traffic->frame = frame;
    traffic->fields = (size_t)(fields - data);
    return fields;
}

static size_t hear(void *context, struct member *member, const char *data, size_t len, uint64_t now_ns) {
    struct traffic *traffic = context;
    size_t taken = 0;
    while (taken < len) {
        struct note note;
        const char *fields = find_fields(traffic, data + taken, len - taken);
        if (fields == NULL) break;
        note_read(fields, &note);
        hear_note(traffic, member, &note, now_ns);
        taken += traffic->frame;
    }
    return taken;
}

// --- publishing
// ---------------------------------------------------------------------------------------------

static uint64_t run_ns(const struct traffic *traffic) {
    return gauge_now_ns() - traffic->began_ns;
}

// Adds a Note to what waits for the publisher's socket.
static void put_note(struct traffic *traffic, struct publisher *publisher, const struct note *note) {
    struct buf *out = &publisher->member->out;
    size_t at = out->len;
    if (buf_append_str(out, buf_str(&publisher->frame)) != 0) {
        traffic->crowd->failed = true;
        err_set(&traffic->crowd->err, ERR_MEMORY, "memory is out");
        return;
    }
    note_fill(out->data + at + publisher->fields, note);
    publisher->pending = true;
}

static void send_pending(struct traffic *traffic) {
    for (uint32_t i = 0; i < traffic->options->publishers; i++) {
        struct publisher *publisher = &traffic->publishers[i];
        if (publisher->pending && publisher->member->fd >= 0) crowd_send(traffic->crowd, publisher->member);
        publisher->pending = false;
    }
}

static void publish_one(struct traffic *traffic, uint32_t index, uint64_t due_ns) {
    struct publisher *publisher = &traffic->publishers[index];
    if (publisher->published == PROBE) {
        traffic->crowd->failed = true;
        err_set(&traffic->crowd->err, ERR_LIMIT, "a publisher can send %u Notes and no more", PROBE);
        return;
    }
    put_note(traffic, publisher, &(struct note){index, publisher->published, due_ns});
    publisher->published++;
    traffic->report->published++;
}

// All that is due until then. Returns when the next one is (since the run began).
static uint64_t publish_due(struct traffic *traffic, uint64_t until_ns) {
    double gap_ns = 1e9 / traffic->options->rate;
    uint64_t due_ns, now_ns = run_ns(traffic);
    while ((due_ns = (uint64_t)((double)traffic->due * gap_ns)) <= until_ns) {
        uint32_t index = (uint32_t)(traffic->due++ % traffic->options->publishers);
        publish_one(traffic, index, due_ns);
        if (due_ns >= traffic->measure_ns) histogram_add(&traffic->report->tardy, now_ns - due_ns);
        if (traffic->crowd->failed) break;
    }
    send_pending(traffic);
    return due_ns;
}

static void publish_room(struct traffic *traffic, uint64_t now_ns) {
    for (uint32_t i = 0; i < traffic->options->publishers; i++) {
        struct publisher *publisher = &traffic->publishers[i];
        while (publisher->published - publisher->complete < traffic->share &&
               publisher->member->out.len < BACKLOG_MOST && !traffic->crowd->failed)
            publish_one(traffic, i, now_ns);
    }
    send_pending(traffic);
}

// --- phases
// -------------------------------------------------------------------------------------------------

static bool heard_all(const struct traffic *traffic) {
    const struct traffic_report *report = traffic->report;
    return traffic->ledger.seen == report->published * traffic->ledger.readers;
}

// Until everyone has heard a probe of that publisher.
static int probe(struct traffic *traffic, uint32_t index, struct err *err) {
    struct crowd *crowd = traffic->crowd;
    struct publisher *publisher = &traffic->publishers[index];
    uint64_t next_ns = 0, end_ns = gauge_now_ns() + (uint64_t)(traffic->options->deadline * 1e9);
    traffic->probing = index;
    traffic->probed_count = 0;
    memset(traffic->probed, 0, crowd->count * sizeof *traffic->probed);
    while (traffic->probed_count < crowd->count && !crowd->failed) {
        uint64_t now = gauge_now_ns();
        if (now >= end_ns)
            return err_set(err, ERR_SYSTEM, "only %u of %u clients hear client %u: are the servers linked?",
                           traffic->probed_count, crowd->count, publisher->member->index);
        if (now >= next_ns) {
            put_note(traffic, publisher, &(struct note){PROBE, index, 0});
            send_pending(traffic);
            next_ns = now + PROBE_NS;
        }
        crowd_turn(crowd, next_ns < end_ns ? next_ns : end_ns);
    }
    return 0;
}

// The servers are linked when everyone hears the first publisher of each.
static int probe_all(struct traffic *traffic, struct err *err) {
    uint32_t servers = (uint32_t)traffic->crowd->place_count, publishers = traffic->options->publishers;
    for (uint32_t i = 0; i < servers && i < publishers; i++) {
        if (probe(traffic, i, err) != 0) return -1;
    }
    return 0;
}

static void say_progress(const struct traffic *traffic, const char *phase, uint64_t *said_ns,
                         uint64_t now_ns) {
    if (!traffic->options->progress || now_ns - *said_ns < SECOND_NS) return;
    *said_ns = now_ns;
    fprintf(stderr, "load: %s, %.0f s, %llu published, %llu delivered\n", phase, (double)now_ns / 1e9,
            (unsigned long long)traffic->report->published, (unsigned long long)traffic->ledger.seen);
}

static void publish_until(struct traffic *traffic, const char *phase, uint64_t end_ns) {
    uint64_t said_ns = run_ns(traffic), now_ns;
    while (!traffic->crowd->failed && (now_ns = run_ns(traffic)) < end_ns) {
        uint64_t next_ns = end_ns;
        if (traffic->options->rate > 0)
            next_ns = publish_due(traffic, now_ns);
        else
            publish_room(traffic, now_ns);
        crowd_turn(traffic->crowd, traffic->began_ns + (next_ns < end_ns ? next_ns : end_ns));
        say_progress(traffic, phase, &said_ns, now_ns);
    }
    if (traffic->options->rate > 0 && end_ns > 0 && !traffic->crowd->failed)
        (void)publish_due(traffic, end_ns - 1); // what came due in the last turn
}

// What was published is waited for, and then a moment more for what must not come.
static void drain(struct traffic *traffic) {
    uint64_t end_ns = run_ns(traffic) + (uint64_t)(traffic->options->deadline * 1e9), now_ns;
    while (!traffic->crowd->failed && !heard_all(traffic) && (now_ns = run_ns(traffic)) < end_ns)
        crowd_turn(traffic->crowd, traffic->began_ns + end_ns);
    end_ns = run_ns(traffic) + SECOND_NS / 4;
    while (!traffic->crowd->failed && run_ns(traffic) < end_ns)
        crowd_turn(traffic->crowd, traffic->began_ns + end_ns);
}

static int measure(struct traffic *traffic, struct err *err) {
    const struct options *options = traffic->options;
    struct traffic_report *report = traffic->report;
    traffic->began_ns = gauge_now_ns();
    traffic->measure_ns = (uint64_t)(options->warmup * 1e9);
    publish_until(traffic, "warming up", traffic->measure_ns);
    if (gauge_read(&options->gauge, &report->from, err) != 0) return -1;
    uint64_t seen = traffic->ledger.seen, published = report->published;
    publish_until(traffic, "measuring", traffic->measure_ns + (uint64_t)(options->seconds * 1e9));
    report->measured = traffic->ledger.seen - seen;
    report->measured_published = report->published - published;
    if (gauge_read(&options->gauge, &report->to, err) != 0) return -1;
    drain(traffic);
    return 0;
}

// --- life
// ---------------------------------------------------------------------------------------------------

static struct member *nth_of_place(const struct crowd *crowd, unsigned place, uint32_t nth) {
    for (uint32_t i = 0; i < crowd->count - crowd->stuck; i++) {
        if (crowd->members[i].place == place && nth-- == 0) return &crowd->members[i];
    }
    return NULL;
}

// The publishers are spread over the servers: the first client of each, the second of each, ...
static void choose_publishers(struct traffic *traffic) {
    uint32_t chosen = 0, most = traffic->options->publishers;
    for (uint32_t nth = 0; chosen < most; nth++) {
        for (unsigned place = 0; place < traffic->crowd->place_count && chosen < most; place++) {
            struct member *member = nth_of_place(traffic->crowd, place, nth);
            if (member != NULL) traffic->publishers[chosen++].member = member;
        }
    }
}

// What each publisher sends, around a Note of `size` bytes.
static int frame_notes(struct traffic *traffic, size_t size, struct err *err) {
    const struct dialect *dialect = traffic->options->dialect;
    if (size < traffic->form.least || size > UINT32_MAX)
        return err_set(err, ERR_INVALID, "--size must be %zu or more, --wire what the protocol adds to it",
                       traffic->form.least);
    traffic->size = size;
    traffic->frame = 0;
    for (uint32_t i = 0; i < traffic->options->publishers; i++) {
        struct publisher *publisher = &traffic->publishers[i];
        struct buf *frame = &publisher->frame;
        struct str credentials = crowd_credentials(traffic->crowd, publisher->member);
        buf_truncate(frame, 0);
        if (dialect->before(frame, credentials, size) != 0 ||
            note_write(&traffic->form, size, frame, &publisher->fields) != 0 ||
            buf_append_text(frame, dialect->after) != 0)
            return err_set(err, ERR_MEMORY, "memory is out");
    }
    return 0;
}

static int traffic_open(struct traffic *traffic, struct err *err) {
    const struct options *options = traffic->options;
    struct crowd *crowd = traffic->crowd;
    note_form_init(&traffic->form, (uint32_t)gauge_now_ns() ^ (uint32_t)getpid());
    traffic->share = options->window / options->publishers;
    if (traffic->share == 0) traffic->share = 1;
    for (traffic->mask = 1; traffic->mask < 4 * (traffic->share | 256); traffic->mask *= 2) {
    }
    traffic->mask--;
    traffic->publishers = calloc(options->publishers, sizeof *traffic->publishers);
    traffic->probed = calloc(crowd->count, sizeof *traffic->probed);
    if (traffic->publishers == NULL || traffic->probed == NULL ||
        ledger_open(&traffic->ledger, crowd->count - crowd->stuck, options->publishers) != 0)
        goto memory;
    choose_publishers(traffic);
    for (uint32_t i = 0; i < options->publishers; i++) {
        struct publisher *publisher = &traffic->publishers[i];
        publisher->heard = calloc((size_t)traffic->mask + 1, sizeof *publisher->heard);
        if (publisher->heard == NULL) goto memory;
    }
    return frame_notes(traffic, options->size, err);
memory:
    return err_set(err, ERR_MEMORY, "memory is out");
}

static void traffic_close(struct traffic *traffic) {
    for (uint32_t i = 0; traffic->publishers != NULL && i < traffic->options->publishers; i++) {
        free(traffic->publishers[i].heard);
        buf_wipe(&traffic->publishers[i].frame); // it may have a secret
    }
    free(traffic->publishers);
    free(traffic->probed);
    ledger_close(&traffic->ledger);
}

static void traffic_sum_up(const struct traffic *traffic) {
    struct traffic_report *report = traffic->report;
    report->expected = report->published * traffic->ledger.readers;
    report->seen = traffic->ledger.seen;
    report->lost = report->expected - report->seen;
    report->doubled = traffic->ledger.doubled;
    report->out_of_order = traffic->ledger.out_of_order;
    report->size = traffic->size;
    report->wire = traffic->frame;
}

// --wire: a probe has told what the protocol adds to a Note.
static int fit_wire(struct traffic *traffic, struct err *err) {
    size_t added = traffic->frame - traffic->size, wire = traffic->options->wire;
    return wire == 0 ? 0 : frame_notes(traffic, wire > added ? wire - added : 0, err);
}

int traffic_run(struct crowd *crowd, const struct options *options, struct traffic_report *report,
                struct err *err) {
    struct traffic traffic = {.crowd = crowd, .options = options, .report = report};
    int result = traffic_open(&traffic, err);
    if (result == 0) {
        crowd->hear = hear;
        crowd->context = &traffic;
        crowd->hold = true;
        result = probe_all(&traffic, err);
    }
    if (result == 0 && !crowd->failed) result = fit_wire(&traffic, err);
    if (result == 0) {
        crowd_stick(crowd);
        result = measure(&traffic, err);
        traffic_sum_up(&traffic);
    }
    if (result == 0 && crowd->failed) {
        *err = crowd->err;
        result = -1;
    }
    crowd->hear = NULL;
    traffic_close(&traffic);
    return result;
}

size_t traffic_max_frame(const struct options *options) {
    return (options->size > options->wire ? options->size : options->wire) + SLACK;
}

// import: a file's records as requests, many at a time.
//
//   file ──► import_next ──► slot ──POST──► 201: created
//                             │  ▲          409: GET ──► the same name: present; another: refused
//                             └──┴── 429, 503, no answer: again, after a pause
//
//   Of two records with one login the later waits until the earlier is done, so that the first one counts.
//   slots are a ring: first ──► ... ──► next. All records before `first` are done: that is what the mark
//   says, from which the same command goes on, and these are what it counts. What was under way or done
//   beyond it is asked for again, with the same keys.
#include "cli/import.h"

#include "base/clock.h"
#include "cli/api.h"
#include "cli/import_mark.h"
#include "cli/import_read.h"
#include "cli/progress.h"
#include "cli/signals.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW       256u
#define TIMEOUT_MS   30000u
#define PAUSE_MS     300u  // before a record is asked for again: at least,
#define PAUSE_MOST   5000u // and at most, unless the server asks for more
#define MARK_EACH_MS 1000u
#define LOOK_EACH_MS 100
#define SAID_MOST    20u // refused lines that are told of

enum record_end { CREATED, PRESENT, REFUSED };

struct slot {
    struct ask ask;
    struct import_record record;
    char key[INTENT_HEADER_SIZE];
    uint64_t line;
    struct import_mark mark;                    // after this record, but for the counts
    char fold[sizeof((struct login *)0)->fold]; // the login as it is compared
    bool looks;                                 // it is looked at what is there already
    bool doubt;                                 // it was asked for once, and not answered
    bool waits, busy, done;                     // for another record; asked for; at its end
    enum record_end end;                        // when done
};

struct import {
    struct api api;
    struct import_reader reader;
    struct slot *slots; // WINDOW
    uint64_t first, next;
    struct import_mark mark;
    char name[IMPORT_MARK_NAME];
    uint64_t marked_ms;
    uint64_t moved_ms; // when a record was last read or done; later, while a limit is waited for
    struct secret_key key;
    struct progress progress;
    const char *note;
    char pause[80]; // room for a note
    bool at_end, stopped, limited;
    bool faulty;          // the file cannot be read on
    uint64_t said;        // refused lines that were told of
    unsigned waiting;     // records that wait for another
    enum outcome outcome; // of having stopped
};

// --- words ----------------------------------------------------------------------------------------------

// Lines `from` to `to`: a quote that is left open has taken more than one along.
static void say_refused(struct import *import, uint64_t from, uint64_t to, const char *why) {
    if (import->said == SAID_MOST) return;
    import->said++;
    progress_hide(&import->progress);
    if (to > from)
        say("lines %" PRIu64 " to %" PRIu64 ": %s", from, to, why);
    else
        say("line %" PRIu64 ": %s", from, why);
    if (import->said == SAID_MOST) say("further lines that are refused are only counted");
}

static void stop(struct import *import, enum outcome outcome) {
    if (import->stopped) return;
    import->stopped = true;
    import->outcome = outcome;
}

static void show(struct import *import) {
    uint64_t now = clock_monotonic_ms();
    import->progress.done = import->mark.offset;
    import->progress.note = import->note;
    progress_show(&import->progress, now);
    if (now < import->marked_ms + MARK_EACH_MS || import->mark.offset == 0) return;
    import->marked_ms = now;
    import_mark_write(import->name, &import->mark);
}

static void moved(struct import *import, uint64_t at_ms) {
    if (at_ms > import->moved_ms) import->moved_ms = at_ms;
}

// --- one record -----------------------------------------------------------------------------------------

static unsigned timeout_of(const struct import *import) {
    return import->api.wish->timeout_ms ? (unsigned)import->api.wish->timeout_ms : TIMEOUT_MS;
}

static struct slot *slot_at(struct import *import, uint64_t number) {
    return &import->slots[number % WINDOW];
}

// The memory of what came of the one before is used again. Each round of servers is asked once (not patient):
// when to ask again is decided here, for all records together.
static void fill(struct import *import, struct slot *slot, const char *method, const char *path,
                 struct str tail) {
    struct ask *ask = &slot->ask;
    struct buf answer = ask->answer, why = ask->why, spare = ask->errand.answer;
    api_fill(&import->api, ask, method, path, tail);
    ask->answer = answer;
    ask->why = why;
    ask->errand.answer = spare;
    ask->patient = false;
    ask->timeout_ms = timeout_of(import);
    ask->context = slot;
}

static void ask_create(struct import *import, struct slot *slot, unsigned delay_ms) {
    slot->looks = false;
    fill(import, slot, "POST", "/v1/identities", (struct str){0});
    slot->ask.body = buf_str(&slot->record.body);
    slot->ask.type = "Content-Type: application/json";
    slot->ask.key = slot->key;
    slot->ask.changes = true;
    roll_start(&import->api.roll, &slot->ask, delay_ms);
}

static void ask_look(struct import *import, struct slot *slot, unsigned delay_ms) {
    slot->looks = true;
    fill(import, slot, "GET", "/v1/identities?login=", buf_str(&slot->record.login));
    roll_start(&import->api.roll, &slot->ask, delay_ms);
}

// Is a record before this one with the same login not done yet?
static bool must_wait(struct import *import, uint64_t number) {
    const struct slot *slot = slot_at(import, number);
    for (uint64_t i = import->first; i < number; i++)
        if (!slot_at(import, i)->done && strcmp(slot_at(import, i)->fold, slot->fold) == 0) return true;
    return false;
}

static void begin(struct import *import, uint64_t number) {
    struct slot *slot = slot_at(import, number);
    bool waits = must_wait(import, number);
    if (waits == slot->waits && waits) return;
    import->waiting += waits ? 1u : 0u;
    import->waiting -= slot->waits ? 1u : 0u;
    slot->waits = waits;
    slot->busy = !waits;
    if (!waits) ask_create(import, slot, 0);
}

static void begin_waiting(struct import *import) {
    for (uint64_t i = import->first; import->waiting > 0 && i < import->next; i++)
        if (slot_at(import, i)->waits) begin(import, i);
}

static void fold(struct slot *slot) {
    struct login login;
    if (login_parse(buf_str(&slot->record.login), &login, NULL) == 0)
        str_copy(str_of(login.fold), slot->fold, sizeof slot->fold);
    else
        str_copy(buf_str(&slot->record.login), slot->fold,
                 sizeof slot->fold); // the server says what is wrong
}

static void make_key(const struct import *import, struct slot *slot) {
    struct secret_digest digest;
    char hex[2 * sizeof digest.bytes + 1];
    secret_digest(&import->key, buf_str(&slot->record.body), &digest);
    for (size_t i = 0; i < sizeof digest.bytes; i++) (void)snprintf(hex + 2 * i, 3, "%02x", digest.bytes[i]);
    (void)snprintf(slot->key, sizeof slot->key, "Idempotency-Key: import-%s", hex);
}

static void read_one(struct import *import) {
    struct slot *slot = slot_at(import, import->next);
    struct err err = {0};
    enum import_result result = import_next(&import->reader, &slot->record, &err);
    if (result == IMPORT_END || result == IMPORT_FAILED) {
        import->at_end = true; // what was read before is brought to its end
        if (result == IMPORT_END) return;
        import->faulty = true;
        progress_hide(&import->progress);
        say("%s: %s", import->api.wish->words[0], err.text);
        return;
    }
    import->next++;
    moved(import, clock_monotonic_ms());
    slot->line = import->reader.line;
    slot->mark = (struct import_mark){
        .offset = import->reader.offset, .lines = import->reader.lines, .chain = import->reader.chain};
    slot->done = result == IMPORT_WRONG;
    slot->waits = slot->busy = slot->doubt = false;
    slot->fold[0] = '\0';
    if (slot->done) {
        slot->end = REFUSED;
        say_refused(import, slot->line, import->reader.lines, err.text);
        return;
    }
    make_key(import, slot);
    fold(slot);
    begin(import, import->next - 1);
}

// --- what came of it ------------------------------------------------------------------------------------

static bool is_same(struct import *import, const struct slot *slot) {
    struct err err = {0};
    const struct value *identity = value_read(import->api.parser, buf_str(&slot->ask.answer), &err);
    return !slot->record.named || str_equal(value_member_text(identity, "name"), buf_str(&slot->record.name));
}

static void ask_again(struct import *import, struct slot *slot, uint64_t pause_ms) {
    if (slot->looks)
        ask_look(import, slot, (unsigned)pause_ms);
    else
        ask_create(import, slot, (unsigned)pause_ms);
}

// A limit comes to its end by itself: it is waited for however long that takes.
static void wait_limit(struct import *import, struct slot *slot) {
    unsigned seconds = slot->ask.retry_after_s ? slot->ask.retry_after_s : 1;
    (void)snprintf(import->pause, sizeof import->pause, "waiting %u s, as the server asks", seconds);
    import->note = import->pause;
    if (!import->api.is_token && !import->limited) {
        progress_hide(&import->progress);
        say("the server limits how many are made from here; an admin token has no such limit");
    }
    import->limited = true;
    moved(import, clock_monotonic_ms() + seconds * UINT64_C(1000));
    ask_again(import, slot, seconds * UINT64_C(1000));
}

static void give_up(struct import *import, struct slot *slot) {
    slot->busy = false;
    if (slot->doubt && slot->ask.end == ASK_UNREACHED) slot->ask.end = ASK_UNKNOWN;
    progress_hide(&import->progress);
    stop(import, refusal_say(&import->api, &slot->ask));
}

// No server took it, or none answered. The longer no record has been done the longer is the pause, or the
// hundreds that are under way would storm a server that cannot take a single one.
static void try_again(struct import *import, struct slot *slot) {
    uint64_t now = clock_monotonic_ms(), idle = now > import->moved_ms ? now - import->moved_ms : 0;
    uint64_t pause = idle < PAUSE_MS ? PAUSE_MS : idle < PAUSE_MOST ? idle : PAUSE_MOST;
    if (idle >= timeout_of(import)) {
        give_up(import, slot);
        return;
    }
    if (pause < slot->ask.retry_after_s * UINT64_C(1000)) pause = slot->ask.retry_after_s * UINT64_C(1000);
    if (pause > timeout_of(import) - idle) pause = timeout_of(import) - idle; // once more before that is over
    bool answered = slot->ask.end == ASK_ANSWERED;
    import->note =
        answered ? "the server cannot take more just now; trying again" : "no server answers; trying again";
    ask_again(import, slot, pause);
}

static void finish(struct import *import, struct slot *slot, enum record_end end) {
    slot->end = end;
    slot->done = true;
    slot->busy = false;
    import->note = NULL;
    moved(import, clock_monotonic_ms());
    if (end == CREATED) import->progress.count++;
}

static void refuse(struct import *import, struct slot *slot, const char *why) {
    say_refused(import, slot->line, slot->line, why);
    finish(import, slot, REFUSED);
}

static void take_look(struct import *import, struct slot *slot) {
    if (slot->ask.status == 404) { // gone meanwhile
        ask_create(import, slot, 0);
        return;
    }
    if (is_same(import, slot))
        finish(import, slot, PRESENT);
    else
        refuse(import, slot, "the login is taken, by an identity with another name");
}

static void take_answer(struct import *import, struct slot *slot) {
    struct buf words = {0};
    switch (slot->ask.status) {
    case 429: wait_limit(import, slot); return;
    case 503: try_again(import, slot); return;
    case 401:
    case 403: give_up(import, slot); return;
    case 409: ask_look(import, slot, 0); return;
    default: break;
    }
    if (slot->looks && (slot->ask.status == 200 || slot->ask.status == 404)) {
        take_look(import, slot);
    } else if (slot->ask.status == 201) {
        finish(import, slot, CREATED);
    } else {
        refuse(import, slot, refusal_words(import->api.parser, &slot->ask, &words));
    }
    buf_free(&words);
}

static void take(struct import *import, struct slot *slot) {
    if (slot->ask.end == ASK_ANSWERED) {
        take_answer(import, slot);
        return;
    }
    if (slot->ask.end == ASK_UNKNOWN) slot->doubt = true;
    try_again(import, slot);
}

static void count(struct import_mark *mark, const struct slot *slot) {
    mark->created += slot->end == CREATED;
    mark->present += slot->end == PRESENT;
    mark->refused += slot->end == REFUSED;
}

static void advance(struct import *import) {
    while (import->first < import->next && slot_at(import, import->first)->done) {
        const struct slot *slot = slot_at(import, import->first++);
        import->mark.offset = slot->mark.offset;
        import->mark.lines = slot->mark.lines;
        import->mark.chain = slot->mark.chain;
        count(&import->mark, slot);
    }
}

static void drop_all(struct import *import) {
    for (uint64_t number = import->first; number < import->next; number++)
        if (slot_at(import, number)->busy) roll_drop(&import->api.roll, &slot_at(import, number)->ask);
}

static void run(struct import *import) {
    moved(import, clock_monotonic_ms());
    while (!import->stopped) {
        while (!import->at_end && !import->stopped && import->next - import->first < WINDOW) {
            read_one(import);
            advance(import);
        }
        if (import->first == import->next) break;
        struct ask *over = roll_wait(&import->api.roll, LOOK_EACH_MS, import->api.signals);
        if (over) take(import, over->context);
        if (over && !import->stopped) begin_waiting(import);
        if (!over && signals_take(import->api.signals)) {
            progress_hide(&import->progress);
            say("interrupted");
            stop(import, OUTCOME_REFUSED);
        }
        advance(import);
        show(import);
    }
    drop_all(import);
    if (import->faulty) stop(import, OUTCOME_REFUSED);
}

// --- beginning and end ----------------------------------------------------------------------------------

// Goes on where an earlier import of the same file ended, when the file begins as it did then.
static bool resume(struct import *import, struct err *err) {
    struct import_mark mark;
    const struct wish *wish = import->api.wish;
    struct import_record record = {0};
    enum import_result result = IMPORT_RECORD;
    if (wish->forget) import_mark_forget(import->name); // who has what was made before is not known, either
    if (!import_mark_read(import->name, &mark)) return true;
    while (import->reader.offset < mark.offset && (result == IMPORT_RECORD || result == IMPORT_WRONG))
        result = import_next(&import->reader, &record, err);
    import_record_fini(&record);
    if (import->reader.offset == mark.offset &&
        memcmp(&import->reader.chain, &mark.chain, sizeof mark.chain) == 0) {
        import->mark = mark;
        say("going on behind line %" PRIu64 ", where it ended before", mark.lines);
        return true;
    }
    say("%s is not as it was when it was imported in part; beginning with its first line", wish->words[0]);
    import_close(&import->reader);
    return import_open(&import->reader, wish->words[0], wish->format, import->api.parser, err) == 0;
}

// Of those behind the mark, too, that are done: they were made, though the mark counts them when it is there.
static struct import_mark count_all(struct import *import) {
    struct import_mark all = import->mark;
    for (uint64_t number = import->first; number < import->next; number++)
        if (slot_at(import, number)->done) count(&all, slot_at(import, number));
    return all;
}

static bool print_counts(struct import *import, const struct import_mark *all) {
    uint64_t now = clock_monotonic_ms(), ms = now - import->progress.began_ms;
    struct buf line = {0};
    int status;
    if (import->api.wish->json)
        status = buf_printf(&line,
                            "{\"created\":%" PRIu64 ",\"present\":%" PRIu64 ",\"refused\":%" PRIu64
                            ",\"seconds\":%.3f,\"rate\":%" PRIu64 ",\"whole\":%s}",
                            all->created, all->present, all->refused, (double)ms / 1000,
                            progress_rate(&import->progress, now), import->stopped ? "false" : "true");
    else
        status = buf_append_text(&line, "created ") || progress_number(&line, all->created) ||
                 buf_append_text(&line, ", there already ") || progress_number(&line, all->present) ||
                 buf_append_text(&line, ", refused ") || progress_number(&line, all->refused) ||
                 buf_printf(&line, "; %.1f s, ", (double)ms / 1000) ||
                 progress_number(&line, progress_rate(&import->progress, now)) ||
                 buf_append_text(&line, "/s");
    bool shown = api_print(&line, status);
    buf_free(&line);
    return shown;
}

static enum outcome report(struct import *import) {
    struct import_mark all = count_all(import);
    bool shown = print_counts(import, &all);
    if (!import->stopped || import->mark.offset == 0) {
        import_mark_forget(import->name); // there is nothing to go on from
    } else {
        import_mark_write(import->name, &import->mark);
        say("ended behind line %" PRIu64 "; %sthe same command %s", import->mark.lines,
            import->faulty ? "once the file is mended, " : "",
            import->name[0] ? "goes on there" : "again does nothing twice");
    }
    if (import->stopped) return import->outcome;
    return all.refused > 0 || !shown ? OUTCOME_REFUSED : OUTCOME_DONE;
}

static enum outcome import_file(struct import *import) {
    struct wish *wish = import->api.wish;
    struct err err = {0};
    struct stat stat;
    if (import_open(&import->reader, wish->words[0], wish->format, import->api.parser, &err)) {
        say("%s", err.text);
        return OUTCOME_USAGE;
    }
    import_mark_name(wish, import->name);
    import_key(&import->key);
    if (!resume(import, &err)) {
        say("%s", err.text);
        return OUTCOME_REFUSED;
    }
    progress_begin(&import->progress, "identities", clock_monotonic_ms());
    if (fstat(import->reader.fd, &stat) == 0 && S_ISREG(stat.st_mode))
        import->progress.total = (uint64_t)stat.st_size;
    import->progress.began_done = import->mark.offset;
    run(import);
    progress_hide(&import->progress);
    return report(import);
}

enum outcome import_run(struct wish *wish) {
    struct import *import = calloc(1, sizeof *import);
    enum outcome outcome = OUTCOME_REFUSED;
    if (import) import->slots = calloc(WINDOW, sizeof *import->slots);
    if (!import || !import->slots) {
        say("memory is out");
    } else if (api_open(&import->api, wish, &outcome)) {
        import->reader.fd = -1;
        outcome = OUTCOME_USAGE;
        if (api_identify(&import->api, NULL, false)) {
            if (!import->api.is_token) api_warn_plain(&import->api); // the file may hold passwords
            outcome = import_file(import);
        }
        import_close(&import->reader);
        api_close(&import->api);
        for (size_t i = 0; i < WINDOW; i++) {
            ask_fini(&import->slots[i].ask);
            import_record_fini(&import->slots[i].record);
        }
    }
    if (import) {
        secret_wipe(&import->key, sizeof import->key);
        free(import->slots);
    }
    free(import);
    return outcome;
}

// herald follow: what comes, line by line, to standard output.
//
//   server ──► session ──► display ──► outlet ──► standard output
//                 ▲                       │ full: nothing more is taken from the session
//   feed ─────────┘                       ▼ nobody reads any more: the session is left
//   (course)
#include "cli/follow.h"

#include "base/clock.h"
#include "cli/call.h"
#include "cli/display.h"
#include "cli/enter.h"
#include "cli/feed.h"
#include "cli/outlet.h"
#include "cli/signals.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define COLUMNS     1000 // of a line on a terminal; what is longer is there with --json
#define LEAVE_MS    1000 // for an orderly end, when nobody waits for it
#define PATIENCE_MS 30000

struct follow {
    struct call call;
    struct wish *wish;
    struct display *display;
    struct outlet outlet;
    struct feed feed;
    bool feeds; // course
    bool colours, terminal;
    bool failed; // out of memory, say
    bool interrupted;
    bool entered;   // at some time
    bool apart;     // from a server, and it was said
    uint64_t count; // printed
};

// --- what comes -----------------------------------------------------------------------------------------

static int print_line(struct follow *follow, const struct herald_event *event) {
    struct buf *out = &follow->outlet.pending;
    struct shown shown;
    int64_t now = clock_wall_ms();
    if (follow->wish->json)
        return buf_append(out, event->json, event->json_len) || buf_append_text(out, "\n") ? -1 : 0;
    if (display_activity(follow->display, (struct str){event->json, event->json_len}, str_of(event->user),
                         now, &shown))
        return -1;
    return display_line(&shown, now, follow->terminal ? COLUMNS : 0, follow->colours, out) ||
                   buf_append_text(out, "\n")
               ? -1
               : 0;
}

static void take_activity(struct follow *follow, const struct herald_event *event) {
    const struct wish *wish = follow->wish;
    if (wish->count && follow->count == wish->count) return;
    if (print_line(follow, event)) {
        say("memory is out");
        follow->failed = true;
        call_leave(&follow->call, LEAVE_MS);
        return;
    }
    if (++follow->count == wish->count) call_leave(&follow->call, LEAVE_MS);
}

static void take_registered(const struct wish *wish) {
    if (wish->made_secret)
        say("registered %s; the secret is %s", wish->user, wish->secret.data);
    else
        say("registered %s", wish->user);
    (void)enter_save(wish);
}

static void take_event(struct follow *follow, const struct herald_event *event) {
    const struct wish *wish = follow->wish;
    switch (event->kind) {
    case HERALD_ACTIVITY: take_activity(follow, event); break;
    case HERALD_REGISTERED: take_registered(wish); break;
    case HERALD_LOGGED_IN:
        say("logged in as %s at %s", wish->user ? wish->user : LOGIN_ANONYMOUS, event->server);
        if (!wish->made_secret && !follow->entered) (void)enter_save(wish);
        follow->entered = true;
        follow->apart = false;
        break;
    case HERALD_LOST:
        if (!follow->apart)
            say("%s%s%s; trying again", event->server, event->server[0] ? ": " : "", event->text);
        follow->apart = true;
        break;
    default: break;
    }
}

// --- waiting --------------------------------------------------------------------------------------------

static void wait_more(struct follow *follow) {
    const struct call_wait wait = {.input = follow->feeds && feed_wants(&follow->feed) ? STDIN_FILENO : -1,
                                   .output = follow->outlet.broken ? -1 : STDOUT_FILENO,
                                   .writes = outlet_waits(&follow->outlet),
                                   .most_ms = -1};
    unsigned ready = call_wait(&follow->call, &wait);
    if (ready & CALL_INPUT) feed_read(&follow->feed);
    if (ready & CALL_BROKEN) follow->outlet.broken = true;
    if (!(ready & CALL_SIGNAL)) return;
    signals_take(follow->call.signals);
    follow->interrupted = true;
    if (follow->call.leaving) follow->call.leave_by_ms = 1; // a second time: at once
    call_leave(&follow->call, LEAVE_MS);
}

static void run(struct follow *follow, struct herald_event *ended) {
    for (;;) {
        while (!outlet_full(&follow->outlet) && call_next(&follow->call, ended)) {
            if (ended->kind == HERALD_ENDED) return;
            take_event(follow, ended);
        }
        outlet_flush(&follow->outlet);
        if (follow->outlet.broken) call_leave(&follow->call, LEAVE_MS);
        if (follow->feeds) {
            feed_give(&follow->feed, follow->call.session, follow->wish->user, true);
            if (!follow->feed.reads && !follow->call.leaving) call_leave(&follow->call, PATIENCE_MS);
        }
        wait_more(follow);
    }
}

// What was printed is written before the end, unless nobody reads it, or not soon when a signal asks for the
// end.
static void write_rest(struct follow *follow) {
    struct pollfd waits[] = {{.fd = STDOUT_FILENO, .events = POLLOUT},
                             {.fd = follow->call.signals, .events = POLLIN}};
    for (;;) {
        outlet_flush(&follow->outlet);
        if (!outlet_waits(&follow->outlet) || follow->outlet.broken) return;
        int ready = poll(waits, 2, follow->interrupted ? LEAVE_MS : -1);
        if (ready == 0 || (ready > 0 && waits[1].revents)) return;
    }
}

static enum outcome conclude(struct follow *follow, const struct herald_event *ended) {
    const struct wish *wish = follow->wish;
    bool all = wish->count && follow->count == wish->count;
    if (follow->failed || follow->feed.failed) return OUTCOME_REFUSED;
    if (follow->outlet.broken || all) return OUTCOME_DONE;
    if (follow->call.leaving && !follow->feeds) return OUTCOME_DONE; // as the user asked, by a signal
    return call_outcome(&follow->call, ended);
}

static enum outcome follow_all(struct follow *follow) {
    struct herald_event ended;
    enum outcome outcome;
    const struct call_plan plan = {.registers = follow->feeds && enter_registers(follow->wish)};
    if (!call_open(&follow->call, follow->wish, &plan, &outcome)) return outcome;
    run(follow, &ended);
    write_rest(follow);
    outcome = conclude(follow, &ended);
    call_close(&follow->call);
    return outcome;
}

static enum outcome start(struct wish *wish, bool feeds) {
    enum outcome outcome = OUTCOME_REFUSED;
    struct follow *follow = calloc(1, sizeof *follow);
    if (follow) {
        follow->wish = wish;
        follow->feeds = feeds;
        follow->outlet.fd = STDOUT_FILENO;
        follow->terminal = isatty(STDOUT_FILENO);
        follow->colours = follow->terminal && display_colours();
        feed_init(&follow->feed);
        follow->display = display_open(display_language());
    }
    if (follow && follow->display)
        outcome = follow_all(follow);
    else
        say("memory is out");
    if (!follow) return outcome;
    display_close(follow->display);
    outlet_fini(&follow->outlet);
    feed_fini(&follow->feed);
    free(follow);
    return outcome;
}

enum outcome follow_run(struct wish *wish) {
    return start(wish, false);
}

enum outcome follow_course(struct wish *wish) {
    return start(wish, true);
}

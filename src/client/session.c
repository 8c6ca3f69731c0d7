// The rim of a session: sockets, epoll, lines. What to do is decided in plan.c.
//
// One step: read from whoever has something, tell the plan what became of connections, let it look at the
// clock, and send. Reading comes first, so that a REDIRECT that came with the LOGIN_SUCCESS is seen before
// anything is published; and sending never waits for reading nor the other way round.
#include "client/session.h"

#include "base/clock.h"
#include "wire/client_view.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define FINDER_TAG   (UINT64_C(1) << 63) // in epoll_data: a descriptor of the finder; else a connection's tag
#define MOST_READY   64
#define READS_A_STEP 8u             // of one connection
#define SEND_A_STEP  (1024u * 1024) // bytes of one connection
#define SENT_AT_ONCE (256u * 1024)

static bool is_home(const struct herald *session, unsigned slot) {
    return plan_home(&session->plan) == slot;
}

// --- what the plan does to the world -------------------------------------------------------------------

static void on_found(void *context, uint64_t ticket, const struct spot *spots, unsigned count,
                     const char *why) {
    struct herald *session = context;
    struct conn *conn = &session->conns[ticket & CONN_SLOT];
    if (conn->tag == ticket && conn->state == CONN_FINDING)
        conn_found(conn, spots, count, why, clock_monotonic_ms());
}

static void on_dial(void *context, unsigned slot, const struct where *where) {
    struct herald *session = context;
    struct conn *conn = &session->conns[slot];
    uint64_t now = clock_monotonic_ms();
    struct spot spot;
    conn_begin(conn, session->max_message, now + session->connect_timeout_ms);
    if (session->trust) conn_cloak(conn, session->trust, where);
    if (where_is_numeric(where, &spot)) {
        conn_found(conn, &spot, 1, "", now);
        return;
    }
    if (!session->finder) session->finder = finder_open(session->epoll, FINDER_TAG, on_found, session);
    if (session->finder)
        finder_find(session->finder, where, conn->tag);
    else
        conn_fail(conn, "names cannot be looked up here: check /etc/resolv.conf");
}

static void on_hang_up(void *context, unsigned slot) {
    struct herald *session = context;
    conn_close(&session->conns[slot]);
}

static void on_say(void *context, unsigned slot, enum command command) {
    struct herald *session = context;
    struct buf *out = &session->conns[slot].out;
    struct str secret = str_of(session->secret);
    int status = command == COMMAND_LOGOUT ? logout_message(out)
                                           : message_write_login(out, command, str_of(session->user), secret);
    if (status) session->no_memory = true;
}

static void on_tell(void *context, const struct herald_event *event) {
    struct herald *session = context;
    struct herald_event told = *event;
    struct str user = {0};
    if (told.kind == HERALD_REGISTERED) told.text = session->secret;
    if (told.kind == HERALD_REGISTERED || told.kind == HERALD_LOGGED_IN) user = str_of(session->user);
    if (session->no_memory || events_add(&session->events, &told, user)) session->no_memory = true;
}

static bool on_unsent(void *context) {
    struct herald *session = context;
    return outbox_unsent(&session->outbox) > 0;
}

static bool on_said(void *context) {
    struct herald *session = context;
    return outbox_doubtful(&session->outbox) > 0;
}

static uint64_t on_over(void *context, bool redirected) {
    struct herald *session = context;
    return outbox_over(&session->outbox, redirected);
}

const struct plan_ops session_plan_ops = {
    .dial = on_dial,
    .hang_up = on_hang_up,
    .say = on_say,
    .tell = on_tell,
    .unsent = on_unsent,
    .said = on_said,
    .over = on_over,
};

// --- reading -------------------------------------------------------------------------------------------

// Protocol: a wrong message is answered by INVALID_MESSAGE and a close. The answer is a courtesy: it goes out
// when it can at once.
static void refuse(struct herald *session, unsigned slot, const char *info) {
    struct conn *conn = &session->conns[slot];
    struct buf line = {0};
    char why[sizeof(struct err)];
    size_t sent;
    bool between = conn->out.len == 0 && !(is_home(session, slot) && session->outbox.within);
    if (conn->fd >= 0 && between && message_write_info(&line, COMMAND_INVALID_MESSAGE, info) == 0)
        (void)conn_send(conn, buf_str(&line), &sent);
    buf_free(&line);
    (void)snprintf(why, sizeof why, "sent a wrong message: %s", info);
    plan_closed(&session->plan, slot, why, false, clock_monotonic_ms());
}

static bool is_own(const struct herald *session, struct str user) {
    struct login one, own;
    if (str_equal_text(user, session->user)) return true;
    return login_parse(user, &one, NULL) == 0 && login_parse(str_of(session->user), &own, NULL) == 0 &&
           strcmp(one.fold, own.fold) == 0;
}

static void take_activity(struct herald *session, unsigned slot, const struct message *message) {
    if (!is_home(session, slot)) return; // a server may begin before it says LOGIN_SUCCESS; we do not
    buf_truncate(&session->text, 0);
    if (activity_text(session->parser, message, &session->text)) {
        session->no_memory = true;
        return;
    }
    struct str user = activity_user(message);
    bool own = outbox_doubtful(&session->outbox) > 0 && is_own(session, user);
    outbox_heard(&session->outbox, buf_str(&session->text), own);
    struct herald_event event = {
        .kind = HERALD_ACTIVITY, .json = session->text.data, .json_len = session->text.len};
    if (events_add(&session->events, &event, user)) session->no_memory = true;
    if (session->text.cap > SESSION_INPUT) buf_free(&session->text);
}

// What an HTTP server says to a message of ours.
static bool is_http(struct str line) {
    return line.len > 5 && memcmp(line.ptr, "HTTP/", 5) == 0;
}

static void take_line(struct herald *session, unsigned slot, struct str line) {
    struct message message;
    struct err err;
    if (message_parse(session->parser, line, &message, &err) != 0) {
        if (err.code == ERR_MEMORY)
            session->no_memory = true;
        else if (is_http(line))
            plan_closed(&session->plan, slot, "speaks HTTP; the activity stream has another port", false,
                        clock_monotonic_ms());
        else
            refuse(session, slot, err.text);
    } else if (message.command == COMMAND_ACTIVITY_BROADCAST) {
        take_activity(session, slot, &message);
    } else if (!plan_message(&session->plan, slot, &message, clock_monotonic_ms())) {
        (void)snprintf(err.text, sizeof err.text, "%s is not expected here", command_name(message.command));
        refuse(session, slot, err.text);
    }
    parser_forget(session->parser);
}

void session_take(struct herald *session, unsigned slot, struct str input) {
    struct conn *conn = &session->conns[slot];
    uint32_t serial = conn->serial;
    struct str line;
    while (conn->serial == serial && !session->no_memory) {
        if (events_full(&session->events)) {
            session->backlog = true;
            if (framer_keep(&conn->framer, &input)) session->no_memory = true;
            return;
        }
        switch (framer_next(&conn->framer, &input, &line)) {
        case FRAME_LINE: take_line(session, slot, line); break;
        case FRAME_MORE: return;
        case FRAME_TOO_LONG: refuse(session, slot, "the line is longer than max_message"); return;
        case FRAME_MEMORY: session->no_memory = true; return;
        }
    }
}

static void read_from(struct herald *session, unsigned slot) {
    struct conn *conn = &session->conns[slot];
    uint32_t serial = conn->serial;
    for (unsigned i = 0; i < READS_A_STEP && !events_full(&session->events); i++) {
        size_t got;
        bool in_order;
        enum conn_result result = conn_receive(conn, session->input, SESSION_INPUT, &got, &in_order);
        if (result == CONN_BLOCKED) return;
        if (result == CONN_OVER) {
            char why[sizeof conn->why];
            memcpy(why, conn->why, sizeof why);
            in_order = in_order && framer_held(&conn->framer) == 0;
            plan_closed(&session->plan, slot, why, in_order, clock_monotonic_ms());
            return;
        }
        session_take(session, slot, (struct str){session->input, got});
        if (conn->serial != serial || session->no_memory || got < SESSION_INPUT) return;
    }
}

// Lines that waited in the framer until the program had taken its events.
static void resume(struct herald *session) {
    unsigned home = plan_home(&session->plan);
    if (!session->backlog || events_full(&session->events)) return;
    session->backlog = false;
    if (home != PLAN_SLOTS) session_take(session, home, (struct str){0});
}

// --- sending -------------------------------------------------------------------------------------------

static enum conn_result send_publications(struct herald *session, struct conn *conn) {
    for (size_t budget = SEND_A_STEP; budget > 0 && outbox_unsent(&session->outbox) > 0;) {
        struct str bytes = outbox_next(&session->outbox);
        size_t sent;
        if (bytes.len > SENT_AT_ONCE) bytes.len = SENT_AT_ONCE;
        if (bytes.len > budget) bytes.len = budget;
        enum conn_result result = conn_send(conn, bytes, &sent);
        outbox_sent(&session->outbox, sent);
        if (result != CONN_DONE) return result;
        budget -= sent;
    }
    return CONN_DONE;
}

static void flush(struct herald *session, unsigned slot) {
    struct conn *conn = &session->conns[slot];
    if (conn->state != CONN_OPEN) return;
    uint32_t serial = conn->serial;
    enum conn_result result = conn_flush(conn);
    if (result == CONN_DONE && session->plan.phase == PLAN_IN && is_home(session, slot)) {
        result = send_publications(session, conn);
        if (result == CONN_DONE && outbox_unsent(&session->outbox) == 0) {
            plan_sent_all(&session->plan, clock_monotonic_ms()); // LOGOUT, perhaps
            result = conn_flush(conn);
        }
    }
    if (result != CONN_OVER) return;
    // It is broken, but what the server said before is still there to be read, and may say why.
    char why[sizeof conn->why];
    memcpy(why, conn->why, sizeof why);
    read_from(session, slot);
    if (conn->serial == serial && !events_full(&session->events))
        plan_closed(&session->plan, slot, why, false, clock_monotonic_ms());
}

void session_arm(struct herald *session) {
    bool full = events_full(&session->events);
    for (unsigned i = 0; i < PLAN_SLOTS; i++) {
        struct conn *conn = &session->conns[i];
        if (conn->state != CONN_OPEN) continue;
        bool unsent =
            session->plan.phase == PLAN_IN && is_home(session, i) && outbox_unsent(&session->outbox) > 0;
        conn_want(conn, !full, conn->out.len > 0 || unsent || conn_holds(conn));
    }
}

// --- stepping ------------------------------------------------------------------------------------------

static bool has_news(const struct conn *conn) {
    return conn->state == CONN_FAILED || (conn->state == CONN_OPEN && !conn->announced);
}

static void tell_met(struct herald *session, struct conn *conn) {
    if (!conn->met[0]) return;
    struct herald_event event = {.kind = HERALD_MET, .server = conn->server.text, .text = conn->met};
    if (events_add(&session->events, &event, (struct str){0})) session->no_memory = true;
    conn->met[0] = '\0';
}

// Tells the plan what has become of connections. True: something has.
static bool sweep(struct herald *session, uint64_t now) {
    bool news = false;
    for (unsigned i = 0; i < PLAN_SLOTS; i++) {
        struct conn *conn = &session->conns[i];
        if (conn_is_opening(conn) && now >= conn->deadline) conn_dial_step(conn, false, now);
        if (!has_news(conn)) continue;
        news = true;
        if (conn->state == CONN_FAILED) {
            char why[sizeof conn->why];
            memcpy(why, conn->why, sizeof why);
            plan_closed(&session->plan, i, why, false, now);
        } else {
            conn->announced = true;
            tell_met(session, conn);
            plan_accepted(&session->plan, i, now);
        }
    }
    return news;
}

static void on_ready(struct herald *session, const struct epoll_event *event) {
    if (event->data.u64 & FINDER_TAG) {
        if (session->finder) finder_ready(session->finder, (int)(uint32_t)event->data.u64, event->events);
        return;
    }
    unsigned slot = (unsigned)(event->data.u64 & CONN_SLOT);
    struct conn *conn = &session->conns[slot];
    if (conn->tag != event->data.u64) return; // of a connection that was closed a moment ago
    if (conn_is_opening(conn))
        conn_dial_step(conn, true, clock_monotonic_ms());
    else if (conn->state == CONN_OPEN && (event->events & ~(uint32_t)EPOLLOUT))
        read_from(session, slot);
}

static void look(struct herald *session) {
    struct epoll_event ready[MOST_READY];
    int count = epoll_wait(session->epoll, ready, MOST_READY, 0);
    for (int i = 0; i < count && !session->no_memory; i++) on_ready(session, &ready[i]);
    if (session->finder && finder_timeout(session->finder) == 0) finder_due(session->finder);
}

static void work(struct herald *session) {
    resume(session);
    look(session);
    uint64_t now = clock_monotonic_ms();
    while (sweep(session, now) && !events_full(&session->events)) continue;
    if (!events_full(&session->events) && now >= plan_due(&session->plan)) plan_tick(&session->plan, now);
    for (unsigned i = 0; i < PLAN_SLOTS; i++) flush(session, i);
}

void session_step(struct herald *session) {
    if (session->plan.phase == PLAN_ENDED) return;
    if (!session->no_memory) work(session);
    if (session->no_memory)
        plan_abort(&session->plan, HERALD_NO_MEMORY, "memory is out");
    else
        session_arm(session);
}

int session_timeout(const struct herald *session) {
    if (session->plan.phase == PLAN_ENDED || events_full(&session->events)) return -1;
    uint64_t now = clock_monotonic_ms(), due = plan_due(&session->plan);
    if (session->backlog) return 0;
    for (unsigned i = 0; i < PLAN_SLOTS; i++) {
        const struct conn *conn = &session->conns[i];
        if (has_news(conn)) return 0;
        if (conn_is_opening(conn) && conn->deadline < due) due = conn->deadline;
    }
    int timeout = session->finder ? finder_timeout(session->finder) : -1;
    if (due == UINT64_MAX) return timeout;
    uint64_t left = due > now ? due - now : 0;
    if (left > INT32_MAX) left = INT32_MAX;
    return timeout >= 0 && (uint64_t)timeout < left ? timeout : (int)left;
}

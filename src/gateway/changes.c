// The change log as Server-Sent Events.
//
//   id: 1.42
//   event: modify
//   data:
//   {"clock":"1.42","kind":"modify","at":"2026-...","uuid":"...","login":"alice","name":"...","sets":["login"]}
//
// A follower is a cursor (the clock up to which all was sent), not a queue: it is given a page when its
// socket has taken the last one.
#include "gateway/follow.h"
#include "gateway/handlers.h"

#include "wire/value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct events {
    struct buf *out;
    uint64_t epoch, last, until;
    int rc;
};

static int write_account(struct buf *out, const struct logged *logged) {
    char uuid[UUID_TEXT_SIZE];
    uuid_format(&logged->uuid, uuid);
    int rc = buf_printf(out, ",\"uuid\":\"%s\",\"login\":", uuid) | value_write_text(out, logged->login);
    if (logged->kind != CHANGE_DELETE)
        rc |= buf_append_text(out, ",\"name\":") | value_write_text(out, logged->name);
    if (logged->kind != CHANGE_MODIFY) return rc;
    static const char *const names[] = {"login", "name", "password"};
    const char *before = ",\"sets\":[";
    for (unsigned i = 0; i < 3; i++) {
        if ((logged->sets & 1u << i) == 0) continue;
        rc |= buf_printf(out, "%s\"%s\"", before, names[i]);
        before = ",";
    }
    return rc | buf_append_text(out, before[1] == '"' ? "" : "]");
}

static bool add_event(const struct logged *logged, void *context) {
    struct events *events = context;
    struct buf *out = events->out;
    const char *kind = change_kind_name(logged->kind);
    if (logged->clock > events->until) return false;
    events->rc |= buf_printf(out,
                             "id: %" PRIu64 ".%" PRIu64 "\nevent: %s\ndata: {\"clock\":\"%" PRIu64 ".%" PRIu64
                             "\",\"kind\":\"%s\"",
                             events->epoch, logged->clock, kind, events->epoch, logged->clock, kind);
    events->rc |= time_write(out, "at", logged->at_ms);
    switch (logged->kind) {
    case CHANGE_CREATE:
    case CHANGE_MODIFY:
    case CHANGE_DELETE: events->rc |= write_account(out, logged); break;
    case CHANGE_SETTING_PUT:
    case CHANGE_SETTING_DELETE:
        events->rc |= buf_append_text(out, ",\"key\":") | value_write_text(out, logged->name);
        break;
    case CHANGE_TOKEN_ADD: // whose they are is the admins' business
    case CHANGE_TOKEN_REVOKE: break;
    }
    events->rc |= buf_append_text(out, "}\n\n");
    events->last = logged->clock;
    return events->rc == 0;
}

// --- following ------------------------------------------------------------------------------------------

// Nothing is sent that the gate was not told of: whoever lost the right to follow has gone before what came
// after it.
bool follow_pump(struct conn *conn) {
    struct gate *gate = conn->gate;
    struct follow *follow = conn->follow;
    struct events events = {
        .out = &gate->body, .epoch = follow->epoch, .last = follow->clock, .until = gate->told};
    struct err err;
    if (gate->told <= follow->clock) return false;
    buf_truncate(&gate->body, 0);
    int count = store_changes(gate_store(gate), follow->clock, FOLLOW_PAGE, add_event, &events, &err);
    if (count < 0 || events.rc != 0) { // it was too slow, or the store failed: it comes again, and is told
        conn->doomed = true;
        return false;
    }
    follow->clock = events.last;
    follow->spoke_ms = loop_now(gate->loop);
    return gate->body.len > 0 && conn_stream(conn, buf_str(&gate->body));
}

void follow_last(struct conn *conn) {
    conn_stream_last(conn);
}

void follow_end(struct conn *conn) {
    if (conn->follow == NULL) return;
    atomic_fetch_sub_explicit(&conn->gate->metrics.followers, 1, memory_order_relaxed);
    DL_DELETE(conn->gate->followers, conn->follow);
    free(conn->follow);
    conn->follow = NULL;
}

void follow_tick(struct gate *gate) {
    uint64_t now = loop_now(gate->loop);
    struct follow *follow, *next;
    DL_FOREACH_SAFE(gate->followers, follow, next) {
        struct conn *conn = follow->conn;
        if (now - follow->spoke_ms < FOLLOW_HEARTBEAT_MS) continue;
        follow->spoke_ms = now;
        if (conn->out.len > 0) continue; // it does not even take what it is sent
        (void)conn_stream(conn, STR(": still here\n\n"));
        conn_settle(conn);
    }
}

static bool has_ended(const struct follow *follow, const struct ended *ended) {
    for (; ended != NULL; ended = ended->next)
        if (follow->as_of < ended->clock && memcmp(&ended->uuid, &follow->who, sizeof ended->uuid) == 0)
            return true;
    return false;
}

void follow_told(struct gate *gate, const struct ended *ended) {
    struct follow *follow, *next;
    DL_FOREACH_SAFE(gate->followers, follow, next) {
        struct conn *conn = follow->conn;
        if (has_ended(follow, ended)) conn->doomed = true;
        conn_settle(conn);
    }
}

void follow_reload(struct gate *gate) {
    struct follow *follow, *next;
    DL_FOREACH_SAFE(gate->followers, follow, next) {
        struct conn *conn = follow->conn;
        if (readers_may(&gate->settings, follow->asker)) continue;
        conn->doomed = true;
        conn_settle(conn);
    }
}

// --- beginning ------------------------------------------------------------------------------------------

// Where to begin: what the client knows, else now; and what says so. False: has answered.
static bool take_since(struct call *call, uint64_t *clock, const char **field) {
    uint64_t ours = proposer_epoch(call->gate->proposer), epoch = ours;
    struct str since, id;
    bool found, resumes;
    *clock = proposer_clock(call->gate->proposer);
    if (!call_parameter(call, "since", &found, &since) || !call_header(call, "Last-Event-ID", &resumes, &id))
        return false;
    *field = resumes ? "Last-Event-ID" : "since";
    if (!found && !resumes) return true;
    // A browser that comes again asks with the same address, and says here how far it got.
    if (!call_parse_clock(resumes ? id : since, &epoch, clock)) {
        call_problem(call, resumes ? PROBLEM_HEADER : PROBLEM_PARAMETER,
                     "send EPOCH.CLOCK, such as 1.42, or a clock", *field);
        return false;
    }
    if (epoch == ours) return true;
    call_problem(call, PROBLEM_GONE, "that clock is of another history; begin anew with the lists", *field);
    return false;
}

static bool none(const struct logged *logged, void *context) {
    (void)logged;
    (void)context;
    return false;
}

static struct follow *follow_new(struct call *call, uint64_t clock) {
    struct gate *gate = call->gate;
    struct follow *follow = calloc(1, sizeof *follow);
    if (follow == NULL) return NULL;
    *follow = (struct follow){.conn = call->conn,
                              .clock = clock,
                              .epoch = proposer_epoch(gate->proposer),
                              .spoke_ms = loop_now(gate->loop),
                              .asker = call->asker,
                              .who = call->asker == ASKER_ADMIN ? call->admin : call->account.uuid,
                              .as_of = call->as_of};
    DL_APPEND(gate->followers, follow);
    atomic_fetch_add_explicit(&gate->metrics.followers, 1, memory_order_relaxed);
    return follow;
}

void changes_follow(struct call *call) {
    struct conn *conn = call->conn;
    struct gate *gate = call->gate;
    uint64_t clock;
    const char *field;
    struct err err;
    if (!take_since(call, &clock, &field) || !credentials_hold(call)) return;
    int rc = store_changes(gate_store(gate), clock, 1, none, NULL, &err);
    if (rc == STORE_CHANGES_GONE) {
        call_problem(call, PROBLEM_GONE, "begin anew with the lists, and follow from their Herald-Clock on",
                     field);
        return;
    }
    if (rc < 0) {
        call_broken(call, &err);
        return;
    }
    call_fresh(call);
    call_put_clock(call);
    if (buf_append_text(&gate->header, "Cache-Control: no-store\r\n") != 0) conn->doomed = true;
    bool follows = call->request->method != METHOD_HEAD;
    if (follows) conn->follow = follow_new(call, clock);
    if (follows && conn->follow == NULL) conn->doomed = true;
    conn_reply_stream(conn, "text/event-stream", buf_str(&gate->header));
    if (follows)
        (void)conn_stream(conn, STR("retry: 1000\n\n")); // the head arrives at once, whatever stands between
}

// Calls: from a request to its answer. See call.h for the path.
#include "gateway/call.h"

#include "base/clock.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

// --- the head -------------------------------------------------------------------------------------------

static void refuse_method(struct conn *conn, unsigned allowed) {
    struct buf *header = &conn->gate->header;
    buf_truncate(header, 0);
    if (route_allow(allowed, header) != 0) conn->doomed = true;
    if (conn->http.request.method == METHOD_OPTIONS) {
        struct http_reply reply = {.status = 204, .headers = buf_str(header)};
        conn_reply(conn, &reply);
        return;
    }
    conn_problem(conn, PROBLEM_METHOD, "see the header Allow for what it knows", NULL, buf_str(header));
}

// "application/json; charset=utf-8": the type without its parameters.
static bool is_media(struct str value, const char *type) {
    size_t len = strlen(type);
    if (value.len < len || strncasecmp(value.ptr, type, len) != 0) return false;
    return value.len == len || value.ptr[len] == ';' || value.ptr[len] == ' ' || value.ptr[len] == '\t';
}

static bool check_body(struct conn *conn) {
    const struct http_request *request = &conn->http.request;
    enum takes takes = conn->route->takes;
    struct str type;
    if (takes == TAKES_NOTHING) return true;
    if (!request->has_length) {
        conn_problem(conn, PROBLEM_LENGTH, "send Content-Length, or Transfer-Encoding: chunked", NULL,
                     (struct str){0});
        return false;
    }
    if (takes == TAKES_BYTES) return true;
    if (http_header(request, "content-type", &type) == 1 &&
        (is_media(type, "application/json") ||
         (takes == TAKES_PATCH && is_media(type, "application/merge-patch+json"))))
        return true;
    conn_problem(conn, PROBLEM_MEDIA, "send JSON with the header Content-Type: application/json", NULL,
                 (struct str){0});
    return false;
}

bool call_head(struct conn *conn) {
    const struct http_request *request = &conn->http.request;
    unsigned allowed = 0;
    conn->route = route_find(request->method, request->path, &conn->param, &allowed);
    if (conn->route != NULL) return check_body(conn);
    if (request->method == METHOD_OPTIONS && str_equal_text(request->path, "*")) allowed = UINT_MAX;
    if (allowed != 0)
        refuse_method(conn, allowed);
    else
        conn_problem(conn, PROBLEM_NO_ROUTE, "docs/openapi.yaml lists what there is", NULL, (struct str){0});
    return false;
}

size_t call_body_max(const struct conn *conn) {
    return conn->route->limit > 0 ? conn->route->limit : conn->gate->settings.max_message;
}

// --- life -----------------------------------------------------------------------------------------------

void call_end(struct conn *conn, unsigned status) {
    struct call *call = conn->call;
    struct metrics *metrics = &conn->gate->metrics;
    metrics_request(metrics, conn->route != NULL ? route_index(conn->route) : METRICS_ROUTES, status);
    conn->route = NULL;
    if (call == NULL) return;
    metrics_time(metrics, METRICS_REQUEST, timing_now_us() - call->begun_us);
    if (call->parked) DL_DELETE(conn->gate->parked, call);
    if (call->errand != NULL) errand_free(call->errand);
    buf_wipe(&call->credentials.text);
    secret_wipe(&call->credentials, sizeof call->credentials);
    conn->call = NULL;
    free(call);
}

// --- answering ------------------------------------------------------------------------------------------

void call_fresh(struct call *call) {
    buf_truncate(&call->gate->body, 0);
    buf_truncate(&call->gate->header, 0);
}

// What every answer about the roll carries.
void call_put_clock(struct call *call) {
    struct gate *gate = call->gate;
    if (call->route->who == WHO_ANYONE) return;
    struct buf *header = &gate->header;
    uint64_t clock = call->saw ? call->seen : proposer_clock(gate->proposer);
    if ((buf_append_text(header, "Herald-Clock: ") | buf_append_u64(header, proposer_epoch(gate->proposer)) |
         buf_append_text(header, ".") | buf_append_u64(header, clock) | buf_append_text(header, "\r\n")) != 0)
        call->conn->doomed = true;
}

// One thing is as it was at the clock that is held, or newer: then its version says when it became so.
void call_saw(struct call *call, uint64_t version) {
    uint64_t held = call->gate->held_clock;
    call->saw = true;
    call->seen = version > held ? version : held;
}

// The view may be newer than the clock that was durable when it was begun. It tells.
bool call_saw_all(struct call *call) {
    struct store_meta meta;
    struct err err;
    if (store_meta(call->gate->store, &meta, &err) != 0) {
        call_broken(call, &err);
        return false;
    }
    call->saw = true;
    call->seen = meta.clock;
    return true;
}

void call_reply(struct call *call, unsigned status, const char *type) {
    struct gate *gate = call->gate;
    call_put_clock(call);
    struct http_reply reply = {.status = status, .type = type, .headers = buf_str(&gate->header)};
    if (type != NULL) reply.body = buf_str(&gate->body);
    conn_reply(call->conn, &reply);
}

void call_json(struct call *call, unsigned status) {
    if (buf_append_text(&call->gate->body, "\n") != 0) call->conn->doomed = true;
    call_reply(call, status, "application/json");
}

static void refuse(struct call *call, enum problem problem, const char *detail, const char *field,
                   uint64_t wait_s) {
    struct buf *header = &call->gate->header;
    buf_truncate(header, 0);
    if (wait_s > 0) (void)buf_printf(header, "Retry-After: %" PRIu64 "\r\n", wait_s);
    if (problem_status(problem) == 401)
        (void)buf_append_text(header, "WWW-Authenticate: Basic realm=\"herald\", charset=\"UTF-8\"\r\n"
                                      "WWW-Authenticate: Bearer realm=\"herald\"\r\n");
    call_put_clock(call);
    conn_problem(call->conn, problem, detail, field, buf_str(header));
}

void call_problem_wait(struct call *call, enum problem problem, const char *detail, uint64_t wait_ms) {
    refuse(call, problem, detail, NULL, (wait_ms + 999) / 1000);
}

void call_problem(struct call *call, enum problem problem, const char *detail, const char *field) {
    refuse(call, problem, detail, field, problem_status(problem) == 503 ? 1 : 0);
}

void call_broken(struct call *call, const struct err *err) {
    log_error(L_MSG("a request could not be served"), L_STR("operation", call->route->operation),
              L_STR("why", err->text));
    call_problem(call, PROBLEM_STORAGE, "the server cannot do this just now; try again later", NULL);
}

void call_put_tag(struct call *call, uint64_t version) {
    struct buf *header = &call->gate->header;
    if ((buf_append_text(header, "ETag: \"") | buf_append_u64(header, version) |
         buf_append_text(header, "\"\r\n")) != 0)
        call->conn->doomed = true;
}

// --- the clock ------------------------------------------------------------------------------------------

static bool parse_number(struct str text, uint64_t *number) {
    return text.len > 0 && text_parse_u64(text, number);
}

bool call_parse_clock(struct str text, uint64_t *epoch, uint64_t *clock) {
    const char *dot = memchr(text.ptr, '.', text.len);
    if (dot == NULL) return parse_number(text, clock);
    size_t len = (size_t)(dot - text.ptr);
    return parse_number((struct str){text.ptr, len}, epoch) &&
           parse_number((struct str){dot + 1, text.len - len - 1}, clock);
}

static void call_run(struct call *call);

static bool clock_reached(const struct call *call) {
    return proposer_clock(call->gate->proposer) >= call->clock;
}

void call_clock(struct gate *gate) {
    uint64_t now = loop_now(gate->loop);
    struct call *call, *next;
    DL_FOREACH_SAFE(gate->parked, call, next) {
        bool reached = clock_reached(call);
        if (!reached && call->due_ms > now && !gate->draining) continue;
        struct conn *conn = call->conn;
        DL_DELETE(gate->parked, call);
        call->parked = false;
        if (reached)
            call_run(call);
        else
            call_problem(call, PROBLEM_CLOCK,
                         "the changes of that Herald-Clock have not arrived here; try again, "
                         "or another server",
                         NULL);
        conn_settle(conn);
    }
}

// The member count of a cluster of one: whatever is asked of it holds.
static bool check_concern(struct call *call) {
    struct str value;
    bool found;
    if (!call_header(call, "Herald-Consistency", &found, &value)) return false;
    if (found && !str_equal_text(value, "local") && !str_equal_text(value, "causal") &&
        !str_equal_text(value, "linearizable")) {
        call_problem(call, PROBLEM_HEADER, "permitted: local, causal or linearizable", "Herald-Consistency");
        return false;
    }
    if (!call_header(call, "Herald-Write-Concern", &found, &value)) return false;
    if (found && !str_equal_text(value, "majority") && !str_equal_text(value, "all") &&
        !str_equal_text(value, "1")) {
        call_problem(call, PROBLEM_HEADER, "permitted: majority, all, or at most the number of members (1)",
                     "Herald-Write-Concern");
        return false;
    }
    return true;
}

// True: the clock is reached, or none was asked for.
static bool check_clock(struct call *call) {
    uint64_t ours = proposer_epoch(call->gate->proposer), epoch = ours, clock = 0;
    struct str value;
    bool found;
    if (!call_header(call, "Herald-Clock", &found, &value)) return false;
    if (!found) return true;
    if (!call_parse_clock(value, &epoch, &clock)) {
        call_problem(call, PROBLEM_HEADER, "send what an answer had: EPOCH.CLOCK, such as 1.42",
                     "Herald-Clock");
        return false;
    }
    if (epoch != ours) {
        call_problem(call, PROBLEM_CLOCK,
                     "that Herald-Clock is of another history, and does not come; leave it away",
                     "Herald-Clock");
        return false;
    }
    call->clock = clock;
    if (clock_reached(call)) return true;
    call->due_ms = loop_now(call->gate->loop) + CALL_CLOCK_WAIT_MS;
    call->parked = true;
    DL_APPEND(call->gate->parked, call);
    return false;
}

// --- the path -------------------------------------------------------------------------------------------

static bool check_target(struct call *call) {
    struct str param = call->conn->param;
    if (strstr(call->route->path, "{uuid}") == NULL || uuid_parse(param, &call->target)) return true;
    call_problem(call, PROBLEM_NO_IDENTITY, "what stands in the path is no UUID", NULL);
    return false;
}

static void refuse_parameter(struct call *call, struct str encoded) {
    const char *known = call->route->query;
    char name[64] = "query", detail[128]; // of theirs only as much as names it
    if (encoded.len == 0 || http_decode(encoded, &call->gate->text, NULL) != 0 ||
        !str_copy(buf_str(&call->gate->text), name, sizeof name))
        str_copy(STR("query"), name, sizeof name);
    (void)snprintf(detail, sizeof detail, "this resource knows no such parameter; it knows %s%s",
                   known != NULL ? "these: " : "none", known != NULL ? known : "");
    call_problem(call, PROBLEM_PARAMETER, detail, name);
}

static bool check_parameters(struct call *call) {
    struct str query = call->request->query, name, value;
    while (http_parameter(&query, &name, &value)) {
        if (route_names(call->route->query, name)) continue;
        refuse_parameter(call, name);
        return false;
    }
    return true;
}

static void call_run(struct call *call) {
    if (call->route->prepare != NULL) {
        if (!call->route->prepare(call)) return;
        if (errand_repeat(call)) return;
    }
    credentials_verify(call);
}

void call_begin(struct conn *conn) {
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        conn->doomed = true;
        return;
    }
    call->conn = conn;
    call->gate = conn->gate;
    call->route = conn->route;
    call->request = &conn->http.request;
    call->begun_us = timing_now_us();
    conn->call = call;
    if (call->route->who == WHO_ANYONE) {
        call->route->handle(call);
        return;
    }
    if (!check_parameters(call) || !check_target(call) || !check_concern(call) || !credentials_read(call))
        return;
    if (check_clock(call)) call_run(call);
}

// --- who may --------------------------------------------------------------------------------------------

bool readers_may(const struct gateway_settings *settings, enum asker asker) {
    return asker == ASKER_ADMIN || settings->directory == DIRECTORY_PUBLIC ||
           (asker == ASKER_ACCOUNT && settings->directory == DIRECTORY_AUTHENTICATED);
}

static bool is_target(const struct call *call) {
    return call->asker == ASKER_ACCOUNT &&
           memcmp(&call->account.uuid, &call->target, sizeof call->target) == 0;
}

// An account asks for itself, by its uuid or its login: whoever wants to change themselves looks that up
// first.
static bool asks_for_itself(const struct call *call) {
    struct str query = call->request->query, name, value;
    struct login asked, own;
    if (is_target(call)) return true;
    if (call->asker != ASKER_ACCOUNT) return false;
    if (login_parse(str_of(call->account.login), &own, NULL) != 0) return false;
    while (http_parameter(&query, &name, &value))
        if (str_equal_text(name, "login"))
            return http_decode(value, &call->gate->text, NULL) == 0 &&
                   login_parse(buf_str(&call->gate->text), &asked, NULL) == 0 &&
                   strcmp(asked.fold, own.fold) == 0;
    return false;
}

static bool may(const struct call *call) {
    const struct gateway_settings *settings = &call->gate->settings;
    bool admin = call->asker == ASKER_ADMIN;
    switch (call->route->who) {
    case WHO_ANYONE: return true;
    case WHO_READER: return readers_may(settings, call->asker) || asks_for_itself(call);
    case WHO_CREATOR: return admin || settings->registration == REGISTRATION_OPEN;
    case WHO_OWNER: return admin || is_target(call);
    case WHO_ACCOUNT: return call->asker == ASKER_ACCOUNT;
    case WHO_ADMIN: return admin;
    }
    return false;
}

static const char *cure(const struct call *call) {
    static const char *const cures[] = {
        [WHO_ANYONE] = "",
        [WHO_READER] = "log in with an account's login and password (Basic), or an admin token (Bearer)",
        [WHO_CREATOR] = "accounts are made by admins here: send an admin token (Bearer)",
        [WHO_OWNER] = "send the account's own login and password (Basic), or an admin token (Bearer)",
        [WHO_ACCOUNT] = "send an account's login and password (Basic)",
        [WHO_ADMIN] =
            "send an admin token (Bearer); heraldd's machine makes one: herald admin token add LABEL",
    };
    if (call->route->who == WHO_READER && call->gate->settings.directory == DIRECTORY_ADMIN)
        return "accounts look up only themselves here: send an admin token (Bearer)";
    return cures[call->route->who];
}

void call_allowed(struct call *call) {
    if (!may(call)) {
        bool nobody = call->asker == ASKER_NOBODY;
        call_problem(call, nobody ? PROBLEM_CREDENTIALS_MISSING : PROBLEM_FORBIDDEN, cure(call),
                     "Authorization");
        return;
    }
    if (call->errand != NULL)
        errand_run(call);
    else
        call->route->handle(call);
}

// --- again ----------------------------------------------------------------------------------------------

static void on_again(struct mail *mail, void *shard) {
    (void)shard;
    struct call *call = (struct call *)mail;
    struct conn *conn = call->conn;
    call->route->handle(call);
    conn_settle(conn);
}

void call_again(struct call *call) {
    call->mail.deliver = on_again;
    mailbox_post(call->gate->mailbox, &call->mail);
}

// --- writing --------------------------------------------------------------------------------------------

int time_write(struct buf *out, const char *name, int64_t wall_ms) {
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(wall_ms, text);
    return buf_append_text(out, ",\"") | buf_append_text(out, name) | buf_append_text(out, "\":\"") |
           buf_append_text(out, text) | buf_append_text(out, "\"");
}

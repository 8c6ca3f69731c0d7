// Who asks: reading Authorization, and having it verified.
//
//   Basic   login and password of an account ──► the stream's desk (throttled, cached, argon2id)
//   Bearer  an admin token ──► its digest ──► the store
#include "gateway/call.h"

#include "gateway/base64.h"
#include "gateway/token.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WRONG "unknown user or wrong secret" // one sentence for both

// --- reading --------------------------------------------------------------------------------------------

static bool take_scheme(struct str *value, const char *scheme) {
    size_t len = strlen(scheme);
    if (value->len <= len || strncasecmp(value->ptr, scheme, len) != 0 || value->ptr[len] != ' ')
        return false;
    while (len < value->len && value->ptr[len] == ' ') len++;
    *value = (struct str){value->ptr + len, value->len - len};
    return true;
}

static bool read_basic(struct credentials *credentials, struct str encoded) {
    credentials->kind = CREDENTIALS_BASIC;
    if (base64_decode(encoded, &credentials->text) != 0 || credentials->text.len == 0) return false;
    struct str text = buf_str(&credentials->text);
    const char *colon = memchr(text.ptr, ':', text.len);
    if (colon == NULL) return false;
    size_t len = (size_t)(colon - text.ptr);
    credentials->login = (struct str){text.ptr, len};
    credentials->secret = (struct str){colon + 1, text.len - len - 1};
    return true;
}

bool credentials_read(struct call *call) {
    struct credentials *credentials = &call->credentials;
    struct str value;
    bool found;
    if (!call_header(call, "Authorization", &found, &value)) return false;
    if (!found) return true;
    if (take_scheme(&value, "Basic") && read_basic(credentials, value)) return true;
    if (credentials->kind == CREDENTIALS_NONE && take_scheme(&value, "Bearer")) {
        credentials->kind = CREDENTIALS_BEARER;
        token_digest(value, &credentials->token);
        return true;
    }
    call_problem(call, PROBLEM_CREDENTIALS_WRONG,
                 "permitted: Basic with base64 of LOGIN:PASSWORD, or Bearer with an admin token",
                 "Authorization");
    return false;
}

// Keys of one asker must not meet those of another. It is who they say they are: a repeat is answered before
// anything is verified, to whoever knows the key. Without credentials it is their address.
void credentials_scope(const struct call *call, struct secret_digest *scope) {
    static const struct secret_key key = {.bytes = "herald idempotency scope"};
    const struct credentials *credentials = &call->credentials;
    struct login login = {0};
    struct address_key from;
    char address[sizeof from.bytes + 1];
    switch (credentials->kind) {
    case CREDENTIALS_BASIC:
        if (login_parse(credentials->login, &login, NULL) != 0) login.fold[0] = '\0';
        secret_digest2(&key, STR("login"), str_of(login.fold), scope);
        break;
    case CREDENTIALS_BEARER:
        secret_digest2(&key, STR("token"),
                       (struct str){(const char *)credentials->token.bytes, sizeof credentials->token.bytes},
                       scope);
        break;
    case CREDENTIALS_NONE:
        from = address_key(&call->conn->from);
        memcpy(address, from.bytes, sizeof from.bytes);
        address[sizeof from.bytes] = (char)from.family;
        secret_digest2(&key, STR("address"), (struct str){address, sizeof address}, scope);
        break;
    }
}

// --- verifying ------------------------------------------------------------------------------------------

static void verify_token(struct call *call) {
    struct admin_token token;
    struct err err;
    int found = store_find_token(gate_store(call->gate), &call->credentials.token, &token, &err);
    if (found < 0) {
        call_broken(call, &err);
    } else if (found == 0) {
        call_problem(call, PROBLEM_CREDENTIALS_WRONG, "this admin token is not known here, or was revoked",
                     "Authorization");
    } else {
        call->asker = ASKER_ADMIN;
        call->admin = token.id;
        call->as_of = call->gate->held_clock;
        call_allowed(call);
    }
}

static void on_verified(struct request *request) {
    struct call *call = request->asker;
    struct conn *conn = call->conn;
    metrics_time(&call->gate->metrics, METRICS_HASH, timing_now_us() - call->asked_us);
    switch (request->verdict) {
    case VERDICT_OK:
        call->asker = ASKER_ACCOUNT;
        call->account = request->account;
        call->as_of = request->as_of;
        call_allowed(call);
        break;
    case VERDICT_WAIT:
        call_problem_wait(call, PROBLEM_WAIT,
                          "too many failed logins from your address; wait as Retry-After says",
                          request->wait_ms);
        break;
    case VERDICT_WRONG: call_problem(call, PROBLEM_CREDENTIALS_WRONG, WRONG, "Authorization"); break;
    default: call_problem(call, PROBLEM_BUSY, request->info, NULL); break;
    }
    request_free(request);
    conn_settle(conn);
}

static void verify_account(struct call *call) {
    const struct credentials *credentials = &call->credentials;
    struct gate *gate = call->gate;
    if (gate->draining) {
        call_problem(call, PROBLEM_STOPPING, "ask another server", NULL);
        return;
    }
    struct request *request = request_new(REQUEST_VERIFY, gate->mailbox, NULL, &call->conn->from,
                                          credentials->login, credentials->secret);
    if (request == NULL) {
        call_problem(call, PROBLEM_BUSY, "the server is out of memory; try again later", NULL);
        return;
    }
    request->answered = on_verified;
    request->asker = call;
    call->asked_us = timing_now_us();
    stream_ask(gate->stream, request);
}

void credentials_verify(struct call *call) {
    switch (call->credentials.kind) {
    case CREDENTIALS_NONE: call_allowed(call); break;
    case CREDENTIALS_BASIC: verify_account(call); break;
    case CREDENTIALS_BEARER: verify_token(call); break;
    }
}

bool credentials_hold(struct call *call) {
    struct account now;
    struct err err;
    int found = 1;
    if (call->asker == ASKER_ADMIN)
        found = store_knows_token(gate_store(call->gate), &call->admin, &err);
    else if (call->asker == ASKER_ACCOUNT)
        found = store_find_uuid(gate_store(call->gate), &call->account.uuid, &now, NULL, &err);
    if (found < 0) {
        call_broken(call, &err);
        return false;
    }
    if (found == 1 && call->asker == ASKER_ACCOUNT)
        found = now.credential_version == call->account.credential_version &&
                strcmp(now.login, call->account.login) == 0;
    if (found == 0) {
        call_problem(call, PROBLEM_CREDENTIALS_WRONG,
                     "they have just been changed or revoked; send the new ones", "Authorization");
        return false;
    }
    call->as_of = call->gate->held_clock;
    return true;
}

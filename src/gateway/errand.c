// A change on its way: allowance, argon2id, proposing, the answer.
#include "gateway/call.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void errand_free(struct errand *errand) {
    secret_wipe(&errand->digest, sizeof errand->digest);
    secret_wipe(&errand->proposal.change.secret_key, sizeof errand->proposal.change.secret_key);
    secret_wipe(errand->proposal.change.secret_hash, sizeof errand->proposal.change.secret_hash);
    free(errand);
}

// --- the answer -----------------------------------------------------------------------------------------

// Of an answer that was given before it says so: nothing was done for it now.
static void begin_answer(struct call *call, const struct answer *answer) {
    call_fresh(call);
    if (answer->outcome == OUTCOME_REPEATED)
        (void)buf_append_text(&call->gate->header, "Idempotency-Replayed: true\r\n");
}

static void answer_account(struct call *call, const struct answer *answer) {
    struct gate *gate = call->gate;
    char uuid[UUID_TEXT_SIZE];
    begin_answer(call, answer);
    call_put_tag(call, answer->version);
    if (answer->kind == CHANGE_CREATE) {
        uuid_format(&answer->account.uuid, uuid);
        (void)buf_printf(&gate->header, "Location: /v1/identities/%s\r\n", uuid);
    }
    if (identity_write(&gate->body, &answer->account) != 0) call->conn->doomed = true;
    call_json(call, answer->kind == CHANGE_CREATE ? 201 : 200);
}

static void answer_setting(struct call *call, const struct answer *answer) {
    const struct change *change = &call->errand->proposal.change;
    struct setting setting = {
        .version = answer->version, .modified_ms = answer->at_ms, .size = change->value.len};
    str_copy(str_of(change->setting), setting.key, sizeof setting.key);
    begin_answer(call, answer);
    call_put_tag(call, answer->version);
    if (setting_write(&call->gate->body, &setting) != 0) call->conn->doomed = true;
    call_json(call, 200);
}

static void answer_done(struct call *call, const struct answer *answer) {
    switch (answer->kind) {
    case CHANGE_CREATE:
    case CHANGE_MODIFY: answer_account(call, answer); break;
    case CHANGE_SETTING_PUT: answer_setting(call, answer); break;
    default:
        begin_answer(call, answer);
        call_reply(call, 204, NULL);
        break;
    }
}

static void answer_version(struct call *call, const struct answer *answer) {
    const struct change *change = &call->errand->proposal.change;
    bool none = change->expects && change->expected == 0; // If-None-Match: *
    char detail[160];
    if (none)
        (void)snprintf(detail, sizeof detail,
                       "it is there, in version \"%" PRIu64 "\"; send that as If-Match to replace it",
                       answer->version);
    else if (answer->version == 0)
        (void)snprintf(detail, sizeof detail, "there is no such setting; send If-None-Match: * to make one");
    else
        (void)snprintf(detail, sizeof detail,
                       "its version is \"%" PRIu64 "\" now; look it up again and decide anew",
                       answer->version);
    call_problem(call, PROBLEM_VERSION, detail, none ? "If-None-Match" : "If-Match");
}

static void errand_answer(struct call *call, const struct answer *answer) {
    bool setting = answer->kind == CHANGE_SETTING_PUT || answer->kind == CHANGE_SETTING_DELETE;
    switch (answer->outcome) {
    case OUTCOME_DONE:
    case OUTCOME_REPEATED: answer_done(call, answer); break;
    case OUTCOME_TAKEN:
        call_problem(call, PROBLEM_TAKEN, "another account has this login; choose another one", "login");
        break;
    case OUTCOME_ABSENT:
        call_problem(call, setting ? PROBLEM_NO_SETTING : PROBLEM_NO_IDENTITY, "it may have been deleted",
                     NULL);
        break;
    case OUTCOME_VERSION: answer_version(call, answer); break;
    case OUTCOME_CREDENTIAL:
        call_problem(call, PROBLEM_CREDENTIALS_WRONG,
                     call->asker == ASKER_ADMIN ? "the admin token was revoked meanwhile; use another one"
                                                : "the password was changed meanwhile; send the new one",
                     "Authorization");
        break;
    case OUTCOME_KEY_REUSED:
        call_problem(call, PROBLEM_KEY_REUSED, "a new request needs a new key", "Idempotency-Key");
        break;
    case OUTCOME_FAILED:
        call_problem(call, PROBLEM_STORAGE, "nothing was changed; send the same again later", NULL);
        break;
    }
}

bool errand_repeat(struct call *call) {
    struct answer answer;
    struct err err;
    struct change_request *request = &call->errand->proposal.change.request;
    if (request->key[0] == '\0') return false;
    credentials_scope(call, &request->scope);
    int found = store_repeat(gate_store(call->gate), request, &answer, &err);
    if (found < 0)
        call_broken(call, &err);
    else if (found > 0)
        errand_answer(call, &answer);
    return found != 0;
}

// --- proposing ------------------------------------------------------------------------------------------

static void on_proposed(struct proposal *proposal, void *shard) {
    (void)shard;
    struct errand *errand = (struct errand *)((char *)proposal - offsetof(struct errand, proposal));
    struct call *call = errand->call;
    struct conn *conn = call->conn;
    metrics_time(&call->gate->metrics, METRICS_QUEUE, proposal->waited_us);
    metrics_time(&call->gate->metrics, METRICS_APPLY, proposal->committed_us);
    errand_answer(call, &proposal->answer);
    conn_settle(conn);
}

static bool is_stopping(struct call *call) {
    if (!call->gate->draining) return false;
    call_problem(call, PROBLEM_STOPPING, "nothing was changed; ask another server", NULL);
    return true;
}

static void errand_propose(struct call *call) {
    struct proposal *proposal = &call->errand->proposal;
    if (is_stopping(call)) return;
    proposal->home = call->gate->mailbox;
    proposal->done = on_proposed;
    proposal->change.at_ms = clock_wall_ms();
    propose(call->gate->proposer, proposal);
}

// --- argon2id -------------------------------------------------------------------------------------------

static struct errand *errand_of(struct job *job) {
    return (struct errand *)((char *)job - offsetof(struct errand, job));
}

static void hash_work(struct job *job) {
    struct errand *errand = errand_of(job);
    errand->hashed = secret_hash(&errand->digest, errand->proposal.change.secret_hash) == 0;
}

static void on_hashed(struct mail *mail, void *shard) {
    (void)shard;
    struct errand *errand = errand_of((struct job *)mail);
    struct call *call = errand->call;
    struct conn *conn = call->conn;
    metrics_time(&call->gate->metrics, METRICS_HASH, timing_now_us() - call->asked_us);
    if (errand->hashed)
        errand_propose(call);
    else
        call_problem(call, PROBLEM_BUSY, "the password could not be hashed; nothing was changed, try again",
                     NULL);
    conn_settle(conn);
}

void errand_secret(struct errand *errand, struct str secret) {
    struct change *change = &errand->proposal.change;
    secret_random(&change->secret_key, sizeof change->secret_key);
    secret_digest(&change->secret_key, secret, &errand->digest);
    errand->hashes = true;
}

static void errand_hash(struct call *call) {
    struct errand *errand = call->errand;
    if (!errand->hashes) {
        errand_propose(call);
        return;
    }
    if (is_stopping(call)) return;
    errand->job = (struct job){.home = call->gate->mailbox, .work = hash_work, .mail.deliver = on_hashed};
    call->asked_us = timing_now_us();
    if (!stream_hash(call->gate->stream, &errand->job))
        call_problem(call, PROBLEM_BUSY, "too many passwords wait to be hashed (hash_queue); try again",
                     NULL);
}

// --- allowance ------------------------------------------------------------------------------------------

static void on_allowance(struct request *request) {
    struct call *call = request->asker;
    struct conn *conn = call->conn;
    if (request->verdict == VERDICT_OK)
        errand_hash(call);
    else if (request->verdict == VERDICT_WAIT)
        call_problem_wait(
            call, PROBLEM_WAIT,
            "too many new accounts from your address (registers_per_minute); wait as Retry-After "
            "says",
            request->wait_ms);
    else
        call_problem(call, PROBLEM_BUSY, request->info, NULL);
    request_free(request);
    conn_settle(conn);
}

static void errand_allowance(struct call *call) {
    struct gate *gate = call->gate;
    if (is_stopping(call)) return;
    struct request *request = request_new(REQUEST_ALLOWANCE, gate->mailbox, NULL, &call->conn->from,
                                          (struct str){0}, (struct str){0});
    if (request == NULL) {
        call_problem(call, PROBLEM_BUSY, "the server is out of memory; try again later", NULL);
        return;
    }
    request->answered = on_allowance;
    request->asker = call;
    stream_ask(gate->stream, request);
}

void errand_run(struct call *call) {
    struct change *change = &call->errand->proposal.change;
    if (call->asker == ASKER_ADMIN) change->admin = call->admin;
    if (call->asker == ASKER_ACCOUNT && call->route->who == WHO_OWNER)
        change->credential = call->account.credential_version;
    if (change->kind == CHANGE_CREATE && call->asker != ASKER_ADMIN &&
        call->gate->settings.counts_registrations)
        errand_allowance(call);
    else
        errand_hash(call);
}

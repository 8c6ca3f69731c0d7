// The desk: logins and registrations. See desk.h for the two paths; settle.c makes accounts.
#include "stream/desk_private.h"

#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define WRONG "unknown user or wrong secret" // one sentence for both

static void on_answer(struct mail *mail, void *shard);
static void desk_go_on(struct desk *desk, const struct address *from);

// --- answering
// ----------------------------------------------------------------------------------------------

static void desk_answer(struct request *request, enum verdict verdict, const char *user, const char *info) {
    request->ok = verdict == VERDICT_OK;
    request->verdict = verdict;
    str_copy(str_of(user), request->user, sizeof request->user);
    str_copy(str_of(info), request->info, sizeof request->info);
    request->mail.deliver = on_answer;
    mailbox_post(request->home, &request->mail);
}

// On the shard's thread again.
static void on_answer(struct mail *mail, void *shard) {
    (void)shard;
    struct request *request = (struct request *)mail;
    if (request->answered != NULL) {
        request->answered(request);
        return;
    }
    if (request->client != NULL) client_answered(request->client, request);
    request_free(request);
}

// 1 found, 0 not there, -1 the database failed.
static int desk_look_up(struct desk *desk, struct request *request) {
    struct err err;
    request->as_of = proposer_clock(desk->stream->proposer); // before: what is found is then no older
    int found = store_find(desk->store, request->login.fold, &request->account, &request->credential, &err);
    if (found < 0) log_error(L_MSG("cannot look up an account"), L_STR("why", err.text));
    request->looked_up = found > 0;
    return found;
}

void desk_login_ok(struct desk *desk, struct request *request) {
    throttle_login_succeeded(desk->throttle, address_key(&request->from), request->login.fold);
    if (request->looked_up || desk_look_up(desk, request) > 0) // one by a lock has just become an account
        desk_answer(request, VERDICT_OK, request->account.login, "");
    else
        desk_busy(request);
}

static void desk_count(atomic_uint_fast64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void desk_login_failed(struct desk *desk, struct request *request) {
    throttle_login_failed(desk->throttle, address_key(&request->from), request->login.fold,
                          loop_now(desk->stream->loop));
    desk_count(&desk->stream->hub.counters.logins_failed);
    desk_answer(request, VERDICT_WRONG, "", WRONG);
}

void desk_busy(struct request *request) {
    desk_answer(request, VERDICT_BUSY, "", "the server has too much to do just now; try again in a moment");
}

// A request that is kept may outlive its client: as many may be as may wait to be hashed. False: answered.
static bool desk_may_keep(struct desk *desk, struct request *request) {
    if (desk->held_count >= desk->stream->settings.hash_queue) {
        desk_busy(request);
        return false;
    }
    desk->held_count++;
    return true;
}

// --- LOGIN
// --------------------------------------------------------------------------------------------------

static void verify_work(struct job *job) {
    struct request *request = job_request(job);
    struct secret_digest digest;
    secret_digest(&request->credential.key, buf_str(&request->secret), &digest);
    request->verified = secret_verify(request->credential.hash, &digest);
    request->worked = true;
    secret_wipe(&digest, sizeof digest);
}

static void verify_done(struct mail *mail, void *context) {
    struct stream *stream = context;
    struct desk *desk = stream->desk;
    struct request *request = job_request((struct job *)mail);
    struct address from = request->from;
    desk->jobs--;
    throttle_login_end(desk->throttle, address_key(&from), request->login.fold);
    if (!request->worked) {
        desk_busy(request); // the pool is closing
    } else if (!request->verified) {
        desk_login_failed(desk, request);
    } else {
        verified_add(desk->verified, &request->account.uuid, request->account.credential_version,
                     buf_str(&request->secret), loop_now(stream->loop));
        desk_login_ok(desk, request);
    }
    desk_go_on(desk, &from);
}

static void desk_verify(struct desk *desk, struct request *request) {
    struct address_key from = address_key(&request->from);
    if (throttle_login_room(desk->throttle, from, request->login.fold) != THROTTLE_ROOM) {
        if (desk_may_keep(desk, request)) DL_APPEND(desk->queued, request);
        return;
    }
    request->job =
        (struct job){.home = desk->stream->mailbox, .work = verify_work, .mail.deliver = verify_done};
    if (!pool_submit(desk->pool, &request->job)) {
        desk_busy(request);
        return;
    }
    throttle_login_begin(desk->throttle, from, request->login.fold, loop_now(desk->stream->loop));
    desk->jobs++;
}

void desk_login_account(struct desk *desk, struct request *request) {
    int found = desk_look_up(desk, request);
    if (found < 0) {
        desk_answer(request, VERDICT_BUSY, "",
                    "the server cannot read its accounts just now; try again later");
        return;
    }
    if (found == 0 || request->credential.hash[0] == '\0') {
        // The same work as for a wrong secret: the time does not tell which names exist.
        str_copy(str_of(secret_hash_of_nobody()), request->credential.hash, sizeof request->credential.hash);
    } else if (verified_has(desk->verified, &request->account.uuid, request->account.credential_version,
                            buf_str(&request->secret), loop_now(desk->stream->loop))) {
        desk_login_ok(desk, request);
        return;
    }
    desk_verify(desk, request);
}

static void desk_login_now(struct desk *desk, struct request *request) {
    struct lock *lock;
    switch (locks_login(&desk->stream->node.locks, request->login.fold, buf_str(&request->secret), &lock)) {
    case LOCK_LOGIN_UNKNOWN: desk_login_account(desk, request); break;
    case LOCK_LOGIN_WAIT: settle_await(lock, request); break;
    case LOCK_LOGIN_FIRST:
        settle_await(lock, request);
        settle_start(desk, lock, &request->from, false);
        break;
    }
}

static void desk_hold(struct desk *desk, struct request *request, uint64_t delay_ms) {
    if (!desk_may_keep(desk, request)) return;
    request->due_ms = loop_now(desk->stream->loop) + delay_ms;
    DL_APPEND(desk->held, request);
}

static void desk_wait(struct request *request, uint64_t wait_ms) {
    request->wait_ms = wait_ms;
    desk_answer(request, VERDICT_WAIT, "", "");
}

static void desk_login(struct desk *desk, struct request *request) {
    if (desk->stopping) {
        desk_busy(request);
        return;
    }
    if (login_parse(buf_str(&request->username), &request->login, NULL) != 0) {
        // No account can have this name; what follows treats it like any unknown one.
        memset(&request->login, 0, sizeof request->login);
    }
    uint64_t delay = throttle_login_delay(desk->throttle, address_key(&request->from), request->login.fold,
                                          loop_now(desk->stream->loop));
    if (delay > 0) desk_count(&desk->stream->hub.counters.logins_delayed);
    if (delay > 0 && request->kind == REQUEST_VERIFY)
        desk_wait(request, delay);
    else if (delay > 0)
        desk_hold(desk, request, delay);
    else
        desk_login_now(desk, request);
}

// One of that address has been decided: those that waited for it begin anew, in their order, as far as there
// is room. (Now they may have to wait for a time, or the secret is known to be right.)
static void desk_go_on(struct desk *desk, const struct address *from) {
    struct address_key key = address_key(from);
    struct request *request, *next;
    DL_FOREACH_SAFE(desk->queued, request, next) {
        struct address_key its = address_key(&request->from);
        if (memcmp(&its, &key, sizeof key) != 0) continue;
        enum throttle_room room = throttle_login_room(desk->throttle, key, request->login.fold);
        if (room == THROTTLE_ADDRESS_FULL) return;
        if (room == THROTTLE_PAIR_FULL) continue;
        DL_DELETE(desk->queued, request);
        desk->held_count--;
        desk_login(desk, request);
    }
}

static void desk_allowance(struct desk *desk, struct request *request) {
    uint64_t wait_ms =
        throttle_register(desk->throttle, address_key(&request->from), loop_now(desk->stream->loop));
    if (wait_ms > 0)
        desk_wait(request, wait_ms);
    else
        desk_answer(request, VERDICT_OK, "", "");
}

// --- REGISTER
// -----------------------------------------------------------------------------------------------

static void desk_register(struct desk *desk, struct request *request) {
    struct stream *stream = desk->stream;
    struct err err;
    uint64_t now = loop_now(stream->loop);
    char info[sizeof request->info];
    uint64_t wait_ms = throttle_register(desk->throttle, address_key(&request->from), now);
    if (wait_ms > 0) {
        snprintf(info, sizeof info, "too many registrations from your address; try again in %llu s",
                 (unsigned long long)(wait_ms + 999) / 1000);
        desk_answer(request, VERDICT_TAKEN, "", info);
        return;
    }
    if (login_parse(buf_str(&request->username), &request->login, &err) != 0) {
        desk_answer(request, VERDICT_TAKEN, "", err.text);
        return;
    }
    if (request->secret.len == 0) {
        desk_answer(request, VERDICT_TAKEN, "", "the secret is empty; choose one");
        return;
    }
    desk->registering++;
    switch (node_register(&stream->node, &request->login, buf_str(&request->secret), request, now)) {
    case LOCKS_OK: return; // desk_decided answers
    case LOCKS_TAKEN: desk_register_taken(request); break;
    case LOCKS_FULL: desk_busy(request); break;
    }
    desk->registering--;
}

void desk_register_taken(struct request *request) {
    char info[sizeof request->info];
    snprintf(info, sizeof info, "%.100s is already registered with the system", request->login.name);
    desk_answer(request, VERDICT_TAKEN, "", info);
}

void desk_register_done(struct desk *desk, struct request *request, enum outcome result) {
    desk->registering--;
    switch (result) {
    case OUTCOME_DONE: desk_answer(request, VERDICT_OK, request->login.name, ""); break;
    case OUTCOME_TAKEN: desk_register_taken(request); break;
    default:
        desk_answer(request, VERDICT_BUSY, "",
                    "the server cannot store the account just now; try again later");
        break;
    }
}

void desk_decided(void *context, struct lock *lock, enum lock_outcome outcome) {
    struct stream *stream = context;
    struct desk *desk = stream->desk;
    struct request *request = lock->request;
    switch (outcome) {
    case LOCK_GRANTED: settle_start(desk, lock, &request->from, false); return;
    case LOCK_REFUSED: desk_register_taken(request); break;
    case LOCK_TIMED_OUT:
        if (desk->stopping)
            desk_busy(request);
        else
            desk_answer(request, VERDICT_BUSY, "",
                        "not every server answered in time (register_timeout); the name was not registered, "
                        "try again");
        break;
    }
    desk->registering--;
}

bool desk_is_account(void *context, const char *fold) {
    struct stream *stream = context;
    struct account account;
    struct err err;
    int found = store_find(stream->desk->store, fold, &account, NULL, &err);
    if (found < 0) log_error(L_MSG("cannot look up an account"), L_STR("why", err.text));
    return found != 0; // when in doubt the name is not given away
}

// --- the owner's events
// -------------------------------------------------------------------------------------

void desk_take(struct mail *mail, void *context) {
    struct stream *stream = context;
    struct request *request = (struct request *)mail;
    if (stream->desk->stopping) {
        desk_busy(request);
        return;
    }
    switch (request->kind) {
    case REQUEST_LOGIN:
    case REQUEST_VERIFY: desk_login(stream->desk, request); break;
    case REQUEST_REGISTER: desk_register(stream->desk, request); break;
    case REQUEST_ALLOWANCE: desk_allowance(stream->desk, request); break;
    }
}

void desk_tick(struct desk *desk, uint64_t now_ms) {
    struct request *request, *next;
    DL_FOREACH_SAFE(desk->held, request, next) {
        if (request->due_ms > now_ms && !desk->stopping) continue;
        DL_DELETE(desk->held, request);
        desk->held_count--;
        desk_login(desk, request); // asked again: others may have failed meanwhile
    }
    if (!desk->stopping) settle_ripe(desk, now_ms);
}

uint64_t desk_deadline(const struct desk *desk) {
    uint64_t soonest = UINT64_MAX;
    struct request *request;
    DL_FOREACH(desk->held, request) {
        if (request->due_ms < soonest) soonest = request->due_ms;
    }
    return soonest;
}

static struct throttle_limits limits_of(const struct stream_settings *settings) {
    return (struct throttle_limits){.free_failures = settings->login_failures,
                                    .delay_ms = settings->login_delay_ms,
                                    .delay_max_ms = settings->login_delay_max_ms,
                                    .registers_per_minute = settings->registers_per_minute};
}

void desk_reload(struct desk *desk) {
    struct throttle_limits limits = limits_of(&desk->stream->settings);
    throttle_set_limits(desk->throttle, &limits);
    verified_set_keep(desk->verified, desk->stream->settings.verified_ms);
}

void desk_stop(struct desk *desk) {
    desk->stopping = true;
    desk_tick(desk, loop_now(desk->stream->loop));
}

bool desk_idle(const struct desk *desk) {
    return desk->jobs == 0 && desk->settling == 0 && desk->registering == 0;
}

struct desk *desk_open(struct stream *stream, const char *directory, struct err *err) {
    const struct stream_settings *settings = &stream->settings;
    struct desk *desk = calloc(1, sizeof *desk);
    if (desk == NULL) {
        err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    desk->stream = stream;
    struct throttle_limits limits = limits_of(settings);
    desk->throttle = throttle_open(&limits);
    desk->verified = verified_open(settings->verified_entries, settings->verified_ms);
    desk->store = store_open_reader(directory, err);
    if (desk->throttle == NULL || desk->verified == NULL)
        err_set(err, ERR_MEMORY, "memory is out");
    else if (desk->store != NULL)
        desk->pool = pool_open(settings->hash_threads, settings->hash_queue, err);
    if (desk->pool != NULL) return desk;
    desk_close(desk);
    return NULL;
}

void desk_close(struct desk *desk) {
    if (desk == NULL) return;
    desk->stopping = true; // what still lies in the mailbox is not begun
    if (desk->pool != NULL) pool_close(desk->pool);
    mailbox_drain(desk->stream->mailbox); // jobs come back unworked and are answered
    store_close(desk->store);
    if (desk->throttle != NULL) throttle_close(desk->throttle);
    if (desk->verified != NULL) verified_close(desk->verified);
    free(desk);
}

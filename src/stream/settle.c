// Making an account of a granted or recorded name:
//
//   lock (SETTLING) ──argon2id on the pool──► propose ──durable──► who waits is answered, the lock is gone
#include "stream/desk_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <utlist.h>

struct settle {
    struct job job; // first: the pool's mail is the settle's
    struct desk *desk;
    struct lock *lock;
    struct secret_digest digest;
    bool hashed, background;
    struct proposal proposal;
};

void settle_await(struct lock *lock, struct request *login) {
    struct request *waiting = lock->waiting;
    DL_APPEND(waiting, login);
    lock->waiting = waiting;
}

static void settle_answer_waiting(struct settle *settle, bool ok) {
    struct request *waiting = settle->lock->waiting, *request, *next;
    settle->lock->waiting = NULL;
    DL_FOREACH_SAFE(waiting, request, next) {
        DL_DELETE(waiting, request);
        if (ok)
            desk_login_ok(settle->desk, request);
        else
            desk_busy(request);
    }
}

static void settle_end(struct settle *settle, enum outcome result) {
    struct desk *desk = settle->desk;
    struct stream *stream = desk->stream;
    struct request *ours = settle->lock->ours ? settle->lock->request : NULL;
    if (result == OUTCOME_FAILED)
        log_error(L_MSG("account not stored"), L_STR("why", settle->proposal.err.text));
    settle_answer_waiting(settle, result == OUTCOME_DONE);
    if (result == OUTCOME_FAILED)
        locks_unsettled(&stream->node.locks, settle->lock, loop_now(stream->loop));
    else
        locks_settled(&stream->node.locks, settle->lock);
    if (ours != NULL) desk_register_done(desk, ours, result);
    if (settle->background) desk->settling_ripe = false;
    desk->settling--;
    secret_wipe(&settle->digest, sizeof settle->digest);
    secret_wipe(&settle->proposal.change, sizeof settle->proposal.change);
    free(settle);
}

static void settle_proposed(struct proposal *proposal, void *context) {
    (void)context;
    struct settle *settle = (struct settle *)((char *)proposal - offsetof(struct settle, proposal));
    settle_end(settle, proposal->answer.outcome);
}

static void settle_work(struct job *job) {
    struct settle *settle = (struct settle *)job;
    settle->hashed = secret_hash(&settle->digest, settle->proposal.change.secret_hash) == 0;
}

static void settle_hashed(struct mail *mail, void *context) {
    struct stream *stream = context;
    struct settle *settle = (struct settle *)mail;
    if (settle->hashed && !stream->desk->stopping) {
        propose(stream->proposer, &settle->proposal);
        return;
    }
    err_set(&settle->proposal.err, ERR_BUSY,
            settle->hashed ? "the server is stopping" : "memory is out for hashing");
    settle_end(settle, OUTCOME_FAILED);
}

void settle_start(struct desk *desk, struct lock *lock, const struct address *from, bool background) {
    struct stream *stream = desk->stream;
    struct settle *settle = calloc(1, sizeof *settle);
    if (settle == NULL) {
        struct settle nothing = {.desk = desk, .lock = lock};
        settle_answer_waiting(&nothing, false);
        if (lock->ours) desk_register_done(desk, lock->request, OUTCOME_FAILED);
        locks_unsettled(&stream->node.locks, lock, loop_now(stream->loop));
        return;
    }
    settle->desk = desk;
    settle->lock = lock;
    settle->digest = lock->digest;
    settle->background = background;
    struct change *change = &settle->proposal.change;
    change->kind = CHANGE_CREATE;
    change->login = lock->login;
    change->at_ms = clock_wall_ms();
    uuid_timed(&change->uuid, change->at_ms);
    change->secret_key = stream->node.locks.key;
    if (from != NULL) address_format_host(from, change->created_from);
    settle->proposal.done = settle_proposed;
    settle->job = (struct job){.home = stream->mailbox, .work = settle_work, .mail.deliver = settle_hashed};
    desk->settling++;
    desk->settling_ripe |= background;
    bool submitted =
        background ? pool_submit_background(desk->pool, &settle->job) : pool_submit(desk->pool, &settle->job);
    if (submitted) return;
    err_set(&settle->proposal.err, ERR_BUSY, "too many secrets wait to be hashed (hash_queue)");
    settle_end(settle, OUTCOME_FAILED);
}

void settle_ripe(struct desk *desk, uint64_t now_ms) {
    if (desk->settling_ripe) return; // one at a time; its end brings the next turn
    struct lock *lock = locks_ripe(&desk->stream->node.locks, now_ms);
    if (lock != NULL) settle_start(desk, lock, NULL, true);
}

// The storage thread: from a proposal to a durable change.
//
//   any thread          storage thread                                         home's thread
//   propose ──► queue ──► take all that wait ──► begin, apply each, commit ──► watchers, homes ──► done
//                         (up to a batch)        one fsync for all of them
//
// While one batch is being synced the next one gathers in the queue, and a little longer for those who were
// just answered: the busier, the larger the batches and the fewer the syncs. The write-ahead log is emptied
// between batches, here and nowhere else.
#include "cluster/propose.h"

#include "base/log.h"
#include "cluster/watch.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#define BATCH_MAX     512                // changes in one transaction
#define PAUSE_MAX_US  2000               // to let a batch gather
#define WAL_MAX       (16 * 1024 * 1024) // bytes in the write-ahead log before it is emptied
#define WARM_AFTER_US 5000               // without a proposal: then accounts are read into memory,
#define WARM_PAGE     256                // so many before a proposal is looked for again

struct proposer {
    struct store *store; // the storage thread's while it runs
    struct cache *cache; // not owned; NULL: none
    bool warming;        // the storage thread's: there may be accounts that the cache was not offered,
    uint64_t warmed;     // created after this clock
    struct mailbox *home;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t filled; // the queue is no longer empty, or closing
    struct proposal *first, *last;
    bool closing;
    uint64_t waiting;            // in the queue
    uint64_t wanted;             // of them, before the storage thread is woken; 0: it does not wait
    uint64_t together, pause_us; // the storage thread's: see gather
    bool failing;                // the storage thread's: the last batch failed; its end is logged
    struct watches *watches;
    _Atomic uint64_t clock, epoch; // durable
    _Atomic uint64_t ended;        // the clock of the latest durable change that ended sessions
    _Atomic uint64_t batches, outcomes[OUTCOME_FAILED + 1];
};

static uint64_t now_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct timespec after_us(uint64_t us) {
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t nanoseconds = (uint64_t)until.tv_nsec + us * 1000;
    until.tv_sec += (time_t)(nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    return until;
}

// --- one batch --------------------------------------------------------------------------------------------

struct clocks { // after a batch
    uint64_t last, ended;
};

// Applies and commits. On -1 nothing of the batch has happened and err says why.
static int commit_batch(struct proposer *proposer, struct proposal *batch, struct clocks *clocks,
                        struct err *err) {
    struct store *store = proposer->store;
    if (store_begin(store, err) != 0) return -1;
    for (struct proposal *p = batch; p; p = p->next) {
        enum outcome outcome = store_apply(store, &p->change, &p->answer, err);
        if (outcome == OUTCOME_FAILED) goto fail;
        if (outcome == OUTCOME_DONE) clocks->last = p->answer.clock;
        if (p->answer.ended) clocks->ended = p->answer.clock;
        if (p->answer.ended && watches_end(proposer->watches, &p->answer) != 0) {
            (void)err_set(err, ERR_MEMORY, "memory is out");
            goto fail;
        }
    }
    if (store_commit(store, err) == 0) return 0;
fail:
    store_rollback(store);
    watches_forget(proposer->watches);
    return -1;
}

static void fail_batch(struct proposal *batch, const struct err *err) {
    for (struct proposal *p = batch; p; p = p->next) {
        p->answer = (struct answer){.outcome = OUTCOME_FAILED, .kind = p->change.kind};
        p->err = *err;
    }
}

// Says once that the storage refuses, and once that it works again: a full disk must not fill it further.
static void note_health(struct proposer *proposer, bool failed, const struct err *err) {
    if (failed && !proposer->failing)
        log_error(L_MSG("storage refuses changes"), L_STR("error", err_name(err->code)),
                  L_STR("why", err->text));
    if (!failed && proposer->failing) log_info(L_MSG("storage works again"));
    proposer->failing = failed;
}

// From here on the proposals are their callers' again.
static void answer(struct proposer *proposer, struct proposal *batch, uint64_t began_us) {
    uint64_t ended_us = now_us();
    while (batch) {
        struct proposal *next = batch->next;
        batch->waited_us = began_us - batch->proposed_us;
        batch->committed_us = ended_us - began_us;
        atomic_fetch_add_explicit(&proposer->outcomes[batch->answer.outcome], 1, memory_order_relaxed);
        mailbox_post(batch->home ? batch->home : proposer->home, &batch->mail);
        batch = next;
    }
}

// --- the thread -------------------------------------------------------------------------------------------

// Waits until so many are in the queue, or until then.
static void wait_for(struct proposer *proposer, uint64_t wanted, const struct timespec *until) {
    int rc = 0;
    proposer->wanted = wanted;
    while (proposer->waiting < wanted && !proposer->closing && rc == 0)
        rc = until ? pthread_cond_timedwait(&proposer->filled, &proposer->mutex, until)
                   : pthread_cond_wait(&proposer->filled, &proposer->mutex);
    proposer->wanted = 0;
}

static bool is_idle(const struct proposer *proposer) {
    return proposer->waiting == 0 && !proposer->closing;
}

// Waits for a proposal. When none comes for a moment it reads accounts into memory, until one does or all are
// there that have room.
static void wait_warming(struct proposer *proposer) {
    struct err err;
    struct timespec until = after_us(WARM_AFTER_US);
    if (proposer->warming) wait_for(proposer, 1, &until);
    while (proposer->warming && is_idle(proposer)) {
        pthread_mutex_unlock(&proposer->mutex);
        int more = store_warm(proposer->store, &proposer->warmed, WARM_PAGE, &err);
        if (more < 0) log_warn(L_MSG("the roll is not read into memory"), L_STR("why", err.text));
        proposer->warming = more > 0;
        pthread_mutex_lock(&proposer->mutex);
    }
    wait_for(proposer, 1, NULL);
}

// Those who were just answered are likely to come again at once: waiting for them, no longer than a part of
// what a commit takes, makes one batch of what would be two or three, and one sync.
static void gather(struct proposer *proposer) {
    if (proposer->waiting >= proposer->together || proposer->closing) return;
    struct timespec until = after_us(proposer->pause_us);
    wait_for(proposer, proposer->together, &until);
}

// Waits for proposals and takes what is there, oldest first. NULL: closing, and nothing is left.
static struct proposal *take_batch(struct proposer *proposer) {
    pthread_mutex_lock(&proposer->mutex);
    wait_warming(proposer);
    gather(proposer);
    struct proposal *batch = proposer->first, *end = batch;
    uint64_t taken = batch ? 1 : 0;
    for (; end && end->next && taken < BATCH_MAX; taken++) end = end->next;
    proposer->waiting -= taken;
    proposer->together = taken;
    if (end) {
        proposer->first = end->next;
        end->next = NULL;
    }
    pthread_mutex_unlock(&proposer->mutex);
    return batch;
}

// Who has come meanwhile is of the same company.
static void note_pace(struct proposer *proposer, uint64_t took_us) {
    pthread_mutex_lock(&proposer->mutex);
    proposer->together += proposer->waiting;
    if (proposer->together > BATCH_MAX) proposer->together = BATCH_MAX;
    pthread_mutex_unlock(&proposer->mutex);
    proposer->pause_us = took_us / 2 < PAUSE_MAX_US ? took_us / 2 : PAUSE_MAX_US;
}

static void *storage_thread(void *context) {
    struct proposer *proposer = context;
    struct proposal *batch;
    while ((batch = take_batch(proposer))) {
        struct err err = {0};
        uint64_t began_us = now_us(), before = proposer_clock(proposer);
        struct clocks clocks = {.last = before, .ended = proposer_ended(proposer)};
        bool failed = commit_batch(proposer, batch, &clocks, &err) != 0;
        if (failed) {
            fail_batch(batch, &err);
        } else {
            atomic_store(&proposer->ended, clocks.ended);
            atomic_store(&proposer->clock, clocks.last);
            atomic_fetch_add_explicit(&proposer->batches, 1, memory_order_relaxed);
            if (clocks.last != before) watches_tell(proposer->watches, clocks.last);
            proposer->warming |= proposer->cache && clocks.last != before;
        }
        note_pace(proposer, now_us() - began_us);
        answer(proposer, batch, began_us);
        // Nothing is lost when this fails; a disk that stays bad shows at the next commit.
        if (!failed && store_checkpoint(proposer->store, WAL_MAX, &err) != 0) failed = true;
        note_health(proposer, failed, &err);
    }
    return NULL;
}

// Signals are for the thread that watches them; this one must not be interrupted.
static int start_thread(struct proposer *proposer) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(&proposer->thread, NULL, storage_thread, proposer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errnum == 0) (void)pthread_setname_np(proposer->thread, "storage");
    return errnum;
}

// --- for the other threads --------------------------------------------------------------------------------

struct proposer *proposer_open(const char *directory, struct cache *cache, struct mailbox *home,
                               struct err *err) {
    struct proposer *proposer = calloc(1, sizeof *proposer);
    if (!proposer) {
        (void)err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    // Neither can fail with default attributes on Linux.
    pthread_mutex_init(&proposer->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&proposer->filled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    struct store_meta meta;
    proposer->home = home;
    proposer->watches = watches_open();
    if (!proposer->watches) {
        (void)err_set(err, ERR_MEMORY, "memory is out");
        goto fail;
    }
    proposer->store = store_open_writer(directory, err);
    if (!proposer->store || store_meta(proposer->store, &meta, err) != 0) goto fail;
    store_use(proposer->store, cache);
    proposer->cache = cache;
    proposer->warming = cache != NULL;
    proposer->clock = meta.clock;
    proposer->epoch = meta.epoch;
    int errnum = start_thread(proposer);
    if (errnum != 0) {
        (void)err_system(err, errnum, "cannot start the storage thread");
        goto fail;
    }
    return proposer;

fail:
    store_close(proposer->store);
    watches_close(proposer->watches);
    pthread_cond_destroy(&proposer->filled);
    pthread_mutex_destroy(&proposer->mutex);
    free(proposer);
    return NULL;
}

static void deliver(struct mail *mail, void *context) {
    struct proposal *proposal = (struct proposal *)((char *)mail - offsetof(struct proposal, mail));
    proposal->done(proposal, context);
}

void propose(struct proposer *proposer, struct proposal *proposal) {
    assert(proposal->done);
    proposal->mail.deliver = deliver;
    proposal->next = NULL;
    proposal->err = (struct err){0};
    proposal->proposed_us = now_us();
    pthread_mutex_lock(&proposer->mutex);
    assert(!proposer->closing);
    if (proposer->first)
        proposer->last->next = proposal;
    else
        proposer->first = proposal;
    proposer->last = proposal;
    proposer->waiting++;
    if (proposer->waiting == proposer->wanted) pthread_cond_signal(&proposer->filled);
    pthread_mutex_unlock(&proposer->mutex);
}

void proposer_close(struct proposer *proposer) {
    if (!proposer) return;
    pthread_mutex_lock(&proposer->mutex);
    proposer->closing = true;
    pthread_cond_signal(&proposer->filled);
    pthread_mutex_unlock(&proposer->mutex);
    int errnum = pthread_join(proposer->thread, NULL);
    assert(errnum == 0);
    store_close(proposer->store);
    watches_close(proposer->watches);
    pthread_cond_destroy(&proposer->filled);
    pthread_mutex_destroy(&proposer->mutex);
    free(proposer);
}

struct cache *proposer_cache(const struct proposer *proposer) {
    return proposer->cache;
}

uint64_t proposer_clock(struct proposer *proposer) {
    return atomic_load(&proposer->clock);
}

uint64_t proposer_ended(struct proposer *proposer) {
    return atomic_load(&proposer->ended);
}

uint64_t proposer_epoch(struct proposer *proposer) {
    return atomic_load(&proposer->epoch);
}

struct watch *proposer_watch(struct proposer *proposer, struct mailbox *mailbox, watch_callback *callback,
                             void *context) {
    return watches_add(proposer->watches, mailbox, callback, context);
}

void proposer_unwatch(struct proposer *proposer, struct watch *watch) {
    watches_remove(proposer->watches, watch);
}

void proposer_counts(struct proposer *proposer, struct proposer_counts *counts) {
    pthread_mutex_lock(&proposer->mutex);
    counts->waiting = proposer->waiting;
    pthread_mutex_unlock(&proposer->mutex);
    counts->batches = atomic_load_explicit(&proposer->batches, memory_order_relaxed);
    for (int i = 0; i <= OUTCOME_FAILED; i++)
        counts->outcomes[i] = atomic_load_explicit(&proposer->outcomes[i], memory_order_relaxed);
}

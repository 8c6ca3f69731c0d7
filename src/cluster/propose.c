// The storage thread: from a proposal to a durable change.
//
//   any thread          storage thread                                         home's thread
//   propose ──► queue ──► take all that wait ──► begin, apply each, commit ──► mailbox ──► done
//                         (up to a batch)        one fsync for all of them
//
// While one batch is being synced the next one gathers in the queue: the busier, the larger the batches and
// the fewer the syncs. The write-ahead log is emptied between batches, here and nowhere else.
#include "cluster/propose.h"

#include "base/log.h"
#include "store/store.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define BATCH_MAX 512               // changes in one transaction
#define WAL_MAX   (4 * 1024 * 1024) // bytes in the write-ahead log before it is emptied

struct proposer {
    struct store *store; // the storage thread's while it runs
    struct mailbox *home;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t filled; // the queue is no longer empty, or closing
    struct proposal *first, *last;
    bool closing;
    bool failing; // the storage thread's: the last batch failed; its end is logged
};

// --- one batch --------------------------------------------------------------------------------------------

// Applies and commits. On -1 nothing of the batch has happened and err says why.
static int commit_batch(struct store *store, struct proposal *batch, struct err *err) {
    if (store_begin(store, err) != 0) return -1;
    for (struct proposal *p = batch; p; p = p->next) {
        switch (store_apply(store, &p->change, &p->clock, err)) {
        case APPLY_DONE: p->result = PROPOSE_DONE; break;
        case APPLY_TAKEN: p->result = PROPOSE_TAKEN; break;
        case APPLY_FAILED: store_rollback(store); return -1;
        }
    }
    return store_commit(store, err);
}

static void fail_batch(struct proposal *batch, const struct err *err) {
    for (struct proposal *p = batch; p; p = p->next) {
        p->result = PROPOSE_FAILED;
        p->clock = 0;
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

static void answer(struct mailbox *home, struct proposal *batch) {
    while (batch) {
        struct proposal *next = batch->next;
        mailbox_post(home, &batch->mail); // from here on it is the caller's again
        batch = next;
    }
}

// --- the thread -------------------------------------------------------------------------------------------

// Waits for proposals and takes what is there, oldest first. NULL: closing, and nothing is left.
static struct proposal *take_batch(struct proposer *proposer) {
    pthread_mutex_lock(&proposer->mutex);
    while (!proposer->first && !proposer->closing) pthread_cond_wait(&proposer->filled, &proposer->mutex);
    struct proposal *batch = proposer->first, *end = batch;
    for (int i = 1; end && end->next && i < BATCH_MAX; i++) end = end->next;
    if (end) {
        proposer->first = end->next;
        end->next = NULL;
    }
    pthread_mutex_unlock(&proposer->mutex);
    return batch;
}

static void *storage_thread(void *context) {
    struct proposer *proposer = context;
    struct proposal *batch;
    while ((batch = take_batch(proposer))) {
        struct err err = {0};
        bool failed = commit_batch(proposer->store, batch, &err) != 0;
        if (failed) fail_batch(batch, &err);
        answer(proposer->home, batch);
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

struct proposer *proposer_open(const char *directory, struct mailbox *home, struct err *err) {
    struct proposer *proposer = calloc(1, sizeof *proposer);
    if (!proposer) {
        (void)err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    // Neither can fail with default attributes on Linux.
    pthread_mutex_init(&proposer->mutex, NULL);
    pthread_cond_init(&proposer->filled, NULL);
    proposer->home = home;
    proposer->store = store_open_writer(directory, err);
    if (!proposer->store) goto fail;
    int errnum = start_thread(proposer);
    if (errnum != 0) {
        (void)err_system(err, errnum, "cannot start the storage thread");
        goto fail;
    }
    return proposer;

fail:
    store_close(proposer->store);
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
    proposal->clock = 0;
    proposal->err = (struct err){0};
    pthread_mutex_lock(&proposer->mutex);
    assert(!proposer->closing);
    if (proposer->first)
        proposer->last->next = proposal;
    else
        proposer->first = proposal;
    proposer->last = proposal;
    pthread_cond_signal(&proposer->filled);
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
    pthread_cond_destroy(&proposer->filled);
    pthread_mutex_destroy(&proposer->mutex);
    free(proposer);
}

// Proposing changes to the state. Nobody else knows how a change becomes durable: today one node's storage
// thread, which commits whatever waits in one transaction with one fsync; later Raft stands in between.
#pragma once

#include "base/err.h"
#include "net/loop.h"
#include "store/store.h"

#include <stdint.h>

// Filled and owned by the caller; belongs to the proposer from propose() until `done`. So does the value that
// a setting's change points to.
struct proposal {
    struct mail mail;     // the proposer's
    struct mailbox *home; // where the answer goes; NULL: the proposer's own
    struct change change;
    void (*done)(struct proposal *proposal,
                 void *context);      // on home's thread, with its context; exactly once
    struct answer answer;             // see enum outcome (wire/change.h)
    struct err err;                   // OUTCOME_FAILED: why
    uint64_t waited_us, committed_us; // before its batch began; from there until the batch was durable
    struct proposal *next;            // the proposer's
    uint64_t proposed_us;             // the proposer's
};

struct proposer;
// Opens the store's writer in `directory` and starts the storage thread, which fills the cache
// (store/cache.h; borrowed; NULL: there is none) while it has nothing else to do. Answers go to `home` unless
// the proposal names another.
struct proposer *proposer_open(const char *directory, struct cache *cache, struct mailbox *home,
                               struct err *err);
struct cache *proposer_cache(const struct proposer *proposer);      // what was given to proposer_open
void propose(struct proposer *proposer, struct proposal *proposal); // any thread
// Commits and answers what was proposed, checkpoints, joins the thread, closes the store. NULL is fine.
// The answers lie in their homes afterwards: drain them. All watches must have been closed.
void proposer_close(struct proposer *proposer);

// The event clock of what is durable, and its epoch; any thread.
uint64_t proposer_clock(struct proposer *proposer);
uint64_t proposer_epoch(struct proposer *proposer);
// The clock of the latest durable change that ended sessions; any thread. It moves before the change is
// answered: a watcher that was told of as much has heard of every account whose sessions must end.
uint64_t proposer_ended(struct proposer *proposer);

// --- watching ---------------------------------------------------------------------------------------------
// Whoever was let in as this account, or by this admin token, before that change must go: renamed, given a
// new secret, deleted; revoked.
struct ended {
    struct ended *next;
    struct uuid uuid;
    uint64_t clock;
};

// Tells that everything up to `clock` is durable: in order, each clock at most once, several batches in one
// call when the mailbox is busy. `ended` lists (oldest first, borrowed) who must go since the last call. A
// batch's watchers are told before its proposals are answered; two mails to one mailbox keep that order.
typedef void watch_callback(uint64_t clock, const struct ended *ended, void *context);

struct watch;
// Any thread. NULL: memory is out. Calls back on the mailbox's thread with `context`.
struct watch *proposer_watch(struct proposer *proposer, struct mailbox *mailbox, watch_callback *callback,
                             void *context);
// On the mailbox's thread, before the mailbox is closed: no callback follows. NULL is fine.
void proposer_unwatch(struct proposer *proposer, struct watch *watch);

// For metrics; any thread.
struct proposer_counts {
    uint64_t waiting; // proposals in the queue now
    uint64_t batches; // committed
    uint64_t outcomes[OUTCOME_FAILED + 1];
};
void proposer_counts(struct proposer *proposer, struct proposer_counts *counts);

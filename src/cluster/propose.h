// Proposing changes to the roll. Nobody else knows how a change becomes durable: today one node's storage
// thread, which commits whatever waits in one transaction with one fsync; later Raft stands in between.
#pragma once

#include "base/err.h"
#include "net/loop.h"
#include "wire/change.h"

#include <stdint.h>

enum propose_result {
    PROPOSE_DONE,   // durable and applied; `clock` is the event clock after it
    PROPOSE_TAKEN,  // the login was taken: nothing changed
    PROPOSE_FAILED, // the storage refused (err says how): nothing changed, the same may be tried again
};

// Filled and owned by the caller; belongs to the proposer from propose() until `done`.
struct proposal {
    struct mail mail; // the proposer's
    struct change change;
    void (*done)(struct proposal *proposal, void *context); // on the home mailbox's thread, exactly once
    enum propose_result result;
    uint64_t clock;
    struct err err;
    struct proposal *next; // the proposer's
};

struct proposer;
// Opens the store's writer in `directory` and starts the storage thread. Answers go to `home`.
struct proposer *proposer_open(const char *directory, struct mailbox *home, struct err *err);
void propose(struct proposer *proposer, struct proposal *proposal); // any thread
// Commits and answers what was proposed, checkpoints, joins the thread, closes the store. NULL is fine.
// The answers lie in `home` afterwards: drain it.
void proposer_close(struct proposer *proposer);

// Shared by desk.c (deciding) and settle.c (making accounts).
#pragma once

#include "stream/stream_private.h"
#include "stream/throttle.h"
#include "stream/verified.h"

#include <stddef.h>

struct desk {
    struct stream *stream;
    struct store *store; // a reader
    struct pool *pool;
    struct throttle *throttle;
    struct verified *verified;
    struct request *held;   // by the throttle, until a time
    struct request *queued; // by the throttle, until one of their address that is being verified is decided
    size_t held_count;      // of both
    size_t jobs;            // verifications on the pool
    size_t settling;        // accounts being made
    size_t registering;     // REGISTERs not answered yet
    bool settling_ripe;     // one of them in the background
    bool stopping;
};

static inline struct request *job_request(struct job *job) {
    return (struct request *)((char *)job - offsetof(struct request, job));
}

// --- desk.c
void desk_login_ok(struct desk *desk, struct request *request);
void desk_login_account(struct desk *desk, struct request *request); // by the secret of whoever has the name
void desk_busy(struct request *request);
void desk_register_taken(struct request *request);
void desk_register_done(struct desk *desk, struct request *request, enum outcome result);

// --- settle.c
void settle_await(struct lock *lock,
                  struct request *login); // it is let in when the lock has become an account
// Hashes and proposes. `from`: the client it is for; NULL: nobody is there.
void settle_start(struct desk *desk, struct lock *lock, const struct address *from, bool background);
void settle_ripe(struct desk *desk, uint64_t now_ms); // the next name whose window has ended

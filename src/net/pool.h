// A bounded pool of worker threads for work that must not run on a loop: password hashing.
#pragma once

#include "base/err.h"
#include "net/loop.h"

#include <stddef.h>

// Embedded in what the work needs. `work` runs on a worker; then `mail` is posted to `home`, and its
// deliver function (set by the caller) gets it back on the thread that asked.
struct job {
    struct mail mail;
    struct mailbox *home;
    void (*work)(struct job *job);
    struct job *next;
};

#define POOL_NICE 10 // workers are nicer than the rest of the process by so much

struct pool;
struct pool *pool_open(unsigned threads, size_t max_waiting, struct err *err);
// False: `max_waiting` jobs wait already; the job stays the caller's. Any thread. `background` jobs run only
// when no other waits, at most one at a time; they have a queue, and so a bound, of their own.
bool pool_submit(struct pool *pool, struct job *job);
bool pool_submit_background(struct pool *pool, struct job *job);
size_t pool_waiting(struct pool *pool); // in both queues
// Finishes the jobs being worked on, posts the waiting ones back unworked, joins the threads. NULL is fine.
void pool_close(struct pool *pool);

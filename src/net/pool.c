// Worker threads for work that takes long.
//
//     pool_submit ─────────────> waiting ────┐
//                                            ├──> worker: work(job) ──> the job's mailbox at home
//     pool_submit_background ──> background ─┘
//                                (when nothing waits; one at a time)
#include "net/pool.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#define STACK_BYTES (1024 * 1024) // password hashing takes its memory from the heap

struct queue {
    struct job *first;
    struct job **end;
    size_t count;
};

struct pool {
    pthread_mutex_t lock; // guards all below but `threads`
    pthread_cond_t changed;
    struct queue waiting;
    struct queue background;
    size_t max_waiting; // in each queue
    bool background_busy;
    bool closing;
    unsigned thread_count;
    pthread_t threads[];
};

static void queue_init(struct queue *queue) {
    *queue = (struct queue){.end = &queue->first};
}

static void queue_push(struct queue *queue, struct job *job) {
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
    queue->count++;
}

static struct job *queue_pop(struct queue *queue) {
    struct job *job = queue->first;
    if (job == NULL) return NULL;
    queue->first = job->next;
    if (queue->first == NULL) queue->end = &queue->first;
    queue->count--;
    return job;
}

static void send_home(struct job *job) {
    mailbox_post(job->home, &job->mail); // the job is not ours any more
}

// The next job to work on, waiting for it; NULL when the pool closes. Called with the lock.
static struct job *take(struct pool *pool, bool *background) {
    for (;;) {
        struct job *job = NULL;
        if (pool->closing) return NULL;
        job = queue_pop(&pool->waiting);
        *background = job == NULL;
        if (job == NULL && !pool->background_busy) job = queue_pop(&pool->background);
        if (job != NULL) return job;
        pthread_cond_wait(&pool->changed, &pool->lock);
    }
}

// On a machine that is busy the loops go first: what a worker does takes long anyway, what they do must not.
static void step_back(void) {
    int nice_now = getpriority(PRIO_PROCESS, 0); // of this thread: so it is on Linux
    (void)setpriority(PRIO_PROCESS, 0, nice_now + POOL_NICE);
}

static void *worker(void *context) {
    struct pool *pool = context;
    bool background;
    struct job *job;
    step_back();
    pthread_mutex_lock(&pool->lock);
    while ((job = take(pool, &background)) != NULL) {
        if (background) pool->background_busy = true;
        pthread_mutex_unlock(&pool->lock);
        job->work(job);
        send_home(job);
        pthread_mutex_lock(&pool->lock);
        // Whoever ends a background job looks for work itself next, so nobody need be told that it ended.
        if (background) pool->background_busy = false;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

// Signals are for the threads that watch for them: workers start with all blocked.
static int start_threads(struct pool *pool, unsigned threads) {
    pthread_attr_t attributes;
    sigset_t all, before;
    int errnum = pthread_attr_init(&attributes);
    if (errnum != 0) return errnum;
    errnum = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (errnum == 0 && pool->thread_count < threads) {
        errnum = pthread_create(&pool->threads[pool->thread_count], &attributes, worker, pool);
        if (errnum != 0) break;
        (void)pthread_setname_np(pool->threads[pool->thread_count++], "worker");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return errnum;
}

struct pool *pool_open(unsigned threads, size_t max_waiting, struct err *err) {
    assert(threads > 0);
    struct pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (pool == NULL) {
        err_set(err, ERR_MEMORY, "no memory for worker threads");
        return NULL;
    }
    queue_init(&pool->waiting);
    queue_init(&pool->background);
    pool->max_waiting = max_waiting;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    int errnum = start_threads(pool, threads);
    if (errnum != 0) {
        err_system(err, errnum, "cannot start a worker thread");
        pool_close(pool);
        return NULL;
    }
    return pool;
}

static bool submit(struct pool *pool, struct queue *queue, struct job *job) {
    assert(job->work != NULL && job->home != NULL);
    pthread_mutex_lock(&pool->lock);
    bool accepted = queue->count < pool->max_waiting && !pool->closing;
    if (accepted) {
        queue_push(queue, job);
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return accepted;
}

bool pool_submit(struct pool *pool, struct job *job) {
    return submit(pool, &pool->waiting, job);
}

bool pool_submit_background(struct pool *pool, struct job *job) {
    return submit(pool, &pool->background, job);
}

size_t pool_waiting(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    size_t count = pool->waiting.count + pool->background.count;
    pthread_mutex_unlock(&pool->lock);
    return count;
}

void pool_close(struct pool *pool) {
    if (pool == NULL) return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++) pthread_join(pool->threads[i], NULL);
    struct job *job;
    while ((job = queue_pop(&pool->waiting)) != NULL) send_home(job);
    while ((job = queue_pop(&pool->background)) != NULL) send_home(job);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

// The reel among threads: several append, several read, and all who read see one order. For ThreadSanitizer,
// too.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frames.h"
#include "stream/reader.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEGMENTS  6
#define SEGMENT   8192
#define APPENDERS 3
#define EACH      60000 // frames of an appender
#define TOTAL     (APPENDERS * EACH)
#define READERS   4
#define LAPS      100000
#define LAP       400 // frames: more than the ring holds

// Frame numbers: appender * EACH + 1 .. appender * EACH + EACH.
struct shared {
    struct reel *reel;
    _Atomic uint32_t followers[TOTAL + 1]; // of each frame, as the first who saw it said
    _Atomic unsigned appending;            // threads
    _Atomic uint64_t busy;
};

struct worker {
    struct shared *shared;
    pthread_t thread;
    unsigned id;
    struct dice dice;
    uint64_t seen, lapped;            // readers
    uint64_t last, latest[APPENDERS]; // frame numbers; last is 0 after a gap
};

static void *append_frames(void *context) {
    struct worker *worker = context;
    struct shared *shared = worker->shared;
    for (uint64_t i = 1; i <= EACH; i++) {
        size_t len =
            dice_between(&worker->dice, REEL_MIN_FRAME, dice_below(&worker->dice, 50) ? 400 : SEGMENT);
        while (frame_append(shared->reel, len, worker->id * EACH + i) == REEL_BUSY) {
            atomic_fetch_add(&shared->busy, 1);
            sched_yield();
        }
        if (dice_below(&worker->dice, 100) == 0) sched_yield();
    }
    atomic_fetch_sub(&shared->appending, 1);
    return NULL;
}

// Between two passes: lets others run, and now and then sleeps through a lap.
static void rest(struct worker *worker) {
    uint64_t until = reel_count(worker->shared->reel) + (dice_below(&worker->dice, 200) ? 0 : LAP);
    do sched_yield();
    while (reel_count(worker->shared->reel) < until && atomic_load(&worker->shared->appending) > 0);
}

// Called for each frame a reader meets, in its order. Not cmocka's asserts, which are for one thread.
static void see(struct worker *worker, struct str bytes) {
    uint64_t number = frame_number(bytes);
    if (number == 0 || number > TOTAL) abort();
    uint64_t *latest = &worker->latest[(number - 1) / EACH];
    if (number <= *latest) abort(); // each appender's order
    *latest = number;
    if (worker->last != 0) { // one order for all
        uint32_t follower = 0;
        if (!atomic_compare_exchange_strong(&worker->shared->followers[worker->last], &follower,
                                            (uint32_t)number) &&
            follower != number)
            abort();
    }
    worker->last = number;
    worker->seen++;
}

// Sees the whole lines of `bytes`; returns how many bytes those are.
static size_t see_lines(struct worker *worker, struct str bytes) {
    size_t seen = 0;
    const char *end;
    while (seen < bytes.len && (end = memchr(bytes.ptr + seen, '\n', bytes.len - seen)) != NULL) {
        struct str line = {.ptr = bytes.ptr + seen, .len = (size_t)(end + 1 - bytes.ptr) - seen};
        see(worker, line);
        seen += line.len;
    }
    return seen;
}

static void *read_runs(void *context) {
    struct worker *worker = context;
    struct reel *reel = worker->shared->reel;
    reel_pos cursor = reel_head(reel);
    for (bool last = false; !last;) {
        last = atomic_load(&worker->shared->appending) == 0; // then this pass sees everything
        reel_pos tail = reel_enter(reel, worker->id, 0), head = reel_head(reel), begun;
        if (reel_lapped(reel, &cursor, tail)) cursor = tail, worker->last = 0, worker->lapped++;
        uint64_t before = worker->seen;
        struct str run;
        for (begun = cursor; (run = reel_span(reel, &cursor, head)).len > 0; cursor += run.len) {
            if (see_lines(worker, run) != run.len) abort();
        }
        if (reel_frames_between(reel, begun, head) != worker->seen - before) abort();
        reel_leave(reel, worker->id);
        if (cursor != head) abort();
        rest(worker);
    }
    return NULL;
}

static void *read_frames(void *context) {
    struct worker *worker = context;
    struct reel *reel = worker->shared->reel;
    reel_pos cursor = reel_head(reel);
    uint64_t sequence = 0;
    for (bool last = false; !last;) {
        last = atomic_load(&worker->shared->appending) == 0;
        reel_pos tail = reel_enter(reel, worker->id, 1 + worker->id % 3), head = reel_head(reel);
        if (reel_lapped(reel, &cursor, tail)) cursor = tail, worker->last = 0, worker->lapped++;
        struct reel_frame frame;
        for (; reel_frame(reel, cursor, head, &frame); cursor = frame.next) {
            if (worker->last != 0 ? frame.sequence != sequence + 1 : frame.sequence <= sequence) abort();
            sequence = frame.sequence;
            see(worker, frame.bytes);
        }
        reel_leave(reel, worker->id);
        rest(worker);
    }
    return NULL;
}

// A shard with one client, who hears through a socket and comes back when lapped.
static void *flush_socket(void *context) {
    struct worker *worker = context;
    struct reel *reel = worker->shared->reel;
    struct reader reader;
    struct buf heard = {0};
    int fds[2] = {-1, -1};
    uint64_t delivered = 0;
    for (bool last = false, blocked = false; !last || blocked;) {
        last = atomic_load(&worker->shared->appending) == 0;
        if (fds[0] < 0) {
            if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) abort();
            reader_init(&reader);
            reader_listen(&reader, reel_head(reel));
            delivered = worker->seen;
            buf_truncate(&heard, 0); // the last line may have been cut short
            worker->last = 0;
        }
        reel_pos tail = reel_enter(reel, worker->id, 0);
        enum reader_result result = reader_flush(&reader, reel, fds[0], reel_head(reel), tail, &delivered);
        reel_leave(reel, worker->id);
        if (result == READER_GONE || buf_reserve(&heard, SEGMENT) != 0) abort();
        ssize_t len;
        while ((len = recv(fds[1], heard.data + heard.len, heard.cap - heard.len, MSG_DONTWAIT)) > 0) {
            heard.len += (size_t)len;
            buf_consume(&heard, see_lines(worker, buf_str(&heard)));
            if (buf_reserve(&heard, SEGMENT) != 0) abort();
        }
        if (worker->seen != delivered) abort();
        blocked = result == READER_BLOCKED;
        if (result == READER_LAPPED || (last && !blocked)) {
            worker->lapped += result == READER_LAPPED;
            reader_fini(&reader);
            close(fds[0]);
            close(fds[1]);
            fds[0] = -1;
        }
        rest(worker);
    }
    buf_free(&heard);
    return NULL;
}

// With one frame a segment, frame n fills segment n: what a pass finds at the tail tells whether the tail
// held.
static void *look_at_the_tail(void *context) {
    struct worker *worker = context;
    struct reel *reel = worker->shared->reel;
    while (atomic_load(&worker->shared->appending) > 0) {
        reel_pos tail = reel_enter(reel, worker->id, 0), head = reel_head(reel);
        struct str run = reel_span(reel, &tail, head);
        if (run.len > 0 && frame_number(run) != tail >> 32) abort();
        worker->seen += run.len > 0;
        reel_leave(reel, worker->id);
        if (dice_below(&worker->dice, 1000) == 0) sched_yield();
    }
    return NULL;
}

static void *append_segments(void *context) {
    struct worker *worker = context;
    for (uint64_t i = 1; i <= LAPS * REEL_MIN_SEGMENTS; i++) {
        while (frame_append(worker->shared->reel, REEL_MIN_FRAME, i) == REEL_BUSY) sched_yield();
    }
    atomic_fetch_sub(&worker->shared->appending, 1);
    return NULL;
}

static void start(struct worker *worker, struct shared *shared, unsigned id, uint64_t seed,
                  void *(*run)(void *)) {
    *worker = (struct worker){.shared = shared, .id = id};
    dice_seed(&worker->dice, seed);
    assert_int_equal(pthread_create(&worker->thread, NULL, run, worker), 0);
}

static void all_threads_see_one_order(void **state) {
    (void)state;
    void *(*const reading[READERS])(void *) = {read_runs, read_frames, flush_socket, read_frames};
    struct worker appenders[APPENDERS], readers[READERS];
    struct shared *shared = calloc(1, sizeof *shared);
    uint64_t seed = seed_of_this_run();
    struct err err;
    assert_non_null(shared);
    shared->reel = reel_open(SEGMENTS, SEGMENT, READERS, &err);
    assert_non_null(shared->reel);
    atomic_init(&shared->appending, APPENDERS);
    for (unsigned i = 0; i < READERS; i++) start(&readers[i], shared, i, seed + 100 + i, reading[i]);
    for (unsigned i = 0; i < APPENDERS; i++) start(&appenders[i], shared, i, seed + i, append_frames);
    for (unsigned i = 0; i < APPENDERS; i++) pthread_join(appenders[i].thread, NULL);
    for (unsigned i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        printf("reader %u: %llu of %d frames, lapped %llu times\n", i, (unsigned long long)readers[i].seen,
               TOTAL, (unsigned long long)readers[i].lapped);
        assert_true(readers[i].seen > 0 && readers[i].lapped > 0);
    }
    printf("busy %llu times\n", (unsigned long long)atomic_load(&shared->busy));
    assert_int_equal(reel_count(shared->reel), TOTAL);
    reel_close(shared->reel);
    free(shared);
}

static void a_pass_may_begin_at_any_moment(void **state) {
    (void)state;
    struct worker appender, readers[2];
    struct shared *shared = calloc(1, sizeof *shared);
    uint64_t seed = seed_of_this_run();
    struct err err;
    assert_non_null(shared);
    shared->reel = reel_open(REEL_MIN_SEGMENTS, REEL_MIN_FRAME, 2, &err);
    assert_non_null(shared->reel);
    atomic_init(&shared->appending, 1);
    for (unsigned i = 0; i < 2; i++) start(&readers[i], shared, i, seed + i, look_at_the_tail);
    start(&appender, shared, 0, seed + 2, append_segments);
    pthread_join(appender.thread, NULL);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_true(readers[i].seen > 0);
    }
    reel_close(shared->reel);
    free(shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_threads_see_one_order),
        cmocka_unit_test(a_pass_may_begin_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

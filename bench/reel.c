// How fast the reel is without sockets: appending, and passing over a thousand cursors.
//
//     scripts/env meson setup build-bench --buildtype=release -Dtests=false
//     scripts/env ninja -C build-bench bench/bench_reel
//     scripts/env build-bench/bench/bench_reel
//
// Every line is the median of nine runs over the same work.
#include "median.h"

#include "stream/reel.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS         9
#define FRAME        300
#define APPENDS      1000000
#define CURSORS      1000
#define SEGMENTS     64
#define SEGMENT_SIZE (1u << 20)
#define PARTICIPANTS 4

struct job {
    struct reel *reel;
    char frame[FRAME];
    unsigned appends;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *append(void *context) {
    struct job *job = context;
    for (unsigned i = 0; i < job->appends; i++) {
        if (reel_append(job->reel, (struct str){job->frame, FRAME}, REEL_LOCAL, REEL_LOCAL, 0) != REEL_OK)
            abort();
    }
    return NULL;
}

static void measure_appending(struct job *job, unsigned threads) {
    double runs[RUNS];
    for (int run = 0; run < RUNS; run++) {
        pthread_t others[PARTICIPANTS];
        double start = now();
        job->appends = APPENDS / threads;
        for (unsigned i = 0; i < threads; i++) {
            if (pthread_create(&others[i], NULL, append, job) != 0) abort();
        }
        for (unsigned i = 0; i < threads; i++) pthread_join(others[i], NULL);
        runs[run] = now() - start;
    }
    printf("append, %u thread%s: %.2f million frames/s\n", threads, threads > 1 ? "s" : "",
           APPENDS / median(runs, RUNS) / 1e6);
}

// Each turn `batch` frames are appended; then a pass gives every cursor its bytes (one look into the first
// line of each run stands for the send) and counts its frames, as reader_flush does.
static void measure_passes(struct job *job, unsigned batch, unsigned groups) {
    static reel_pos cursors[CURSORS];
    double runs[RUNS];
    unsigned turns = 2000000 / CURSORS;
    volatile char looked = 0;
    job->appends = batch;
    for (unsigned i = 0; i < CURSORS; i++) cursors[i] = reel_head(job->reel);
    for (int run = 0; run < RUNS; run++) {
        uint64_t delivered = 0;
        double passing = 0;
        for (unsigned turn = 0; turn < turns; turn++) {
            append(job);
            double start = now();
            reel_pos tail = reel_enter(job->reel, 0, 0), head = reel_head(job->reel);
            for (unsigned i = turn % groups; i < CURSORS; i += groups) { // the others are blocked this turn
                reel_pos begun = cursors[i];
                struct str bytes;
                if (reel_lapped(job->reel, &begun, tail)) abort();
                cursors[i] = begun;
                while ((bytes = reel_span(job->reel, &cursors[i], head)).len > 0) {
                    looked = bytes.ptr[0];
                    cursors[i] += bytes.len;
                }
                delivered += reel_frames_between(job->reel, begun, cursors[i]);
            }
            reel_leave(job->reel, 0);
            passing += now() - start;
        }
        runs[run] = passing;
        if (delivered == 0) abort();
    }
    (void)looked;
    double visits = (double)turns * CURSORS / groups;
    printf("pass over %u cursors, %u frames a turn, one cursor in %u each turn: %.1f ns a cursor\n", CURSORS,
           batch, groups, median(runs, RUNS) / visits * 1e9);
}

int main(void) {
    struct err err;
    static struct job job;
    memset(job.frame, 'x', FRAME);
    job.frame[FRAME - 1] = '\n';
    job.reel = reel_open(SEGMENTS, SEGMENT_SIZE, PARTICIPANTS, &err);
    if (job.reel == NULL) return 1;
    measure_appending(&job, 1); // the first run also touches the memory
    measure_appending(&job, 2);
    for (unsigned batch = 1; batch <= 256; batch *= 16) measure_passes(&job, batch, 1);
    measure_passes(&job, 16, 4);
    measure_passes(&job, 256, 10);
    reel_close(job.reel);
    return 0;
}

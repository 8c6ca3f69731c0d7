// How far two processors are from one another: nanoseconds for a cache line to be taken there and back.
//
//     bench/apart [ONE OTHER [SAMPLES]]      (0 1 5); prints the median of so many
//
// On a virtual machine it changes while it runs, with where the host puts them: 80 ns on one core of the
// host, 300 on two. What a server sends, the load program's processor takes; so the same answer costs either
// server much more.
#include "median.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TRIPS   5000
#define SAMPLES 101

struct line {
    _Alignas(128) atomic_int there; // whose turn it is
    int other, samples;
};

static void bind_to(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)processor, &set);
    if (sched_setaffinity(0, sizeof set, &set) == 0) return;
    perror("apart: sched_setaffinity");
    exit(1);
}

static void await(struct line *line, int there) {
    while (atomic_load_explicit(&line->there, memory_order_acquire) != there) continue;
}

static void *send_back(void *context) {
    struct line *line = context;
    bind_to(line->other);
    for (int i = 0; i < (line->samples + 1) * TRIPS; i++) {
        await(line, 1);
        atomic_store_explicit(&line->there, 0, memory_order_release);
    }
    return NULL;
}

static double now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double sample(struct line *line) {
    double begun = now_ns();
    for (int i = 0; i < TRIPS; i++) {
        atomic_store_explicit(&line->there, 1, memory_order_release);
        await(line, 0);
    }
    return (now_ns() - begun) / TRIPS;
}

int main(int argc, char **argv) {
    static struct line line;
    double taken[SAMPLES];
    pthread_t thread;
    line.other = argc > 2 ? atoi(argv[2]) : 1;
    line.samples = argc > 3 ? atoi(argv[3]) : 5;
    if (line.samples < 1 || line.samples > SAMPLES) return 2;
    bind_to(argc > 2 ? atoi(argv[1]) : 0);
    if (pthread_create(&thread, NULL, send_back, &line) != 0) return 1;
    (void)sample(&line); // until the other thread is where it is to be
    for (int i = 0; i < line.samples; i++) taken[i] = sample(&line);
    (void)pthread_join(thread, NULL);
    printf("%.0f\n", median(taken, (size_t)line.samples));
    return 0;
}

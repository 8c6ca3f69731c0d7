// Bare argon2id, as heraldd hashes secrets: hashes for each second of CPU, as one JSON object.
//
//     bench/bench_hash [HASHES [A SECOND]]     one after the other; or so many a second, nicer than others,
//     as the
//                                              workers of heraldd are
#include "base/secret.h"
#include "net/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define HASHES 40

static double cpu_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleep_until(const struct timespec *begun, double seconds) {
    long long at = begun->tv_nsec + (long long)(seconds * 1e9);
    struct timespec until = {begun->tv_sec + at / 1000000000, at % 1000000000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

int main(int argc, char **argv) {
    struct err err;
    struct secret_digest digest = {0};
    char hash[SECRET_HASH_SIZE];
    int hashes = argc > 1 ? atoi(argv[1]) : HASHES, rate = argc > 2 ? atoi(argv[2]) : 0;
    if (hashes < 1 || rate < 0 || secret_init(&err) != 0) return 1;
    if (rate > 0) (void)setpriority(PRIO_PROCESS, 0, POOL_NICE);
    struct timespec since;
    clock_gettime(CLOCK_MONOTONIC, &since);
    double begun = cpu_seconds();
    for (int i = 0; i < hashes; i++) {
        if (rate > 0) sleep_until(&since, (double)i / rate);
        if (secret_hash(&digest, hash) != 0) return 1;
    }
    double used = cpu_seconds() - begun;
    printf("{\"hashes\":%d,\"cpu_seconds\":%.6f,\"per_cpu_second\":%.3f}\n", hashes, used, hashes / used);
    return 0;
}

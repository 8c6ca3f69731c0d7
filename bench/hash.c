// Bare argon2id, as heraldd hashes secrets: hashes for each second of CPU, as one JSON object.
//
//     bench/bench_hash [HASHES]
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HASHES 40

static double cpu_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    struct err err;
    struct secret_digest digest = {0};
    char hash[SECRET_HASH_SIZE];
    int hashes = argc > 1 ? atoi(argv[1]) : HASHES;
    if (hashes < 1 || secret_init(&err) != 0) return 1;
    double begun = cpu_seconds();
    for (int i = 0; i < hashes; i++) {
        if (secret_hash(&digest, hash) != 0) return 1;
    }
    double used = cpu_seconds() - begun;
    printf("{\"hashes\":%d,\"cpu_seconds\":%.6f,\"per_cpu_second\":%.3f}\n", hashes, used, hashes / used);
    return 0;
}

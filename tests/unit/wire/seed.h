// The seed of a random test: HERALD_SEED when set, else a new one; printed, so that a run can be repeated.
#pragma once

#include "base/dice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline struct dice seeded_dice(const char *test) {
    const char *given = getenv("HERALD_SEED");
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed =
        given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    struct dice dice;
    dice_seed(&dice, seed);
    printf("%s: HERALD_SEED=%" PRIu64 "\n", test, seed);
    return dice;
}

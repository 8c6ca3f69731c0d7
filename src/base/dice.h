// Reproducible randomness for pure cores: give it a seed, get the same run. Not for secrets.
#pragma once

#include <stdint.h>

struct dice {
    uint64_t state[4]; // xoshiro256**
};

void dice_seed(struct dice *dice, uint64_t seed);
uint64_t dice_roll(struct dice *dice);                                   // 64 random bits
uint64_t dice_below(struct dice *dice, uint64_t bound);                  // 0 .. bound-1, unbiased; bound > 0
uint64_t dice_between(struct dice *dice, uint64_t least, uint64_t most); // both included

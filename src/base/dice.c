// Reproducible randomness: xoshiro256** (Blackman and Vigna, 2018), its state filled by splitmix64 so that
// neighbouring seeds give unrelated runs.
#include "base/dice.h"

#include <assert.h>

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, unsigned by) {
    return (x << by) | (x >> (64 - by));
}

void dice_seed(struct dice *dice, uint64_t seed) {
    for (int i = 0; i < 4; i++) dice->state[i] = splitmix(&seed);
}

uint64_t dice_roll(struct dice *dice) {
    uint64_t *s = dice->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t dice_below(struct dice *dice, uint64_t bound) {
    assert(bound > 0);
    // Rolls under 2^64 mod bound are thrown again: what remains is a whole number of runs of `bound`.
    uint64_t least = -bound % bound;
    uint64_t roll;
    do roll = dice_roll(dice);
    while (roll < least);
    return roll % bound;
}

uint64_t dice_between(struct dice *dice, uint64_t least, uint64_t most) {
    assert(least <= most);
    uint64_t width = most - least + 1;
    return width == 0 ? dice_roll(dice) : least + dice_below(dice, width); // 0: all of 64 bits
}

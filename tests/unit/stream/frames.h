// Frames for the tests of the reel: lines of any length that say which one they are, in every byte.
#pragma once

#include "base/dice.h"
#include "base/text.h"
#include "stream/reel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_DIGITS 20

static inline void frame_fill(char *bytes, size_t len, uint64_t number) {
    char digits[FRAME_DIGITS + 1];
    snprintf(digits, sizeof digits, "%0*llu", FRAME_DIGITS, (unsigned long long)number);
    memcpy(bytes, digits, FRAME_DIGITS);
    for (size_t i = FRAME_DIGITS; i < len - 1; i++) bytes[i] = (char)('a' + (number * 7 + i + i / 26) % 26);
    bytes[len - 1] = '\n';
}

// The number of the frame these bytes are, whole and unharmed; 0 when they are not.
static inline uint64_t frame_number(struct str bytes) {
    char *expected = malloc(bytes.len);
    uint64_t number = 0;
    if (expected == NULL) abort();
    if (bytes.len >= REEL_MIN_FRAME &&
        text_parse_u64((struct str){.ptr = bytes.ptr, .len = FRAME_DIGITS}, &number)) {
        frame_fill(expected, bytes.len, number);
        if (memcmp(expected, bytes.ptr, bytes.len) != 0) number = 0;
    }
    free(expected);
    return number;
}

static inline enum reel_result frame_append(struct reel *reel, size_t len, uint64_t number) {
    char *bytes = malloc(len);
    if (bytes == NULL) abort();
    frame_fill(bytes, len, number);
    enum reel_result result =
        reel_append(reel, (struct str){.ptr = bytes, .len = len}, REEL_LOCAL, REEL_LOCAL, 0);
    free(bytes);
    return result;
}

// HERALD_SEED repeats a run; otherwise every run is another one. Prints it either way.
static inline uint64_t seed_of_this_run(void) {
    const char *given = getenv("HERALD_SEED");
    uint64_t seed = 0;
    if (given == NULL || !text_parse_u64(str_of(given), &seed)) {
        FILE *random = fopen("/dev/urandom", "rb");
        if (random == NULL || fread(&seed, sizeof seed, 1, random) != 1) abort();
        fclose(random);
    }
    printf("HERALD_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

// How long things took: a histogram of microseconds, written by one thread, read by any.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define TIMING_BOUNDS 16 // beyond the last there is one count more

struct timing {
    _Atomic uint64_t counts[TIMING_BOUNDS + 1]; // each of what was longer than the bound before
    _Atomic uint64_t sum_us;
};

uint64_t timing_bound_us(unsigned index); // index < TIMING_BOUNDS
uint64_t timing_now_us(void);             // monotonic

void timing_note(struct timing *timing, uint64_t us);
// Adds what `from` has counted to `to`, which is the caller's alone.
void timing_add(struct timing *to, const struct timing *from);

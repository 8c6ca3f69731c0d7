// Latencies, log-linear: 128 slots for every doubling, so that a value is known to less than 1 %, in constant
// memory and a few instructions a value. Zero-initialised is empty and valid.
#pragma once

#include <stdint.h>

#define HISTOGRAM_LINEAR_BITS 7u
#define HISTOGRAM_LINEAR      (1u << HISTOGRAM_LINEAR_BITS)
#define HISTOGRAM_SLOTS       ((64u - HISTOGRAM_LINEAR_BITS + 1u) * HISTOGRAM_LINEAR)

struct histogram {
    uint64_t counts[HISTOGRAM_SLOTS];
    uint64_t total, most; // how many values; the largest one
};

static inline uint32_t histogram_slot(uint64_t value) {
    if (value < HISTOGRAM_LINEAR) return (uint32_t)value;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_LINEAR_BITS;
    return (shift << HISTOGRAM_LINEAR_BITS) + (uint32_t)(value >> shift);
}

static inline void histogram_add(struct histogram *histogram, uint64_t value) {
    histogram->counts[histogram_slot(value)]++;
    histogram->total++;
    if (value > histogram->most) histogram->most = value;
}

// The value that a share of all values (0..1) does not exceed, rounded up to its slot's end. Empty: 0.
uint64_t histogram_at(const struct histogram *histogram, double share);

// Latencies: reading a histogram. See histogram.h.
#include "histogram.h"

static uint64_t slot_end(uint32_t slot) {
    if (slot < HISTOGRAM_LINEAR) return slot;
    uint32_t shift = (slot >> HISTOGRAM_LINEAR_BITS) - 1;
    uint64_t first = (uint64_t)(slot - (shift << HISTOGRAM_LINEAR_BITS)) << shift;
    return first + ((1ull << shift) - 1);
}

uint64_t histogram_at(const struct histogram *histogram, double share) {
    uint64_t wanted = (uint64_t)(share * (double)histogram->total + 0.5), passed = 0;
    if (wanted == 0) wanted = 1;
    for (uint32_t slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
        passed += histogram->counts[slot];
        if (passed < wanted) continue;
        uint64_t end = slot_end(slot);
        return end < histogram->most ? end : histogram->most;
    }
    return histogram->most;
}

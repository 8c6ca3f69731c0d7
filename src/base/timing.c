// How long things took.
#include "base/timing.h"

#include <time.h>

static const uint64_t bounds_us[TIMING_BOUNDS] = {50,     100,     250,     500,    1000,   2500,
                                                  5000,   10000,   25000,   50000,  100000, 250000,
                                                  500000, 1000000, 2500000, 5000000};

uint64_t timing_bound_us(unsigned index) {
    return bounds_us[index];
}

uint64_t timing_now_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// One thread writes: no bus has to be locked.
static void add(_Atomic uint64_t *counter, uint64_t more) {
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

void timing_note(struct timing *timing, uint64_t us) {
    unsigned bucket = 0;
    while (bucket < TIMING_BOUNDS && us > bounds_us[bucket]) bucket++;
    add(&timing->counts[bucket], 1);
    add(&timing->sum_us, us);
}

void timing_add(struct timing *to, const struct timing *from) {
    for (unsigned i = 0; i <= TIMING_BOUNDS; i++)
        add(&to->counts[i], atomic_load_explicit(&from->counts[i], memory_order_relaxed));
    add(&to->sum_us, atomic_load_explicit(&from->sum_us, memory_order_relaxed));
}

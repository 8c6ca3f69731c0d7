// What the measured processes, this one and the whole machine have used (proc(5)).
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GAUGE_MAX_PIDS 16

struct gauge {
    pid_t pids[GAUGE_MAX_PIDS]; // the servers
    size_t count;
};

struct reading {
    uint64_t at_ns;                    // CLOCK_MONOTONIC
    double server_cpu[GAUGE_MAX_PIDS]; // seconds, user and system
    double servers_cpu;                // their sum
    uint64_t servers_rss;              // bytes, summed
    double own_cpu;
    double machine_cpu; // seconds that all processors were busy
};

uint64_t gauge_now_ns(void);
int gauge_read(const struct gauge *gauge, struct reading *reading,
               struct err *err); // -1: one of the pids is gone

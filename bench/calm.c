// Runs without activities. See calm.h.
#include "calm.h"

#include <stdint.h>
#include <stdio.h>

int idle_run(struct crowd *crowd, const struct options *options, struct idle_report *report,
             struct err *err) {
    if (gauge_read(&options->gauge, &report->before, err) != 0) return -1;
    if (crowd_bring(crowd, options, err) != 0) return -1;
    if (gauge_read(&options->gauge, &report->in, err) != 0) return -1;
    uint64_t end_ns = gauge_now_ns() + (uint64_t)(options->seconds * 1e9);
    crowd->hold = true;
    while (!crowd->failed && gauge_now_ns() < end_ns) crowd_turn(crowd, end_ns);
    if (crowd->failed) {
        *err = crowd->err;
        return -1;
    }
    return gauge_read(&options->gauge, &report->after, err);
}

int storm_run(struct crowd *crowd, const struct options *options, struct storm_report *report,
              struct err *err) {
    struct err unread;
    if (gauge_read(&options->gauge, &report->before, err) != 0) return -1;
    int result = crowd_bring(crowd, options, err);
    if (gauge_read(&options->gauge, &report->after, result == 0 ? err : &unread) != 0) result = -1;
    uint64_t last_ns = 0;
    for (uint32_t i = 0; i < crowd->count; i++) {
        const struct member *member = &crowd->members[i];
        if (member->state != IN) continue;
        histogram_add(&report->latency, member->in_ns - member->dialled_ns);
        if (member->in_ns > last_ns) last_ns = member->in_ns;
    }
    if (last_ns > 0) report->answered_ns = last_ns - crowd->members[0].dialled_ns;
    return result;
}

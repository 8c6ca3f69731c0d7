// Counters and histograms of one gate: written by its thread alone, read by any.
#pragma once

#include "base/buf.h"
#include "base/timing.h"

#include <stdatomic.h>
#include <stdint.h>

// name, name of the metric, help
#define METRICS_HISTOGRAMS(X)                                                                                \
    X(REQUEST, "herald_http_request_seconds", "From a whole request to its answer")                          \
    X(QUEUE, "herald_apply_wait_seconds", "What a change waited for its batch")                              \
    X(APPLY, "herald_apply_seconds", "Applying and committing a batch, its fsync included")                  \
    X(HASH, "herald_hash_seconds", "From asking for a password to be hashed or verified to the answer")

enum metrics_histogram {
#define METRICS_ENUM(name, metric, help) METRICS_##name,
    METRICS_HISTOGRAMS(METRICS_ENUM)
#undef METRICS_ENUM
        METRICS_HISTOGRAM_COUNT
};

#define METRICS_ROUTES   32
#define METRICS_STATUSES 32

struct metrics {
    struct timing histograms[METRICS_HISTOGRAM_COUNT];
    _Atomic uint64_t requests[METRICS_ROUTES + 1][METRICS_STATUSES]; // the last row: what met no route
    _Atomic uint64_t followers;                                      // of the change log
};

void metrics_time(struct metrics *metrics, enum metrics_histogram histogram, uint64_t us);
void metrics_request(struct metrics *metrics, unsigned route, unsigned status);

struct gateway;
struct gate;
// The text for Prometheus, over all gates; on the thread of `gate`. -1: memory is out.
int metrics_write(struct gateway *gateway, struct gate *gate, struct buf *out);

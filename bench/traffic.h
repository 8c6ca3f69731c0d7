// The load itself: Notes are published at a rate or as fast as they are delivered, and every delivery is
// checked.
#pragma once

#include "crowd.h"
#include "gauge.h"
#include "histogram.h"
#include "ledger.h"
#include "options.h"

struct traffic_report {
    uint64_t published;
    uint64_t expected, seen, lost, doubled, out_of_order; // deliveries, warm-up included
    uint64_t garbled;  // of this run, but with numbers that were never sent
    uint64_t measured; // deliveries between `from` and `to`
    uint64_t measured_published;
    size_t size, wire;        // bytes of a Note, and of what delivers it
    struct reading before;    // before anyone connected (filled by the caller)
    struct reading from, to;  // the measured time
    struct histogram latency; // ns from when a Note was to be sent; all of the measured time, however late
    struct histogram tardy;   // ns by which we published late: our own fault
};

// Of a crowd that is logged in. -1: something failed; the report is valid up to then.
int traffic_run(struct crowd *crowd, const struct options *options, struct traffic_report *report,
                struct err *err);

// The longest frame that may come back.
size_t traffic_max_frame(const struct options *options);

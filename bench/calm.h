// Runs without activities: many idle connections, and many logins at once.
#pragma once

#include "crowd.h"
#include "histogram.h"

struct idle_report {
    struct reading before, in, after; // nobody connected; all logged in; all have stayed
};

int idle_run(struct crowd *crowd, const struct options *options, struct idle_report *report, struct err *err);

struct storm_report {
    struct reading before, after;
    uint64_t answered_ns;     // from the first connect() until the last client was logged in for good
    struct histogram latency; // ns from a client's connect() until it was logged in for good
};

// -1: not everyone was logged in; the report tells of those who were.
int storm_run(struct crowd *crowd, const struct options *options, struct storm_report *report,
              struct err *err);

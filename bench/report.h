// What a run found, as text or as one JSON object, on standard output.
#pragma once

#include "calm.h"
#include "crowd.h"
#include "traffic.h"

// failure: NULL, or what ended the run early.
void report_traffic(const struct options *options, const struct crowd *crowd,
                    const struct traffic_report *report, const char *failure);
void report_idle(const struct options *options, const struct crowd *crowd, const struct idle_report *report);
void report_storm(const struct options *options, const struct crowd *crowd, const struct storm_report *report,
                  const char *failure);

// Figures on standard output: as members of a JSON object, and as lines for people.
#pragma once

#include "gauge.h"
#include "histogram.h"

#define PRINT_MIB(size) ((double)(size) / (1 << 20))

double print_ratio(double a, double b); // 0 for nothing of nothing
double print_seconds(const struct reading *from, const struct reading *to);
double print_own(const struct reading *from, const struct reading *to); // processors that we have used
// Processors that neither the servers nor we have used: other processes disturb a measurement.
double print_others(const struct reading *from, const struct reading *to);

// Without a comma; the others bring theirs.
void print_json_text(const char *name, const char *text);
void print_json_count(const char *name, uint64_t value);
void print_json_number(const char *name, double value);
void print_json_latency(const char *name, const struct histogram *histogram); // of ns
void print_json_end(const char *failure);                                     // NULL: none

void print_latency(const char *name, const struct histogram *histogram); // of ns
void print_disturbance(const struct reading *from, const struct reading *to);

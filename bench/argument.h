// Reading the values of options, and saying what they must be.
#pragma once

#include "gauge.h"

#include "base/err.h"

#include <stdint.h>

int argument_wrong(struct err *err, const char *option, const char *must); // -1
int argument_count(const char *option, const char *text, uint64_t least, uint64_t most, uint32_t *count,
                   struct err *err);
int argument_number(const char *option, const char *text, double *number, struct err *err);
// PID,...: cuts `text` up.
int argument_pids(const char *option, char *text, struct gauge *gauge, struct err *err);

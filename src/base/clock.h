// Time. Pure cores take it as an argument; only the rims ask for it here.
#pragma once

#include <stdint.h>

uint64_t clock_monotonic_ms(void); // since some start; never jumps
int64_t clock_wall_ms(void);       // since 1970 UTC; may jump

#define CLOCK_RFC3339_SIZE 25 // "2026-01-31T23:59:59.123Z" and the terminator
void clock_rfc3339(int64_t wall_ms, char text[CLOCK_RFC3339_SIZE]);

// The middle of several runs. Sorts them.
#pragma once

#include <stdlib.h>

static inline int median_order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double median(double *runs, size_t count) {
    qsort(runs, count, sizeof *runs, median_order);
    return runs[count / 2];
}

// Figures on standard output. See print.h.
#include "print.h"

#include <stdio.h>

#define MS(ns) ((double)(ns) / 1e6)

double print_ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

double print_seconds(const struct reading *from, const struct reading *to) {
    return (double)(to->at_ns - from->at_ns) / 1e9;
}

// Processors that neither the servers nor we have used: other processes disturb a measurement.
double print_others(const struct reading *from, const struct reading *to) {
    double used = (to->machine_cpu - from->machine_cpu) - (to->servers_cpu - from->servers_cpu) -
                  (to->own_cpu - from->own_cpu);
    double share = print_ratio(used, print_seconds(from, to));
    return share > 0 ? share : 0;
}

double print_own(const struct reading *from, const struct reading *to) {
    return print_ratio(to->own_cpu - from->own_cpu, print_seconds(from, to));
}

void print_json_text(const char *name, const char *text) {
    printf("\"%s\":\"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < ' ')
            printf("\\u%04x", (unsigned)*text);
        else
            putchar(*text);
    }
    printf("\"");
}

void print_json_count(const char *name, uint64_t value) {
    printf(",\"%s\":%llu", name, (unsigned long long)value);
}

void print_json_number(const char *name, double value) {
    printf(",\"%s\":%.6g", name, value);
}

void print_json_latency(const char *name, const struct histogram *histogram) {
    printf(",\"%s\":{\"unit\":\"ms\",\"count\":%llu", name, (unsigned long long)histogram->total);
    print_json_number("p50", MS(histogram_at(histogram, 0.5)));
    print_json_number("p99", MS(histogram_at(histogram, 0.99)));
    print_json_number("p999", MS(histogram_at(histogram, 0.999)));
    print_json_number("max", MS(histogram->most));
    printf("}");
}

void print_json_end(const char *failure) {
    if (failure != NULL) {
        printf(",");
        print_json_text("failure", failure);
    }
    printf("}\n");
}

void print_latency(const char *name, const struct histogram *histogram) {
    printf("%-12s p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, max %.3f ms\n", name,
           MS(histogram_at(histogram, 0.5)), MS(histogram_at(histogram, 0.99)),
           MS(histogram_at(histogram, 0.999)), MS(histogram->most));
}

void print_disturbance(const struct reading *from, const struct reading *to) {
    printf("%-12s %.2f of a processor used by other processes\n", "others", print_others(from, to));
}

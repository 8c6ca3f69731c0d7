// Values of options. See argument.h.
#include "argument.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int argument_wrong(struct err *err, const char *option, const char *must) {
    return err_set(err, ERR_INVALID, "--%s must be %s", option, must);
}

int argument_count(const char *option, const char *text, uint64_t least, uint64_t most, uint32_t *count,
                   struct err *err) {
    char must[64];
    uint64_t value;
    if (text_parse_u64(str_of(text), &value) && value >= least && value <= most) {
        *count = (uint32_t)value;
        return 0;
    }
    snprintf(must, sizeof must, "a number from %llu to %llu", (unsigned long long)least,
             (unsigned long long)most);
    return argument_wrong(err, option, must);
}

int argument_number(const char *option, const char *text, double *number, struct err *err) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > 1e9)
        return argument_wrong(err, option, "a number, 0 or more");
    *number = value;
    return 0;
}

int argument_pids(const char *option, char *text, struct gauge *gauge, struct err *err) {
    for (char *one = strtok(text, ","); one != NULL; one = strtok(NULL, ",")) {
        uint32_t pid = 0;
        if (gauge->count == GAUGE_MAX_PIDS) return argument_wrong(err, option, "at most 16");
        if (argument_count(option, one, 1, 1u << 22, &pid, err) != 0) return -1;
        gauge->pids[gauge->count++] = (pid_t)pid;
    }
    return 0;
}

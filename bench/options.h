// What the load program is asked to do.
#pragma once

#include "dialect.h"
#include "gauge.h"

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_MAX_SERVERS 16

enum mode { MODE_LOAD, MODE_IDLE, MODE_STORM };

struct options {
    enum mode mode;
    const struct dialect *dialect;
    char *servers[OPTIONS_MAX_SERVERS]; // HOST:PORT
    size_t server_count;
    uint32_t clients, publishers;
    double rate;     // activities a second, all publishers together; 0: saturate
    uint32_t window; // when saturating: published and not yet delivered to all, all publishers together
    size_t size;     // bytes of an activity object
    size_t wire;     // or, if not 0: bytes of a delivery
    uint32_t stuck; // of the clients, so many read nothing once the load begins; they do not count as readers
    uint32_t pace;  // logins under way at a time
    uint32_t begin; // clients begin at so many of the servers, in turn
    double seconds, warmup;
    double deadline;    // how long the last deliveries, a login or a redirected client may take
    struct gauge gauge; // --pid
    const char *login;  // "anonymous", or a file of "NAME SECRET" lines, taken in turn
    bool json, progress;
};

// 0: go on. 1: --help was printed. -1: err says what is wrong.
int options_parse(struct options *options, int argc, char **argv, struct err *err);

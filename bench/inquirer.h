// Many connections in one loop, each of which asks, waits for the answer, checks it, and asks again.
//
//   CLOSED ──place_dial──► DIALLING ──greet──► GREETING ──line_ready──► READY: questions and answers
//     ▲                                                                   │ a manner with one question a
//     └───────────────────────────────────────────────────────────────────┘ connection: from the beginning
#pragma once

#include "gauge.h"
#include "histogram.h"
#include "inquiry.h"
#include "place.h"

#include "base/dice.h"
#include "base/err.h"

#define INQUIRER_DETAIL 120

struct credential {
    char name[INQUIRY_NAME], secret[128];
};

struct inquirer_options {
    const struct manner *manner;
    const char *server; // HOST:PORT
    enum work work;
    bool fill; // create the records that lookups ask for, and nothing else
    uint32_t connections, depth;
    uint32_t records; // that there are, or that `fill` makes
    double seconds, warmup, deadline;
    const char *login; // a file of "NAME SECRET" lines
    struct gauge gauge;
    bool json;
};

struct inquirer_report {
    uint64_t asked, right, wrong, missing; // in all
    uint64_t measured;                     // right, while it was measured
    struct reading before, from, to;       // nobody connected; while it was measured
    struct histogram latency;              // ns, from asking to the answer
    char first_wrong[INQUIRER_DETAIL * 2]; // what was wrong with the first that was
};

struct inquirer {
    const struct inquirer_options *options;
    struct inquirer_report *report;
    struct place place;
    int epoll;
    struct line *lines;
    char *input;
    struct credential *credentials;
    uint32_t credential_count, next_credential;
    struct dice dice;
    uint32_t run;        // names of this run
    uint64_t budget;     // questions that may still be asked
    uint64_t under_way;  // asked and not answered
    uint32_t ready;      // lines
    uint64_t now_ns;     // of the turn
    uint64_t measure_ns; // since when it is measured; 0: not yet
    bool failed;
    struct err err;
};

// -1: err says what ended it before its time; the report tells what was counted until then.
int inquirer_run(const struct inquirer_options *options, struct inquirer_report *report, struct err *err);

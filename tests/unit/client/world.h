// The world as a plan sees it, in virtual time: each story is what servers do, and the log of what followed.
//
//     dial a; dial b        the plan began to connect
//     connected a 3         the program was told (latency 3 ms)
//     say LOGIN to a        ...
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/plan.h"

#include <stdbool.h>

#define WORLD_SERVERS 40

// In the log.
#define ENDED_DONE    "ended 0"
#define ENDED_REFUSED "ended 1"
#define ENDED_UNKNOWN "ended 4"

struct world {
    struct plan plan;
    uint64_t now;
    char log[8192];
    char at[PLAN_SLOTS][64]; // the server each slot was dialled for; empty: hung up
    unsigned dials;          // ever
    uint32_t wait_ms;        // of the latest HERALD_LOST
    bool ended;
    enum herald_status status;
    char text[PLAN_TEXT_SIZE]; // of the latest LOST or ENDED
    // what the rim would know
    uint64_t unsent, sent;
    bool settled;
};

struct setting {
    bool once, registers;
    uint32_t give_up_ms, max_redirects;
    uint64_t seed;
};

// Servers are "a b c". Begins the first round.
void world_begin(struct world *world, const char *servers, struct setting setting);
void world_end(struct world *world);
const char *noted(struct world *world); // what was logged since the last call
void text_has(const struct world *world, const char *words);

void accepts(struct world *world, const char *server);
void refuses(struct world *world, const char *server);               // the connection
void closes(struct world *world, const char *server, bool in_order); // an open one
bool says(struct world *world, const char *server, enum command command, const char *info);
void redirects(struct world *world, const char *server, const char *to);
void lets_in(struct world *world, const char *server); // accepts, LOGIN_SUCCESS
// Publications.
void waits_to_be_sent(struct world *world, uint64_t count);
void sends_all(struct world *world);
// Time passes; plan_tick comes when it is due.
void pass(struct world *world, uint64_t ms);
// Until plan_tick was called once; false: it never will be.
bool until_due(struct world *world);

// Following the change log: an answer without an end.
#pragma once

#include "cluster/propose.h"

#include <stdbool.h>
#include <stdint.h>

#define FOLLOW_HEARTBEAT_MS 15000u
#define FOLLOW_PAGE         256u // changes read from the store at a time

struct conn;
struct gate;

struct follow {
    struct conn *conn;
    uint64_t clock;      // all up to it has been sent
    uint64_t epoch;      // of it
    uint64_t spoke_ms;   // when something was sent last
    struct uuid account; // who follows; zero: an admin, or nobody in particular
    uint64_t as_of;      // it was this account at that clock
    struct follow *prev, *next;
};

bool follow_pump(struct conn *conn); // writes a page of what there is; false: there is nothing
void follow_last(struct conn *conn); // the server stops: ends the stream in good order
void follow_end(struct conn *conn);  // forgets; fine when it follows nothing
void follow_tick(struct gate *gate); // heartbeats
void follow_told(struct gate *gate, const struct ended *ended); // there are changes

// Following the change log: an answer without an end.
#pragma once

#include "cluster/propose.h"
#include "gateway/call.h"

#include <stdbool.h>
#include <stdint.h>

#define FOLLOW_HEARTBEAT_MS 15000u
#define FOLLOW_PAGE         256u // changes read from the store at a time

struct conn;
struct gate;

struct follow {
    struct conn *conn;
    uint64_t clock;    // all up to it has been sent
    uint64_t epoch;    // of it
    uint64_t spoke_ms; // when something was sent last
    enum asker asker;
    struct uuid who; // the account, or the admin token; nil: nobody in particular
    uint64_t as_of;  // they were let in at that clock
    struct follow *prev, *next;
};

bool follow_pump(struct conn *conn); // writes a page of what there is; false: there is nothing
void follow_last(struct conn *conn); // the server stops: ends the stream in good order
void follow_end(struct conn *conn);  // forgets; fine when it follows nothing
void follow_tick(struct gate *gate); // heartbeats
void follow_told(struct gate *gate, const struct ended *ended); // there are changes
void follow_reload(struct gate *gate); // there are other settings: who may not follow any more goes

// Asking the servers of one roll over HTTP: which of them, and what the outcome is.
//
//   roll_start ──► a server ──► answered ────────────────────────────────► roll_wait
//                     │  ▲
//                     └──┴── another one, for it was not reached, is busy, or has not answered
//
//   1. The servers are asked in the ranking's order; those that have just failed here, or answered as
//      in 2, come last.
//   2. What a server answers is the outcome, but for 502, 503 and 504: then the next one is asked.
//   3. So it is when a server cannot be reached, or is not the one that it should be.
//   4. So it is when one was asked and has not answered. Asking again is safe: reading changes nothing, and a
//      change has an idempotency key. But until a server answers, it is not known whether the change was
//      made.
//   5. After the last one: once more from the first, when there is patience and time; else the outcome is, in
//      this order: unknown (4), what a busy one answered (2), distrusted (3), unreached.
//   6. With each request goes the latest clock that was seen, so that what was read or changed at one server
//      is there at the next one, too. A server that does not have it waits for it before it says so.
//   7. One that has said so is asked again only while there is time for it to wait once more. Cut short, it
//      would turn an outcome that is known into one that is not.
#pragma once

#include "client/courier.h"
#include "client/ranking.h"

#define ROLL_SERVERS    64
#define ROLL_CONNECT_MS 3000u
#define ROLL_ANSWER_MS  6000u // while there is another server to ask; more than one waits for a clock (5 s)
#define ROLL_PATH_MAX   2048

enum ask_end { ASK_ANSWERED, ASK_UNREACHED, ASK_DISTRUSTED, ASK_UNKNOWN };

struct ask {
    // What is asked; texts outlive it. Headers are whole lines, "Name: value", or NULL.
    const char *method;
    char path[ROLL_PATH_MAX];
    struct str body;
    const char *type, *authorization, *key, *condition;
    bool changes;
    unsigned timeout_ms;                                 // for all of it; 0: without end
    bool patient;                                        // rule 5
    bool (*on_bytes)(struct ask *ask, struct str bytes); // as of struct errand
    void *context;

    // What came of it.
    enum ask_end end;
    unsigned status, retry_after_s;
    struct buf answer; // the caller's to wipe; terminated
    char etag[32];
    size_t server;  // who answered
    struct buf why; // of each server that did not: "URL: words"; terminated, the caller's to free
    bool strange;   // nobody vouches for a server, or it has another key than before
    bool misnamed;  // a server is vouched for, but not by the name that it is asked by
    bool held;      // a server did not have the clock, or may have been waiting for it when time was over

    // Roll's.
    struct roll *roll;
    struct errand errand;
    char url[RANKING_URL_MAX + ROLL_PATH_MAX], clock[64];
    struct stamp sent;      // the same clock; 0.0: none
    uint64_t tried, behind; // bits: in this round; of those that did not have the clock when last asked
    bool doubt;
    uint64_t begin_ms, due_ms; // due 0: never
    struct ask *next;
};

struct roll_server {
    const char *url;
    char key[COURIER_KEY_SIZE]; // of an https server that is known by it; "" otherwise
    // What was learnt.
    bool reached, failed;
    bool busy;           // rule 2: its last answer was no outcome
    bool behind;         // ... for it does not have what was seen elsewhere
    uint32_t connect_us; // 0: not measured
    struct stamp clock;
};

struct roll_options {
    const char *const *urls; // outlive it
    size_t count;
    const char *ca;
    struct stamp clock; // 0.0: none
    size_t order[ROLL_SERVERS];
    // A server that nobody vouches for, and whose key is not known: fills server->key. False: it is not
    // trusted.
    bool (*meet)(void *context, struct roll_server *server, struct err *err);
    void *context;
};

struct roll {
    struct roll_options options;
    struct roll_server servers[ROLL_SERVERS];
    struct courier *courier;
    struct ask *resting; // not begun, or between two rounds
    struct ask *over;
    struct stamp clock; // the latest that was seen
    unsigned asks;      // started and not given back
};

int roll_open(struct roll *roll, const struct roll_options *options, struct err *err);
void roll_close(struct roll *roll); // asks under way are dropped; zeroed is fine

// The ask is the roll's until it comes back.
void roll_start(struct roll *roll, struct ask *ask, unsigned delay_ms);
// One that is over; NULL: none in this time, or `also` (-1: none) can be read.
struct ask *roll_wait(struct roll *roll, int timeout_ms, int also);
// Drops one that has not come back.
void roll_drop(struct roll *roll, struct ask *ask);
// Frees what came of it. It may then be filled again.
void ask_fini(struct ask *ask);

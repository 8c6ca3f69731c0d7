// Many clients in one loop: they connect, log in or subscribe, go where they are sent, and pass on what they
// hear. What is said, and what the answers mean, is the dialect's (dialect.h).
//
//   WAITING ──dial──► CONNECTING ──greet──► ASKING ──SIGHT_IN──► IN ──crowd_stick──► STUCK: never read again
//                         ▲                    │ SIGHT_MOVE      │
//                         └────────────────────┴─────────────────┘    anything else that ends one: GONE, and
//                                                                     the crowd has failed
#pragma once

#include "dialect.h"
#include "options.h"
#include "place.h"

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define CROWD_MAX_HOPS   5                         // redirects that one client follows
#define CROWD_MAX_PLACES (OPTIONS_MAX_SERVERS * 4) // servers, those told by REDIRECT included

enum member_state { WAITING, CONNECTING, ASKING, IN, STUCK, GONE };

struct member {
    uint32_t index;
    int fd;
    enum member_state state;
    unsigned place;             // its server
    unsigned hops;              // redirects followed
    bool writing;               // waits for its socket to take more
    struct buf out;             // not yet sent
    struct buf tail;            // the beginning of a line that has not arrived whole
    uint64_t dialled_ns, in_ns; // when it began, and when it was logged in where it is now
};

struct crowd_place {
    struct place where;
    uint32_t members; // logged in there
};

struct crowd {
    int epoll;
    const struct dialect *dialect;
    struct member *members;
    uint32_t count, stuck;      // of them, the last `stuck` will not read
    bool publishes;             // somebody will
    uint32_t started, in, gone; // members that have left WAITING; that are IN; that are GONE
    uint64_t changed_ns;        // when a member changed its state last
    struct crowd_place places[CROWD_MAX_PLACES];
    size_t place_count;
    size_t server_count; // the first places: those of --servers
    struct buf *logins;  // `"username":...,"secret":...`, taken in turn
    size_t login_count;
    struct parser *parser;
    char *input;
    size_t max_frame;
    bool hold;   // from now on nobody may be redirected
    bool failed; // `err` has the first failure
    struct err err;
    // Called for what members that are IN read, if set: takes whole frames it knows from the front and
    // returns how many bytes these were; a frame it does not know is left for the crowd.
    size_t (*hear)(void *context, struct member *member, const char *data, size_t len, uint64_t now_ns);
    void *context;
};

// max_frame: the longest that a server may send.
int crowd_open(struct crowd *crowd, const struct options *options, size_t max_frame, struct err *err);
void crowd_close(struct crowd *crowd);

// Logs everyone in, as options->pace, begin and deadline say (the deadline begins anew with each member's
// progress). -1: not all are; those that could be are, all the same.
int crowd_bring(struct crowd *crowd, const struct options *options, struct err *err);

// From now on the last members, as options->stuck says, read nothing, whatever becomes of them.
void crowd_stick(struct crowd *crowd);

// hops[n]: how many of those logged in were redirected n times. Returns the most that anyone was.
unsigned crowd_hops(const struct crowd *crowd, uint32_t hops[CROWD_MAX_HOPS + 1]);

// Waits for readiness, at most until `until_ns`, and serves it.
void crowd_turn(struct crowd *crowd, uint64_t until_ns);

// Sends what is in member->out as far as the socket takes it; the rest goes out in later turns.
void crowd_send(struct crowd *crowd, struct member *member);

// The members `"username":...,"secret":...,` that this member's ACTIVITY_MESSAGE must carry.
struct str crowd_credentials(const struct crowd *crowd, const struct member *member);

// A session: the plan, and the rim that carries it out. What herald.c offers to programs is built on this.
//
//             ┌────────────────────────── plan ◄─────────────── answers, refusals ──┐
//             ▼ dial, say, hang up                                                  │
//   name ──► finder ──► conns[slot] ──► framer ──► parser ──┬──► plan_message ──────┘
//                          ▲                                └──► activities ──► events ──► herald_next
//   herald_publish ──► outbox
//
// Bounded: `events` by EVENTS_MOST and EVENTS_BYTES (then nothing is read), `outbox` by max_unsent, each
// connection by max_message and one read.
#pragma once

#include "base/err.h"
#include "client/conn.h"
#include "client/events.h"
#include "client/finder.h"
#include "client/outbox.h"
#include "client/plan.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_INPUT (64u * 1024) // bytes of one read

struct herald {
    int epoll;
    struct plan plan;
    struct conn conns[PLAN_SLOTS];
    struct trust *trust;   // NULL: no TLS
    struct finder *finder; // NULL until a name has to be looked up
    struct parser *parser;
    struct outbox outbox;
    struct events events;
    struct buf text; // scratch: an activity's
    char *input;     // SESSION_INPUT bytes
    char *user;      // as it was given
    char *secret;    // NULL: anonymous
    uint32_t connect_timeout_ms, max_message;
    bool backlog;     // lines may wait in the framer of the chosen connection
    bool no_memory;   // the end has come, and there may be no room to say so
    bool told;        // ... it was said
    struct err error; // of the last call that failed
};

extern const struct plan_ops session_plan_ops; // context: the struct herald

void session_step(struct herald *session);
void session_arm(struct herald *session); // epoll watches for what is wanted now
int session_timeout(const struct herald *session);
// Bytes of a server, as if they had been read from slot: what session_step does with them.
void session_take(struct herald *session, unsigned slot, struct str input);

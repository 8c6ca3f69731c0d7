// What a session does next: which server to dial, when, and what to say there. A pure core: time and dice are
// arguments; sockets are the rim's (session.c).
//
//               plan_start            one answers, and the others are let go
//     ┌───────────┐ ──► ROUND ───────────────────────────────────────────────► IN ──┐ plan_logout, all is
//     sent │           │      ▲ │ ▲                                                 │ │  ▼ │ at give_up│ │ │
//     └──────────── REDIRECT: a round of one ───────────┘ │ LEAVING ▼           │      │ ▼ nobody answers │
//     │ the server closes
//   ENDED ◄───────┴─── PAUSE ◄──────────────── lost ─────────────────────────────┘  ▼
//                      200 ms .. 10 s, drawn by the dice                            ENDED
//
// Rules, numbered as in the code and the tests:
//  1. First round: all servers are dialled at once (PLAN_SLOTS at most at a time). The order in which they
//     accept is their order from then on: later rounds dial the first, and each next one when the ones before
//     it have not accepted within PLAN_HEAD_START_MS, or at once when they failed.
//  2. One server at a time is asked. Those that have accepted wait in line with nothing said to them; who
//  does
//     not answer within connect_timeout (REGISTER: PLAN_REGISTER_MS more, for the servers ask one another) is
//     left and the next one in line is asked.
//  3. REGISTER, when answered, is followed by LOGIN on the same connection. Lost before the answer it may
//  have
//     been done: the next connection tries LOGIN, and REGISTER again if that is refused.
//  4. LOGIN_FAILED and REGISTER_FAILED end the session; LOGIN_FAILED does not when the same secret was right
//     before, unless PLAN_REFUSALS come in a row: a server may be too busy to look, or not know the name yet.
//     Other words instead of an answer (INVALID_MESSAGE: too many connections, say) count as no answer.
//  5. A REDIRECT is followed at once. The same step (from, to) twice or more than max_redirects without a
//  stay
//     of PLAN_STAY_MS end the session. When the target does not answer, a new round of the list begins after
//     a pause, with the server that redirected last.
//  6. A pause is drawn between 200 ms and a most that begins at 400 ms, doubles up to 10 s with each failure,
//     and begins anew after a stay.
//  7. What was sent on a connection that is lost, and was not heard back, may have been taken or not. A
//  logout
//     that ends in good order says so (HERALD_UNKNOWN) when there is any of that, and does not promise
//     HERALD_DONE.
#pragma once

#include "base/dice.h"
#include "client/where.h"
#include "wire/message.h"

#include <herald.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_SLOTS         16
#define PLAN_HEAD_START_MS 250u
#define PLAN_STAY_MS       5000u
#define PLAN_REGISTER_MS   10000u
#define PLAN_REFUSALS      8u
#define PLAN_PAUSE_LEAST   200u
#define PLAN_PAUSE_FIRST   400u
#define PLAN_PAUSE_MOST    10000u
#define PLAN_TROUBLE_SIZE  160
#define PLAN_TEXT_SIZE     1024
#define PLAN_HOPS          32 // steps remembered

struct plan_settings {
    bool once;
    bool registers;
    uint32_t connect_timeout_ms, give_up_ms, max_redirects;
};

// What a plan does to the world. None of them may call back into the plan.
struct plan_ops {
    // Connect slot to the server; plan_accepted or plan_closed follows, never before this returns.
    void (*dial)(void *context, unsigned slot, const struct where *where);
    void (*hang_up)(void *context, unsigned slot);                   // nothing more may come of it
    void (*say)(void *context, unsigned slot, enum command command); // LOGIN, REGISTER or LOGOUT
    void (*tell)(void *context, const struct herald_event *event);   // user and secret are the rim's to add
    bool (*unsent)(void *context);                                   // publications wait to be sent
    bool (*said)(void *context); // publications were sent on this connection and not heard back
    // The connection is over; redirected: by a REDIRECT, and what the server has not taken may go out again.
    // Returns how many publications of this connection are in doubt.
    uint64_t (*over)(void *context, bool redirected);
};

enum plan_phase { PLAN_PAUSE, PLAN_ROUND, PLAN_IN, PLAN_LEAVING, PLAN_ENDED };
enum plan_register { REGISTER_NO, REGISTER_WANTED, REGISTER_UNSURE };
enum slot_state { SLOT_FREE, SLOT_DIALLING, SLOT_IN_LINE, SLOT_ASKED, SLOT_CHOSEN };

struct plan_server {
    struct where where;
    uint32_t latency_ms;
    uint64_t arrival;                // place among those that accepted in this round; 0: did not
    char trouble[PLAN_TROUBLE_SIZE]; // of this round
    bool spoke;                      // its trouble is the server's own words
};

struct plan_slot {
    enum slot_state state;
    size_t server;
    enum command asked;
    uint64_t since, deadline;
    uint64_t arrival; // place in line
};

struct plan {
    const struct plan_ops *ops;
    void *context;
    struct plan_settings settings;
    struct dice dice;
    enum plan_phase phase;
    struct plan_slot slots[PLAN_SLOTS];
    unsigned chosen; // PLAN_IN, PLAN_LEAVING: the slot

    struct plan_server *servers; // count of them, and one more: where the last REDIRECT points
    size_t count;
    size_t *order; // rule 1: servers, the nearest first
    bool measured; // `order` is that of a first round
    size_t *line;  // of this round: whom to dial, in order
    size_t line_len, next;
    uint64_t next_dial; // head start
    uint64_t arrivals;
    size_t redirector; // goes last in the next round; count: none

    uint64_t now, until; // of the latest call; end of the pause, of LEAVING
    uint64_t apart;      // since when there is no stay
    uint64_t in;         // since when logged in
    unsigned failures;   // in a row: the pause
    unsigned refusals;   // LOGIN_FAILED in a row after a good one
    bool known;          // the secret was right once
    enum plan_register registering;
    bool leaving;  // plan_logout
    bool returned; // `once`: back at the list from a dead target

    uint64_t hops[PLAN_HOPS]; // (from, to), hashed
    unsigned redirects;
    char trail[PLAN_TEXT_SIZE];
    uint64_t doubtful; // publications
    char text[PLAN_TEXT_SIZE];
};

// `servers` is copied. -1: memory is out.
int plan_init(struct plan *plan, const struct plan_settings *settings, const struct where *servers,
              size_t count, uint64_t seed, const struct plan_ops *ops, void *context);
void plan_fini(struct plan *plan);

void plan_start(struct plan *plan, uint64_t now);
void plan_accepted(struct plan *plan, unsigned slot, uint64_t now);
// It could not be connected, or the connection is over. in_order: the server closed its side after whole
// lines.
void plan_closed(struct plan *plan, unsigned slot, const char *why, bool in_order, uint64_t now);
// Anything but ACTIVITY_BROADCAST. False: not a message for this moment; answer INVALID_MESSAGE and
// plan_closed.
bool plan_message(struct plan *plan, unsigned slot, const struct message *message, uint64_t now);
void plan_sent_all(struct plan *plan, uint64_t now); // nothing is unsent any more
void plan_logout(struct plan *plan, uint64_t now);
void plan_tick(struct plan *plan, uint64_t now);
uint64_t plan_due(const struct plan *plan); // when plan_tick is; UINT64_MAX: never
void plan_abort(struct plan *plan, enum herald_status status, const char *why); // ENDED, now

// The slot whose server we are logged in at, in which publications go and activities come; PLAN_SLOTS: none.
unsigned plan_home(const struct plan *plan);

// A session of libherald, and what else a command waits for beside it: input, output, signals.
//
//   call_open ──► while (call_next) ... ──► call_wait ──► ... ──► HERALD_ENDED ──► call_outcome
#pragma once

#include "cli/say.h"
#include "cli/wish.h"
#include "herald.h"

#include <stdbool.h>
#include <stdint.h>

struct call {
    herald *session;
    const struct wish *wish;
    bool registers;
    int signals;                      // descriptor
    bool logged_in;                   // at some time
    bool leaving;                     // call_leave
    uint64_t leave_by_ms;             // clock_monotonic_ms; 0: when the server lets us
    char server[WISH_SERVER_MAX + 8]; // that it is, or was last, logged in at
    uint32_t latency_ms;
    bool silent; // the caller draws the terminal, and tells of HERALD_MET itself
};

struct call_plan {
    bool registers; // the user is registered first
    bool once;      // the session ends with its first connection
    bool terminal;  // signals of the terminal are waited for, too: SIGWINCH, SIGTSTP, SIGCONT
    uint32_t
        patience_ms; // without a server, unless --timeout says otherwise; 0: once there was one, without end
};

// The secret of the wish is asked for, made (to register) or looked up among the saved ones if it is needed.
// False: it was said what is wrong; *outcome.
bool call_open(struct call *call, struct wish *wish, const struct call_plan *plan, enum outcome *outcome);
void call_close(struct call *call);

// The next event, after having kept the account of it. While the first servers cannot be reached, and no
// --timeout asks for patience, HERALD_LOST becomes HERALD_ENDED.
bool call_next(struct call *call, struct herald_event *event);

// What is ready.
#define CALL_INPUT  1u
#define CALL_OUTPUT 2u
#define CALL_BROKEN 4u // nobody reads the output any more
#define CALL_SIGNAL 8u // signals_take(call->signals)

struct call_wait {
    int input, output; // -1: none
    bool writes;       // output is waited for
    int most_ms;       // -1: as long as it takes
};
unsigned call_wait(struct call *call, const struct call_wait *wait); // steps the session, too

// Ends in good order; after `patience_ms` (0: never) without an end, call_next ends it.
void call_leave(struct call *call, uint64_t patience_ms);

// Says how it ended, if not well, and what can be done about it.
enum outcome call_outcome(const struct call *call, const struct herald_event *ended);

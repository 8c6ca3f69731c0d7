// Publications on their way out: whole lines, sent in as large pieces as the socket takes.
//
//   bytes:   [ known to be taken, or let go | kept: sent, may be taken back | unsent ]
//                                           ^ start                         ^ sent   ^ bytes.len
//
// A line that was begun counts as sent. A server sends what it has taken back to all, its author included, in
// the order it took it: what is heard back (outbox_heard) is known to be taken, and so is all before it. The
// rest of a connection's lines is in doubt when the connection is lost. After a REDIRECT it is not in doubt
// but not taken, and goes out at the next server, if the server redirected at login (nothing was heard
// there), or if it has sent back what we said (then it would have sent back the rest, too).
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outbox {
    struct buf bytes; // the owner appends whole lines, then calls outbox_added
    size_t start, sent;
    size_t head;    // bytes of each line before its activity
    size_t max;     // bytes that may wait, kept ones included
    bool within;    // what was sent last ended within a line
    bool heard;     // anything, on this connection
    uint64_t count; // lines begun on this connection
    uint64_t first; // of them, how many lie before `start`
    uint64_t taken; // of them, how many are known to be taken
};

void outbox_init(struct outbox *outbox, size_t max, size_t head);
void outbox_fini(struct outbox *outbox); // wipes: lines carry secrets

enum outbox_result { OUTBOX_TAKEN, OUTBOX_FULL, OUTBOX_TOO_LONG };
// One line, ending in "}\n" behind its activity, was appended to `bytes` beyond `len`; it is removed unless
// OUTBOX_TAKEN.
enum outbox_result outbox_added(struct outbox *outbox, size_t len);

size_t outbox_unsent(const struct outbox *outbox);
struct str outbox_next(const struct outbox *outbox); // what to send; empty: nothing
void outbox_sent(struct outbox *outbox, size_t len);
uint64_t
outbox_doubtful(const struct outbox *outbox); // lines begun on this connection, not known to be taken

// The server has sent an activity: `own`, our user's, or one of somebody else.
void outbox_heard(struct outbox *outbox, struct str activity, bool own);
// The connection is over; `redirected`: by a REDIRECT. Returns how many of its lines may or may not have been
// taken by the server.
uint64_t outbox_over(struct outbox *outbox, bool redirected);

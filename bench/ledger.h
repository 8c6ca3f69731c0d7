// Who has heard what: every reader hears each publisher's 0, 1, 2, ... in that order, each exactly once. A
// pure core.
//
//     sequence == next   as it should be
//     sequence >  next   what lies between is missing for now: a hole
//     sequence <  next   in a hole: late, so out of order; otherwise heard before: doubled
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger_hole { // [from, to) is missing
    uint32_t reader, publisher, from, to;
};

struct ledger {
    uint32_t readers, publishers;
    uint32_t *next; // by reader, then publisher
    struct ledger_hole *holes;
    size_t hole_count, hole_capacity;
    uint64_t seen;         // distinct deliveries
    uint64_t doubled;      // further deliveries of the same
    uint64_t out_of_order; // of those seen, the late ones
};

int ledger_open(struct ledger *ledger, uint32_t readers, uint32_t publishers); // -1: memory is out
void ledger_close(struct ledger *ledger);

// For ledger_hear. True: heard for the first time.
bool ledger_astray(struct ledger *ledger, uint32_t reader, uint32_t publisher, uint32_t sequence);

static inline bool ledger_hear(struct ledger *ledger, uint32_t reader, uint32_t publisher,
                               uint32_t sequence) {
    uint32_t *next = &ledger->next[(size_t)reader * ledger->publishers + publisher];
    if (*next != sequence) return ledger_astray(ledger, reader, publisher, sequence);
    *next = sequence + 1;
    ledger->seen++;
    return true;
}

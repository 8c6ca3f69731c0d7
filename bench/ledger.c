// Who has heard what: holes. See ledger.h.
#include "ledger.h"

#include <stdlib.h>

int ledger_open(struct ledger *ledger, uint32_t readers, uint32_t publishers) {
    *ledger = (struct ledger){.readers = readers, .publishers = publishers};
    ledger->next = calloc((size_t)readers * publishers, sizeof *ledger->next);
    return ledger->next != NULL ? 0 : -1;
}

void ledger_close(struct ledger *ledger) {
    free(ledger->next);
    free(ledger->holes);
    *ledger = (struct ledger){0};
}

// Without memory for a hole, what is late will count as doubled: wrong either way, so the run fails all the
// same.
static void add_hole(struct ledger *ledger, struct ledger_hole hole) {
    if (hole.from == hole.to) return;
    if (ledger->hole_count == ledger->hole_capacity) {
        size_t capacity = ledger->hole_capacity == 0 ? 64 : ledger->hole_capacity * 2;
        struct ledger_hole *grown = realloc(ledger->holes, capacity * sizeof *grown);
        if (grown == NULL) return;
        ledger->holes = grown;
        ledger->hole_capacity = capacity;
    }
    ledger->holes[ledger->hole_count++] = hole;
}

static bool fill_hole(struct ledger *ledger, uint32_t reader, uint32_t publisher, uint32_t sequence) {
    for (size_t i = 0; i < ledger->hole_count; i++) {
        struct ledger_hole hole = ledger->holes[i];
        if (hole.reader != reader || hole.publisher != publisher) continue;
        if (sequence < hole.from || sequence >= hole.to) continue;
        ledger->holes[i] = ledger->holes[--ledger->hole_count];
        add_hole(ledger, (struct ledger_hole){reader, publisher, hole.from, sequence});
        add_hole(ledger, (struct ledger_hole){reader, publisher, sequence + 1, hole.to});
        return true;
    }
    return false;
}

bool ledger_astray(struct ledger *ledger, uint32_t reader, uint32_t publisher, uint32_t sequence) {
    uint32_t *next = &ledger->next[(size_t)reader * ledger->publishers + publisher];
    if (sequence > *next) {
        add_hole(ledger, (struct ledger_hole){reader, publisher, *next, sequence});
        *next = sequence + 1;
    } else if (fill_hole(ledger, reader, publisher, sequence)) {
        ledger->out_of_order++;
    } else {
        ledger->doubled++;
        return false;
    }
    ledger->seen++;
    return true;
}

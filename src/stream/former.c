// Accounts that have changed lately: a ring, newest last.
#include "stream/former.h"

#include <string.h>

void former_add(struct former *former, const struct uuid *account, uint64_t clock) {
    uint64_t at = former->count++ % FORMER_MAX;
    former->ring[at].account = *account;
    former->ring[at].clock = clock;
}

bool former_since(const struct former *former, const struct uuid *account, uint64_t as_of) {
    uint64_t known = former->count < FORMER_MAX ? former->count : FORMER_MAX;
    for (uint64_t i = 1; i <= known; i++) {
        uint64_t at = (former->count - i) % FORMER_MAX;
        if (former->ring[at].clock <= as_of) return false; // and so are all before it
        if (memcmp(&former->ring[at].account, account, sizeof *account) == 0) return true;
    }
    return former->count > FORMER_MAX; // all that is remembered is newer: who knows what came before
}

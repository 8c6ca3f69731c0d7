// Accounts whose sessions had to end lately: renamed, deleted or given a new secret. A login that was looked
// up before that, and is answered only now, must not come in. A pure core; bounded.
#pragma once

#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

#define FORMER_MAX 256u // of them remembered

struct former {
    struct {
        struct uuid account;
        uint64_t clock;
    } ring[FORMER_MAX];
    uint64_t count;
};

// Clocks must not go back.
void former_add(struct former *former, const struct uuid *account, uint64_t clock);
// Has the account changed so since the event clock `as_of`? Also when that is longer ago than is remembered.
bool former_since(const struct former *former, const struct uuid *account, uint64_t as_of);

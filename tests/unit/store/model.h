// The state as a person would keep it with pencil and paper, and changes at random: for holding the store
// against it.
#pragma once

#include "base/dice.h"
#include "store/store.h"

#include "scratch.h"

#define MODEL_MOST 64 // of each: logins, settings, tokens

struct model_account {
    struct change made; // login, name, secret as they are now; `made.at_ms` of the creation
    uint64_t created, version, credential_version;
};

struct model_setting {
    char key[8];
    char value[24];
    uint64_t version;
};

struct model_request {
    char key[8];
    unsigned scope, fingerprint;
    uint64_t clock;
    int64_t kept_ms;
};

#define MODEL_REQUESTS 12 // are kept

struct model {
    struct model_account accounts[4096]; // all that ever were; created = 0: gone
    unsigned account_count;
    struct model_setting settings[MODEL_MOST];
    uint64_t tokens[MODEL_MOST]; // the clock that each was added at; 0: not there
    struct model_request requests[4096];
    unsigned request_count;
    uint64_t clock;
    int64_t at_ms;
};

// A change that means something now and then; `values` backs those of settings.
struct change model_random(const struct model *model, struct dice *dice, char value[24]);
// What becomes of it; and so it is, then. Clock and version as in struct answer.
enum outcome model_apply(struct model *model, const struct change *change, uint64_t *clock,
                         uint64_t *version);
// Fails the test where the store differs.
void model_check(const struct model *model, struct store *store);

// What `herald` remembers from call to call, in ~/.local/state/herald. Nothing here is worth failing for:
// what cannot be read is not there, and what cannot be written is forgotten.
//
//   servers   how near they are, when they failed or lagged, the latest clock seen (client/ranking.h)
//   intents   changes that were begun, until it is known what became of them
#pragma once

#include "base/secret.h"
#include "client/roll.h"

void memory_read(struct ranking *ranking);
void memory_learn(const struct roll *roll); // merged with what others have learnt meanwhile
void memory_forget(const char *const *urls, size_t count);

// A change that is about to be asked for. While it is not known what became of it, the same command finds the
// same intent again, and with it the idempotency key: it is not done twice. Two that run at a time have two.
#define INTENT_NOTE_MAX 64
#define INTENT_KEPT_S   (23 * 3600) // a little less than servers keep keys

struct intent {
    char name[33];                  // digest of what is to be done
    struct secret_key nonce;        // what its key is made of
    char note[INTENT_NOTE_MAX + 1]; // the caller's, without blanks; "" at first
    bool again;                     // it was begun by a command that ended without knowing
    bool kept;                      // it is in the file
};

// `what`: all of the change but its password.
void intent_begin(struct intent *intent, struct str what);
void intent_note(struct intent *intent, const char *note);
void intent_end(struct intent *intent); // it is known what became of it

// The header line. The password is part of the key: with another one it is another change.
#define INTENT_HEADER_SIZE 96
void intent_header(const struct intent *intent, struct str password, char line[INTENT_HEADER_SIZE]);

// How far an import has come: ~/.local/state/herald/imports/, a small file for each that has not come to its
// end.
#pragma once

#include "cli/wish.h"

#include "base/secret.h"

#define IMPORT_MARK_NAME 80

struct import_mark {
    uint64_t offset, lines; // all before is done
    struct secret_digest chain;
    uint64_t created, present, refused;
};

// The name of the mark for this file at these servers; "": it is no file that can be read once more.
void import_mark_name(const struct wish *wish, char name[IMPORT_MARK_NAME]);
bool import_mark_read(const char *name, struct import_mark *mark);
void import_mark_write(const char *name, const struct import_mark *mark);
void import_mark_forget(const char *name);

// What idempotency keys of imports are made of: the user's own, and always the same, so that a file given
// again gives the same keys. It is random, so that keys tell nothing of passwords.
void import_key(struct secret_key *key);

// A directory for one test's database, and changes to put in it.
#pragma once

#include "base/uuid.h"
#include "wire/change.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
    char root[64];      // exists, 0700
    char directory[80]; // in it; not there yet
};

static inline int scratch_remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw) {
    (void)stat, (void)type, (void)ftw;
    return remove(path);
}

static inline int scratch_make(struct scratch *scratch) {
    // In memory where that is possible: what a sync costs is no concern of these tests.
    const char *in = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(scratch->root, sizeof scratch->root, "%s/herald-test-XXXXXX", in);
    if (!mkdtemp(scratch->root)) return -1;
    snprintf(scratch->directory, sizeof scratch->directory, "%s/data", scratch->root);
    return 0;
}

static inline void scratch_remove(const struct scratch *scratch) {
    nftw(scratch->root, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *scratch_file(const struct scratch *scratch, const char *name, char path[128]) {
    snprintf(path, 128, "%s/%s", scratch->directory, name);
    return path;
}

// A creation with everything in it derived from its arguments.
static inline struct change change_creating(const char *login, unsigned number) {
    struct change change = {.kind = CHANGE_CREATE, .at_ms = 1700000000000 + number};
    if (login_parse(str_of(login), &change.login, NULL) != 0) abort();
    for (unsigned i = 0; i < 4; i++) change.uuid.bytes[i] = (uint8_t)(number >> (8 * i));
    snprintf(change.name, sizeof change.name, "Number %u", number);
    snprintf(change.created_from, sizeof change.created_from, "192.0.2.%u", number % 256);
    memset(change.secret_key.bytes, (int)(number % 256), sizeof change.secret_key.bytes);
    snprintf(change.secret_hash, sizeof change.secret_hash, "$hash$%u", number);
    return change;
}

// Modifications of the account that change_creating(.., number) made.
static inline struct change change_of(enum change_kind kind, unsigned number) {
    struct change change = {.kind = kind, .at_ms = 1700000100000 + number};
    for (unsigned i = 0; i < 4; i++) change.uuid.bytes[i] = (uint8_t)(number >> (8 * i));
    return change;
}

static inline struct change change_renaming(unsigned number, const char *login) {
    struct change change = change_of(CHANGE_MODIFY, number);
    change.sets = CHANGE_SETS_LOGIN;
    if (login_parse(str_of(login), &change.login, NULL) != 0) abort();
    return change;
}

static inline struct change change_calling(unsigned number, const char *name) {
    struct change change = change_of(CHANGE_MODIFY, number);
    change.sets = CHANGE_SETS_NAME;
    snprintf(change.name, sizeof change.name, "%s", name);
    return change;
}

static inline struct change change_securing(unsigned number, const char *hash) {
    struct change change = change_of(CHANGE_MODIFY, number);
    change.sets = CHANGE_SETS_SECRET;
    if (hash[0]) memset(change.secret_key.bytes, hash[0], sizeof change.secret_key.bytes);
    snprintf(change.secret_hash, sizeof change.secret_hash, "%s", hash);
    return change;
}

static inline struct change change_setting(enum change_kind kind, const char *key, const char *value) {
    struct change change = {.kind = kind, .at_ms = 1700000200000};
    snprintf(change.setting, sizeof change.setting, "%s", key);
    if (kind == CHANGE_SETTING_PUT) change.value = str_of(value);
    return change;
}

static inline struct change change_token(enum change_kind kind, unsigned number) {
    struct change change = change_of(kind, number);
    if (kind == CHANGE_TOKEN_ADD) {
        snprintf(change.label, sizeof change.label, "token %u", number);
        memset(change.token.bytes, (int)number, sizeof change.token.bytes);
    }
    return change;
}

// The state of the roll in SQLite: opening, looking up, applying. The door to SQLite.
//
// One writer (the storage thread, cluster/propose.c) and any number of readers, each on a thread of its
// own, with its own connection (WAL: readers never wait for the writer).
#pragma once

#include "base/err.h"
#include "wire/change.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

#define STORE_FILE           "state.db"
#define STORE_SCHEMA_VERSION 1

// Makes the directory (0700) when it is not there, the database and its schema likewise, migrates an older
// schema, refuses a newer one (ERR_VERSION), refuses a directory that others may read (says chmod 700), and
// refuses a directory that another process's writer holds open (ERR_BUSY, names the directory).
struct store *store_open_writer(const char *directory, struct err *err);
struct store *store_open_reader(const char *directory, struct err *err); // after the writer
void store_close(struct store *store);                                   // NULL is fine

struct account {
    struct uuid uuid;
    char login[LOGIN_MAX_BYTES + 1];
    char name[CHANGE_NAME_MAX + 1];
    char created_from[CHANGE_ADDRESS_MAX + 1];
    int64_t created_ms, modified_ms;
    uint64_t credential_version; // grows with every new secret
    struct secret_key secret_key;
    char secret_hash[SECRET_HASH_SIZE]; // empty: no password; wipe when done
};

// By case-folded login. 1 found, 0 not there, -1 the database failed.
int store_find(struct store *store, const char *fold, struct account *account, struct err *err);
// The number of applied changes: the event clock. -1 on failure.
int store_clock(struct store *store, uint64_t *clock, struct err *err);
int store_count(struct store *store, uint64_t *accounts, struct err *err);

// --- the writer's -----------------------------------------------------------------------------------------
// begin; apply any number; commit (durable when it returns 0) or roll back. A failed commit has rolled back.
int store_begin(struct store *store, struct err *err);
int store_commit(struct store *store, struct err *err);
void store_rollback(struct store *store);

// Applies one change within a transaction: a pure function of the state and the change (store/apply.c).
// Uniqueness is decided here and nowhere else. A refused change leaves the state and the clock alone.
enum apply_result {
    APPLY_DONE,   // *clock is the event clock after it
    APPLY_TAKEN,  // another account has the login (or the uuid)
    APPLY_FAILED, // the database failed; err says how; the transaction must be rolled back
};
enum apply_result store_apply(struct store *store, const struct change *change, uint64_t *clock,
                              struct err *err);

// Moves committed changes from the write-ahead log into the database when that log is larger than `over`
// bytes. Nothing does so by itself but store_close. Outside a transaction; does not wait for readers. A
// failure loses nothing: the changes stay in the log.
int store_checkpoint(struct store *store, uint64_t over, struct err *err);

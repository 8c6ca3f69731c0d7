// What the files of this folder share. Nobody else includes it.
#pragma once

#include "store/store.h"

#include <sqlite3.h>

// Kept prepared for as long as the store is open. Readers have those that only read.
#define STATEMENTS(X)                                                                                        \
    X(FIND, true,                                                                                            \
      "SELECT uuid, login, name, created_from, created_ms, modified_ms, credential_version, secret_key, "    \
      "secret_hash FROM accounts WHERE fold = ?1")                                                           \
    X(CLOCK, true, "SELECT clock FROM meta")                                                                 \
    X(COUNT, true, "SELECT count(*) FROM accounts")                                                          \
    X(BEGIN, false, "BEGIN IMMEDIATE")                                                                       \
    X(COMMIT, false, "COMMIT")                                                                               \
    X(ROLLBACK, false, "ROLLBACK")                                                                           \
    X(CREATE, false,                                                                                         \
      "INSERT INTO accounts (uuid, login, fold, name, created_from, created_ms, modified_ms, "               \
      "credential_version, secret_key, secret_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1, ?7, ?8) "         \
      "ON CONFLICT DO NOTHING")                                                                              \
    X(TICK, false, "UPDATE meta SET clock = clock + 1 RETURNING clock")

enum statement {
#define STATEMENT_ENUM(name, reads, sql) STATEMENT_##name,
    STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
        STATEMENT_END
};

struct store {
    sqlite3 *db;
    char *directory; // as given, for messages
    bool writer;
    int lock;           // the writer's: a descriptor whose flock keeps other writers out; -1: none
    uint64_t wal_bytes; // the writer's: size of the write-ahead log after the last commit
    sqlite3_stmt *statements[STATEMENT_END];
};

// Turns what SQLite last said into a sentence with cause and cure. `rc` is its result code. Returns -1.
int store_refused(const struct store *store, int rc, struct err *err);

// Runs a statement that gives no row. Resets it and lets go of what was bound, also on failure.
int store_run(struct store *store, enum statement which, struct err *err);
// Runs a statement that gives one whole number; likewise.
int store_number(struct store *store, enum statement which, uint64_t *number, struct err *err);

// One number from a text of SQL that is needed once, such as a pragma.
int store_ask(struct store *store, const char *sql, int64_t *number, struct err *err);
int store_exec(struct store *store, const char *sql, struct err *err);

// schema.c. Prepare: checks whose database it is and of which version, before anything is written.
int schema_check(struct store *store, int64_t *version, struct err *err);
// Brings it from `version` to STORE_SCHEMA_VERSION in one transaction.
int schema_migrate(struct store *store, int64_t version, struct err *err);

// What the files of this folder share. Nobody else includes it.
#pragma once

#include "store/cache.h"
#include "store/store.h"

#include <sqlite3.h>

// In this order wherever a row has an account: row_account() reads them.
#define ACCOUNT_COLUMNS                                                                                      \
    "uuid, login, name, created_from, created_ms, modified_ms, created, version, credential_version, "
#define ACCOUNT_ROW ACCOUNT_COLUMNS "secret_hash IS NOT NULL, secret_key, secret_hash, fold FROM accounts "

// Kept prepared for as long as the store is open. Readers have those that only read.
#define STATEMENTS(X)                                                                                        \
    X(FIND, true, "SELECT " ACCOUNT_ROW "WHERE fold = ?1")                                                   \
    X(FIND_UUID, true, "SELECT " ACCOUNT_ROW "WHERE uuid = ?1")                                              \
    X(ACCOUNTS, true, "SELECT " ACCOUNT_ROW "WHERE created > ?1 ORDER BY created LIMIT ?2")                  \
    X(SETTING, true, "SELECT key, version, modified_ms, length(value), value FROM settings WHERE key = ?1")  \
    X(SETTING_VERSION, true, "SELECT version FROM settings WHERE key = ?1")                                  \
    X(SETTINGS, true,                                                                                        \
      "SELECT key, version, modified_ms, length(value), CASE WHEN ?4 THEN value END FROM settings "          \
      "WHERE key >= ?1 AND key <> ?2 ORDER BY key LIMIT ?3")                                                 \
    X(FIND_TOKEN, true, "SELECT id, label, created_ms, created FROM tokens WHERE token = ?1")                \
    X(KNOWS_TOKEN, true, "SELECT 1 FROM tokens WHERE id = ?1")                                               \
    X(TOKENS, true,                                                                                          \
      "SELECT id, label, created_ms, created FROM tokens WHERE created > ?1 ORDER BY created LIMIT ?2")      \
    X(META, true,                                                                                            \
      "SELECT epoch, clock, at_ms, accounts, settings, tokens, changes_after, requests FROM meta")           \
    X(CHANGES, true,                                                                                         \
      "SELECT clock, kind, sets, uuid, login, name, at_ms FROM changes WHERE clock > ?1 "                    \
      "ORDER BY clock LIMIT ?2")                                                                             \
    X(REQUEST, true,                                                                                         \
      "SELECT " ACCOUNT_COLUMNS "has_secret, kind, clock, at_ms, fingerprint FROM requests "                 \
      "WHERE scope = ?1 AND key = ?2 AND number > ?3 AND kept_ms > ?4")                                      \
    X(SNAPSHOT, true, "BEGIN")                                                                               \
    X(BEGIN, false, "BEGIN IMMEDIATE")                                                                       \
    X(COMMIT, true, "COMMIT")                                                                                \
    X(ROLLBACK, true, "ROLLBACK")                                                                            \
    X(CREATE, false,                                                                                         \
      "INSERT INTO accounts (created, version, uuid, login, fold, name, created_from, created_ms, "          \
      "modified_ms, credential_version, secret_key, secret_hash) "                                           \
      "VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 1, ?8, ?9) ON CONFLICT DO NOTHING")                       \
    X(MODIFY, false,                                                                                         \
      "UPDATE accounts SET version = ?2, modified_ms = ?3, name = ?4, credential_version = ?5, "             \
      "secret_key = ?6, secret_hash = ?7 WHERE created = ?1")                                                \
    X(RENAME, false, "UPDATE accounts SET login = ?2, fold = ?3 WHERE created = ?1")                         \
    X(DELETE, false, "DELETE FROM accounts WHERE created = ?1")                                              \
    X(SETTING_PUT, false,                                                                                    \
      "INSERT INTO settings (key, version, modified_ms, value) VALUES (?1, ?2, ?3, ?4) "                     \
      "ON CONFLICT (key) DO UPDATE SET version = ?2, modified_ms = ?3, value = ?4")                          \
    X(SETTING_DELETE, false, "DELETE FROM settings WHERE key = ?1")                                          \
    X(TOKEN_ADD, false,                                                                                      \
      "INSERT INTO tokens (created, id, label, token, created_ms) VALUES (?1, ?2, ?3, ?4, ?5) "              \
      "ON CONFLICT DO NOTHING")                                                                              \
    X(TOKEN_REVOKE, false, "DELETE FROM tokens WHERE id = ?1")                                               \
    X(LOG, false,                                                                                            \
      "INSERT INTO changes (clock, kind, sets, uuid, login, name, at_ms) "                                   \
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                                                 \
    X(LOG_FORGET, false, "DELETE FROM changes WHERE clock <= ?1")                                            \
    X(REQUEST_KEEP, false,                                                                                   \
      "INSERT OR REPLACE INTO requests (number, kept_ms, scope, key, fingerprint, kind, clock, at_ms, "      \
      "version, uuid, login, name, created_from, created_ms, modified_ms, created, credential_version, "     \
      "has_secret) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, "     \
      "?18)")                                                                                                \
    X(REQUEST_OLDEST, false, "SELECT number FROM requests WHERE kept_ms > ?1 ORDER BY number LIMIT 1")       \
    X(REQUEST_FORGET, false, "DELETE FROM requests WHERE number < ?1")                                       \
    X(META_KEEP, false,                                                                                      \
      "UPDATE meta SET epoch = ?1, clock = ?2, at_ms = ?3, accounts = ?4, settings = ?5, tokens = ?6, "      \
      "changes_after = ?7, requests = ?8")

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
    struct cache *cache; // not owned; NULL: none
    uint64_t as_of;      // the reader's: durable before what it holds, or held last, was begun
    int lock;            // the writer's: a descriptor whose flock keeps other writers out; -1: none
    uint64_t wal_bytes;  // the writer's: size of the write-ahead log after the last commit
    // The writer's, within a transaction: the row of `meta`, which is written back at its end.
    struct store_meta meta;
    bool changed;                         // it, and hence the state, in this transaction
    uint64_t changes_kept, requests_kept; // STORE_..._KEPT; tests have smaller ones
    sqlite3_stmt *statements[STATEMENT_END];
};

// Turns what SQLite last said into a sentence with cause and cure. `rc` is its result code. Returns -1.
int store_refused(const struct store *store, int rc, struct err *err);

// --- rows.c: one run of a statement -----------------------------------------------------------------------
// Values are bound in the order of their numbers; failures stick, and row_next tells of them.
struct row {
    struct store *store;
    sqlite3_stmt *statement;
    int bound;
    int rc;
};

struct row row_begin(struct store *store, enum statement which);
void row_put_number(struct row *row, int64_t number);
void row_put_natural(struct row *row, uint64_t number);
void row_put_text(struct row *row, const char *text);
void row_put_bytes(struct row *row, const void *bytes, size_t len);
void row_put_nothing(struct row *row);
int row_next(struct row *row, struct err *err); // 1 there is a row, 0 no more, -1 failed
void row_end(struct row *row);                  // also after a failure
int row_run(struct row *row, struct err *err);  // for those that give no row; ends it. 0, -1

uint64_t row_natural(struct row *row, int column);
int64_t row_number(struct row *row, int column);
// False: what is there does not fit, so it was not written by us (or memory is out: row_damaged tells).
bool row_str(struct row *row, int column, struct str *to); // borrowed until row_next or row_end
bool row_text(struct row *row, int column, char *to, size_t capacity);
bool row_bytes(struct row *row, int column, void *to, size_t len);
bool row_account(struct row *row, struct account *account); // ACCOUNT_COLUMNS and whether it has a secret
int row_damaged(struct row *row, struct err *err);          // -1: that a row could not be read

int store_run(struct store *store, enum statement which, struct err *err); // without values or rows

// One number from a text of SQL that is needed once, such as a pragma.
int store_ask(struct store *store, const char *sql, int64_t *number, struct err *err);
int store_exec(struct store *store, const char *sql, struct err *err);

// --- schema.c ---------------------------------------------------------------------------------------------
// Prepare: checks whose database it is and of which version, before anything is written.
int schema_check(struct store *store, int64_t *version, struct err *err);
// Brings it from `version` to STORE_SCHEMA_VERSION in one transaction.
int schema_migrate(struct store *store, int64_t version, struct err *err);

int meta_read(struct store *store, struct store_meta *meta, struct err *err); // accounts.c: the row itself

// --- accounts.c: with what only applying needs
// --------------------------------------------------------------
struct holding { // wipe when done
    struct account account;
    struct credential credential;
    char fold[LOGIN_MAX_BYTES * 3 + 1];
};
int holding_find(struct store *store, const struct uuid *uuid, struct holding *holding, struct err *err);
int fold_owner(struct store *store, const char *fold, uint64_t *created, struct err *err); // 1, 0, -1

// --- apply_*.c: one kind of change each; the clock of a change that is DONE will be meta.clock + 1
// --------------
typedef enum outcome apply_function(struct store *store, const struct change *change, struct answer *answer,
                                    struct err *err);
apply_function apply_create, apply_modify, apply_delete; // apply_account.c
apply_function apply_setting_put, apply_setting_delete;  // apply_setting.c
apply_function apply_token_add, apply_token_revoke;      // apply_setting.c

// --- changes.c, requests.c: what is remembered of changes that were done
// ----------------------------------------
int changes_note(struct store *store, const struct change *change, const struct answer *answer,
                 struct err *err);
int changes_forget(struct store *store, struct err *err); // beyond changes_kept
// 1 known (the answer is filled), 0 not, -1. `meta`: as of now.
int request_find(struct store *store, const struct store_meta *meta, const struct change_request *request,
                 struct answer *answer, struct err *err);
int request_note(struct store *store, const struct change *change, const struct answer *answer,
                 struct err *err);
int requests_forget(struct store *store, struct err *err); // those too old and too many

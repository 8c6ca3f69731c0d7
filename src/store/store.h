// The state in SQLite: opening, looking up, applying. The door to SQLite.
//
// One writer (the storage thread, cluster/propose.c) and any number of readers, each on a thread of its
// own, with its own connection (WAL: readers never wait for the writer).
#pragma once

#include "base/err.h"
#include "wire/change.h"

#include <stdbool.h>
#include <stdint.h>

struct store;
struct cache; // cache.h

#define STORE_FILE           "state.db"
#define STORE_SCHEMA_VERSION 2

#define STORE_CHANGES_KEPT     1000000             // of the change log
#define STORE_REQUESTS_KEPT    100000              // requests that a repeat is recognised of ...
#define STORE_REQUESTS_KEPT_MS (24 * 3600 * 1000L) // ... for this long, in replicated time

// Makes the directory (0700) when it is not there, the database and its schema likewise, migrates an older
// schema, refuses a newer one (ERR_VERSION), refuses a directory that others may read (says chmod 700), and
// refuses a directory that another process's writer holds open (ERR_BUSY, names the directory).
struct store *store_open_writer(const char *directory, struct err *err);
struct store *store_open_reader(const char *directory, struct err *err); // after the writer
void store_close(struct store *store);                                   // NULL is fine

// What a reader finds by login it looks for in memory first, and leaves there (once it has held: before, it
// does not know what its view is worth). What a writer changes is forgotten there. Not owned; NULL: none, as
// at first.
void store_use(struct store *store, struct cache *cache);

// From here on a reader sees the roll as it is at its first look, until store_release: many looks then lock
// and unlock once. `as_of`: what is durable by now; 0 when it is not known. -1: it goes on without. Not for
// long: what is held keeps the write-ahead log from being emptied.
int store_hold(struct store *reader, uint64_t as_of, struct err *err);
void store_release(struct store *reader);

// --- accounts ---------------------------------------------------------------------------------------------
struct account {
    struct uuid uuid;
    char login[LOGIN_MAX_BYTES + 1];
    char name[CHANGE_NAME_MAX + 1];
    char created_from[CHANGE_ADDRESS_MAX + 1];
    int64_t created_ms, modified_ms;
    uint64_t created;            // event clock of its creation: the order of lists
    uint64_t version;            // event clock of its last change (ETag, If-Match)
    uint64_t credential_version; // from 1; grows with every new secret
    bool has_secret;
};

struct credential { // wipe when done
    struct secret_key key;
    char hash[SECRET_HASH_SIZE]; // empty: no password
};

// By case-folded login, by uuid. `credential` may be NULL. 1 found, 0 not there, -1 the database failed.
int store_find(struct store *store, const char *fold, struct account *account, struct credential *credential,
               struct err *err);
int store_find_uuid(struct store *store, const struct uuid *uuid, struct account *account,
                    struct credential *credential, struct err *err);

// The writer's, outside of a transaction: offers the cache up to `limit` accounts, those created after
// `*after` (0: from the first), and moves it on. 1: there may be more; 0: that was all, or there is no more
// room; -1.
int store_warm(struct store *store, uint64_t *after, unsigned limit, struct err *err);

// Lists call back once for each row, in order, while it is borrowed, and end early when that returns false.
// They return how many rows they gave, or -1. Do not dawdle: an open list keeps the write-ahead log from
// being emptied.

// In the order of creation, those created after the event clock `after` (0: from the first): what is created
// or deleted meanwhile moves nothing. The cursor of the next page is `created` of the last one.
int store_accounts(struct store *store, uint64_t after, unsigned limit,
                   bool (*each)(const struct account *account, void *context), void *context,
                   struct err *err);

// --- settings ---------------------------------------------------------------------------------------------
struct setting {
    char key[CHANGE_SETTING_MAX + 1];
    uint64_t version; // event clock of its last change
    int64_t modified_ms;
    size_t size;      // of the value, bytes
    struct str value; // borrowed
};

// 1 found, 0 not there, -1. The value is appended to `value` (may be NULL); setting->value is not set.
int store_setting(struct store *store, const char *key, struct setting *setting, struct buf *value,
                  struct err *err);
// In the order of their bytes, those that begin with `prefix` and come after the key `after` (both may be
// empty). `values`: also their values; else setting->value is empty.
int store_settings(struct store *store, const char *prefix, const char *after, unsigned limit, bool values,
                   bool (*each)(const struct setting *setting, void *context), void *context,
                   struct err *err);

// --- admin tokens -----------------------------------------------------------------------------------------
struct admin_token {
    struct uuid id;
    char label[CHANGE_LABEL_MAX + 1];
    int64_t created_ms;
    uint64_t created; // event clock
};

// 1 found, 0 not there, -1.
int store_find_token(struct store *store, const struct secret_digest *token, struct admin_token *found,
                     struct err *err);
int store_knows_token(struct store *store, const struct uuid *id, struct err *err);
// In the order of creation; the cursor is `created`.
int store_tokens(struct store *store, uint64_t after, unsigned limit,
                 bool (*each)(const struct admin_token *token, void *context), void *context,
                 struct err *err);

// --- the whole
// ----------------------------------------------------------------------------------------------
struct store_meta {
    uint64_t epoch; // grows when a cluster is recovered from a minority
    uint64_t clock; // the event clock: the number of changes done
    int64_t at_ms;  // replicated time: the latest at_ms of all changes done; never goes back
    uint64_t accounts, settings, tokens;
    uint64_t changes_after; // the log has every change after this clock
    uint64_t requests;      // with an idempotency key, done so far
};
int store_meta(struct store *store, struct store_meta *meta, struct err *err); // cheap: one row
int store_clock(struct store *store, uint64_t *clock, struct err *err);
int store_count(struct store *store, uint64_t *accounts, struct err *err);

// BLAKE2b over every row: equal states, and no others, have equal digests. Reads everything.
int store_digest(struct store *store, struct secret_digest *digest, struct err *err);

// --- the change log
// ----------------------------------------------------------------------------------------- What was done,
// without secrets and without the values of settings.
struct logged {
    uint64_t clock;
    enum change_kind kind;
    unsigned sets;    // MODIFY: CHANGE_SETS_...
    struct uuid uuid; // of an account or a token
    struct str login; // of an account, as it is after the change; a DELETE: as it was
    struct str name;  // real name of an account; key of a setting; label of a token
    int64_t at_ms;
};

#define STORE_CHANGES_GONE (-2)
// Those after `since`, oldest first. -2: some of them are no longer kept (or `since` is ahead of the clock):
// start anew from the lists.
int store_changes(struct store *store, uint64_t since, unsigned limit,
                  bool (*each)(const struct logged *logged, void *context), void *context, struct err *err);

// --- answers
// ------------------------------------------------------------------------------------------------
struct answer {
    enum outcome outcome;
    enum change_kind kind;
    uint64_t clock;   // DONE, REPEATED: the event clock after that change
    int64_t at_ms;    // DONE, REPEATED: when that change was made
    uint64_t version; // DONE, REPEATED: of the thing after it (0: deleted); VERSION: the current one (0:
                      // there is no such setting)
    struct account account; // DONE, REPEATED of an account: as it is after it; a DELETE: as it last was.
                            // Of a setting nothing is repeated here: it is what was asked for
    bool ended;             // DONE: whoever was let in as `whose` before must go
    struct uuid whose; // an account that was renamed, deleted or given a new secret; a token that was revoked
};

// Was this request done before? 1: the answer is REPEATED or KEY_REUSED; 0: it is new, or too long ago; -1.
// Asked before anything costly is made for a change; store_apply decides it again.
int store_repeat(struct store *store, const struct change_request *request, struct answer *answer,
                 struct err *err);

// --- the writer's -----------------------------------------------------------------------------------------
// begin; apply any number; commit (durable when it returns 0) or roll back. A failed commit has rolled back.
int store_begin(struct store *store, struct err *err);
int store_commit(struct store *store, struct err *err);
void store_rollback(struct store *store);

// Applies one change within a transaction: a pure function of the state and the change (store/apply.c).
// Uniqueness is decided here and nowhere else. Returns answer->outcome. A change that is not DONE leaves the
// state and the clock alone. On FAILED the transaction must be rolled back.
enum outcome store_apply(struct store *store, const struct change *change, struct answer *answer,
                         struct err *err);

// Moves committed changes from the write-ahead log into the database when that log is larger than `over`
// bytes. Nothing does so by itself but store_close. Outside a transaction; does not wait for readers. A
// failure loses nothing: the changes stay in the log.
int store_checkpoint(struct store *store, uint64_t over, struct err *err);

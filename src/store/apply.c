// The roll, as a function: (state, change) ──► (state, clock). No time, no randomness, nothing that differs
// from one server to the next: every server that applies the same changes in the same order holds the same
// roll. Here, and nowhere else, it is decided whether a login is free.
#include "store/internal.h"

#include <assert.h>
#include <string.h>

static bool terminated(const char *text, size_t size) {
    return memchr(text, '\0', size) != NULL;
}

static int bind_text(sqlite3_stmt *statement, int at, const char *text) {
    return sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static enum apply_result create(struct store *store, const struct change *change, struct err *err) {
    sqlite3_stmt *insert = store->statements[STATEMENT_CREATE];
    assert(terminated(change->login.name, sizeof change->login.name) && change->login.name[0]);
    assert(terminated(change->login.fold, sizeof change->login.fold) && change->login.fold[0]);
    assert(terminated(change->name, sizeof change->name));
    assert(terminated(change->created_from, sizeof change->created_from));
    assert(terminated(change->secret_hash, sizeof change->secret_hash));

    int rc = sqlite3_bind_blob(insert, 1, change->uuid.bytes, sizeof change->uuid.bytes, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = bind_text(insert, 2, change->login.name);
    if (rc == SQLITE_OK) rc = bind_text(insert, 3, change->login.fold);
    if (rc == SQLITE_OK) rc = bind_text(insert, 4, change->name);
    if (rc == SQLITE_OK) rc = bind_text(insert, 5, change->created_from);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(insert, 6, change->at_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob(insert, 7, change->secret_key.bytes, sizeof change->secret_key.bytes,
                               SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = bind_text(insert, 8, change->secret_hash);
    if (rc != SQLITE_OK) {
        (void)store_refused(store, rc, err);
        (void)sqlite3_clear_bindings(insert);
        return APPLY_FAILED;
    }
    if (store_run(store, STATEMENT_CREATE, err) != 0) return APPLY_FAILED;
    return sqlite3_changes(store->db) == 1 ? APPLY_DONE : APPLY_TAKEN;
}

enum apply_result store_apply(struct store *store, const struct change *change, uint64_t *clock,
                              struct err *err) {
    enum apply_result result = APPLY_FAILED;
    assert(store->writer && !sqlite3_get_autocommit(store->db)); // within begin ... commit

    switch (change->kind) {
    case CHANGE_CREATE: result = create(store, change, err); break;
    default:
        (void)err_set(err, ERR_VERSION, "the change is of kind %d, which this Herald does not know",
                      (int)change->kind);
        break;
    }
    if (result == APPLY_DONE && store_number(store, STATEMENT_TICK, clock, err) != 0) result = APPLY_FAILED;
    return result;
}

// Looking up. A statement is reset as soon as its row is copied: a reader that dawdles on a row would keep
// the write-ahead log from being emptied.
#include "store/internal.h"

#include <string.h>

// What does not fit was not written by us.
static bool copy_text(sqlite3_stmt *statement, int column, char *to, size_t capacity) {
    const unsigned char *text = sqlite3_column_text(statement, column);
    if (!text) return false;
    return str_copy((struct str){(const char *)text, (size_t)sqlite3_column_bytes(statement, column)}, to,
                    capacity);
}

static bool copy_bytes(sqlite3_stmt *statement, int column, void *to, size_t len) {
    const void *bytes = sqlite3_column_blob(statement, column);
    if (!bytes || (size_t)sqlite3_column_bytes(statement, column) != len) return false;
    memcpy(to, bytes, len);
    return true;
}

static bool copy_account(sqlite3_stmt *row, struct account *account) {
    account->created_ms = sqlite3_column_int64(row, 4);
    account->modified_ms = sqlite3_column_int64(row, 5);
    account->credential_version = (uint64_t)sqlite3_column_int64(row, 6);
    return copy_bytes(row, 0, account->uuid.bytes, sizeof account->uuid.bytes) &&
           copy_text(row, 1, account->login, sizeof account->login) &&
           copy_text(row, 2, account->name, sizeof account->name) &&
           copy_text(row, 3, account->created_from, sizeof account->created_from) &&
           copy_bytes(row, 7, account->secret_key.bytes, sizeof account->secret_key.bytes) &&
           copy_text(row, 8, account->secret_hash, sizeof account->secret_hash);
}

int store_find(struct store *store, const char *fold, struct account *account, struct err *err) {
    sqlite3_stmt *find = store->statements[STATEMENT_FIND];
    int found = -1;
    int rc = sqlite3_bind_text(find, 1, fold, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_step(find);
    if (rc == SQLITE_ROW) {
        if (copy_account(find, account))
            found = 1;
        else // column functions tell of memory only so
            rc = sqlite3_errcode(store->db) == SQLITE_NOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT;
    } else if (rc == SQLITE_DONE) {
        found = 0;
    }
    if (found < 0) {
        (void)store_refused(store, rc, err);
        secret_wipe(account, sizeof *account);
    }
    (void)sqlite3_reset(find);
    (void)sqlite3_clear_bindings(find);
    return found;
}

int store_clock(struct store *store, uint64_t *clock, struct err *err) {
    return store_number(store, STATEMENT_CLOCK, clock, err);
}

int store_count(struct store *store, uint64_t *accounts, struct err *err) {
    return store_number(store, STATEMENT_COUNT, accounts, err);
}

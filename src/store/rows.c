// One run of a prepared statement: bind, step, read, reset. A statement is reset as soon as its rows are
// read: a reader that dawdles on a row would keep the write-ahead log from being emptied.
#include "store/internal.h"

#include <assert.h>
#include <string.h>

// --- binding ----------------------------------------------------------------------------------------------

struct row row_begin(struct store *store, enum statement which) {
    struct row row = {.store = store, .statement = store->statements[which], .rc = SQLITE_OK};
    assert(row.statement && !sqlite3_stmt_busy(row.statement));
    return row;
}

static void put(struct row *row, int rc) {
    if (row->rc == SQLITE_OK) row->rc = rc;
}

void row_put_number(struct row *row, int64_t number) {
    put(row, sqlite3_bind_int64(row->statement, ++row->bound, number));
}

void row_put_natural(struct row *row, uint64_t number) {
    row_put_number(row, number > INT64_MAX ? INT64_MAX : (int64_t)number); // clocks do not come that far
}

void row_put_text(struct row *row, const char *text) {
    put(row, sqlite3_bind_text(row->statement, ++row->bound, text, -1, SQLITE_STATIC));
}

void row_put_bytes(struct row *row, const void *bytes, size_t len) {
    put(row, sqlite3_bind_blob64(row->statement, ++row->bound, len > 0 ? bytes : "", len, SQLITE_STATIC));
}

void row_put_nothing(struct row *row) {
    put(row, sqlite3_bind_null(row->statement, ++row->bound));
}

// --- stepping ---------------------------------------------------------------------------------------------

int row_next(struct row *row, struct err *err) {
    if (row->rc == SQLITE_OK || row->rc == SQLITE_ROW) row->rc = sqlite3_step(row->statement);
    if (row->rc == SQLITE_ROW) return 1;
    if (row->rc == SQLITE_DONE) return 0;
    return store_refused(row->store, row->rc, err);
}

void row_end(struct row *row) {
    (void)sqlite3_reset(row->statement);
    (void)sqlite3_clear_bindings(row->statement);
}

int row_run(struct row *row, struct err *err) {
    int more = row_next(row, err);
    assert(more <= 0);
    row_end(row);
    return more;
}

int store_run(struct store *store, enum statement which, struct err *err) {
    struct row row = row_begin(store, which);
    return row_run(&row, err);
}

// --- reading ----------------------------------------------------------------------------------------------

int64_t row_number(struct row *row, int column) {
    return sqlite3_column_int64(row->statement, column);
}

uint64_t row_natural(struct row *row, int column) {
    return (uint64_t)sqlite3_column_int64(row->statement, column);
}

bool row_str(struct row *row, int column, struct str *to) {
    const void *bytes = sqlite3_column_blob(row->statement, column); // of a text: its bytes; of none: NULL
    *to = (struct str){bytes, (size_t)sqlite3_column_bytes(row->statement, column)};
    return bytes || to->len == 0;
}

bool row_text(struct row *row, int column, char *to, size_t capacity) {
    const unsigned char *text = sqlite3_column_text(row->statement, column);
    if (!text) return false;
    size_t len = (size_t)sqlite3_column_bytes(row->statement, column);
    return str_copy((struct str){(const char *)text, len}, to, capacity);
}

bool row_bytes(struct row *row, int column, void *to, size_t len) {
    const void *bytes = sqlite3_column_blob(row->statement, column);
    if (!bytes || (size_t)sqlite3_column_bytes(row->statement, column) != len) return false;
    memcpy(to, bytes, len);
    return true;
}

bool row_account(struct row *row, struct account *account) {
    account->created_ms = row_number(row, 4);
    account->modified_ms = row_number(row, 5);
    account->created = row_natural(row, 6);
    account->version = row_natural(row, 7);
    account->credential_version = row_natural(row, 8);
    account->has_secret = row_number(row, 9) != 0;
    return row_bytes(row, 0, account->uuid.bytes, sizeof account->uuid.bytes) &&
           row_text(row, 1, account->login, sizeof account->login) &&
           row_text(row, 2, account->name, sizeof account->name) &&
           row_text(row, 3, account->created_from, sizeof account->created_from);
}

int row_damaged(struct row *row, struct err *err) {
    // Column functions tell of memory only so.
    int rc = sqlite3_errcode(row->store->db) == SQLITE_NOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT;
    return store_refused(row->store, rc, err);
}

// --- SQL that is needed once
// --------------------------------------------------------------------------------

int store_ask(struct store *store, const char *sql, int64_t *number, struct err *err) {
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK) return store_refused(store, rc, err);
    struct row row = {.store = store, .statement = statement};
    int found = row_next(&row, err);
    if (found == 1)
        *number = row_number(&row, 0);
    else if (found == 0)
        (void)store_refused(store, SQLITE_CORRUPT, err); // the row has always been there
    (void)sqlite3_finalize(statement);
    return found == 1 ? 0 : -1;
}

int store_exec(struct store *store, const char *sql, struct err *err) {
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_refused(store, rc, err);
}

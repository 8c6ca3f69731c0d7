// One digest over the whole state: servers that hold the same state say the same 32 bytes. Each row is
// digested under the digest of all that came before it.
#include "store/internal.h"

#include <assert.h>
#include <string.h>

static const char *const tables[] = {
    "SELECT * FROM meta",
    "SELECT * FROM accounts ORDER BY created",
    "SELECT * FROM settings ORDER BY key",
    "SELECT * FROM tokens ORDER BY created",
    "SELECT * FROM changes ORDER BY clock",
    "SELECT * FROM requests ORDER BY number",
};

static int append_column(struct row *row, int column, struct buf *bytes) {
    struct str text;
    uint64_t number = row_natural(row, column);
    char type = (char)sqlite3_column_type(row->statement, column);
    if (buf_append(bytes, &type, 1) != 0) return -1;
    if (type == SQLITE_INTEGER) {
        uint8_t little[8];
        for (unsigned i = 0; i < 8; i++) little[i] = (uint8_t)(number >> (8 * i));
        return buf_append(bytes, little, sizeof little);
    }
    if (type == SQLITE_NULL) return 0;
    if (!row_str(row, column, &text)) return -1;
    uint8_t len[4] = {(uint8_t)text.len, (uint8_t)(text.len >> 8), (uint8_t)(text.len >> 16),
                      (uint8_t)(text.len >> 24)};
    return buf_append(bytes, len, sizeof len) != 0 || buf_append_str(bytes, text) != 0 ? -1 : 0;
}

static void chain(struct secret_digest *digest, struct str bytes) {
    struct secret_key before;
    static_assert(sizeof before.bytes == sizeof digest->bytes, "a digest keys the next one");
    memcpy(before.bytes, digest->bytes, sizeof before.bytes);
    secret_digest(&before, bytes, digest);
}

static int digest_table(struct store *store, const char *sql, struct secret_digest *digest, struct err *err) {
    struct row row = {.store = store};
    struct buf bytes = {0};
    int more;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &row.statement, NULL);
    if (rc != SQLITE_OK) return store_refused(store, rc, err);
    chain(digest, str_of(sql));
    while ((more = row_next(&row, err)) == 1) {
        buf_truncate(&bytes, 0);
        for (int i = 0; i < sqlite3_column_count(row.statement) && more == 1; i++)
            if (append_column(&row, i, &bytes) != 0) more = err_set(err, ERR_MEMORY, "memory is out");
        if (more < 0) break;
        chain(digest, buf_str(&bytes));
    }
    (void)sqlite3_finalize(row.statement);
    buf_wipe(&bytes);
    return more;
}

int store_digest(struct store *store, struct secret_digest *digest, struct err *err) {
    int rc = 0;
    assert(sqlite3_get_autocommit(store->db)); // what is not committed is nobody's state
    memset(digest, 0, sizeof *digest);
    if (store_run(store, STATEMENT_SNAPSHOT, err) != 0) return -1;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && rc == 0; i++)
        rc = digest_table(store, tables[i], digest, err);
    store_rollback(store); // nothing was written
    return rc;
}

// The schema and its history. Opening a database brings it to the newest version, row by row; a version,
// once released, is never edited: a change is a new row.
#include "store/internal.h"

#include <inttypes.h>
#include <stdio.h>

#define APPLICATION_ID 0x48524c44 // "HRLD", in the header of the file

static const struct {
    int version;
    const char *sql;
} migrations[] = {
    {1, "CREATE TABLE meta ("
        "  id INTEGER PRIMARY KEY CHECK (id = 1)," // one row
        "  clock INTEGER NOT NULL CHECK (clock >= 0)"
        ") STRICT;"
        "INSERT INTO meta (id, clock) VALUES (1, 0);"
        "CREATE TABLE accounts ("
        "  uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),"
        "  login TEXT NOT NULL,"
        "  fold TEXT NOT NULL UNIQUE," // the login without case: here logins are unique
        "  name TEXT NOT NULL,"
        "  created_from TEXT NOT NULL,"
        "  created_ms INTEGER NOT NULL,"
        "  modified_ms INTEGER NOT NULL,"
        "  credential_version INTEGER NOT NULL,"
        "  secret_key BLOB NOT NULL CHECK (length(secret_key) = 32),"
        "  secret_hash TEXT NOT NULL"
        ") STRICT;"},
};

int schema_check(struct store *store, int64_t *version, struct err *err) {
    int64_t id, things;
    if (store_ask(store, "PRAGMA user_version", version, err) != 0 ||
        store_ask(store, "PRAGMA application_id", &id, err) != 0 ||
        store_ask(store, "SELECT count(*) FROM sqlite_schema", &things, err) != 0)
        return -1;
    if (things == 0 && *version == 0 && id == 0 && store->writer) return 0;
    if (id != APPLICATION_ID || *version < 1) return store_refused(store, SQLITE_NOTADB, err);
    if (*version > STORE_SCHEMA_VERSION)
        return err_set(err, ERR_VERSION,
                       "the database was written by a newer Herald (schema %" PRId64
                       ", this one knows %d): run that version (%s/%s)",
                       *version, STORE_SCHEMA_VERSION, store->directory, STORE_FILE);
    if (*version < STORE_SCHEMA_VERSION && !store->writer)
        return err_set(err, ERR_VERSION,
                       "the database has an older schema: open it for writing first (%s/%s)",
                       store->directory, STORE_FILE);
    return 0;
}

int schema_migrate(struct store *store, int64_t version, struct err *err) {
    char stamp[96];
    if (version == STORE_SCHEMA_VERSION) return 0;
    if (store_exec(store, "BEGIN IMMEDIATE", err) != 0) return -1;
    for (size_t i = 0; i < sizeof migrations / sizeof *migrations; i++)
        if (migrations[i].version > version && store_exec(store, migrations[i].sql, err) != 0) goto fail;
    (void)snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   APPLICATION_ID, STORE_SCHEMA_VERSION);
    if (store_exec(store, stamp, err) != 0 || store_exec(store, "COMMIT", err) != 0) goto fail;
    return 0;

fail:
    if (!sqlite3_get_autocommit(store->db)) (void)store_exec(store, "ROLLBACK", NULL);
    return -1;
}

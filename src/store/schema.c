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
    // Changes other than creating, settings, tokens, the change log, requests. Until here nothing but
    // creations had happened, so the accounts in their order are the history.
    {2,
     "CREATE TABLE meta_2 ("
     "  id INTEGER PRIMARY KEY CHECK (id = 1),"
     "  epoch INTEGER NOT NULL,"
     "  clock INTEGER NOT NULL CHECK (clock >= 0),"
     "  at_ms INTEGER NOT NULL,"                          // replicated time
     "  accounts INTEGER NOT NULL CHECK (accounts >= 0)," // how many there are
     "  settings INTEGER NOT NULL CHECK (settings >= 0),"
     "  tokens INTEGER NOT NULL CHECK (tokens >= 0),"
     "  changes_after INTEGER NOT NULL," // the log has all changes after this clock
     "  requests INTEGER NOT NULL"       // the number of the last one
     ") STRICT;"
     "INSERT INTO meta_2 SELECT 1, 1, clock,"
     "  coalesce((SELECT max(0, max(created_ms)) FROM accounts), 0),"
     "  (SELECT count(*) FROM accounts), 0, 0, iif(clock = (SELECT count(*) FROM accounts), max(0, clock - "
     "1000000), clock), 0 FROM meta;"
     "DROP TABLE meta;"
     "ALTER TABLE meta_2 RENAME TO meta;"

     "CREATE TABLE accounts_2 ("
     "  created INTEGER PRIMARY KEY," // event clock of its creation: rows lie in the order they came
     "  version INTEGER NOT NULL,"    // event clock of its last change
     "  uuid BLOB NOT NULL CHECK (length(uuid) = 16),"
     "  login TEXT NOT NULL,"
     "  fold TEXT NOT NULL," // the login without case
     "  name TEXT NOT NULL,"
     "  created_from TEXT NOT NULL,"
     "  created_ms INTEGER NOT NULL,"
     "  modified_ms INTEGER NOT NULL,"
     "  credential_version INTEGER NOT NULL,"
     "  secret_key BLOB CHECK (length(secret_key) = 32)," // both or none
     "  secret_hash TEXT CHECK ((secret_hash IS NULL) = (secret_key IS NULL))"
     ") STRICT;"
     "INSERT INTO accounts_2 SELECT row_number() OVER (ORDER BY rowid), row_number() OVER (ORDER BY rowid),"
     "  uuid, login, fold, name, created_from, created_ms, modified_ms, credential_version,"
     "  iif(secret_hash = '', NULL, secret_key), nullif(secret_hash, '') FROM accounts ORDER BY rowid;"
     "DROP TABLE accounts;"
     "ALTER TABLE accounts_2 RENAME TO accounts;"
     "CREATE UNIQUE INDEX accounts_uuid ON accounts (uuid);"
     "CREATE UNIQUE INDEX accounts_fold ON accounts (fold);" // here logins are unique

     "CREATE TABLE settings ("
     "  key TEXT NOT NULL PRIMARY KEY,"
     "  version INTEGER NOT NULL," // event clock of its last change
     "  modified_ms INTEGER NOT NULL,"
     "  value BLOB NOT NULL"
     ") STRICT;"
     "CREATE TABLE tokens ("
     "  created INTEGER PRIMARY KEY," // event clock
     "  id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),"
     "  label TEXT NOT NULL,"
     "  token BLOB NOT NULL UNIQUE CHECK (length(token) = 32)," // digest
     "  created_ms INTEGER NOT NULL"
     ") STRICT;"
     "CREATE TABLE changes ("
     "  clock INTEGER PRIMARY KEY,"
     "  kind INTEGER NOT NULL,"
     "  sets INTEGER NOT NULL,"
     "  uuid BLOB,"
     "  login TEXT,"
     "  name TEXT NOT NULL,"
     "  at_ms INTEGER NOT NULL"
     ") STRICT;"
     "INSERT INTO changes SELECT created, 1, 0, uuid, login, name, created_ms FROM accounts"
     "  WHERE created > (SELECT changes_after FROM meta);"
     "CREATE TABLE requests ("
     "  number INTEGER PRIMARY KEY,"
     "  kept_ms INTEGER NOT NULL," // replicated time when it was done
     "  scope BLOB NOT NULL,"
     "  key TEXT NOT NULL,"
     "  fingerprint BLOB NOT NULL,"
     "  kind INTEGER NOT NULL," // from here on: the answer
     "  clock INTEGER NOT NULL,"
     "  at_ms INTEGER NOT NULL,"
     "  version INTEGER NOT NULL,"
     "  uuid BLOB NOT NULL,"
     "  login TEXT NOT NULL,"
     "  name TEXT NOT NULL,"
     "  created_from TEXT NOT NULL,"
     "  created_ms INTEGER NOT NULL,"
     "  modified_ms INTEGER NOT NULL,"
     "  created INTEGER NOT NULL,"
     "  credential_version INTEGER NOT NULL,"
     "  has_secret INTEGER NOT NULL"
     ") STRICT;"
     "CREATE UNIQUE INDEX requests_key ON requests (scope, key);"},
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

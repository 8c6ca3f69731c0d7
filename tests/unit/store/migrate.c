// A database that an older Herald wrote: everything in it is there, and works as if written today.
#include "place.h"

// What schema 1 was, to the letter.
static const char *const version_1 =
    "CREATE TABLE meta ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  clock INTEGER NOT NULL CHECK (clock >= 0)"
    ") STRICT;"
    "INSERT INTO meta (id, clock) VALUES (1, 0);"
    "CREATE TABLE accounts ("
    "  uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),"
    "  login TEXT NOT NULL,"
    "  fold TEXT NOT NULL UNIQUE,"
    "  name TEXT NOT NULL,"
    "  created_from TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  modified_ms INTEGER NOT NULL,"
    "  credential_version INTEGER NOT NULL,"
    "  secret_key BLOB NOT NULL CHECK (length(secret_key) = 32),"
    "  secret_hash TEXT NOT NULL"
    ") STRICT;"
    "PRAGMA application_id = 1213353028; PRAGMA user_version = 1; PRAGMA journal_mode = WAL";

static const char *const insert_1 =
    "INSERT INTO accounts (uuid, login, fold, name, created_from, created_ms, modified_ms, "
    "credential_version, secret_key, secret_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1, ?7, ?8) "
    "ON CONFLICT DO NOTHING";

// As version 1 stored it.
static void create_1(sqlite3 *db, const struct change *change) {
    sqlite3_stmt *insert;
    assert_int_equal(sqlite3_prepare_v2(db, insert_1, -1, &insert, NULL), SQLITE_OK);
    sqlite3_bind_blob(insert, 1, change->uuid.bytes, 16, SQLITE_STATIC);
    sqlite3_bind_text(insert, 2, change->login.name, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 3, change->login.fold, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 4, change->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 5, change->created_from, -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 6, change->at_ms);
    sqlite3_bind_blob(insert, 7, change->secret_key.bytes, 32, SQLITE_STATIC);
    sqlite3_bind_text(insert, 8, change->secret_hash, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
    assert_int_equal(sqlite3_finalize(insert), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE meta SET clock = clock + 1", NULL, NULL, NULL), SQLITE_OK);
}

static struct change nth(unsigned i) {
    char login[16];
    snprintf(login, sizeof login, "User%u", i);
    struct change change = change_creating(login, i * 7919 + 1);
    if (i % 3 == 0) change.secret_hash[0] = '\0'; // without a password
    return change;
}

static void make_version_1(struct scratch *scratch, unsigned accounts) {
    sqlite3 *db;
    char path[128];
    assert_int_equal(scratch_make(scratch), 0);
    assert_int_equal(mkdir(scratch->directory, 0700), 0);
    assert_int_equal(sqlite3_open(scratch_file(scratch, STORE_FILE, path), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, version_1, NULL, NULL, NULL), SQLITE_OK);
    for (unsigned i = 0; i < accounts; i++) {
        struct change change = nth(i);
        create_1(db, &change);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static bool count_changes(const struct logged *logged, void *context) {
    unsigned *count = context;
    struct change change = nth((*count)++);
    assert_int_equal(logged->clock, *count);
    assert_int_equal(logged->kind, CHANGE_CREATE);
    assert_true(str_equal_text(logged->login, change.login.name));
    assert_true(str_equal_text(logged->name, change.name));
    assert_memory_equal(&logged->uuid, &change.uuid, sizeof change.uuid);
    assert_int_equal(logged->at_ms, change.at_ms);
    return true;
}

static void a_database_of_version_1_is_all_there(void **state) {
    (void)state;
    enum { MANY = 100 };
    struct place place, fresh;
    unsigned count = 0;
    make_version_1(&place.scratch, MANY);
    struct err err = {0};
    assert_null(store_open_reader(place.scratch.directory, &err)); // the writer goes first
    assert_int_equal(err.code, ERR_VERSION);
    place.store = place_writer(&place.scratch);
    for (unsigned i = 0; i < MANY; i++) {
        struct change change = nth(i);
        struct account account;
        struct credential credential;
        assert_int_equal(store_find(place.store, change.login.fold, &account, &credential, NULL), 1);
        assert_memory_equal(&account.uuid, &change.uuid, sizeof account.uuid);
        assert_string_equal(account.login, change.login.name);
        assert_string_equal(credential.hash, change.secret_hash);
        assert_int_equal(account.has_secret, i % 3 != 0);
        assert_int_equal(account.created, i + 1);
        assert_int_equal(account.version, i + 1);
    }
    struct store_meta meta = meta_of(place.store);
    assert_int_equal(meta.accounts, MANY);
    assert_int_equal(meta.clock, MANY);
    assert_int_equal(meta.epoch, 1);
    assert_int_equal(store_changes(place.store, 0, 1000, count_changes, &count, NULL), MANY);

    // As if the same had been done today, to the last byte.
    place_open(&fresh);
    for (unsigned i = 0; i < MANY; i++) {
        struct change change = nth(i);
        assert_done(fresh.store, &change, NULL);
    }
    struct secret_digest migrated = digest_of(place.store), made = digest_of(fresh.store);
    assert_memory_equal(&migrated, &made, sizeof made);
    struct change next = nth(MANY);
    assert_done(place.store, &next, NULL);
    place_reopen(&place);
    assert_int_equal(count_of(place.store), MANY + 1);
    place_close(&place);
    place_close(&fresh);
}

static void an_empty_database_of_version_1_is_as_a_new_one(void **state) {
    (void)state;
    struct place place, fresh;
    make_version_1(&place.scratch, 0);
    place.store = place_writer(&place.scratch);
    place_open(&fresh);
    struct secret_digest migrated = digest_of(place.store), made = digest_of(fresh.store);
    assert_memory_equal(&migrated, &made, sizeof made);
    place_close(&place);
    place_close(&fresh);
}

// Somebody has removed an account by hand: what the clock counted is no longer known, and it says so.
static void a_history_with_holes_is_not_told(void **state) {
    (void)state;
    struct place place;
    sqlite3 *db;
    char path[128];
    make_version_1(&place.scratch, 3);
    assert_int_equal(sqlite3_open(scratch_file(&place.scratch, STORE_FILE, path), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM accounts WHERE login = 'User1'", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    place.store = place_writer(&place.scratch);
    unsigned count = 0;
    assert_int_equal(count_of(place.store), 2);
    assert_int_equal(store_changes(place.store, 0, 10, count_changes, &count, NULL), STORE_CHANGES_GONE);
    assert_int_equal(store_changes(place.store, 3, 10, count_changes, &count, NULL), 0);
    struct change next = nth(3);
    assert_done(place.store, &next, NULL);
    place_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_database_of_version_1_is_all_there),
        cmocka_unit_test(an_empty_database_of_version_1_is_as_a_new_one),
        cmocka_unit_test(a_history_with_holes_is_not_told),
    };
    return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}

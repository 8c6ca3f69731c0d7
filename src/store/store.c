// Opening and closing, transactions, and the small helpers over SQLite that the folder shares.
//
//   DIRECTORY (0700)
//     lock           flock held by the one writer
//     state.db       what checkpoints have brought home
//     state.db-wal   what was committed since; synced at every commit
//     state.db-shm   where in it everything is; rebuilt when lost
#include "store/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE "lock"
// Cache in KiB. The two indexes of a million accounts take 50 MB; twice this cache was measured to be no
// quicker.
#define WRITER_PRAGMAS     "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA cache_size = -32768"
#define WRITER_PATIENCE_MS 5000 // for a backup or a person's sqlite3 that holds the database
#define READER_PRAGMAS     "PRAGMA query_only = ON; PRAGMA cell_size_check = ON"
#define READER_PATIENCE_MS 250

// --- statements -------------------------------------------------------------------------------------------

static int prepare_all(struct store *store, struct err *err) {
    static const struct {
        bool reads;
        const char *sql;
    } texts[] = {
#define STATEMENT_TEXT(name, reads, sql) {reads, sql},
        STATEMENTS(STATEMENT_TEXT)
#undef STATEMENT_TEXT
    };
    for (int i = 0; i < STATEMENT_END; i++) {
        if (!store->writer && !texts[i].reads) continue;
        int rc = sqlite3_prepare_v3(store->db, texts[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
                                    &store->statements[i], NULL);
        if (rc != SQLITE_OK) return store_refused(store, rc, err);
    }
    return 0;
}

// --- the directory ----------------------------------------------------------------------------------------

static int make_directory(const char *directory, struct err *err) {
    if (mkdir(directory, 0700) != 0)
        return errno == EEXIST ? 0 : err_system(err, errno, "cannot make the data directory %s", directory);
    int parent = -1, rc = -1;
    int made = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (made >= 0) parent = openat(made, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0) rc = fsync(parent); // or a power cut could take the directory with all that is in it
    // A parent that we may enter but not list cannot be synced; the file systems in use here then order it.
    if (rc != 0 && errno == EACCES) rc = 0;
    if (rc != 0) (void)err_system(err, errno, "cannot sync the parent of the data directory %s", directory);
    if (parent >= 0) close(parent);
    if (made >= 0) close(made);
    return rc;
}

// Checks who may look inside, locks, and makes the database file so that it is private from its first
// moment. Its name is on disk before anything in it is acknowledged.
static int enter_directory(struct store *store, struct err *err) {
    struct stat stat;
    int rc = -1, file = -1;
    const char *directory = store->directory;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_system(err, errno, "cannot open the data directory %s", directory);
    if (fstat(fd, &stat) != 0) {
        (void)err_system(err, errno, "cannot look at the data directory %s", directory);
        goto out;
    }
    if ((stat.st_mode & 077) != 0) {
        (void)err_set(err, ERR_INVALID,
                      "the data directory holds password hashes and others may enter it: chmod 700 %s",
                      directory);
        goto out;
    }
    store->lock = openat(fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock < 0) {
        (void)err_system(err, errno, "cannot open %s/%s", directory, LOCK_FILE);
        goto out;
    }
    if (flock(store->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            (void)err_set(err, ERR_BUSY,
                          "another heraldd uses the data directory %s: stop it, or choose another",
                          directory);
        else
            (void)err_system(err, errno, "cannot lock %s/%s", directory, LOCK_FILE);
        goto out;
    }
    file = openat(fd, STORE_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        (void)err_system(err, errno, "cannot open %s/%s", directory, STORE_FILE);
        goto out;
    }
    rc = fsync(fd);
    if (rc != 0) (void)err_system(err, errno, "cannot sync the data directory %s", directory);
out:
    if (file >= 0) close(file);
    close(fd);
    return rc;
}

// --- opening and closing ----------------------------------------------------------------------------------

static int note_wal(void *context, sqlite3 *db, const char *name, int pages) {
    struct store *store = context;
    (void)db, (void)name;
    store->wal_bytes = (uint64_t)pages * 4096; // about: pages have a header of 24 bytes each
    return SQLITE_OK;
}

static int open_database(struct store *store, struct err *err) {
    char *path = sqlite3_mprintf("%s/%s", store->directory, STORE_FILE);
    if (!path) return store_refused(store, SQLITE_NOMEM, err);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (store->writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    int rc = sqlite3_open_v2(path, &store->db, flags, NULL);
    sqlite3_free(path);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(store->db, store->writer ? WRITER_PATIENCE_MS : READER_PATIENCE_MS);
    if (rc == SQLITE_OK) rc = sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    return rc == SQLITE_OK ? 0 : store_refused(store, rc, err);
}

static int use_wal(struct store *store, struct err *err) {
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(store->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    if (rc != SQLITE_OK) return store_refused(store, rc, err);
    rc = sqlite3_step(statement);
    bool wal =
        rc == SQLITE_ROW && str_equal_text(str_of((const char *)sqlite3_column_text(statement, 0)), "wal");
    (void)sqlite3_finalize(statement);
    if (rc != SQLITE_ROW) return store_refused(store, rc, err);
    if (!wal)
        return err_set(err, ERR_STORAGE,
                       "the database cannot use a write-ahead log here: put it on a local disk (%s/%s)",
                       store->directory, STORE_FILE);
    (void)sqlite3_wal_hook(store->db, note_wal, store); // in place of the automatic checkpoints
    return 0;
}

static struct store *store_new(const char *directory, bool writer, struct err *err) {
    size_t size = strlen(directory) + 1;
    struct store *store = calloc(1, sizeof *store);
    char *copy = malloc(size);
    if (!store || !copy) {
        free(store);
        free(copy);
        (void)err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    memcpy(copy, directory, size);
    store->directory = copy;
    store->writer = writer;
    store->lock = -1;
    store->changes_kept = STORE_CHANGES_KEPT;
    store->requests_kept = STORE_REQUESTS_KEPT;
    return store;
}

struct store *store_open_writer(const char *directory, struct err *err) {
    int64_t version;
    assert(sqlite3_threadsafe() != 0); // each connection is one thread's, but there are several
    struct store *store = store_new(directory, true, err);
    if (!store) return NULL;
    if (make_directory(directory, err) != 0 || enter_directory(store, err) != 0 ||
        open_database(store, err) != 0 || schema_check(store, &version, err) != 0 ||
        use_wal(store, err) != 0 || store_exec(store, WRITER_PRAGMAS, err) != 0 ||
        schema_migrate(store, version, err) != 0 || prepare_all(store, err) != 0) {
        store_close(store);
        return NULL;
    }
    return store;
}

struct store *store_open_reader(const char *directory, struct err *err) {
    int64_t version;
    struct store *store = store_new(directory, false, err);
    if (!store) return NULL;
    if (open_database(store, err) != 0 || store_exec(store, READER_PRAGMAS, err) != 0 ||
        schema_check(store, &version, err) != 0 || prepare_all(store, err) != 0) {
        store_close(store);
        return NULL;
    }
    return store;
}

void store_use(struct store *store, struct cache *cache) {
    store->cache = cache;
}

int store_hold(struct store *reader, uint64_t as_of, struct err *err) {
    if (store_run(reader, STATEMENT_SNAPSHOT, err) != 0) return -1;
    reader->as_of = as_of;
    return 0;
}

void store_release(struct store *reader) {
    struct err err;
    (void)store_run(reader, STATEMENT_COMMIT, &err); // of what only looked: there is nothing to lose
}

void store_close(struct store *store) {
    if (!store) return;
    if (store->writer && store->db && store->statements[STATEMENT_ROLLBACK]) {
        store_rollback(store);
        // SQLite empties the log too, but only for the last connection. A reader that just reads, such as a
        // backup, is not waited for: then the next start finds a log.
        (void)sqlite3_busy_timeout(store->db, 0);
        (void)sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    for (int i = 0; i < STATEMENT_END; i++) (void)sqlite3_finalize(store->statements[i]);
    int rc = sqlite3_close(store->db);
    assert(rc == SQLITE_OK);                  // refused only while statements are open
    if (store->lock >= 0) close(store->lock); // last: the next writer finds everything at rest
    free(store->directory);
    free(store);
}

// --- transactions -----------------------------------------------------------------------------------------

int store_begin(struct store *store, struct err *err) {
    if (store_run(store, STATEMENT_BEGIN, err) != 0) return -1;
    store->changed = false;
    if (meta_read(store, &store->meta, err) == 0) return 0;
    store_rollback(store);
    return -1;
}

static int keep_meta(struct store *store, struct err *err) {
    const struct store_meta *meta = &store->meta;
    struct row row = row_begin(store, STATEMENT_META_KEEP);
    row_put_natural(&row, meta->epoch);
    row_put_natural(&row, meta->clock);
    row_put_number(&row, meta->at_ms);
    row_put_natural(&row, meta->accounts);
    row_put_natural(&row, meta->settings);
    row_put_natural(&row, meta->tokens);
    row_put_natural(&row, meta->changes_after);
    row_put_natural(&row, meta->requests);
    return row_run(&row, err);
}

// What is forgotten depends on the state alone, so it does not matter where batches end.
int store_commit(struct store *store, struct err *err) {
    if (store->changed &&
        (changes_forget(store, err) != 0 || requests_forget(store, err) != 0 || keep_meta(store, err) != 0))
        goto fail;
    if (store_run(store, STATEMENT_COMMIT, err) == 0) return 0;
fail:
    store_rollback(store);
    return -1;
}

void store_rollback(struct store *store) {
    // After some failures SQLite has rolled back by itself. A rollback of its own cannot fail for good: what
    // it would have to undo was never in the log.
    if (!sqlite3_get_autocommit(store->db)) (void)store_run(store, STATEMENT_ROLLBACK, NULL);
}

int store_checkpoint(struct store *store, uint64_t over, struct err *err) {
    assert(store->writer && sqlite3_get_autocommit(store->db));
    if (store->wal_bytes <= over) return 0;
    int rc = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_refused(store, rc, err);
}

// Opening, refusing, committing, surviving.
#include "store/internal.h"

#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

static int setup(void **state) {
    static struct scratch scratch;
    *state = &scratch;
    return scratch_make(&scratch);
}

static int teardown(void **state) {
    scratch_remove(*state);
    return 0;
}

static struct store *open_writer(const struct scratch *scratch) {
    struct err err = {0};
    struct store *store = store_open_writer(scratch->directory, &err);
    if (!store) fail_msg("%s", err.text);
    return store;
}

static struct store *open_reader(const struct scratch *scratch) {
    struct err err = {0};
    struct store *store = store_open_reader(scratch->directory, &err);
    if (!store) fail_msg("%s", err.text);
    return store;
}

static void create(struct store *store, const char *login, unsigned number) {
    struct change change = change_creating(login, number);
    struct answer answer;
    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_apply(store, &change, &answer, NULL), OUTCOME_DONE);
    assert_int_equal(store_commit(store, NULL), 0);
}

static bool knows(struct store *store, const char *fold) {
    struct account account;
    int found = store_find(store, fold, &account, NULL, NULL);
    assert_true(found >= 0);
    return found == 1;
}

static uint64_t clock_of(struct store *store) {
    uint64_t clock;
    assert_int_equal(store_clock(store, &clock, NULL), 0);
    return clock;
}

static void assert_refused(const struct scratch *scratch, enum err_code code, const char *word) {
    struct err err = {0};
    assert_null(store_open_writer(scratch->directory, &err));
    if (err.code != code) fail_msg("%s: %s", err_name(err.code), err.text);
    if (!strstr(err.text, word)) fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

// With a connection of the test's own.
static void sql(const struct scratch *scratch, const char *text) {
    sqlite3 *db;
    char path[128];
    assert_int_equal(sqlite3_open(scratch_file(scratch, STORE_FILE, path), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

// --- opening ----------------------------------------------------------------------------------------------

static void a_fresh_directory_is_private_and_empty(void **state) {
    struct scratch *scratch = *state;
    char path[128];
    struct stat stat_of;
    mode_t before = umask(0); // the careless
    struct store *store = open_writer(scratch);
    uint64_t count;
    create(store, "alice", 1);
    umask(before);
    assert_int_equal(store_count(store, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(stat(scratch->directory, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 07777, 0700);
    static const char *const files[] = {STORE_FILE, STORE_FILE "-wal", STORE_FILE "-shm", "lock"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_int_equal(stat(scratch_file(scratch, files[i], path), &stat_of), 0);
        assert_int_equal(stat_of.st_mode & 07777, 0600);
    }
    store_close(store);
}

static void what_was_stored_is_there_the_next_time(void **state) {
    struct scratch *scratch = *state;
    struct store *store = open_writer(scratch);
    create(store, "alice", 1);
    create(store, "bob", 2);
    store_close(store);
    store = open_writer(scratch);
    assert_true(knows(store, "alice"));
    assert_true(knows(store, "bob"));
    assert_int_equal(clock_of(store), 2);
    create(store, "carol", 3);
    assert_int_equal(clock_of(store), 3);
    store_close(store);
    store_close(NULL);
}

static void closing_leaves_one_file_with_everything_in_it(void **state) {
    struct scratch *scratch = *state;
    char path[128];
    struct store *store = open_writer(scratch);
    create(store, "alice", 1);
    store_close(store);
    assert_int_equal(access(scratch_file(scratch, STORE_FILE "-wal", path), F_OK), -1);
    assert_int_equal(access(scratch_file(scratch, STORE_FILE "-shm", path), F_OK), -1);
}

static void closing_empties_the_log_beside_a_reader(void **state) {
    struct scratch *scratch = *state;
    char path[128];
    struct stat stat;
    struct store *store = open_writer(scratch);
    create(store, "alice", 1);
    struct store *reader = open_reader(scratch);
    assert_true(knows(reader, "alice"));
    store_close(store);
    assert_int_equal(lstat(scratch_file(scratch, STORE_FILE "-wal", path), &stat), 0);
    assert_int_equal(stat.st_size, 0);
    assert_true(knows(reader, "alice"));
    store_close(reader);
}

static void a_commit_is_on_disk_when_it_returns(void **state) {
    struct scratch *scratch = *state;
    int64_t level;
    struct store *store = open_writer(scratch);
    assert_int_equal(store_ask(store, "PRAGMA synchronous", &level, NULL), 0);
    assert_int_equal(level, 2); // FULL
    assert_int_equal(store_ask(store, "PRAGMA wal_autocheckpoint", &level, NULL), 0);
    assert_int_equal(level, 0); // only when we say so
    store_close(store);
}

static void a_directory_that_others_may_enter_is_refused(void **state) {
    struct scratch *scratch = *state;
    assert_int_equal(mkdir(scratch->directory, 0700), 0);
    static const mode_t modes[] = {0755, 0750, 0710, 0704, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(scratch->directory, modes[i]), 0);
        assert_refused(scratch, ERR_INVALID, "chmod 700 ");
    }
    assert_int_equal(chmod(scratch->directory, 0700), 0);
    store_close(open_writer(scratch));
}

static void what_is_not_a_usable_directory_is_refused_with_the_systems_words(void **state) {
    struct scratch *scratch = *state;
    struct scratch other = *scratch;
    int fd = open(scratch->directory, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_refused(scratch, ERR_SYSTEM, "Not a directory");
    snprintf(other.directory, sizeof other.directory, "%.60s/no/where", scratch->root);
    assert_refused(&other, ERR_SYSTEM, "No such file or directory");
}

// Runs `story` in a process of its own; its verdict is the exit status.
static void in_another_process(void (*story)(const struct scratch *), const struct scratch *scratch) {
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        story(scratch);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void open_as_a_stranger(const struct scratch *scratch) {
    struct err err = {0};
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(2);
    if (store_open_writer(scratch->directory, &err)) _exit(3);
    if (err.code != ERR_SYSTEM || !strstr(err.text, "Permission denied")) _exit(4);
}

static void a_directory_without_permission_is_refused(void **state) {
    struct scratch *scratch = *state;
    assert_int_equal(mkdir(scratch->directory, 0), 0);
    in_another_process(open_as_a_stranger, scratch);
    assert_int_equal(chmod(scratch->directory, 0700), 0);
}

static void expect_busy(const struct scratch *scratch) {
    struct err err = {0};
    if (store_open_writer(scratch->directory, &err)) _exit(3);
    if (err.code != ERR_BUSY || !strstr(err.text, scratch->directory)) _exit(4);
}

static void a_second_writer_is_refused_until_the_first_has_closed(void **state) {
    struct scratch *scratch = *state;
    struct store *store = open_writer(scratch);
    assert_refused(scratch, ERR_BUSY, scratch->directory); // within the process
    in_another_process(expect_busy, scratch);              // and from another
    create(store, "alice", 1);                             // the first did not notice
    store_close(store);
    store = open_writer(scratch);
    assert_true(knows(store, "alice"));
    store_close(store);
}

// --- whose file is it -------------------------------------------------------------------------------------

static void a_newer_schema_is_refused(void **state) {
    struct scratch *scratch = *state;
    store_close(open_writer(scratch));
    sql(scratch, "PRAGMA user_version = 3");
    assert_refused(scratch, ERR_VERSION, "newer Herald (schema 3, this one knows 2)");
    sql(scratch, "PRAGMA user_version = 2");
    store_close(open_writer(scratch));
}

static void another_programs_database_is_refused_and_left_alone(void **state) {
    struct scratch *scratch = *state;
    assert_int_equal(mkdir(scratch->directory, 0700), 0);
    sql(scratch, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    assert_refused(scratch, ERR_STORAGE, "not a database of Herald");
    sql(scratch, "PRAGMA application_id = 77; PRAGMA user_version = 1");
    assert_refused(scratch, ERR_STORAGE, "not a database of Herald");
    sqlite3 *db;
    sqlite3_stmt *mode;
    char path[128];
    assert_int_equal(sqlite3_open(scratch_file(scratch, STORE_FILE, path), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &mode, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(mode), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(mode, 0), "delete"); // as they had it
    sqlite3_finalize(mode);
    sqlite3_close(db);
}

static void overwrite(const struct scratch *scratch, off_t from, off_t to) {
    char path[128];
    int fd = open(scratch_file(scratch, STORE_FILE, path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (; from < to; from += 16) assert_int_equal(pwrite(fd, "This is garbage\n", 16, from), 16);
    close(fd);
}

static void a_file_that_is_no_database_is_refused_and_left_alone(void **state) {
    struct scratch *scratch = *state;
    char path[128];
    struct stat stat_of;
    assert_int_equal(mkdir(scratch->directory, 0700), 0);
    overwrite(scratch, 0, 8192);
    assert_refused(scratch, ERR_STORAGE, "not a database of Herald");
    assert_int_equal(stat(scratch_file(scratch, STORE_FILE, path), &stat_of), 0);
    assert_int_equal(stat_of.st_size, 8192);
}

static void a_damaged_database_says_so(void **state) {
    struct scratch *scratch = *state;
    struct account account;
    struct err err = {0};
    char path[128];
    struct stat stat_of;
    struct store *store = open_writer(scratch);
    create(store, "alice", 1);
    store_close(store);
    assert_int_equal(stat(scratch_file(scratch, STORE_FILE, path), &stat_of), 0);
    overwrite(scratch, 4096, stat_of.st_size); // all but the schema
    store = store_open_writer(scratch->directory, &err);
    assert_non_null(store);
    assert_int_equal(store_find(store, "alice", &account, NULL, &err), -1);
    assert_int_equal(err.code, ERR_STORAGE);
    assert_non_null(strstr(err.text, "damaged"));
    assert_int_equal(store_clock(store, &(uint64_t){0}, &err), -1);
    store_close(store);
    overwrite(scratch, 112, 4096); // the schema, too
    assert_refused(scratch, ERR_STORAGE, "damaged");
}

static void a_read_only_database_says_so(void **state) {
    struct scratch *scratch = *state;
    struct err err = {0};
    struct store *store = open_writer(scratch);
    assert_int_equal(store_refused(store, SQLITE_READONLY, &err), -1);
    assert_int_equal(err.code, ERR_STORAGE);
    assert_non_null(strstr(err.text, "cannot be written"));
    assert_non_null(strstr(err.text, scratch->directory));
    store_close(store);
}

static void every_refusal_of_the_database_becomes_one_sentence(void **state) {
    struct scratch *scratch = *state;
    struct store *store = open_writer(scratch);
    for (int rc = 1; rc < 100; rc++) {
        struct err err = {0};
        assert_int_equal(store_refused(store, rc, &err), -1);
        assert_true(err.code != ERR_NONE);
        assert_true(strlen(err.text) > 10);
        assert_int_not_equal(err.text[strlen(err.text) - 1], '.');
    }
    struct err err;
    store_refused(store, SQLITE_IOERR_NOMEM, &err);
    assert_int_equal(err.code, ERR_MEMORY);
    store_refused(store, SQLITE_BUSY_SNAPSHOT, &err);
    assert_int_equal(err.code, ERR_BUSY);
    store_close(store);
}

// --- transactions -----------------------------------------------------------------------------------------

static void what_is_rolled_back_never_was(void **state) {
    struct scratch *scratch = *state;
    struct store *store = open_writer(scratch);
    struct change change = change_creating("alice", 1);
    struct answer answer;
    create(store, "bob", 2);
    assert_int_equal(store_begin(store, NULL), 0);
    assert_int_equal(store_apply(store, &change, &answer, NULL), OUTCOME_DONE);
    assert_int_equal(answer.clock, 2);
    assert_true(knows(store, "alice"));
    store_rollback(store);
    assert_false(knows(store, "alice"));
    assert_int_equal(clock_of(store), 1);
    store_rollback(store); // nothing to do
    create(store, "alice", 1);
    assert_int_equal(clock_of(store), 2);
    store_close(store);
}

static void readers_see_what_is_committed_and_nothing_else(void **state) {
    struct scratch *scratch = *state;
    struct store *writer = open_writer(scratch), *reader = open_reader(scratch),
                 *other = open_reader(scratch);
    struct change change = change_creating("alice", 1);
    struct answer answer;
    assert_false(knows(reader, "alice"));
    assert_int_equal(store_begin(writer, NULL), 0);
    assert_int_equal(store_apply(writer, &change, &answer, NULL), OUTCOME_DONE);
    assert_false(knows(reader, "alice"));
    assert_int_equal(clock_of(reader), 0);
    assert_int_equal(store_commit(writer, NULL), 0);
    assert_true(knows(reader, "alice"));
    assert_true(knows(other, "alice"));
    assert_int_equal(clock_of(reader), 1);
    store_close(reader);
    store_close(other);
    store_close(writer);
}

static void a_reader_cannot_write(void **state) {
    struct scratch *scratch = *state;
    struct store *writer = open_writer(scratch), *reader = open_reader(scratch);
    struct err err = {0};
    assert_int_equal(store_exec(reader, "DELETE FROM accounts", &err), -1);
    assert_int_equal(err.code, ERR_STORAGE);
    store_close(reader);
    store_close(writer);
}

static void a_reader_needs_a_writer_to_have_been_there(void **state) {
    struct scratch *scratch = *state;
    struct err err = {0};
    assert_null(store_open_reader(scratch->directory, &err));
    assert_int_equal(err.code, ERR_STORAGE);
    assert_int_equal(mkdir(scratch->directory, 0700), 0);
    assert_null(store_open_reader(scratch->directory, &err));
    sql(scratch, "PRAGMA user_version = 0"); // an empty file at most
    assert_null(store_open_reader(scratch->directory, &err));
}

static off_t size_of(const struct scratch *scratch, const char *file) {
    char path[128];
    struct stat stat_of;
    return stat(scratch_file(scratch, file, path), &stat_of) == 0 ? stat_of.st_size : 0;
}

static void a_checkpoint_brings_changes_home_when_there_are_enough(void **state) {
    struct scratch *scratch = *state;
    struct store *store = open_writer(scratch), *reader = open_reader(scratch);
    char login[32];
    assert_int_equal(store_checkpoint(store, 0, NULL), 0);
    off_t before = size_of(scratch, STORE_FILE);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(login, sizeof login, "user%u", i);
        create(store, login, i);
    }
    assert_int_equal(store_checkpoint(store, 100 * 1024 * 1024, NULL), 0);
    assert_int_equal(size_of(scratch, STORE_FILE), before); // not yet
    off_t log = size_of(scratch, STORE_FILE "-wal");
    assert_int_equal(store_checkpoint(store, 64 * 1024, NULL), 0);
    assert_true(size_of(scratch, STORE_FILE) > before);
    assert_true(knows(reader, "user199"));
    for (unsigned i = 200; i < 300; i++) {
        snprintf(login, sizeof login, "user%u", i);
        create(store, login, i);
    }
    assert_int_equal(size_of(scratch, STORE_FILE "-wal"), log); // its room is used again
    assert_true(knows(reader, "user299"));
    store_close(reader);
    store_close(store);
}

// --- failing and dying ------------------------------------------------------------------------------------

static void commit_one_and_die_in_the_second(const struct scratch *scratch) {
    struct store *store = store_open_writer(scratch->directory, NULL);
    struct change change = change_creating("second", 2);
    struct answer answer;
    if (!store) _exit(2);
    create(store, "first", 1);
    if (store_begin(store, NULL) != 0 || store_apply(store, &change, &answer, NULL) != OUTCOME_DONE) _exit(3);
    // ... and no more: the process ends here as if killed
}

static void a_killed_writer_leaves_what_it_committed(void **state) {
    struct scratch *scratch = *state;
    in_another_process(commit_one_and_die_in_the_second, scratch);
    struct store *store = open_writer(scratch);
    assert_true(knows(store, "first"));
    assert_false(knows(store, "second"));
    assert_int_equal(clock_of(store), 1);
    store_close(store);
}

static void a_full_disk_refuses_and_works_again_when_there_is_room(void **state) {
    struct scratch *scratch = *state;
    struct store *store = open_writer(scratch), *reader = open_reader(scratch);
    struct rlimit before, small;
    struct err err = {0};
    struct answer answer;
    create(store, "alice", 1);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = (rlim_t)size_of(scratch, STORE_FILE "-wal") + 1000; // not a whole page more
    for (unsigned i = 0; i < 3; i++) {
        struct change change = change_creating("bob", 2);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        assert_int_equal(store_begin(store, &err), 0);
        assert_int_equal(store_apply(store, &change, &answer, &err), OUTCOME_DONE);
        int rc = store_commit(store, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(rc, -1);
        assert_int_equal(err.code, ERR_STORAGE);
        assert_non_null(strstr(err.text, "the disk is full: free some space"));
        assert_false(knows(store, "bob")); // rolled back
        assert_false(knows(reader, "bob"));
        assert_int_equal(clock_of(store), 1);
    }
    create(store, "bob", 2);
    assert_true(knows(reader, "alice"));
    assert_true(knows(reader, "bob"));
    assert_int_equal(clock_of(reader), 2);
    store_close(reader);
    store_close(store);
    store = open_writer(scratch);
    assert_true(knows(store, "bob"));
    store_close(store);
}

static void a_reader_that_holds_sees_the_same_until_it_releases(void **state) {
    struct scratch *scratch = *state;
    struct store *store = open_writer(scratch);
    struct store *reader = open_reader(scratch);
    create(store, "alice", 1);
    assert_int_equal(store_hold(reader, 0, NULL), 0);
    assert_true(knows(reader, "alice"));
    create(store, "bob", 2);
    assert_false(knows(reader, "bob"));
    assert_true(knows(reader, "alice"));
    assert_int_equal(store_hold(reader, 0, NULL), -1); // it does already
    store_release(reader);
    assert_true(knows(reader, "bob"));
    store_release(reader); // of nothing
    assert_true(knows(reader, "bob"));
    store_close(reader);
    store_close(store);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        STORY(a_fresh_directory_is_private_and_empty),
        STORY(what_was_stored_is_there_the_next_time),
        STORY(closing_leaves_one_file_with_everything_in_it),
        STORY(closing_empties_the_log_beside_a_reader),
        STORY(a_commit_is_on_disk_when_it_returns),
        STORY(a_directory_that_others_may_enter_is_refused),
        STORY(what_is_not_a_usable_directory_is_refused_with_the_systems_words),
        STORY(a_directory_without_permission_is_refused),
        STORY(a_second_writer_is_refused_until_the_first_has_closed),
        STORY(a_newer_schema_is_refused),
        STORY(another_programs_database_is_refused_and_left_alone),
        STORY(a_file_that_is_no_database_is_refused_and_left_alone),
        STORY(a_damaged_database_says_so),
        STORY(a_read_only_database_says_so),
        STORY(every_refusal_of_the_database_becomes_one_sentence),
        STORY(what_is_rolled_back_never_was),
        STORY(readers_see_what_is_committed_and_nothing_else),
        STORY(a_reader_cannot_write),
        STORY(a_reader_that_holds_sees_the_same_until_it_releases),
        STORY(a_reader_needs_a_writer_to_have_been_there),
        STORY(a_checkpoint_brings_changes_home_when_there_are_enough),
        STORY(a_killed_writer_leaves_what_it_committed),
        STORY(a_full_disk_refuses_and_works_again_when_there_is_room),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}

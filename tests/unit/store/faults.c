// The store when memory runs out: whichever allocation fails, the state is the old one or the new one, the
// answer says which, and the store goes on working.
#include "store/store.h"

#include "scratch.h"
#include "sqlite_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t clock_of(struct store *store) {
    uint64_t clock;
    assert_int_equal(store_clock(store, &clock, NULL), 0);
    return clock;
}

static void opening_fails_cleanly_and_works_the_next_time(void **state) {
    (void)state;
    long failures = 0;
    for (long n = 1;; n++) {
        struct scratch scratch;
        struct err err = {0};
        assert_int_equal(scratch_make(&scratch), 0);
        fault_after(n);
        struct store *store = store_open_writer(scratch.directory, &err);
        bool failed = fault_off();
        if (!store) {
            assert_true(failed);
            assert_int_equal(err.code, ERR_MEMORY);
            store = store_open_writer(scratch.directory, &err); // what was half made is no hindrance
            assert_non_null(store);
            failures++;
        }
        assert_int_equal(clock_of(store), 0);
        store_close(store);
        scratch_remove(&scratch);
        if (!failed) break;
    }
    assert_true(failures > 10);
}

// One account, stored: begin, apply, commit. Rolls back what fails, as the storage thread does.
static int create(struct store *store, const char *login, unsigned number, struct err *err) {
    uint64_t clock;
    struct change change = change_creating(login, number);
    if (store_begin(store, err) != 0) return -1;
    if (store_apply(store, &change, &clock, err) != APPLY_DONE) {
        store_rollback(store);
        return -1;
    }
    return store_commit(store, err);
}

static void a_change_happens_wholly_or_not_at_all(void **state) {
    (void)state;
    struct scratch scratch;
    struct account account;
    char login[32];
    long failures = 0;
    uint64_t clock = 0;
    assert_int_equal(scratch_make(&scratch), 0);
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        // A fresh connection each time: what a connection keeps would make later rounds need nothing.
        struct store *store = store_open_writer(scratch.directory, NULL);
        struct err err = {0};
        assert_non_null(store);
        snprintf(login, sizeof login, "user%u", n);
        fault_after(n);
        int rc = create(store, login, n, &err);
        failed = fault_off();
        if (rc != 0) {
            assert_true(failed);
            assert_int_equal(err.code, ERR_MEMORY);
            failures++;
        }
        clock += rc == 0;
        assert_int_equal(store_find(store, login, &account, NULL), rc == 0 ? 1 : 0);
        assert_int_equal(clock_of(store), clock);
        snprintf(login, sizeof login, "next%u", n);
        assert_int_equal(create(store, login, n + 100000, NULL), 0);
        clock++;
        store_close(store);
    }
    assert_true(failures > 3);
    scratch_remove(&scratch);
}

static void looking_up_says_that_it_failed_and_works_again(void **state) {
    (void)state;
    struct scratch scratch;
    struct account account;
    long failures = 0;
    assert_int_equal(scratch_make(&scratch), 0);
    struct store *writer = store_open_writer(scratch.directory, NULL);
    assert_non_null(writer);
    assert_int_equal(create(writer, "alice", 1, NULL), 0);
    bool failed = true;
    for (long n = 1; failed; n++) {
        struct err err = {0};
        uint64_t number;
        fault_after(n);
        struct store *reader = store_open_reader(scratch.directory, &err);
        int found = reader ? store_find(reader, "alice", &account, &err) : -1;
        int counted = found == 1 ? store_count(reader, &number, &err) : -1;
        failed = fault_off();
        if (found != 1 || counted != 0) {
            assert_true(failed);
            assert_int_equal(err.code, ERR_MEMORY);
            failures++;
        }
        if (reader) assert_int_equal(store_find(reader, "alice", &account, &err), 1);
        store_close(reader);
    }
    assert_true(failures > 10);
    store_close(writer);
    scratch_remove(&scratch);
}

static void a_checkpoint_that_fails_loses_nothing(void **state) {
    (void)state;
    struct scratch scratch;
    struct account account;
    assert_int_equal(scratch_make(&scratch), 0);
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        char login[32];
        struct store *store = store_open_writer(scratch.directory, NULL);
        assert_non_null(store);
        snprintf(login, sizeof login, "user%u", n);
        assert_int_equal(create(store, login, n, NULL), 0);
        fault_after(n);
        int rc = store_checkpoint(store, 0, NULL);
        failed = fault_off();
        if (rc != 0) assert_true(failed);
        assert_int_equal(store_find(store, login, &account, NULL), 1);
        assert_int_equal(store_checkpoint(store, 0, NULL), 0);
        fault_after(1);
        store_close(store); // cannot say that it failed, and must not need to
        fault_off();
    }
    scratch_remove(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_fails_cleanly_and_works_the_next_time),
        cmocka_unit_test(a_change_happens_wholly_or_not_at_all),
        cmocka_unit_test(looking_up_says_that_it_failed_and_works_again),
        cmocka_unit_test(a_checkpoint_that_fails_loses_nothing),
    };
    if (sqlite_fault_install() != 0) return 1;
    return cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
}

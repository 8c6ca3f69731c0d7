// The store when memory runs out: whichever allocation fails, the state is the old one or the new one, the
// answer says which, and the store goes on working.
#include "store/internal.h"

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
    struct answer answer;
    struct change change = change_creating(login, number);
    if (store_begin(store, err) != 0) return -1;
    if (store_apply(store, &change, &answer, err) != OUTCOME_DONE) {
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
        assert_int_equal(store_find(store, login, &account, NULL, NULL), rc == 0 ? 1 : 0);
        assert_int_equal(clock_of(store), clock);
        snprintf(login, sizeof login, "next%u", n);
        assert_int_equal(create(store, login, n + 100000, NULL), 0);
        clock++;
        store_close(store);
    }
    assert_true(failures > 3);
    scratch_remove(&scratch);
}

// Applies in a transaction of its own, and rolls back what fails.
static enum outcome apply_alone(struct store *store, const struct change *change, struct err *err) {
    struct answer answer;
    if (store_begin(store, err) != 0) return OUTCOME_FAILED;
    if (store_apply(store, change, &answer, err) == OUTCOME_FAILED) {
        store_rollback(store);
        return OUTCOME_FAILED;
    }
    return store_commit(store, err) == 0 ? answer.outcome : OUTCOME_FAILED;
}

static struct secret_digest digest_of(struct store *store) {
    struct secret_digest digest;
    assert_int_equal(store_digest(store, &digest, NULL), 0);
    return digest;
}

// Each of them once, on one that is as the others have left it; with forgetting, which is done at the end.
static void every_kind_of_change_happens_wholly_or_not_at_all(void **state) {
    (void)state;
    struct change changes[] = {
        change_creating("alice", 1),
        change_renaming(1, "bob"),
        change_securing(1, "$new"),
        change_setting(CHANGE_SETTING_PUT, "key", "value"),
        change_setting(CHANGE_SETTING_PUT, "key", "other"),
        change_setting(CHANGE_SETTING_DELETE, "key", ""),
        change_token(CHANGE_TOKEN_ADD, 1),
        change_token(CHANGE_TOKEN_REVOKE, 1),
        change_of(CHANGE_DELETE, 1),
    };
    struct scratch scratch;
    long failures = 0;
    assert_int_equal(scratch_make(&scratch), 0);
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        snprintf(changes[i].request.key, sizeof changes[i].request.key, "request %u", i);
        enum outcome outcome = OUTCOME_FAILED;
        for (long n = 1; outcome == OUTCOME_FAILED; n++) {
            struct store *store = store_open_writer(scratch.directory, NULL);
            struct err err = {0};
            assert_non_null(store);
            store->changes_kept = store->requests_kept = 2;
            struct secret_digest before = digest_of(store), after;
            fault_after(n);
            outcome = apply_alone(store, &changes[i], &err);
            bool failed = fault_off();
            after = digest_of(store);
            if (outcome == OUTCOME_FAILED) {
                assert_true(failed);
                assert_int_equal(err.code, ERR_MEMORY);
                assert_memory_equal(&before, &after, sizeof before);
                failures++;
            } else {
                assert_int_equal(outcome, OUTCOME_DONE);
                assert_memory_not_equal(&before, &after, sizeof before);
                assert_int_equal(clock_of(store), i + 1);
                assert_int_equal(apply_alone(store, &changes[i], &err), OUTCOME_REPEATED);
            }
            store_close(store);
        }
    }
    assert_true(failures > 20);
    scratch_remove(&scratch);
}

static bool count(void *context) {
    ++*(int *)context;
    return true;
}

static bool count_account(const struct account *account, void *context) {
    (void)account;
    return count(context);
}

static bool count_setting(const struct setting *setting, void *context) {
    return setting->value.len == CHANGE_VALUE_MAX && count(context);
}

static bool count_logged(const struct logged *logged, void *context) {
    return logged->name.len > 0 && count(context);
}

// -1 when any of them says so; each tells all there is, or says that it failed.
static int look_at_everything(struct store *store, struct err *err) {
    struct answer answer;
    struct change_request request = {.key = "request"};
    struct secret_digest digest;
    struct buf value = {0};
    struct setting setting;
    int counted = 0, rc = -1;
    if (store_accounts(store, 0, 10, count_account, &counted, err) < 0) goto out;
    assert_int_equal(counted, 1);
    if (store_settings(store, "", "", 10, true, count_setting, &counted, err) < 0) goto out;
    assert_int_equal(counted, 2);
    if (store_changes(store, 0, 10, count_logged, &counted, err) < 0) goto out;
    assert_int_equal(counted, 4);
    int found = store_setting(store, "large", &setting, &value, err);
    if (found < 0) goto out;
    assert_int_equal(value.len, CHANGE_VALUE_MAX);
    found = store_repeat(store, &request, &answer, err);
    if (found < 0) goto out;
    assert_int_equal(found, 1);
    rc = store_digest(store, &digest, err);
out:
    buf_free(&value);
    return rc;
}

static void lists_tell_everything_or_say_that_they_failed(void **state) {
    (void)state;
    struct scratch scratch;
    static char large[CHANGE_VALUE_MAX];
    struct change alice = change_creating("alice", 1), put = change_setting(CHANGE_SETTING_PUT, "large", "");
    long failures = 0;
    put.value = (struct str){large, sizeof large};
    snprintf(alice.request.key, sizeof alice.request.key, "request");
    assert_int_equal(scratch_make(&scratch), 0);
    struct store *writer = store_open_writer(scratch.directory, NULL);
    assert_non_null(writer);
    assert_int_equal(apply_alone(writer, &alice, NULL), OUTCOME_DONE);
    assert_int_equal(apply_alone(writer, &put, NULL), OUTCOME_DONE);
    bool failed = true;
    for (long n = 1; failed; n++) {
        struct err err = {0};
        struct store *reader = store_open_reader(scratch.directory, NULL);
        assert_non_null(reader);
        fault_after(n);
        int rc = look_at_everything(reader, &err);
        failed = fault_off();
        if (rc != 0) {
            assert_true(failed);
            assert_int_equal(err.code, ERR_MEMORY);
            failures++;
        }
        assert_int_equal(look_at_everything(reader, &err), 0); // the next time
        store_close(reader);
    }
    assert_true(failures > 10);
    store_close(writer);
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
        int found = reader ? store_find(reader, "alice", &account, NULL, &err) : -1;
        int counted = found == 1 ? store_count(reader, &number, &err) : -1;
        failed = fault_off();
        if (found != 1 || counted != 0) {
            assert_true(failed);
            assert_int_equal(err.code, ERR_MEMORY);
            failures++;
        }
        if (reader) assert_int_equal(store_find(reader, "alice", &account, NULL, &err), 1);
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
        assert_int_equal(store_find(store, login, &account, NULL, NULL), 1);
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
        cmocka_unit_test(every_kind_of_change_happens_wholly_or_not_at_all),
        cmocka_unit_test(lists_tell_everything_or_say_that_they_failed),
        cmocka_unit_test(looking_up_says_that_it_failed_and_works_again),
        cmocka_unit_test(a_checkpoint_that_fails_loses_nothing),
    };
    if (sqlite_fault_install() != 0) return 1;
    return cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
}

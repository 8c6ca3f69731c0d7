// Registration locks: settling, their limits, and no memory. The rules: locks.c.
#include "locks_desk.h"

#include "fault.h"

// --- settling ------------------------------------------------------------------------------------------

static void recorded_names_ripen_in_their_order(void **state) {
    (void)state;
    struct desk *desk = begin();
    request(desk, 1, "al", "s", NULL, 0);
    request(desk, 1, "bo", "s", NULL, 10);
    assert_int_equal(locks_deadline(&desk->locks), WINDOW);
    assert_null(locks_ripe(&desk->locks, WINDOW - 1));
    struct lock *lock = locks_ripe(&desk->locks, WINDOW);
    assert_string_equal(lock->login.name, "al");
    assert_int_equal(lock->state, LOCK_SETTLING);
    assert_null(locks_ripe(&desk->locks, WINDOW));
    locks_unsettled(&desk->locks, lock, WINDOW); // to be tried again
    lock = locks_ripe(&desk->locks, WINDOW + 10);
    assert_string_equal(lock->login.name, "bo");
    locks_settled(&desk->locks, lock);
    assert_int_equal(locks_deadline(&desk->locks), 2 * WINDOW);
    lock = locks_ripe(&desk->locks, 2 * WINDOW);
    assert_string_equal(lock->login.name, "al");
    end(desk); // settling still
}

static void ours_that_could_not_be_stored_is_undone(void **state) {
    (void)state;
    struct desk *desk = begin();
    struct lock *lock;
    enrol_with_two(desk, "al", "s", 0);
    allowed(desk, 1, "al", "s", "b", 1);
    allowed(desk, 2, "al", "s", "c", 1);
    assert_int_equal(locks_login(&desk->locks, "al", STR("s"), &lock), LOCK_LOGIN_WAIT);
    desk->said[0] = '\0';
    locks_unsettled(&desk->locks, lock, 5);
    assert_said(desk, "DENIED al s\n");
    assert_int_equal(held(desk), 0);
    end(desk);
}

// --- limits --------------------------------------------------------------------------------------------

static void requests_beyond_LOCKS_MAX_are_denied(void **state) {
    (void)state;
    struct desk *desk = begin();
    char name[16];
    desk->muted = true;
    for (unsigned i = 0; i < LOCKS_MAX_PER_LINK + 5; i++) {
        snprintf(name, sizeof name, "a%u", i);
        request(desk, 1, name, "s", NULL, 0);
    }
    assert_int_equal(held(desk), LOCKS_MAX_PER_LINK); // and leave room for the others
    desk->muted = false;
    request(desk, 1, "another", "s", NULL, 0);
    assert_said(desk, "REQUEST another s >1\nDENIED another s\n");
    request(desk, 2, "another", "s", NULL, 0);
    assert_said(desk, "REQUEST another s >2\nALLOWED another s by us\n");
    end(desk);
}

static void what_was_seen_is_bounded(void **state) {
    (void)state;
    struct desk *desk = begin();
    char name[16], server[16];
    desk->muted = true;
    for (unsigned i = 0; i < LOCKS_MAX_SEEN + 50; i++) {
        snprintf(name, sizeof name, "a%u", i);
        allowed(desk, 1, name, "s", NULL, 0);
    }
    size_t before = desk->broadcasts;
    allowed(desk, 1, "a60", "s", NULL, 0); // among those kept
    assert_int_equal(desk->broadcasts, before);
    allowed(desk, 1, "a5", "s", NULL, 0); // made room
    assert_int_equal(desk->broadcasts, before + 1);
    for (unsigned i = 0; i < 700; i++) {
        snprintf(name, sizeof name, "b%u", i);
        for (unsigned k = 0; k < 1000; k++) { // servers invented
            snprintf(server, sizeof server, "%u", k);
            allowed(desk, 1, name, "s", server, 0);
        }
        assert_true(desk->locks.marks <= LOCKS_MAX_MARKS + 1024);
    }
    before = desk->broadcasts;
    for (unsigned k = 0; k < 3000; k++) {
        snprintf(server, sizeof server, "c%u", k);
        allowed(desk, 1, "c", "s", server, 0);
    }
    assert_int_equal(desk->broadcasts - before, 1024); // no name needs more
    end(desk);
}

// --- without memory ------------------------------------------------------------------------------------

static void without_memory_a_register_leaves_nothing(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        struct desk *desk = begin();
        struct lock_expected expected[] = {expecting("b", 1), expecting("c", 2)};
        fault_after(n);
        enum locks_result result = enrol(desk, "al", "s", expected, 2, 0);
        bool failed = fault_off();
        if (result == LOCKS_FULL) {
            assert_int_equal(held(desk), 0);
            assert_null(desk->locks.asking);
            assert_said(desk, "");
            enrol_with_two(desk, "al", "s", 0);
        } else {
            assert_int_equal(result, LOCKS_OK);
        }
        allowed(desk, 1, "al", "s", "b", 1);
        allowed(desk, 2, "al", "s", "c", 1);
        assert_non_null(strstr(desk->said, "granted al"));
        end(desk);
        if (!failed) break;
    }
}

static void without_memory_a_request_is_denied_or_recorded(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        struct desk *desk = begin();
        fault_after(n);
        request(desk, 1, "al", "s", NULL, 0);
        bool failed = fault_off();
        assert_int_equal(held(desk), strstr(desk->said, "ALLOWED") != NULL ? 1 : 0);
        assert_int_equal(held(desk), desk->locks.recorded != NULL ? 1 : 0);
        assert_non_null(strstr(desk->said, held(desk) == 1 ? "ALLOWED al s by us" : "DENIED al s"));
        denied(desk, 1, "al", "s", NULL, 0);
        assert_int_equal(held(desk), 0);
        end(desk);
        if (!failed) break;
    }
}

static void without_memory_many_names_stay_sound(void **state) {
    (void)state;
    char name[16];
    for (long n = 1; n < 600; n += n < 30 ? 1 : 37) {
        struct desk *desk = begin();
        desk->muted = true;
        fault_after(n);
        for (unsigned i = 0; i < 200; i++) { // the tables grow meanwhile
            snprintf(name, sizeof name, "a%u", i);
            request(desk, 1, name, "s", NULL, 0);
            allowed(desk, 1, name, "s", "b", 0);
            allowed(desk, 1, name, "s", "c", 0);
            allowed(desk, 1, name, "s", "d", 0);
        }
        fault_off();
        assert_in_range(held(desk), 199, 200);
        while (locks_ripe(&desk->locks, WINDOW) != NULL) {
        }
        locks_tick(&desk->locks, WINDOW);
        assert_int_equal(desk->locks.marks, 0);
        end(desk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_names_ripen_in_their_order),
        cmocka_unit_test(ours_that_could_not_be_stored_is_undone),
        cmocka_unit_test(requests_beyond_LOCKS_MAX_are_denied),
        cmocka_unit_test(what_was_seen_is_bounded),
        cmocka_unit_test(without_memory_a_register_leaves_nothing),
        cmocka_unit_test(without_memory_a_request_is_denied_or_recorded),
        cmocka_unit_test(without_memory_many_names_stay_sound),
    };
    return cmocka_run_group_tests_name("limits of locks", tests, NULL, NULL);
}

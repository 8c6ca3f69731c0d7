// Guessers and flooders wait; everybody else does not notice.
#include "stream/throttle.h"

#include "base/dice.h"
#include "base/secret.h"
#include "fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct throttle_limits LIMITS = {
    .free_failures = 3, .delay_ms = 1000, .delay_max_ms = 8000, .registers_per_minute = 6};

static const struct address_key HERE = {{192, 0, 2, 1}, 4};
static const struct address_key THERE = {{192, 0, 2, 2}, 4};
static const struct address_key HERE_V6 = {{192, 0, 2, 1}, 6};

static struct address_key address(uint32_t number) {
    return (struct address_key){
        {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}, 4};
}

static struct throttle *begin(void) {
    struct throttle *throttle = throttle_open(&LIMITS);
    assert_non_null(throttle);
    return throttle;
}

static void guess(struct throttle *throttle, struct address_key from, const char *fold, unsigned times,
                  uint64_t now) {
    while (times-- > 0) throttle_login_failed(throttle, from, fold, now);
}

// --- failed logins --------------------------------------------------------------------------------------

static void the_first_failures_cost_nothing(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 100), 0);
        guess(throttle, HERE, "alice", 1, 100);
    }
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 100), 1000);
    throttle_close(throttle);
}

static void each_further_failure_doubles_the_delay_up_to_the_limit(void **state) {
    (void)state;
    static const uint64_t delays[] = {1000, 2000, 4000, 8000, 8000, 8000};
    struct throttle *throttle = begin();
    guess(throttle, HERE, "alice", 3, 0);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 0), delays[i]);
        guess(throttle, HERE, "alice", 1, 0);
    }
    throttle_close(throttle);
}

static void the_delay_counts_from_the_last_failure(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    guess(throttle, HERE, "alice", 3, 5000);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 5400), 600);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 6000), 0);
    throttle_close(throttle);
}

static void nobody_can_lock_a_name_out_from_elsewhere(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    guess(throttle, THERE, "alice", 1000, 0);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 0), 0);
    assert_int_equal(throttle_login_delay(throttle, HERE_V6, "alice", 0), 0);
    assert_int_equal(throttle_login_delay(throttle, THERE, "alice", 0), 8000);
    throttle_close(throttle);
}

static void an_address_that_tries_many_names_waits_for_all_of_them(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    char name[16];
    for (int i = 0; i < 30; i++) {
        assert_int_equal(throttle_login_delay(throttle, HERE, "carol", 0), 0);
        (void)snprintf(name, sizeof name, "user%d", i);
        guess(throttle, HERE, name, 1, 0);
    }
    assert_int_equal(throttle_login_delay(throttle, HERE, "carol", 0), 1000);
    assert_int_equal(throttle_login_delay(throttle, THERE, "carol", 0), 0);
    throttle_close(throttle);
}

static void a_success_clears_its_own_pair_only(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    guess(throttle, HERE, "alice", 3, 0);
    guess(throttle, HERE, "bob", 3, 0);
    throttle_login_succeeded(throttle, HERE, "alice");
    throttle_login_succeeded(throttle, HERE, "nobody");
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 0), 0);
    assert_int_equal(throttle_login_delay(throttle, HERE, "bob", 0), 1000);
    guess(throttle, HERE, "mallory", 24, 0); // 30 of this address: its own account does not buy guesses
    throttle_login_succeeded(throttle, HERE, "alice");
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 0), 1000);
    throttle_close(throttle);
}

static void failures_are_forgotten_after_a_quiet_minute(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    guess(throttle, HERE, "alice", 5, 0);
    guess(throttle, HERE, "alice", 1, 59999); // not quiet
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 60000), 7999);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 119998), 0); // waited, but remembered
    guess(throttle, HERE, "alice", 1, 119998);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 119998), 8000);
    guess(throttle, HERE, "alice", 1, 119998 + 60000);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 119998 + 60000),
                     0); // the first of new ones
    throttle_close(throttle);
}

static void a_longer_delay_is_remembered_for_longer(void **state) {
    (void)state;
    struct throttle_limits limits = LIMITS;
    limits.delay_max_ms = 300000;
    struct throttle *throttle = throttle_open(&limits);
    guess(throttle, HERE, "alice", 20, 0);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 100000), 200000);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 300000), 0);
    throttle_close(throttle);
}

static unsigned begin_all(struct throttle *throttle, struct address_key from, const char *fold,
                          uint64_t now) {
    unsigned begun = 0;
    while (begun < 1000 && throttle_login_room(throttle, from, fold) == THROTTLE_ROOM) {
        throttle_login_begin(throttle, from, fold, now);
        begun++;
    }
    return begun;
}

static void no_more_are_under_way_than_may_fail_freely(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    assert_int_equal(begin_all(throttle, HERE, "alice", 0), 3);
    assert_int_equal(throttle_login_room(throttle, HERE, "alice"), THROTTLE_PAIR_FULL);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 0), 0); // none has failed yet
    assert_int_equal(throttle_login_room(throttle, HERE, "bob"), THROTTLE_ROOM);
    assert_int_equal(throttle_login_room(throttle, THERE, "alice"), THROTTLE_ROOM);
    for (unsigned failures = 1; failures <= 5; failures++) { // and one at least, for its delay is over then
        throttle_login_end(throttle, HERE, "alice");
        guess(throttle, HERE, "alice", 1, 0);
        assert_int_equal(begin_all(throttle, HERE, "alice", 0), failures >= 3);
    }
    throttle_close(throttle);
}

static void a_success_makes_room(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    guess(throttle, HERE, "alice", 2, 0);
    assert_int_equal(begin_all(throttle, HERE, "alice", 0), 1);
    throttle_login_end(throttle, HERE, "alice");
    throttle_login_succeeded(throttle, HERE, "alice");
    assert_int_equal(begin_all(throttle, HERE, "alice", 0), 3);
    throttle_login_end(throttle, HERE, "alice");
    throttle_login_succeeded(throttle, HERE, "alice"); // two are under way still
    assert_int_equal(begin_all(throttle, HERE, "alice", 0), 1);
    throttle_close(throttle);
}

static void an_address_has_ten_times_as_many_under_way(void **state) {
    (void)state;
    char name[8];
    struct throttle *throttle = begin();
    for (unsigned i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "user%u", i);
        assert_int_equal(begin_all(throttle, HERE, name, 0), 3);
    }
    assert_int_equal(throttle_login_room(throttle, HERE, "alice"), THROTTLE_ADDRESS_FULL);
    assert_int_equal(throttle_login_room(throttle, HERE_V6, "alice"), THROTTLE_ROOM);
    throttle_login_end(throttle, HERE, "user7");
    assert_int_equal(begin_all(throttle, HERE, "alice", 0), 1);
    throttle_close(throttle);
}

static void who_is_under_way_is_not_forgotten_but_the_failures_are(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    assert_int_equal(begin_all(throttle, HERE, "alice", 0), 3);
    guess(throttle, HERE, "alice", 5, 0);
    guess(throttle, THERE, "bob", 1, 70000); // which sweeps
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 70000), 0);
    assert_int_equal(throttle_login_room(throttle, HERE, "alice"), THROTTLE_PAIR_FULL);
    for (int i = 0; i < 3; i++) throttle_login_end(throttle, HERE, "alice");
    throttle_login_end(throttle, HERE, "alice"); // one too many: nothing happens
    assert_int_equal(begin_all(throttle, HERE, "alice", 70000), 3);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 200000), 0); // asked late, likewise
    assert_int_equal(throttle_login_room(throttle, HERE, "alice"), THROTTLE_PAIR_FULL);
    throttle_close(throttle);
}

static void odd_limits_are_survived(void **state) {
    (void)state;
    static const struct {
        struct throttle_limits limits;
        uint64_t delay;
    } rows[] = {
        {{0, 1000, 8000, 0}, 8000},
        {{3, 0, 8000, 0}, 0},
        {{3, 1000, 0, 0}, 0},
        {{3, 1000, 10, 0}, 10},
        {{UINT32_MAX, 1000, 8000, 0}, 0},
        {{0, 1, UINT64_MAX, 0}, UINT64_C(1) << 50},
        {{0, UINT64_MAX, UINT64_MAX, UINT32_MAX}, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct throttle *throttle = throttle_open(&rows[i].limits);
        assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 7), 0);
        guess(throttle, HERE, "alice", 50, 7);
        assert_true(throttle_login_delay(throttle, HERE, "alice", 7) == rows[i].delay);
        assert_int_equal(throttle_register(throttle, HERE, 7), 0);
        throttle_close(throttle);
    }
}

static void new_limits_hold_at_once(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    guess(throttle, HERE, "alice", 4, 0);
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 0), 2000);
    throttle_set_limits(throttle, &(struct throttle_limits){4, 250, 8000, 1});
    assert_int_equal(throttle_login_delay(throttle, HERE, "alice", 0), 250);
    assert_int_equal(throttle_register(throttle, HERE, 0), 0);
    assert_int_equal(throttle_register(throttle, HERE, 0), 60000);
    throttle_close(throttle);
}

// --- registrations --------------------------------------------------------------------------------------

static void registrations_have_an_allowance_that_fills_with_time(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    for (int i = 0; i < 6; i++) assert_int_equal(throttle_register(throttle, HERE, 1000), 0);
    assert_int_equal(throttle_register(throttle, HERE, 1000), 10000);
    assert_int_equal(throttle_register(throttle, HERE, 4000), 7000); // asking costs nothing
    assert_int_equal(throttle_register(throttle, HERE, 10999), 1);
    assert_int_equal(throttle_register(throttle, HERE, 11000), 0);
    assert_int_equal(throttle_register(throttle, HERE, 11000), 10000);
    assert_int_equal(throttle_register(throttle, THERE, 11000), 0); // each address its own
    for (int i = 0; i < 6; i++)                                     // never more than full
        assert_int_equal(throttle_register(throttle, THERE, 70000), 0);
    assert_int_equal(throttle_register(throttle, THERE, 70000), 10000);
    for (int i = 0; i < 6; i++) // full again after a minute
        assert_int_equal(throttle_register(throttle, HERE, 1000000), 0);
    assert_int_equal(throttle_register(throttle, HERE, 1000000), 10000);
    throttle_close(throttle);
}

static void no_limit_is_no_limit(void **state) {
    (void)state;
    struct throttle_limits limits = LIMITS;
    limits.registers_per_minute = 0;
    struct throttle *throttle = throttle_open(&limits);
    for (int i = 0; i < 1000; i++) assert_int_equal(throttle_register(throttle, HERE, 0), 0);
    throttle_close(throttle);
}

// Over any time, no more than `per_minute` a minute and one burst get through.
static void a_flood_gets_its_allowance_and_no_more(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    struct dice dice;
    dice_seed(&dice, 7);
    uint64_t now = 0, allowed = 0;
    while (now < 600000) {
        allowed += throttle_register(throttle, HERE, now) == 0;
        now += dice_below(&dice, 50);
    }
    assert_in_range(allowed, 60, 66);
    throttle_close(throttle);
}

// --- bounds ---------------------------------------------------------------------------------------------

static void the_oldest_entry_makes_room(void **state) {
    (void)state;
    struct throttle *throttle = begin();
    guess(throttle, address(0), "alice", 4, 0);
    guess(throttle, address(1), "alice", 4, 0);
    for (uint32_t i = 2; i < THROTTLE_MAX_ENTRIES; i++) guess(throttle, address(i), "alice", 1, 1);
    guess(throttle, address(0), "alice", 1, 2); // now the newest
    assert_int_equal(throttle_login_delay(throttle, address(0), "alice", 2), 4000);
    assert_int_equal(throttle_login_delay(throttle, address(1), "alice", 2), 1998);
    guess(throttle, address(THROTTLE_MAX_ENTRIES), "alice", 1, 3); // one too many
    assert_int_equal(throttle_login_delay(throttle, address(0), "alice", 3), 3999);
    assert_int_equal(throttle_login_delay(throttle, address(1), "alice", 3), 0);
    throttle_close(throttle);
}

static void when_memory_is_out_it_goes_on(void **state) {
    (void)state;
    fault_after(1);
    assert_null(throttle_open(&LIMITS));
    assert_true(fault_off());
    for (long n = 1;; n++) {
        struct throttle *throttle = begin();
        fault_after(n);
        for (uint32_t i = 0; i < 400; i++) {
            if (i % 10 == 0) {
                throttle_login_begin(throttle, address(i), "alice", 0);
                throttle_login_end(throttle, address(i), "alice");
            }
            guess(throttle, address(i), "alice", 4, 0);
            (void)throttle_register(throttle, address(i), 0);
        }
        bool failed = fault_off();
        // Only the one entry that found no memory, or the one that made room for it, may be missing.
        unsigned wrong = 0;
        for (uint32_t i = 0; i < 400; i++)
            wrong += throttle_login_delay(throttle, address(i), "alice", 0) != 2000;
        assert_in_range(wrong, 0, failed ? 1 : 0);
        throttle_close(throttle);
        if (!failed) break;
    }
}

int main(void) {
    if (secret_init(NULL) < 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failures_cost_nothing),
        cmocka_unit_test(each_further_failure_doubles_the_delay_up_to_the_limit),
        cmocka_unit_test(the_delay_counts_from_the_last_failure),
        cmocka_unit_test(nobody_can_lock_a_name_out_from_elsewhere),
        cmocka_unit_test(an_address_that_tries_many_names_waits_for_all_of_them),
        cmocka_unit_test(a_success_clears_its_own_pair_only),
        cmocka_unit_test(failures_are_forgotten_after_a_quiet_minute),
        cmocka_unit_test(a_longer_delay_is_remembered_for_longer),
        cmocka_unit_test(no_more_are_under_way_than_may_fail_freely),
        cmocka_unit_test(a_success_makes_room),
        cmocka_unit_test(an_address_has_ten_times_as_many_under_way),
        cmocka_unit_test(who_is_under_way_is_not_forgotten_but_the_failures_are),
        cmocka_unit_test(odd_limits_are_survived),
        cmocka_unit_test(new_limits_hold_at_once),
        cmocka_unit_test(registrations_have_an_allowance_that_fills_with_time),
        cmocka_unit_test(no_limit_is_no_limit),
        cmocka_unit_test(a_flood_gets_its_allowance_and_no_more),
        cmocka_unit_test(the_oldest_entry_makes_room),
        cmocka_unit_test(when_memory_is_out_it_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

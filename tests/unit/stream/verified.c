// A secret found right need not be hashed again soon; a wrong one is never taken for it.
#include "stream/verified.h"

#include "base/dice.h"
#include "base/secret.h"
#include "fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define KEEP 10000u

static const struct uuid ALICE = {{1}};
static const struct uuid BOB = {{2}};

static struct verified *begin(size_t entries) {
    struct verified *verified = verified_open(entries, KEEP);
    assert_non_null(verified);
    return verified;
}

static void what_was_verified_is_known(void **state) {
    (void)state;
    struct verified *verified = begin(8);
    assert_false(verified_has(verified, &ALICE, 1, STR("rabbit"), 0));
    verified_add(verified, &ALICE, 1, STR("rabbit"), 0);
    assert_true(verified_has(verified, &ALICE, 1, STR("rabbit"), 0));
    assert_true(verified_has(verified, &ALICE, 1, STR("rabbit"), KEEP - 1));
    verified_close(verified);
}

static void anything_else_is_not(void **state) {
    (void)state;
    struct verified *verified = begin(8);
    verified_add(verified, &ALICE, 1, STR("rabbit"), 0);
    assert_false(verified_has(verified, &ALICE, 1, STR("Rabbit"), 0));
    assert_false(verified_has(verified, &ALICE, 1, STR(""), 0));
    assert_false(verified_has(verified, &ALICE, 2, STR("rabbit"), 0)); // a new credential since
    assert_false(verified_has(verified, &ALICE, 0, STR("rabbit"), 0));
    assert_false(verified_has(verified, &BOB, 1, STR("rabbit"), 0));
    verified_close(verified);
}

static void it_is_forgotten_in_time(void **state) {
    (void)state;
    struct verified *verified = begin(8);
    verified_add(verified, &ALICE, 1, STR("rabbit"), 500);
    assert_true(
        verified_has(verified, &ALICE, 1, STR("rabbit"), 500 + KEEP - 1)); // being asked prolongs nothing
    assert_false(verified_has(verified, &ALICE, 1, STR("rabbit"), 500 + KEEP));
    verified_add(verified, &ALICE, 1, STR("rabbit"), 20000);
    verified_add(verified, &ALICE, 1, STR("rabbit"), 25000); // being verified does
    assert_true(verified_has(verified, &ALICE, 1, STR("rabbit"), 34999));
    assert_false(verified_has(verified, &ALICE, 1, STR("rabbit"), 35000));
    verified_close(verified);
}

static void a_new_time_to_keep_holds_at_once(void **state) {
    (void)state;
    struct verified *verified = begin(8);
    verified_add(verified, &ALICE, 1, STR("rabbit"), 0);
    verified_set_keep(verified, 100);
    assert_true(verified_has(verified, &ALICE, 1, STR("rabbit"), 99));
    assert_false(verified_has(verified, &ALICE, 1, STR("rabbit"), 100));
    verified_add(verified, &ALICE, 1, STR("rabbit"), 100);
    verified_set_keep(verified, 0);
    verified_set_keep(verified, KEEP); // zero in between has emptied it
    assert_false(verified_has(verified, &ALICE, 1, STR("rabbit"), 100));
    verified_close(verified);
}

static void nothing_is_remembered_where_that_is_asked(void **state) {
    (void)state;
    struct verified *none = verified_open(0, KEEP), *never = verified_open(8, 0);
    verified_add(none, &ALICE, 1, STR("rabbit"), 0);
    verified_add(never, &ALICE, 1, STR("rabbit"), 0);
    assert_false(verified_has(none, &ALICE, 1, STR("rabbit"), 0));
    assert_false(verified_has(never, &ALICE, 1, STR("rabbit"), 0));
    verified_close(none);
    verified_close(never);
}

static void the_one_least_lately_used_makes_room(void **state) {
    (void)state;
    struct verified *verified = begin(3);
    for (uint64_t version = 1; version <= 3; version++)
        verified_add(verified, &ALICE, version, STR("rabbit"), version);
    assert_true(verified_has(verified, &ALICE, 1, STR("rabbit"), 4)); // used: 2 is the oldest now
    verified_add(verified, &ALICE, 3, STR("rabbit"), 5);              // known already: no room is needed
    verified_add(verified, &ALICE, 4, STR("rabbit"), 6);
    assert_true(verified_has(verified, &ALICE, 1, STR("rabbit"), 7));
    assert_false(verified_has(verified, &ALICE, 2, STR("rabbit"), 7));
    assert_true(verified_has(verified, &ALICE, 3, STR("rabbit"), 7));
    assert_true(verified_has(verified, &ALICE, 4, STR("rabbit"), 7));
    verified_close(verified);
}

static void when_memory_is_out_it_remembers_less_and_never_wrongly(void **state) {
    (void)state;
    fault_after(1);
    assert_null(verified_open(4, KEEP));
    assert_true(fault_off());
    for (long n = 1;; n++) {
        struct verified *verified = begin(300);
        fault_after(n);
        for (uint64_t version = 0; version < 300; version++)
            verified_add(verified, &ALICE, version, STR("rabbit"), 0);
        bool failed = fault_off();
        unsigned known = 0;
        for (uint64_t version = 0; version < 300; version++) {
            known += verified_has(verified, &ALICE, version, STR("rabbit"), 0);
            assert_false(verified_has(verified, &BOB, version, STR("rabbit"), 0));
        }
        assert_in_range(known, failed ? 299 : 300, 300);
        verified_close(verified);
        if (!failed) break;
    }
}

// Against a plain list of what was added and when, for a table too large to be full.
static void it_agrees_with_a_plain_list(void **state) {
    (void)state;
    enum { VERSIONS = 40 };
    uint64_t added[VERSIONS] = {0};
    struct verified *verified = begin(VERSIONS);
    struct dice dice;
    dice_seed(&dice, 3);
    for (uint64_t now = 1; now < 200000; now += dice_below(&dice, 300)) {
        uint64_t version = dice_below(&dice, VERSIONS);
        if (dice_below(&dice, 3) == 0) {
            verified_add(verified, &BOB, version, STR("builder"), now);
            added[version] = now;
        } else {
            bool expected = added[version] > 0 && now - added[version] < KEEP;
            assert_int_equal(verified_has(verified, &BOB, version, STR("builder"), now), expected);
        }
    }
    verified_close(verified);
}

int main(void) {
    if (secret_init(NULL) < 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_verified_is_known),
        cmocka_unit_test(anything_else_is_not),
        cmocka_unit_test(it_is_forgotten_in_time),
        cmocka_unit_test(a_new_time_to_keep_holds_at_once),
        cmocka_unit_test(nothing_is_remembered_where_that_is_asked),
        cmocka_unit_test(the_one_least_lately_used_makes_room),
        cmocka_unit_test(when_memory_is_out_it_remembers_less_and_never_wrongly),
        cmocka_unit_test(it_agrees_with_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

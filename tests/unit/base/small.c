// Errors, clocks, dice and identifiers.
#include "base/clock.h"
#include "base/dice.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// --- errors -----------------------------------------------------------------------------------------------

static void an_error_carries_code_and_sentence(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, ERR_LIMIT, "more than %d", 7), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.text, "more than 7");
    assert_int_equal(err_set(NULL, ERR_LIMIT, "nobody asked"), -1);
    assert_string_equal(err_name(ERR_NONE), "none");
    assert_string_equal(err_name(ERR_VERSION), "version");
}

static void a_system_error_appends_the_systems_words(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(err_system(&err, ENOENT, "cannot open %s", "x"), -1);
    assert_int_equal(err.code, ERR_SYSTEM);
    assert_string_equal(err.text, "cannot open x: No such file or directory");
    assert_int_equal(err_system(NULL, ENOENT, "nobody asked"), -1);
}

static void a_long_sentence_is_cut_but_never_the_systems_words(void **state) {
    (void)state;
    struct err err;
    char text[1001] = {0};
    memset(text, 'x', 1000);
    err_set(&err, ERR_INVALID, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    err_system(&err, ENOENT, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_non_null(strstr(err.text, "xx: No such file or directory"));
}

// --- clocks -----------------------------------------------------------------------------------------------

static void assert_written(int64_t wall_ms, const char *expected) {
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(wall_ms, text);
    assert_string_equal(text, expected);
}

static void times_are_written_as_rfc_3339(void **state) {
    (void)state;
    assert_written(0, "1970-01-01T00:00:00.000Z");
    assert_written(1769903999123, "2026-01-31T23:59:59.123Z");
    assert_written(951782400001, "2000-02-29T00:00:00.001Z");
    assert_written(-1, "1969-12-31T23:59:59.999Z");
    assert_written(-1000, "1969-12-31T23:59:59.000Z");
}

static void times_out_of_range_stay_four_digits_wide(void **state) {
    (void)state;
    assert_written(INT64_MAX, "9999-12-31T23:59:59.999Z");
    assert_written(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

static void clocks_go_forward(void **state) {
    (void)state;
    uint64_t before = clock_monotonic_ms();
    assert_true(clock_monotonic_ms() >= before);
    assert_true(clock_wall_ms() > INT64_C(1700000000000)); // after 2023
}

// --- dice -------------------------------------------------------------------------------------------------

static void the_same_seed_gives_the_same_run(void **state) {
    (void)state;
    struct dice a, b, c;
    dice_seed(&a, 42);
    dice_seed(&b, 42);
    dice_seed(&c, 43);
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t roll = dice_roll(&a);
        assert_true(roll == dice_roll(&b));
        same += roll == dice_roll(&c);
    }
    assert_int_equal(same, 0);
}

static void it_is_xoshiro256starstar(void **state) {
    (void)state;
    // From the state 1, 2, 3, 4: worked out from the published algorithm.
    struct dice dice = {.state = {1, 2, 3, 4}};
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true(dice_roll(&dice) == expected[i]);
}

static void rolls_keep_their_bounds_and_reach_them(void **state) {
    (void)state;
    struct dice dice;
    bool below[7] = {0}, between[5] = {0};
    dice_seed(&dice, 1);
    for (int i = 0; i < 1000; i++) {
        uint64_t roll = dice_below(&dice, 7);
        assert_in_range(roll, 0, 6);
        below[roll] = true;
        roll = dice_between(&dice, 10, 14);
        assert_in_range(roll, 10, 14);
        between[roll - 10] = true;
        assert_int_equal(dice_below(&dice, 1), 0);
        assert_int_equal(dice_between(&dice, 9, 9), 9);
        assert_true(dice_between(&dice, UINT64_MAX - 1, UINT64_MAX) >= UINT64_MAX - 1);
    }
    for (int i = 0; i < 7; i++) assert_true(below[i]);
    for (int i = 0; i < 5; i++) assert_true(between[i]);
    (void)dice_between(&dice, 0, UINT64_MAX);
}

static void large_bounds_are_unbiased(void **state) {
    (void)state;
    // With a bound of 3/4 of the range, taking rolls modulo it would make the lower third twice as likely.
    struct dice dice;
    const uint64_t bound = UINT64_MAX / 4 * 3;
    int low = 0;
    dice_seed(&dice, 7);
    for (int i = 0; i < 30000; i++) low += dice_below(&dice, bound) < bound / 3;
    assert_in_range(low, 9500, 10500);
}

// --- identifiers ------------------------------------------------------------------------------------------

static void identifiers_are_version_4_and_differ(void **state) {
    (void)state;
    struct uuid a, b;
    for (int i = 0; i < 100; i++) {
        uuid_random(&a);
        uuid_random(&b);
        assert_int_equal(a.bytes[6] >> 4, 4);
        assert_int_equal(a.bytes[8] >> 6, 2);
        assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
    }
}

static void identifiers_of_a_time_begin_with_it_and_differ(void **state) {
    (void)state;
    static const uint8_t time[6] = {0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0}; // the example of RFC 9562, A.6
    struct uuid a, b;
    for (int i = 0; i < 100; i++) {
        uuid_timed(&a, 0x017f22e279b0);
        uuid_timed(&b, 0x017f22e279b0);
        assert_memory_equal(a.bytes, time, sizeof time);
        assert_int_equal(a.bytes[6] >> 4, 7);
        assert_int_equal(a.bytes[8] >> 6, 2);
        assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
    }
}

static void identifiers_are_read_back_in_either_case(void **state) {
    (void)state;
    const char *text = "00112233-4455-4677-8899-aabbccddeeff";
    static const uint8_t bytes[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x46, 0x77,
                                      0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    struct uuid uuid;
    char written[UUID_TEXT_SIZE];
    assert_true(uuid_parse(str_of(text), &uuid));
    assert_memory_equal(uuid.bytes, bytes, sizeof bytes);
    uuid_format(&uuid, written);
    assert_string_equal(written, text);
    assert_false(uuid_is_nil(&uuid));
    assert_true(uuid_is_nil(&(struct uuid){0}));
    assert_true(uuid_parse(STR("00112233-4455-4677-8899-AABBCCDDEEFF"), &uuid));
    assert_memory_equal(uuid.bytes, bytes, sizeof bytes);
}

static void what_is_not_an_identifier_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "00112233-4455-4677-8899-aabbccddeef",
        "00112233-4455-4677-8899-aabbccddeeff0",
        "00112233_4455-4677-8899-aabbccddeeff",
        "001122334455-4677-8899--aabbccddeeff",
        "0011223g-4455-4677-8899-aabbccddeeff",
        "{0112233-4455-4677-8899-aabbccddeef}",
    };
    struct uuid uuid = {{1}}, before = uuid;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(uuid_parse(str_of(wrong[i]), &uuid));
    assert_false(uuid_parse((struct str){0}, &uuid));
    assert_memory_equal(&uuid, &before, sizeof uuid);
}

static int init(void **state) {
    (void)state;
    return secret_init(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_carries_code_and_sentence),
        cmocka_unit_test(a_system_error_appends_the_systems_words),
        cmocka_unit_test(a_long_sentence_is_cut_but_never_the_systems_words),
        cmocka_unit_test(times_are_written_as_rfc_3339),
        cmocka_unit_test(times_out_of_range_stay_four_digits_wide),
        cmocka_unit_test(clocks_go_forward),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(it_is_xoshiro256starstar),
        cmocka_unit_test(rolls_keep_their_bounds_and_reach_them),
        cmocka_unit_test(large_bounds_are_unbiased),
        cmocka_unit_test(identifiers_are_version_4_and_differ),
        cmocka_unit_test(identifiers_of_a_time_begin_with_it_and_differ),
        cmocka_unit_test(identifiers_are_read_back_in_either_case),
        cmocka_unit_test(what_is_not_an_identifier_is_refused),
    };
    return cmocka_run_group_tests_name("err, clock, dice, uuid", tests, init, NULL);
}

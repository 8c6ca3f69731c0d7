// Slices, UTF-8 and numbers with units.
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void slices_compare_by_content(void **state) {
    (void)state;
    assert_true(str_equal(STR("abc"), str_of("abc")));
    assert_false(str_equal(STR("abc"), STR("abd")));
    assert_false(str_equal(STR("abc"), STR("ab")));
    assert_true(str_equal((struct str){0}, STR("")));
    assert_true(str_equal_text(STR("abc"), "abc"));
    assert_false(str_equal_text(STR("a\0c"), "a"));
    assert_true(str_equal_text((struct str){0}, NULL));
    assert_int_equal(str_of(NULL).len, 0);
}

static void copies_are_cut_and_always_terminated(void **state) {
    (void)state;
    char to[4] = "xxx";
    assert_true(str_copy(STR("abc"), to, sizeof to));
    assert_string_equal(to, "abc");
    assert_false(str_copy(STR("abcd"), to, sizeof to));
    assert_string_equal(to, "abc");
    assert_true(str_copy((struct str){0}, to, sizeof to));
    assert_string_equal(to, "");
    assert_false(str_copy(STR("a"), to, 1));
    assert_string_equal(to, "");
}

static void well_formed_utf8_is_told_from_the_rest(void **state) {
    (void)state;
    const struct str right[] = {
        {NULL, 0},
        STR(""),
        STR("plain"),
        STR("a\0b"),
        STR("\xc3\xa9"),
        STR("\xe2\x82\xac"),
        STR("\xed\x9f\xbf"),
        STR("\xee\x80\x80"),
        STR("\xf0\x9f\x98\x80"),
        STR("\xf4\x8f\xbf\xbf"),
    };
    const struct str wrong[] = {
        STR("\x80"),             // a continuation alone
        STR("\xc3"),             // cut
        STR("\xe2\x82"),         // cut
        STR("\xf0\x9f\x98"),     // cut
        STR("\xc0\x80"),         // NUL, overlong
        STR("\xc1\xbf"),         // overlong
        STR("\xe0\x9f\xbf"),     // overlong
        STR("\xf0\x8f\xbf\xbf"), // overlong
        STR("\xed\xa0\x80"),     // a surrogate
        STR("\xf4\x90\x80\x80"), // beyond the last
        STR("\xf8\x88\x80\x80\x80"),
        STR("\xff"),
        STR("ab\xc3(cd"),
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) assert_true(text_is_utf8(right[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(text_is_utf8(wrong[i]));
}

static void a_character_cut_by_the_end_of_the_slice_is_not_read_beyond(void **state) {
    (void)state;
    const char text[] = "\xc3\xa9";
    assert_false(text_is_utf8((struct str){text, 1}));
    assert_true(text_is_utf8((struct str){text, 2}));
}

struct row {
    const char *text;
    bool ok;
    uint64_t value;
};

static void check(bool (*parse)(struct str, uint64_t *), const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 4711;
        if (parse(str_of(rows[i].text), &value) != rows[i].ok) fail_msg("row %zu: %s", i, rows[i].text);
        if (value != (rows[i].ok ? rows[i].value : 4711)) fail_msg("row %zu: %s", i, rows[i].text);
    }
}
#define CHECK(parse, rows) check(parse, rows, sizeof(rows) / sizeof *(rows))

static void whole_numbers_are_digits_and_nothing_else(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"00000000000000000000018446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"+1", false, 0},
        {"-1", false, 0},
        {"1.0", false, 0},
        {"0x10", false, 0},
        {"\xd9\xa1", false, 0}, // ARABIC-INDIC DIGIT ONE
    };
    CHECK(text_parse_u64, rows);
}

static void sizes_have_binary_units(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"0", true, 0},
        {"4096", true, 4096},
        {"64KiB", true, 65536},
        {"64k", true, 65536},
        {"64K", true, 65536},
        {"1MiB", true, 1048576},
        {"1m", true, 1048576},
        {"2GiB", true, UINT64_C(2147483648)},
        {"2g", true, UINT64_C(2147483648)},
        {"17179869183GiB", true, UINT64_C(17179869183) << 30},
        {"17179869184GiB", false, 0}, // 2^64
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551615k", false, 0},
        {"", false, 0},
        {"KiB", false, 0},
        {"1 KiB", false, 0},
        {"1KiB ", false, 0},
        {"1KB", false, 0}, // 1000 or 1024? we do not guess
        {"1Ki", false, 0},
        {"1KiBB", false, 0},
        {"1.5MiB", false, 0},
        {"-1k", false, 0},
    };
    CHECK(text_parse_size, rows);
}

static void durations_become_milliseconds(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"0", true, 0},
        {"5000", true, 5000},
        {"250ms", true, 250},
        {"5s", true, 5000},
        {"2m", true, 120000},
        {"1h", true, 3600000},
        {"18446744073709551615ms", true, UINT64_MAX},
        {"18446744073709551s", true, UINT64_C(18446744073709551000)},
        {"18446744073709552s", false, 0},
        {"18446744073709551615h", false, 0},
        {"", false, 0},
        {"s", false, 0},
        {"1d", false, 0},
        {"1 s", false, 0},
        {"1m30s", false, 0},
        {"0.5s", false, 0},
        {"-5s", false, 0},
    };
    CHECK(text_parse_duration, rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_by_content),
        cmocka_unit_test(copies_are_cut_and_always_terminated),
        cmocka_unit_test(well_formed_utf8_is_told_from_the_rest),
        cmocka_unit_test(a_character_cut_by_the_end_of_the_slice_is_not_read_beyond),
        cmocka_unit_test(whole_numbers_are_digits_and_nothing_else),
        cmocka_unit_test(sizes_have_binary_units),
        cmocka_unit_test(durations_become_milliseconds),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}

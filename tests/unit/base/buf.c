// The growable buffer: what goes in comes out, and a failed allocation changes nothing.
#include "base/buf.h"

#include "../fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_holds(const struct buf *buf, const char *text) {
    assert_int_equal(buf->len, strlen(text));
    assert_memory_equal(buf->data, text, buf->len);
}

static void zero_initialised_is_empty_and_valid(void **state) {
    (void)state;
    struct buf buf = {0};
    assert_int_equal(buf_str(&buf).len, 0);
    buf_consume(&buf, 0);
    buf_truncate(&buf, 0);
    assert_int_equal(buf_append(&buf, NULL, 0), 0);
    buf_wipe(&buf);
    buf_free(&buf);
    assert_null(buf.data);
}

static void what_is_printed_is_whole_however_much_room_there_is(void **state) {
    (void)state;
    for (size_t left = 0; left < 8; left++) { // for five bytes, and what terminates them
        struct buf buf = {0};
        assert_int_equal(buf_reserve(&buf, 64), 0);
        while (buf.cap - buf.len > left) assert_int_equal(buf_append_text(&buf, "x"), 0);
        size_t before = buf.len;
        assert_int_equal(buf_printf(&buf, "%d", 12345), 0);
        assert_int_equal(buf.len, before + 5);
        assert_memory_equal(buf.data + before, "12345", 5);
        buf_free(&buf);
    }
}

static void numbers_are_written_in_full(void **state) {
    (void)state;
    struct buf buf = {0};
    const uint64_t numbers[] = {0, 9, 10, 1234567890, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_int_equal(buf_append_u64(&buf, numbers[i]), 0);
        assert_int_equal(buf_append_text(&buf, " "), 0);
    }
    assert_true(str_equal_text(buf_str(&buf), "0 9 10 1234567890 18446744073709551615 "));
    buf_free(&buf);
}

static void appends_in_order(void **state) {
    (void)state;
    struct buf buf = {0};
    assert_int_equal(buf_append(&buf, "one ", 4), 0);
    assert_int_equal(buf_append_str(&buf, STR("two ")), 0);
    assert_int_equal(buf_append_text(&buf, "three "), 0);
    assert_int_equal(buf_printf(&buf, "%d and %s", 4, "five"), 0);
    assert_holds(&buf, "one two three 4 and five");
    assert_true(str_equal(buf_str(&buf), STR("one two three 4 and five")));
    buf_free(&buf);
}

static void drops_bytes_at_either_end(void **state) {
    (void)state;
    struct buf buf = {0};
    assert_int_equal(buf_append_text(&buf, "abcdef"), 0);
    buf_consume(&buf, 2);
    assert_holds(&buf, "cdef");
    buf_truncate(&buf, 3);
    assert_holds(&buf, "cde");
    buf_consume(&buf, 3);
    assert_holds(&buf, "");
    assert_int_equal(buf_append_text(&buf, "again"), 0);
    assert_holds(&buf, "again");
    buf_free(&buf);
}

static void grows_to_any_length_and_keeps_what_it_holds(void **state) {
    (void)state;
    struct buf buf = {0};
    for (int i = 0; i < 100000; i++) assert_int_equal(buf_append(&buf, &(char){(char)(i % 251)}, 1), 0);
    assert_int_equal(buf.len, 100000);
    for (int i = 0; i < 100000; i++) assert_int_equal(buf.data[i], (char)(i % 251));
    buf_free(&buf);
}

static void reserved_room_is_not_allocated_again(void **state) {
    (void)state;
    struct buf buf = {0};
    assert_int_equal(buf_reserve(&buf, 1000), 0);
    const char *before = buf.data;
    for (int i = 0; i < 1000; i++) assert_int_equal(buf_append(&buf, "x", 1), 0);
    assert_ptr_equal(buf.data, before);
    buf_free(&buf);
}

static void a_size_beyond_memory_is_refused_and_changes_nothing(void **state) {
    (void)state;
    struct buf buf = {0};
    assert_int_equal(buf_append_text(&buf, "kept"), 0);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), -1);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX - 3), -1);
    assert_int_equal(buf_reserve(&buf, (size_t)PTRDIFF_MAX), -1);
    assert_holds(&buf, "kept");
    buf_free(&buf);
}

// Runs one operation with the first, the second, ... allocation failing.
#define WITH_FAULTS(buf, before, operation, after)                                                           \
    for (long n = 1;; n++) {                                                                                 \
        fault_after(n);                                                                                      \
        int rc = (operation);                                                                                \
        bool failed = fault_off();                                                                           \
        assert_int_equal(rc, failed ? -1 : 0);                                                               \
        assert_holds(buf, failed ? (before) : (after));                                                      \
        if (!failed) {                                                                                       \
            assert_true(n > 1); /* there was something to fail */                                            \
            break;                                                                                           \
        }                                                                                                    \
    }

static void out_of_memory_it_is_as_before(void **state) {
    (void)state;
    char long_text[201] = {0};
    memset(long_text, 'y', 200);
    struct buf buf = {0};
    WITH_FAULTS(&buf, "", buf_append(&buf, "first ", 6), "first ");
    buf_free(&buf);
    assert_int_equal(buf_append_text(&buf, "first "), 0);
    char after[300];
    snprintf(after, sizeof after, "first %s", long_text);
    WITH_FAULTS(&buf, "first ", buf_append_text(&buf, long_text), after);
    buf_free(&buf);
    WITH_FAULTS(&buf, "", buf_append_u64(&buf, 12), "12");
    buf_free(&buf);
    WITH_FAULTS(&buf, "", buf_printf(&buf, "%s", long_text), long_text);
    buf_free(&buf);
    WITH_FAULTS(&buf, "", buf_reserve(&buf, 1), "");
    buf_free(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_whole_however_much_room_there_is),
        cmocka_unit_test(zero_initialised_is_empty_and_valid),
        cmocka_unit_test(numbers_are_written_in_full),
        cmocka_unit_test(appends_in_order),
        cmocka_unit_test(drops_bytes_at_either_end),
        cmocka_unit_test(grows_to_any_length_and_keeps_what_it_holds),
        cmocka_unit_test(reserved_room_is_not_allocated_again),
        cmocka_unit_test(a_size_beyond_memory_is_refused_and_changes_nothing),
        cmocka_unit_test(out_of_memory_it_is_as_before),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}

// How far something has come, in words.
#include "cli/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_line(const struct progress *progress, uint64_t now_ms, unsigned columns,
                        const char *expected) {
    struct buf line = {0};
    assert_int_equal(progress_write(progress, now_ms, columns, &line), 0);
    assert_int_equal(buf_append(&line, "", 1), 0);
    assert_string_equal(line.data, expected);
    buf_free(&line);
}

static void it_shows_how_much_how_fast_and_how_long(void **state) {
    (void)state;
    struct progress progress = {
        .things = "identities", .began_ms = 1000, .done = 500, .total = 1000, .count = 20000};
    assert_line(&progress, 11000, 80, "[==========>         ] 50%  20,000 identities  2,000/s  11 s left");
    assert_line(&progress, 11000, 28, "[==========>         ] 50%  ");
    progress.done = 1000;
    assert_line(&progress, 11000, 80, "[====================] 100%  20,000 identities  2,000/s");
    progress.total = 0; // a pipe
    assert_line(&progress, 11000, 80, "20,000 identities  2,000/s");
}

static void what_was_there_before_does_not_make_it_faster(void **state) {
    (void)state;
    struct progress progress = {
        .things = "identities", .done = 900, .total = 1000, .began_done = 800, .count = 100};
    assert_line(&progress, 100000, 80, "[==================> ] 90%  100 identities  1/s  1 min 41 s left");
}

static void long_times_are_told_in_hours(void **state) {
    (void)state;
    struct progress progress = {.things = "identities", .done = 1, .total = 1001, .count = 1234567};
    assert_line(&progress, 10000, 99,
                "[>                   ] 0%  1,234,567 identities  123,456/s  2 h 46 min left");
    progress.note = "waiting 5 s";
    assert_line(&progress, 10000, 99,
                "[>                   ] 0%  1,234,567 identities  123,456/s  waiting 5 s");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_shows_how_much_how_fast_and_how_long),
        cmocka_unit_test(what_was_there_before_does_not_make_it_faster),
        cmocka_unit_test(long_times_are_told_in_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

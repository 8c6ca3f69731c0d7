// Histograms of how long things took.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/timing.h"

static void each_time_is_counted_where_it_fits(void **state) {
    (void)state;
    struct timing timing = {0}, total = {0};
    timing_note(&timing, 0);
    for (unsigned i = 0; i < TIMING_BOUNDS; i++) {
        if (i > 0) assert_true(timing_bound_us(i) > timing_bound_us(i - 1));
        timing_note(&timing, timing_bound_us(i));     // a bound belongs to what it ends
        timing_note(&timing, timing_bound_us(i) + 1); // and no more than it
    }
    assert_int_equal(timing.counts[0], 2);
    for (unsigned i = 1; i < TIMING_BOUNDS; i++) assert_int_equal(timing.counts[i], 2);
    assert_int_equal(timing.counts[TIMING_BOUNDS], 1);
    timing_add(&total, &timing);
    timing_add(&total, &timing);
    assert_int_equal(total.counts[3], 4);
    assert_int_equal(total.sum_us, 2 * timing.sum_us);
    assert_true(timing_now_us() > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_time_is_counted_where_it_fits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

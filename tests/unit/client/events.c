// What has happened and was not told yet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/events.h"

#include <stdlib.h>
#include <string.h>

static void events_come_out_as_they_went_in(void **state) {
    struct events events = {0};
    struct herald_event event;
    (void)state;
    assert_false(events_take(&events, &event));
    char json[] = "{\"n\":1}";
    struct herald_event first = {.kind = HERALD_ACTIVITY, .json = json, .json_len = 7};
    struct herald_event second = {.kind = HERALD_LOST, .server = "a:1", .text = "why", .wait_ms = 7};
    assert_int_equal(events_add(&events, &first, STR("ann")), 0);
    assert_int_equal(events_add(&events, &second, (struct str){0}), 0);
    memset(json, 'x', sizeof json); // copied
    assert_true(events_take(&events, &event));
    assert_string_equal(event.json, "{\"n\":1}");
    assert_int_equal(event.json_len, 7);
    assert_string_equal(event.user, "ann");
    assert_string_equal(event.server, ""); // never NULL
    assert_string_equal(event.text, "");
    assert_true(events_take(&events, &event));
    assert_int_equal(event.kind, HERALD_LOST);
    assert_int_equal(event.wait_ms, 7);
    assert_string_equal(event.server, "a:1");
    assert_string_equal(event.text, "why");
    assert_false(events_take(&events, &event));
    events_fini(&events);
}

static void a_nul_in_a_name_does_not_cut_it(void **state) {
    struct events events = {0};
    struct herald_event event, activity = {.kind = HERALD_ACTIVITY, .json = "{}", .json_len = 2};
    (void)state;
    assert_int_equal(events_add(&events, &activity, (struct str){"ann\0x\0", 6}), 0);
    assert_true(events_take(&events, &event));
    assert_string_equal(event.user, "ann?x?"); // not ann
    events_fini(&events);
}

static void the_queue_says_when_it_is_full(void **state) {
    struct events events = {0};
    struct herald_event event, small = {.kind = HERALD_ACTIVITY, .json = "{}", .json_len = 2};
    (void)state;
    for (int i = 0; i < EVENTS_MOST; i++) {
        assert_false(events_full(&events));
        assert_int_equal(events_add(&events, &small, STR("ann")), 0);
    }
    assert_true(events_full(&events));
    assert_true(events_take(&events, &event));
    assert_false(events_full(&events));
    events_fini(&events);
    char *large = calloc(1, EVENTS_BYTES);
    assert_non_null(large);
    memset(large, ' ', EVENTS_BYTES);
    struct herald_event one = {.kind = HERALD_ACTIVITY, .json = large, .json_len = EVENTS_BYTES};
    assert_int_equal(events_add(&events, &one, STR("ann")), 0);
    assert_true(events_full(&events));
    assert_true(events_take(&events, &event)); // what the program holds does not count
    assert_false(events_full(&events));
    events_fini(&events);
    free(large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_out_as_they_went_in),
        cmocka_unit_test(a_nul_in_a_name_does_not_cut_it),
        cmocka_unit_test(the_queue_says_when_it_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

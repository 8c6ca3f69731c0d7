// What a session does next, in virtual time: redirects (rule 5 of src/client/plan.h).
#include "world.h"

#include <stdio.h>
#include <string.h>

static void a_redirect_is_followed_at_once(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b", (struct setting){0});
    lets_in(&w, "a");
    noted(&w);
    redirects(&w, "a", "z");
    assert_string_equal(noted(&w), "hang up a; redirected z; dial z");
    lets_in(&w, "z");
    assert_string_equal(noted(&w), "connected z 0; say LOGIN to z; logged in z");
    pass(&w, 60000);
    closes(&w, "z", true); // z is not in the list: begin there
    pass(&w, w.wait_ms);
    assert_string_equal(noted(&w), "hang up z; lost z; dial a");
    world_end(&w);
}

static void what_was_published_before_a_redirect_goes_out_at_the_next_server(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){.once = true});
    lets_in(&w, "a");
    waits_to_be_sent(&w, 2);
    plan_logout(&w.plan, w.now);
    sends_all(&w);
    noted(&w);
    redirects(&w, "a", "z");
    assert_int_equal(w.unsent, 2);
    assert_string_equal(noted(&w), "hang up a; redirected z; dial z");
    lets_in(&w, "z");
    sends_all(&w);
    closes(&w, "z", true);
    assert_string_equal(
        noted(&w), "connected z 0; say LOGIN to z; logged in z; say LOGOUT to z; hang up z; " ENDED_DONE);
    world_end(&w);
}

static void a_redirect_of_one_with_nothing_left_to_do_is_the_end(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    lets_in(&w, "a");
    plan_logout(&w.plan, w.now);
    noted(&w);
    redirects(&w, "a", "z");
    assert_string_equal(noted(&w), "hang up a; " ENDED_DONE);
    world_end(&w);
}

static void two_servers_that_redirect_to_each_other_are_a_circle(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    lets_in(&w, "a");
    redirects(&w, "a", "b");
    lets_in(&w, "b");
    redirects(&w, "b", "a"); // loads change: coming back once may be right
    lets_in(&w, "a");
    assert_false(w.ended);
    redirects(&w, "a", "b");
    assert_true(w.ended);
    assert_int_equal(w.status, HERALD_UNREACHABLE);
    assert_string_equal(w.text, "the servers redirect in a circle: a:3780 -> b:3780 -> a:3780 -> b:3780");
    world_end(&w);
}

static void redirects_without_end_end(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){.max_redirects = 3});
    static const char *const way[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 4; i++) {
        assert_false(w.ended);
        lets_in(&w, way[i]);
        redirects(&w, way[i], way[i + 1]);
    }
    assert_true(w.ended);
    assert_int_equal(w.status, HERALD_UNREACHABLE);
    assert_string_equal(w.text, "redirected 4 times in a row and kept nowhere: "
                                "a:3780 -> b:3780 -> c:3780 -> d:3780 -> e:3780");
    world_end(&w);
}

static void a_stay_between_redirects_begins_the_count_anew(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){.max_redirects = 1});
    for (int i = 0; i < 5; i++) {
        lets_in(&w, "a");
        pass(&w, PLAN_STAY_MS);
        redirects(&w, "a", "b");
        lets_in(&w, "b");
        pass(&w, PLAN_STAY_MS);
        redirects(&w, "b", "a");
    }
    assert_false(w.ended);
    world_end(&w);
}

static void a_dead_target_leads_back_to_the_list_with_the_redirector_last(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b", (struct setting){0});
    lets_in(&w, "a");
    redirects(&w, "a", "z");
    noted(&w);
    refuses(&w, "z");
    assert_string_equal(noted(&w), "hang up z; lost z");
    assert_string_equal(w.text, "redirected to a server that does not take us: z:3780: Connection refused");
    pass(&w, w.wait_ms);
    assert_string_equal(noted(&w), "dial b");
    refuses(&w, "b");
    lets_in(&w, "a");
    redirects(&w, "a", "z"); // it has not noticed yet: no circle
    assert_false(w.ended);
    refuses(&w, "z");
    assert_false(w.ended);
    world_end(&w);
}

static void a_target_that_takes_us_and_dies_is_no_circle(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){.max_redirects = 2});
    for (int i = 0; i < 6; i++) {
        lets_in(&w, "a");
        redirects(&w, "a", "z");
        lets_in(&w, "z");
        closes(&w, "z", false);
        assert_false(w.ended);
        pass(&w, w.wait_ms);
    }
    world_end(&w);
}

static void once_tries_the_list_once_more_after_a_dead_target(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){.once = true});
    lets_in(&w, "a");
    redirects(&w, "a", "z");
    noted(&w);
    refuses(&w, "z");
    assert_string_equal(noted(&w), "hang up z; dial a");
    lets_in(&w, "a");
    redirects(&w, "a", "z");
    refuses(&w, "z");
    assert_true(w.ended);
    assert_int_equal(w.status, HERALD_UNREACHABLE);
    world_end(&w);
}

static void a_redirect_to_nowhere_is_a_wrong_message(void **state) {
    struct world w;
    static const char *const nowhere[] = {"", "a b", "-x", "1:2:3", "x/y", "[::1", "a;b"};
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    lets_in(&w, "a");
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        struct message message = {.command = COMMAND_REDIRECT, .hostname = str_of(nowhere[i]), .port = 1};
        if (plan_message(&w.plan, plan_home(&w.plan), &message, w.now))
            fail_msg("followed to `%s`", nowhere[i]);
    }
    world_end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redirect_is_followed_at_once),
        cmocka_unit_test(what_was_published_before_a_redirect_goes_out_at_the_next_server),
        cmocka_unit_test(a_redirect_of_one_with_nothing_left_to_do_is_the_end),
        cmocka_unit_test(two_servers_that_redirect_to_each_other_are_a_circle),
        cmocka_unit_test(redirects_without_end_end),
        cmocka_unit_test(a_stay_between_redirects_begins_the_count_anew),
        cmocka_unit_test(a_dead_target_leads_back_to_the_list_with_the_redirector_last),
        cmocka_unit_test(a_target_that_takes_us_and_dies_is_no_circle),
        cmocka_unit_test(once_tries_the_list_once_more_after_a_dead_target),
        cmocka_unit_test(a_redirect_to_nowhere_is_a_wrong_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

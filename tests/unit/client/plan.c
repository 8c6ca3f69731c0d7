// What a session does next, in virtual time: whom it dials and asks, registering, refusals (rules 1 to 4 of
// src/client/plan.h).
#include "world.h"

#include <stdio.h>
#include <string.h>

// --- rule 1: the order
// --------------------------------------------------------------------------------------

static void the_first_to_accept_is_used_and_the_others_are_let_go(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b c", (struct setting){0});
    assert_string_equal(noted(&w), "dial a; dial b; dial c");
    pass(&w, 3);
    accepts(&w, "b");
    assert_string_equal(noted(&w), "connected b 3; say LOGIN to b");
    pass(&w, 2);
    accepts(&w, "c");
    assert_true(says(&w, "b", COMMAND_LOGIN_SUCCESS, "welcome"));
    assert_string_equal(noted(&w), "hang up a; hang up c; logged in b");
    world_end(&w);
}

static void later_rounds_keep_the_order_in_which_servers_accepted(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b c", (struct setting){0});
    accepts(&w, "c");
    accepts(&w, "b");
    says(&w, "c", COMMAND_LOGIN_SUCCESS, "");
    pass(&w, 60000);
    noted(&w);
    closes(&w, "c", true);
    assert_string_equal(noted(&w), "hang up c; lost c");
    pass(&w, w.wait_ms);
    assert_string_equal(noted(&w), "dial c");
    pass(&w, 249);
    assert_string_equal(noted(&w), ""); // its head start
    pass(&w, 1);
    assert_string_equal(noted(&w), "dial b");
    refuses(&w, "b");
    assert_string_equal(noted(&w), "hang up b; dial a"); // who fails makes room at once
    lets_in(&w, "a");
    assert_string_equal(noted(&w), "connected a 0; say LOGIN to a; hang up c; logged in a");
    // That a was used once does not make it the nearest.
    pass(&w, 60000);
    closes(&w, "a", true);
    pass(&w, w.wait_ms);
    assert_string_equal(noted(&w), "hang up a; lost a; dial c");
    world_end(&w);
}

static void who_accepts_in_time_spares_the_others_a_dial(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b", (struct setting){0});
    lets_in(&w, "a");
    pass(&w, 60000);
    closes(&w, "a", true);
    pass(&w, w.wait_ms);
    noted(&w);
    pass(&w, 100);
    accepts(&w, "a");
    pass(&w, 4000); // a slow answer, but within the timeout
    says(&w, "a", COMMAND_LOGIN_SUCCESS, "");
    assert_string_equal(noted(&w), "connected a 100; say LOGIN to a; logged in a");
    world_end(&w);
}

static void of_a_long_list_sixteen_are_dialled_at_a_time(void **state) {
    struct world w;
    char servers[128] = "";
    (void)state;
    for (int i = 0; i < 18; i++)
        (void)snprintf(servers + strlen(servers), sizeof servers - strlen(servers), "s%d ", i);
    world_begin(&w, servers, (struct setting){0});
    assert_int_equal(w.dials, 16);
    noted(&w);
    refuses(&w, "s3");
    assert_string_equal(noted(&w), "hang up s3; dial s16");
    accepts(&w, "s5");
    refuses(&w, "s4"); // s5 is asked: nobody more is dialled
    assert_string_equal(noted(&w), "connected s5 0; say LOGIN to s5; hang up s4");
    closes(&w, "s5", true);
    assert_string_equal(noted(&w), "hang up s5; dial s17");
    world_end(&w);
}

// --- rule 2: the line
// ---------------------------------------------------------------------------------------

static void a_silent_server_is_left_for_the_next_in_line(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b c", (struct setting){0});
    accepts(&w, "a");
    accepts(&w, "c");
    accepts(&w, "b");
    assert_string_equal(noted(&w), "dial a; dial b; dial c; connected a 0; say LOGIN to a");
    pass(&w, 4999);
    assert_string_equal(noted(&w), "");
    pass(&w, 1);
    assert_string_equal(noted(&w), "hang up a; connected c 0; say LOGIN to c");
    says(&w, "c", COMMAND_LOGIN_SUCCESS, "");
    // The order: who took us, then who accepted and did not fail, then the rest.
    pass(&w, 60000);
    closes(&w, "c", true);
    pass(&w, w.wait_ms);
    refuses(&w, "c");
    refuses(&w, "b");
    assert_string_equal(
        noted(&w), "hang up b; logged in c; hang up c; lost c; dial c; hang up c; dial b; hang up b; dial a");
    world_end(&w);
}

static void who_goes_while_in_line_is_not_asked(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b c", (struct setting){0});
    accepts(&w, "a");
    accepts(&w, "b");
    accepts(&w, "c");
    closes(&w, "b", true);
    noted(&w);
    closes(&w, "a", true);
    assert_string_equal(noted(&w), "hang up a; connected c 0; say LOGIN to c");
    world_end(&w);
}

static void a_server_that_does_not_accept_in_time_is_not_waited_for(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    pass(&w, 5000);
    assert_string_equal(noted(&w), "dial a; hang up a; lost ");
    assert_string_equal(w.text, "no server answered: a:3780: did not accept in time");
    world_end(&w);
}

// --- rule 3: registering
// ------------------------------------------------------------------------------------

static void registering_goes_on_to_a_login_on_the_same_connection(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){.registers = true});
    accepts(&w, "a");
    assert_string_equal(noted(&w), "dial a; connected a 0; say REGISTER to a");
    pass(&w, 14999); // servers ask one another: 10 s more than for a login
    assert_true(says(&w, "a", COMMAND_REGISTER_SUCCESS, ""));
    assert_string_equal(noted(&w), "registered; say LOGIN to a");
    assert_true(says(&w, "a", COMMAND_LOGIN_SUCCESS, ""));
    assert_string_equal(noted(&w), "logged in a");
    closes(&w, "a", true);
    pass(&w, w.wait_ms);
    lets_in(&w, "a"); // never again
    assert_string_equal(noted(&w), "hang up a; lost a; dial a; connected a 0; say LOGIN to a; logged in a");
    world_end(&w);
}

static void a_refused_registration_ends_with_the_servers_words(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b", (struct setting){.registers = true});
    accepts(&w, "b");
    says(&w, "b", COMMAND_REGISTER_FAILED, "bob is already registered with the system");
    assert_string_equal(
        noted(&w), "dial a; dial b; connected b 0; say REGISTER to b; hang up a; hang up b; " ENDED_REFUSED);
    assert_string_equal(w.text, "bob is already registered with the system");
    assert_int_equal(plan_due(&w.plan), UINT64_MAX);
    world_end(&w);
}

static void a_registration_lost_before_its_answer_may_have_been_done(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b", (struct setting){.registers = true});
    accepts(&w, "a");
    accepts(&w, "b");
    noted(&w);
    closes(&w, "a", false);
    assert_string_equal(noted(&w), "hang up a; connected b 0; say LOGIN to b");
    says(&w, "b", COMMAND_LOGIN_SUCCESS, "");
    assert_string_equal(noted(&w), "registered; logged in b");
    world_end(&w);
}

static void or_it_was_not_and_is_asked_for_again(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b", (struct setting){.registers = true});
    accepts(&w, "a");
    accepts(&w, "b");
    pass(&w, 15000); // silence is a loss as well
    noted(&w);
    says(&w, "b", COMMAND_LOGIN_FAILED, "unknown user or wrong secret");
    assert_string_equal(noted(&w), "hang up b; dial b"); // it closes after a refusal
    accepts(&w, "b");
    assert_string_equal(noted(&w), "connected b 0; say REGISTER to b");
    says(&w, "b", COMMAND_REGISTER_SUCCESS, "");
    says(&w, "b", COMMAND_LOGIN_SUCCESS, "");
    assert_string_equal(noted(&w), "registered; say LOGIN to b; logged in b");
    world_end(&w);
}

static void if_nobody_can_tell_the_outcome_is_unknown(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){.registers = true, .once = true});
    accepts(&w, "a");
    closes(&w, "a", false);
    assert_true(w.ended);
    assert_int_equal(w.status, HERALD_UNKNOWN);
    text_has(&w, "the name may or may not have been registered");
    world_end(&w);
}

// --- rule 4: refusals
// ---------------------------------------------------------------------------------------

static void a_wrong_secret_ends_the_session_and_asks_nobody_else(void **state) {
    struct world w;
    (void)state;
    for (int other = 0; other < 2; other++) {
        world_begin(&w, "a b", (struct setting){0});
        accepts(&w, "a");
        accepts(&w, "b");
        noted(&w);
        says(&w, "a", other ? COMMAND_AUTHENTICATION_FAIL : COMMAND_LOGIN_FAILED,
             "unknown user or wrong secret");
        assert_string_equal(noted(&w), "hang up a; hang up b; " ENDED_REFUSED);
        assert_string_equal(w.text, "unknown user or wrong secret");
        world_end(&w);
    }
}

// In a storm a server may be too busy to look; and a name may be known at one server and not yet at another.
static void a_secret_that_was_right_is_refused_eight_times_before_that_is_believed(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    lets_in(&w, "a");
    pass(&w, 60000);
    closes(&w, "a", true);
    for (unsigned i = 1; i < PLAN_REFUSALS; i++) {
        pass(&w, w.wait_ms);
        accepts(&w, "a");
        says(&w, "a", COMMAND_LOGIN_FAILED, "too much to do");
        assert_false(w.ended);
        assert_string_equal(w.text, "no server answered: a:3780: says: too much to do");
    }
    pass(&w, w.wait_ms);
    accepts(&w, "a");
    says(&w, "a", COMMAND_LOGIN_FAILED, "too much to do");
    assert_true(w.ended);
    assert_int_equal(w.status, HERALD_REFUSED);
    world_end(&w);
}

static void other_words_are_no_answer_and_the_next_is_asked(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b", (struct setting){.once = true});
    accepts(&w, "a");
    accepts(&w, "b");
    noted(&w);
    assert_true(says(&w, "a", COMMAND_INVALID_MESSAGE, "as many connections as it may have"));
    assert_string_equal(noted(&w), "hang up a; connected b 0; say LOGIN to b");
    closes(&w, "b", true);
    assert_string_equal(noted(&w), "hang up b; " ENDED_REFUSED); // somebody did answer
    assert_string_equal(w.text, "no server answered: a:3780: says: as many connections as it may have; "
                                "b:3780: closed the connection");
    world_end(&w);
}

static void words_to_one_who_waits_in_line_count_too(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b", (struct setting){0});
    accepts(&w, "a");
    accepts(&w, "b");
    noted(&w);
    assert_true(says(&w, "b", COMMAND_INVALID_MESSAGE, "full"));
    assert_string_equal(noted(&w), "hang up b");
    world_end(&w);
}

static void a_refused_publication_ends_the_session(void **state) {
    struct world w;
    (void)state;
    for (int other = 0; other < 2; other++) {
        world_begin(&w, "a", (struct setting){0});
        lets_in(&w, "a");
        waits_to_be_sent(&w, 1);
        sends_all(&w);
        noted(&w);
        says(&w, "a", other ? COMMAND_INVALID_MESSAGE : COMMAND_AUTHENTICATION_FAIL, "not like this");
        assert_string_equal(noted(&w), "hang up a; " ENDED_REFUSED);
        assert_string_equal(w.text, "not like this");
        world_end(&w);
    }
}

static void words_to_one_who_has_only_listened_are_a_loss(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    lets_in(&w, "a");
    noted(&w);
    says(&w, "a", COMMAND_INVALID_MESSAGE, "I am confused");
    assert_string_equal(noted(&w), "hang up a; lost a");
    assert_string_equal(w.text, "says: I am confused");
    world_end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_to_accept_is_used_and_the_others_are_let_go),
        cmocka_unit_test(later_rounds_keep_the_order_in_which_servers_accepted),
        cmocka_unit_test(who_accepts_in_time_spares_the_others_a_dial),
        cmocka_unit_test(of_a_long_list_sixteen_are_dialled_at_a_time),
        cmocka_unit_test(a_silent_server_is_left_for_the_next_in_line),
        cmocka_unit_test(who_goes_while_in_line_is_not_asked),
        cmocka_unit_test(a_server_that_does_not_accept_in_time_is_not_waited_for),
        cmocka_unit_test(registering_goes_on_to_a_login_on_the_same_connection),
        cmocka_unit_test(a_refused_registration_ends_with_the_servers_words),
        cmocka_unit_test(a_registration_lost_before_its_answer_may_have_been_done),
        cmocka_unit_test(or_it_was_not_and_is_asked_for_again),
        cmocka_unit_test(if_nobody_can_tell_the_outcome_is_unknown),
        cmocka_unit_test(a_wrong_secret_ends_the_session_and_asks_nobody_else),
        cmocka_unit_test(a_secret_that_was_right_is_refused_eight_times_before_that_is_believed),
        cmocka_unit_test(other_words_are_no_answer_and_the_next_is_asked),
        cmocka_unit_test(words_to_one_who_waits_in_line_count_too),
        cmocka_unit_test(a_refused_publication_ends_the_session),
        cmocka_unit_test(words_to_one_who_has_only_listened_are_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

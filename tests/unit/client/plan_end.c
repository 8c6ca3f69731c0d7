// What a session does next, in virtual time: pauses, giving up, publications in doubt, logging out (rules 6
// and 7 of src/client/plan.h), and messages at the wrong moment.
#include "world.h"

#include <stdio.h>
#include <string.h>

// --- rule 6: pauses
// -----------------------------------------------------------------------------------------

static void pauses_double_up_to_ten_seconds_and_differ(void **state) {
    static const uint32_t most[] = {400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
    uint32_t least_seen[8], most_seen[8] = {0};
    (void)state;
    memset(least_seen, 0xFF, sizeof least_seen);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct world w;
        world_begin(&w, "a", (struct setting){.seed = seed});
        for (int i = 0; i < 8; i++) {
            refuses(&w, "a");
            assert_in_range(w.wait_ms, 200, most[i]);
            if (w.wait_ms < least_seen[i]) least_seen[i] = w.wait_ms;
            if (w.wait_ms > most_seen[i]) most_seen[i] = w.wait_ms;
            pass(&w, w.wait_ms - 1);
            assert_int_equal(w.plan.phase, PLAN_PAUSE);
            pass(&w, 1);
        }
        world_end(&w);
    }
    for (int i = 0; i < 8; i++) { // two hundred clients do not come at once
        assert_true(least_seen[i] < 200 + (most[i] - 200) / 10);
        assert_true(most_seen[i] > most[i] - (most[i] - 200) / 10);
    }
}

static void a_stay_makes_the_pauses_short_again_and_a_login_alone_does_not(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    for (int i = 0; i < 10; i++) {
        lets_in(&w, "a");
        pass(&w, PLAN_STAY_MS - 1);
        closes(&w, "a", true);
        pass(&w, w.wait_ms);
    }
    assert_int_equal(w.plan.failures, 10);
    lets_in(&w, "a");
    pass(&w, PLAN_STAY_MS);
    closes(&w, "a", true);
    assert_in_range(w.wait_ms, 200, 400);
    world_end(&w);
}

// --- giving up
// ----------------------------------------------------------------------------------------------

static void once_ends_after_one_round_and_tells_of_each_server(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b c", (struct setting){.once = true});
    refuses(&w, "a");
    accepts(&w, "c");
    closes(&w, "c", true);
    pass(&w, 5000);
    assert_true(w.ended);
    assert_int_equal(w.status, HERALD_UNREACHABLE);
    assert_string_equal(w.text,
                        "no server answered: a:3780: Connection refused; b:3780: did not accept in time; "
                        "c:3780: closed the connection");
    world_end(&w);
}

static void a_dead_list_is_given_up_when_told_to_and_on_time(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b", (struct setting){.give_up_ms = 30000});
    uint64_t begun = w.now;
    while (!w.ended) {
        assert_true(w.now - begun <= 30000);
        if (w.plan.phase == PLAN_ROUND) {
            refuses(&w, "a");
            refuses(&w, "b");
        } else {
            until_due(&w);
        }
    }
    assert_int_equal(w.now - begun, 30000);
    assert_int_equal(w.status, HERALD_UNREACHABLE);
    assert_string_equal(w.text,
                        "no login within 30000 ms: a:3780: Connection refused; b:3780: Connection refused");
    world_end(&w);
}

static void in_the_midst_of_a_round_too(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){.give_up_ms = 1000});
    accepts(&w, "a");
    pass(&w, 999);
    assert_false(w.ended);
    pass(&w, 1);
    assert_true(w.ended);
    assert_int_equal(w.status, HERALD_UNREACHABLE);
    world_end(&w);
}

static void the_time_to_give_up_begins_anew_after_a_stay(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){.give_up_ms = 10000});
    lets_in(&w, "a");
    pass(&w, 3600000);
    closes(&w, "a", true);
    assert_false(w.ended);
    pass(&w, w.wait_ms);
    assert_string_equal(w.at[0], "a");
    world_end(&w);
}

static void without_a_time_to_give_up_it_tries_for_a_day(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    uint64_t begun = w.now;
    while (w.now - begun < 86400000) {
        if (w.plan.phase == PLAN_ROUND)
            refuses(&w, "a");
        else
            until_due(&w);
        w.log[0] = '\0';
    }
    assert_false(w.ended);
    assert_in_range(w.dials, 86400 / 10, 86400 / 4);
    world_end(&w);
}

// --- rule 7: publications
// -----------------------------------------------------------------------------------

static void publications_on_a_lost_connection_are_in_doubt_until_the_end(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    lets_in(&w, "a");
    waits_to_be_sent(&w, 3);
    sends_all(&w);
    closes(&w, "a", true);
    assert_string_equal(w.text,
                        "closed the connection; 3 publications may or may not have been taken by the server");
    pass(&w, w.wait_ms);
    lets_in(&w, "a");
    noted(&w);
    plan_logout(&w.plan, w.now);
    closes(&w, "a", true);
    assert_string_equal(noted(&w), "say LOGOUT to a; hang up a; " ENDED_UNKNOWN);
    assert_string_equal(w.text, "3 publications may or may not have been taken by the server");
    world_end(&w);
}

static void what_was_not_sent_goes_out_on_the_next_connection(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    lets_in(&w, "a");
    waits_to_be_sent(&w, 1);
    plan_logout(&w.plan, w.now);
    closes(&w, "a", true);
    assert_false(w.ended);
    pass(&w, w.wait_ms);
    lets_in(&w, "a");
    noted(&w);
    sends_all(&w);
    closes(&w, "a", true);
    assert_string_equal(noted(&w), "say LOGOUT to a; hang up a; " ENDED_DONE);
    world_end(&w);
}

static void a_logout_whose_close_does_not_come_or_is_not_in_order_promises_nothing(void **state) {
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct world w;
        world_begin(&w, "a", (struct setting){0});
        lets_in(&w, "a");
        waits_to_be_sent(&w, 1);
        sends_all(&w);
        plan_logout(&w.plan, w.now);
        noted(&w);
        if (way == 0)
            closes(&w, "a", false);
        else
            pass(&w, 5000);
        assert_string_equal(noted(&w), "hang up a; " ENDED_UNKNOWN);
        text_has(&w, "1 publication may");
        world_end(&w);
    }
}

static void a_refusal_after_logout_is_a_refusal(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    lets_in(&w, "a");
    waits_to_be_sent(&w, 1);
    plan_logout(&w.plan, w.now);
    sends_all(&w);
    noted(&w);
    says(&w, "a", COMMAND_INVALID_MESSAGE, "too deep");
    assert_string_equal(noted(&w), "hang up a; " ENDED_REFUSED);
    world_end(&w);
}

static void once_a_lost_connection_is_the_end(void **state) {
    (void)state;
    for (uint64_t sent = 0; sent < 2; sent++) {
        struct world w;
        world_begin(&w, "a b", (struct setting){.once = true});
        lets_in(&w, "a");
        waits_to_be_sent(&w, sent);
        sends_all(&w);
        closes(&w, "a", true);
        assert_true(w.ended);
        assert_int_equal(w.status, sent ? HERALD_UNKNOWN : HERALD_UNREACHABLE);
        text_has(&w, "lost a:3780: closed the connection");
        world_end(&w);
    }
}

// --- logging out
// --------------------------------------------------------------------------------------------

static void logout_while_nothing_is_to_be_done_ends_at_once(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a b", (struct setting){0});
    accepts(&w, "a");
    noted(&w);
    plan_logout(&w.plan, w.now);
    assert_string_equal(noted(&w), "hang up a; hang up b; " ENDED_DONE);
    world_end(&w);
    world_begin(&w, "a", (struct setting){0});
    refuses(&w, "a");
    noted(&w);
    plan_logout(&w.plan, w.now);
    assert_string_equal(noted(&w), ENDED_DONE);
    world_end(&w);
}

static void logout_before_a_registration_waits_for_it(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){.registers = true});
    plan_logout(&w.plan, w.now);
    accepts(&w, "a");
    says(&w, "a", COMMAND_REGISTER_SUCCESS, "");
    says(&w, "a", COMMAND_LOGIN_SUCCESS, "");
    closes(&w, "a", true);
    assert_string_equal(noted(&w),
                        "dial a; connected a 0; say REGISTER to a; registered; say LOGIN to a; logged in a; "
                        "say LOGOUT to a; hang up a; " ENDED_DONE);
    world_end(&w);
}

static void logout_says_so_when_all_is_sent(void **state) {
    struct world w;
    (void)state;
    world_begin(&w, "a", (struct setting){0});
    lets_in(&w, "a");
    waits_to_be_sent(&w, 1);
    noted(&w);
    plan_logout(&w.plan, w.now);
    assert_string_equal(noted(&w), "");
    sends_all(&w);
    assert_string_equal(noted(&w), "say LOGOUT to a");
    closes(&w, "a", true);
    assert_string_equal(noted(&w), "hang up a; " ENDED_DONE);
    world_end(&w);
}

// --- messages at the wrong moment
// ---------------------------------------------------------------------------

enum moment { IN_LINE, ASKED_LOGIN, ASKED_REGISTER, LOGGED_IN, LEAVING, MOMENTS };

static void bring_about(struct world *w, enum moment moment) {
    bool registers = moment == ASKED_REGISTER;
    world_begin(w, moment == IN_LINE ? "b a" : "a", (struct setting){.registers = registers});
    if (moment == IN_LINE) accepts(w, "b");
    accepts(w, "a");
    if (moment >= LOGGED_IN) says(w, "a", COMMAND_LOGIN_SUCCESS, "");
    if (moment == LEAVING) plan_logout(&w->plan, w->now);
}

static void every_message_has_its_moments(void **state) {
    static const struct {
        enum command command;
        const char *fits; // one letter a moment
    } rows[] = {
        {COMMAND_INVALID_MESSAGE, "yyyyy"},
        {COMMAND_AUTHENTICATION_FAIL, "nyyyy"},
        {COMMAND_LOGIN_SUCCESS, "nynnn"},
        {COMMAND_LOGIN_FAILED, "nynnn"},
        {COMMAND_REGISTER_SUCCESS, "nnynn"},
        {COMMAND_REGISTER_FAILED, "nnynn"},
        {COMMAND_REDIRECT, "nyyyy"},
        {COMMAND_AUTHENTICATE, "nnnnn"},
        {COMMAND_LOGIN, "nnnnn"},
        {COMMAND_LOGOUT, "nnnnn"},
        {COMMAND_ACTIVITY_MESSAGE, "nnnnn"},
        {COMMAND_SERVER_ANNOUNCE, "nnnnn"},
        {COMMAND_REGISTER, "nnnnn"},
        {COMMAND_LOCK_REQUEST, "nnnnn"},
        {COMMAND_LOCK_DENIED, "nnnnn"},
        {COMMAND_LOCK_ALLOWED, "nnnnn"},
        {COMMAND_HERALD, "nnnnn"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (unsigned moment = 0; moment < MOMENTS; moment++) {
            struct world w;
            bring_about(&w, (enum moment)moment);
            bool fits = says(&w, "a", rows[i].command, "words");
            if (fits != (rows[i].fits[moment] == 'y'))
                fail_msg("%s at moment %u: %d", command_name(rows[i].command), moment, fits);
            if (!fits) closes(&w, "a", false); // as the rim does
            world_end(&w);
        }
    }
}

static void words_are_cut_within_bounds_and_between_characters(void **state) {
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        struct world w;
        char words[5000] = "abcd";
        for (size_t i = shift; i + 1 < sizeof words; i += 2) memcpy(words + i, "\xc3\xa9", 2);
        words[shift + 2] = words[shift + 3] = '\0';
        world_begin(&w, "a", (struct setting){0});
        accepts(&w, "a");
        struct message message = {.command = COMMAND_LOGIN_FAILED, .info = {words, sizeof words}};
        plan_message(&w.plan, 0, &message, w.now);
        assert_true(w.ended && strlen(w.text) > PLAN_TEXT_SIZE - 8 && text_is_utf8(str_of(w.text)));
        assert_memory_equal(w.text + shift, "\xc3\xa9??\xc3\xa9", 6);
        assert_string_equal(w.text + strlen(w.text) - 3, "...");
        world_end(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_up_to_ten_seconds_and_differ),
        cmocka_unit_test(a_stay_makes_the_pauses_short_again_and_a_login_alone_does_not),
        cmocka_unit_test(once_ends_after_one_round_and_tells_of_each_server),
        cmocka_unit_test(a_dead_list_is_given_up_when_told_to_and_on_time),
        cmocka_unit_test(in_the_midst_of_a_round_too),
        cmocka_unit_test(the_time_to_give_up_begins_anew_after_a_stay),
        cmocka_unit_test(without_a_time_to_give_up_it_tries_for_a_day),
        cmocka_unit_test(publications_on_a_lost_connection_are_in_doubt_until_the_end),
        cmocka_unit_test(what_was_not_sent_goes_out_on_the_next_connection),
        cmocka_unit_test(a_logout_whose_close_does_not_come_or_is_not_in_order_promises_nothing),
        cmocka_unit_test(a_refusal_after_logout_is_a_refusal),
        cmocka_unit_test(once_a_lost_connection_is_the_end),
        cmocka_unit_test(logout_while_nothing_is_to_be_done_ends_at_once),
        cmocka_unit_test(logout_before_a_registration_waits_for_it),
        cmocka_unit_test(logout_says_so_when_all_is_sent),
        cmocka_unit_test(every_message_has_its_moments),
        cmocka_unit_test(words_are_cut_within_bounds_and_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Registration locks, rule by rule as numbered in stream/locks.h. Over many servers: tests/sim/register.c.
#include "locks_desk.h"

static void alone_a_register_succeeds_at_once(void **state) {
    (void)state;
    struct desk *desk = begin();
    desk->settle_at_once = true;
    assert_int_equal(enrol(desk, "Al", "s", NULL, 0, 0), LOCKS_OK);
    assert_said(desk, "granted Al\n");
    assert_int_equal(held(desk), 0);
    end(desk);
}

static void a_name_that_is_taken_here_asks_nobody(void **state) {
    (void)state;
    struct desk *desk = begin();
    account = "known";
    assert_int_equal(enrol(desk, "Known", "s", NULL, 0, 0), LOCKS_TAKEN);
    enrol_with_two(desk, "al", "s", 0);
    assert_said(desk, "REQUEST al s\n");
    assert_int_equal(enrol(desk, "AL", "s", NULL, 0, 0), LOCKS_TAKEN); // pending, without regard to case
    request(desk, 1, "recorded", "x", NULL, 0);
    desk->said[0] = '\0';
    assert_int_equal(enrol(desk, "recorded", "x", NULL, 0, 0), LOCKS_TAKEN);
    assert_said(desk, "");
    end(desk);
}

static void rule_1_an_unknown_name_is_recorded_and_allowed(void **state) {
    (void)state;
    struct desk *desk = begin();
    request(desk, 3, "al", "s", NULL, 0);
    assert_said(desk,
                "REQUEST al s >3\nALLOWED al s by us\n"); // passed on; answered to all, the asking link too
    assert_int_equal(held(desk), 1);
    end(desk);
}

static void rule_1_a_known_name_is_denied_whatever_the_secret(void **state) {
    (void)state;
    struct desk *desk = begin();
    account = "known";
    request(desk, 3, "KNOWN", "s", NULL, 0);
    assert_said(desk, "REQUEST KNOWN s >3\nDENIED KNOWN s\n");
    request(desk, 1, "al", "s", NULL, 0);
    desk->said[0] = '\0';
    request(desk, 3, "al", "other", NULL, 0);
    assert_said(desk, "REQUEST al other >3\nDENIED al other\n");
    request(desk, 3, "al", "s", NULL, 0); // the same secret by another way
    assert_said(desk, "REQUEST al s >3\nDENIED al s\n");
    enrol_with_two(desk, "ours", "s", 0);
    desk->said[0] = '\0';
    request(desk, 1, "ours", "other", NULL, 0);
    assert_said(desk, "REQUEST ours other >1\nDENIED ours other\n");
    end(desk);
}

static void rule_1_anonymous_is_reserved(void **state) {
    (void)state;
    struct desk *desk = begin();
    request(desk, 3, "Anonymous", "s", NULL, 0);
    assert_said(desk, "REQUEST Anonymous s >3\nDENIED Anonymous s\n");
    end(desk);
}

static void rule_2_granted_when_all_have_allowed(void **state) {
    (void)state;
    struct desk *desk = begin();
    enrol_with_two(desk, "al", "s", 0);
    assert_said(desk, "REQUEST al s\n");
    allowed(desk, 1, "al", "s", "b", 1);
    assert_said(desk, "ALLOWED al s by b >1\n"); // answers are passed on
    allowed(desk, 2, "al", "s", "c", 2);
    assert_said(desk, "ALLOWED al s by c >2\ngranted al\n");
    end(desk);
}

static void rule_2_who_signs_counts_once(void **state) {
    (void)state;
    struct desk *desk = begin();
    enrol_with_two(desk, "al", "s", 0);
    allowed(desk, 1, "al", "s", "b", 1);
    allowed(desk, 2, "al", "s", "b", 2); // come round another way
    assert_null(strstr(desk->said, "granted"));
    end(desk);
}

static void rule_2_unsigned_answers_count_by_number(void **state) {
    (void)state;
    struct desk *desk = begin();
    enrol_with_two(desk, "al", "s", 0);
    allowed(desk, 1, "al", "s", NULL, 1);
    assert_null(strstr(desk->said, "granted"));
    allowed(desk, 2, "al", "s", NULL, 2);
    assert_non_null(strstr(desk->said, "granted"));
    end(desk);
}

static void rule_2_signed_and_unsigned_mix(void **state) {
    (void)state;
    struct desk *desk = begin();
    enrol_with_two(desk, "al", "s", 0);
    allowed(desk, 1, "al", "s", NULL, 1);
    allowed(desk, 2, "al", "s", "c", 2);
    assert_non_null(strstr(desk->said, "granted"));
    end(desk);
}

static void rule_2_a_newcomer_does_not_stand_for_another(void **state) {
    (void)state;
    struct desk *desk = begin();
    enrol_with_two(desk, "al", "s", 0);
    allowed(desk, 1, "al", "s", "b", 1);
    allowed(desk, 1, "al", "s", "newcomer", 2);
    assert_null(strstr(desk->said, "granted"));
    denied(desk, 2, "al", "s", NULL, 3); // c says no, and is heard
    assert_non_null(strstr(desk->said, "refused al"));
    end(desk);
}

static void rule_2_an_unnamed_neighbour_may_sign(void **state) {
    (void)state;
    struct desk *desk = begin();
    struct lock_expected expected[] = {expecting("b", 1), expecting("", 2)};
    enrol(desk, "al", "s", expected, 2, 0);
    allowed(desk, 1, "al", "s", "x", 1); // not on its link
    allowed(desk, 1, "al", "s", "b", 2);
    assert_null(strstr(desk->said, "granted"));
    allowed(desk, 2, "al", "s", "its name", 3);
    assert_non_null(strstr(desk->said, "granted"));
    end(desk);
}

static void rule_2_the_forgotten_are_not_waited_for(void **state) {
    (void)state;
    struct desk *desk = begin();
    struct lock_expected expected[] = {expecting("b", 1), expecting("c", 2), expecting("", 3)};
    enrol(desk, "al", "s", expected, 3, 0);
    desk->said[0] = '\0';
    locks_server_gone(&desk->locks, STR("b"));
    locks_server_gone(&desk->locks, STR("nobody"));
    locks_server_gone(&desk->locks, STR(""));
    locks_link_gone(&desk->locks, 3);
    locks_link_gone(&desk->locks, 9);
    assert_said(desk, "");
    locks_link_gone(&desk->locks, 2);
    assert_said(desk, "granted al\n");
    end(desk);
}

static void rule_2_answers_for_another_secret_do_not_count(void **state) {
    (void)state;
    struct desk *desk = begin();
    enrol_with_two(desk, "al", "s", 0);
    allowed(desk, 1, "al", "other", "b", 1);
    allowed(desk, 2, "al", "other", "c", 1);
    allowed(desk, 1, "al", NULL, "b", 1);
    denied(desk, 1, "al", "other", NULL, 1);
    denied(desk, 1, "al", NULL, NULL, 1);
    assert_int_equal(held(desk), 1);
    assert_null(strstr(desk->said, "granted"));
    assert_null(strstr(desk->said, "refused"));
    end(desk);
}

static void rule_3_one_denial_ends_it(void **state) {
    (void)state;
    struct desk *desk = begin();
    enrol_with_two(desk, "al", "s", 0);
    allowed(desk, 1, "al", "s", "b", 1);
    desk->said[0] = '\0';
    denied(desk, 2, "al", "s", NULL, 2);
    assert_said(desk, "DENIED al s >2\nrefused al\n"); // everyone hears it from the denier
    assert_int_equal(held(desk), 0);
    allowed(desk, 2, "al", "s", "c", 3); // too late
    assert_null(strstr(desk->said, "granted"));
    end(desk);
}

static void rule_3_so_does_the_timeout_and_tells_the_others(void **state) {
    (void)state;
    struct desk *desk = begin();
    enrol_with_two(desk, "al", "s", 50);
    desk->said[0] = '\0';
    assert_int_equal(locks_deadline(&desk->locks), 50 + TIMEOUT);
    locks_tick(&desk->locks, 50 + TIMEOUT - 1);
    assert_said(desk, "");
    locks_tick(&desk->locks, 50 + TIMEOUT);
    assert_said(desk, "DENIED al s\ntimed out al\n");
    assert_int_equal(held(desk), 0);
    assert_true(locks_deadline(&desk->locks) == UINT64_MAX);
    end(desk);
}

static void rule_4_a_denial_removes_what_was_recorded(void **state) {
    (void)state;
    struct desk *desk = begin();
    request(desk, 1, "al", "s", NULL, 0);
    denied(desk, 1, "AL", "other", NULL, 1);
    assert_int_equal(held(desk), 1);
    denied(desk, 1, "AL", "s", NULL, 2); // names are compared without case
    assert_int_equal(held(desk), 0);
    end(desk);
}

static void rule_4_but_not_what_was_used_to_log_in(void **state) {
    (void)state;
    struct desk *desk = begin();
    struct lock *lock;
    request(desk, 1, "al", "s", NULL, 0);
    assert_int_equal(locks_login(&desk->locks, "al", STR("wrong"), &lock), LOCK_LOGIN_UNKNOWN);
    assert_int_equal(locks_login(&desk->locks, "bo", STR("s"), &lock), LOCK_LOGIN_UNKNOWN);
    assert_int_equal(locks_login(&desk->locks, "al", STR("s"), &lock), LOCK_LOGIN_FIRST);
    assert_int_equal(locks_login(&desk->locks, "al", STR("s"), &lock), LOCK_LOGIN_WAIT);
    denied(desk, 1, "al", "s", NULL, 2);
    assert_int_equal(held(desk), 1);
    locks_settled(&desk->locks, lock);
    assert_int_equal(held(desk), 0);
    end(desk);
}

static void rule_4_and_never_an_account(void **state) {
    (void)state;
    struct desk *desk = begin();
    account = "al";
    denied(desk, 1, "al", "s", NULL, 2);
    assert_said(desk, "DENIED al s >1\n"); // passed on, and that is all
    end(desk);
}

static void nobody_logs_in_while_we_still_ask(void **state) {
    (void)state;
    struct desk *desk = begin();
    struct lock *lock;
    enrol_with_two(desk, "al", "s", 0);
    assert_int_equal(locks_login(&desk->locks, "al", STR("s"), &lock), LOCK_LOGIN_UNKNOWN);
    end(desk);
}

static void rule_5_repeats_are_dropped(void **state) {
    (void)state;
    struct desk *desk = begin();
    desk->muted = true;
    static const enum command commands[] = {COMMAND_LOCK_REQUEST, COMMAND_LOCK_ALLOWED, COMMAND_LOCK_DENIED};
    for (int i = 0; i < 3; i++) {
        hear(desk, 1, commands[i], "al", "s", NULL, 0);
        size_t before = desk->broadcasts;
        for (int k = 0; k < 100; k++) hear(desk, 1, commands[i], "al", "s", NULL, 1);
        assert_int_equal(desk->broadcasts, before);
    }
    end(desk);
}

static void rule_5_per_link_name_secret_and_server(void **state) {
    (void)state;
    struct desk *desk = begin();
    desk->muted = true;
    allowed(desk, 1, "al", "s", "b", 0);
    allowed(desk, 2, "al", "s", "b", 0);
    allowed(desk, 1, "bo", "s", "b", 0);
    allowed(desk, 1, "al", "t", "b", 0);
    allowed(desk, 1, "al", "s", "c", 0);
    allowed(desk, 1, "al", "s", NULL, 0);
    assert_int_equal(desk->broadcasts, 6);
    end(desk);
}

static void rule_5_unsigned_once_per_server_through_the_link(void **state) {
    (void)state;
    struct desk *desk = begin();
    desk->muted = true;
    desk->servers = 3;
    for (int i = 0; i < 10; i++) allowed(desk, 1, "al", "s", NULL, 0);
    assert_int_equal(desk->broadcasts, 3);
    desk->servers = 0; // a neighbour that has not announced itself
    for (int i = 0; i < 10; i++) allowed(desk, 2, "al", "s", NULL, 0);
    assert_int_equal(desk->broadcasts, 4);
    end(desk);
}

static void rule_5_the_window_ends(void **state) {
    (void)state;
    struct desk *desk = begin();
    desk->muted = true;
    allowed(desk, 1, "al", "s", "b", 0);
    locks_tick(&desk->locks, WINDOW - 1);
    allowed(desk, 1, "al", "s", "b", WINDOW - 1);
    assert_int_equal(desk->broadcasts, 1);
    locks_tick(&desk->locks, WINDOW);
    assert_null(desk->locks.seen);
    assert_int_equal(desk->locks.marks, 0);
    allowed(desk, 1, "al", "s", "b", WINDOW);
    assert_int_equal(desk->broadcasts, 2);
    end(desk);
}

static void rule_5_a_denial_ends_it_early_but_not_for_ever(void **state) {
    (void)state;
    struct desk *desk = begin();
    unsigned answers = 0;
    for (int i = 0; i < 50; i++) {
        request(desk, 1, "al", "s", NULL, 0);
        answers += strstr(desk->said, "ALLOWED") != NULL;
        desk->said[0] = '\0';
        denied(desk, 1, "al", "s", NULL, 0);
        desk->said[0] = '\0';
    }
    assert_in_range(answers, 2, 12);
    end(desk);
}

static void rule_5_who_was_refused_may_ask_again(void **state) {
    (void)state;
    struct desk *desk = begin();
    for (uint64_t i = 0; i < 20; i++) {
        enrol_with_two(desk, "al", "s", i);
        denied(desk, 1, "al", "s", NULL, i);
        assert_non_null(strstr(desk->said, "refused al"));
        desk->said[0] = '\0';
    }
    enrol_with_two(desk, "al", "s", 99);
    allowed(desk, 1, "al", "s", "b", 99);
    allowed(desk, 2, "al", "s", "c", 99);
    assert_non_null(strstr(desk->said, "granted al"));
    end(desk);
}

static void rule_6_names_we_do_not_allow_cannot_clash(void **state) {
    (void)state;
    struct desk *desk = begin();
    request(desk, 1, "two words", "s", NULL, 0);
    assert_said(desk, "REQUEST two words s >1\nALLOWED two words s by us\n");
    request(desk, 1, "two words", "t", NULL, 0);
    assert_said(desk, "REQUEST two words t >1\nALLOWED two words t by us\n");
    assert_int_equal(held(desk), 0);
    end(desk);
}

static void rule_7_without_a_secret_only_reserved(void **state) {
    (void)state;
    struct desk *desk = begin();
    struct lock *lock;
    request(desk, 1, "al", NULL, NULL, 0);
    assert_said(desk, "REQUEST al >1\nALLOWED al by us\n");
    request(desk, 2, "al", "s", NULL, 0);
    assert_said(desk, "REQUEST al s >2\nDENIED al s\n");
    assert_int_equal(locks_login(&desk->locks, "al", STR(""), &lock), LOCK_LOGIN_UNKNOWN);
    assert_null(locks_ripe(&desk->locks, WINDOW));
    assert_int_equal(held(desk), 0);
    end(desk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_a_register_succeeds_at_once),
        cmocka_unit_test(a_name_that_is_taken_here_asks_nobody),
        cmocka_unit_test(rule_1_an_unknown_name_is_recorded_and_allowed),
        cmocka_unit_test(rule_1_a_known_name_is_denied_whatever_the_secret),
        cmocka_unit_test(rule_1_anonymous_is_reserved),
        cmocka_unit_test(rule_2_granted_when_all_have_allowed),
        cmocka_unit_test(rule_2_who_signs_counts_once),
        cmocka_unit_test(rule_2_unsigned_answers_count_by_number),
        cmocka_unit_test(rule_2_signed_and_unsigned_mix),
        cmocka_unit_test(rule_2_a_newcomer_does_not_stand_for_another),
        cmocka_unit_test(rule_2_an_unnamed_neighbour_may_sign),
        cmocka_unit_test(rule_2_the_forgotten_are_not_waited_for),
        cmocka_unit_test(rule_2_answers_for_another_secret_do_not_count),
        cmocka_unit_test(rule_3_one_denial_ends_it),
        cmocka_unit_test(rule_3_so_does_the_timeout_and_tells_the_others),
        cmocka_unit_test(rule_4_a_denial_removes_what_was_recorded),
        cmocka_unit_test(rule_4_but_not_what_was_used_to_log_in),
        cmocka_unit_test(rule_4_and_never_an_account),
        cmocka_unit_test(nobody_logs_in_while_we_still_ask),
        cmocka_unit_test(rule_5_repeats_are_dropped),
        cmocka_unit_test(rule_5_per_link_name_secret_and_server),
        cmocka_unit_test(rule_5_unsigned_once_per_server_through_the_link),
        cmocka_unit_test(rule_5_the_window_ends),
        cmocka_unit_test(rule_5_a_denial_ends_it_early_but_not_for_ever),
        cmocka_unit_test(rule_5_who_was_refused_may_ask_again),
        cmocka_unit_test(rule_6_names_we_do_not_allow_cannot_clash),
        cmocka_unit_test(rule_7_without_a_secret_only_reserved),
    };
    return cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}

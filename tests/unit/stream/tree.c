// Finding a parent, rule by rule as numbered in stream/tree.h.
#include "stream/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct dice dice;

static struct stream_settings settings_with(size_t count) {
    struct stream_settings settings = {.connect_count = count};
    for (size_t i = 0; i < count; i++) {
        snprintf(settings.connect[i].host, sizeof settings.connect[i].host, "%c", (char)('a' + i));
        settings.connect[i].port = 3780;
    }
    return settings;
}

static struct tree begin(size_t count, uint64_t now) {
    struct tree tree;
    struct stream_settings settings = settings_with(count);
    dice_seed(&dice, 1);
    tree_init(&tree, &settings, &dice, now);
    return tree;
}

static const char *refused_hosts = ""; // rule 2

static bool refuse(void *context, const struct settings_target *target) {
    assert_string_equal(context, "context");
    return strchr(refused_hosts, target->host[0]) != NULL;
}

static const char *dial(struct tree *tree, uint64_t now) {
    const struct settings_target *target = tree_dial(tree, refuse, "context", now);
    return target != NULL ? target->host : "";
}

// As soon as it wants to: where to, and the time that is then.
static const char *dial_next(struct tree *tree, uint64_t *now) {
    assert_int_equal(tree->state, TREE_WAITING);
    if (tree_deadline(tree) > *now) *now = tree_deadline(tree);
    return dial(tree, *now);
}

static void link_up(struct tree *tree, uint64_t now) {
    tree_greeting(tree);
    tree_linked(tree, now);
    assert_int_equal(tree->state, TREE_LINKED);
}

static void without_targets_it_is_the_root(void **state) {
    (void)state;
    struct tree tree = begin(0, 0);
    assert_int_equal(tree.state, TREE_ROOT);
    assert_true(tree_deadline(&tree) == UINT64_MAX);
    assert_string_equal(dial(&tree, 1000000), "");
}

static void rule_1_targets_are_tried_in_their_order(void **state) {
    (void)state;
    struct tree tree = begin(3, 100);
    uint64_t now = 100;
    static const char *const order[] = {"a", "b", "c", "a", "b", "c", "a"};
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(dial_next(&tree, &now), order[i]);
        assert_int_equal(tree.state, TREE_DIALLING);
        assert_string_equal(dial(&tree, now + 100000), ""); // one at a time
        tree_failed(&tree, now);
    }
}

static void rule_1_after_a_loss_from_the_first_again(void **state) {
    (void)state;
    struct tree tree = begin(3, 0);
    uint64_t now = 0;
    dial_next(&tree, &now);
    tree_failed(&tree, now);
    assert_string_equal(dial_next(&tree, &now), "b");
    link_up(&tree, now);
    assert_true(tree_deadline(&tree) == UINT64_MAX);
    tree_lost(&tree, now + TREE_SETTLED_MS);
    now += TREE_SETTLED_MS;
    assert_string_equal(dial_next(&tree, &now), "a");
}

static void rule_1_after_silence_with_the_one_behind(void **state) {
    (void)state;
    struct tree tree = begin(2, 0);
    uint64_t now = 0;
    assert_string_equal(dial_next(&tree, &now), "a");
    link_up(&tree, now);
    tree_lost_silent(&tree, now);
    assert_string_equal(dial_next(&tree, &now), "b");
    link_up(&tree, now);
    tree_lost_silent(&tree, now); // there is none behind it
    assert_string_equal(dial_next(&tree, &now), "a");
}

static void rule_1_new_targets_begin_with_the_first(void **state) {
    (void)state;
    struct tree tree = begin(3, 0);
    uint64_t now = 0;
    struct stream_settings more = settings_with(3);
    strcpy(more.connect[0].host, "x");
    strcpy(more.connect[1].host, "y");
    assert_string_equal(dial_next(&tree, &now), "a");
    tree_set_targets(&tree, &more, now); // while one is being dialled
    tree_failed(&tree, now);
    assert_string_equal(dial_next(&tree, &now), "x");
    tree_failed(&tree, now);
    assert_string_equal(dial_next(&tree, &now), "y");
    tree_failed(&tree, now);
    tree_set_targets(&tree, &more, now); // the same again: nothing begins anew
    assert_string_equal(dial_next(&tree, &now), "c");
}

static void new_targets_do_not_touch_a_link_that_is_up(void **state) {
    (void)state;
    struct tree tree = begin(1, 0);
    uint64_t now = 0;
    struct stream_settings none = settings_with(0);
    dial_next(&tree, &now);
    link_up(&tree, now);
    tree_set_targets(&tree, &none, now);
    assert_int_equal(tree.state, TREE_LINKED);
    tree_lost(&tree, now);
    assert_int_equal(tree.state, TREE_ROOT);
    struct stream_settings one = settings_with(1);
    tree_set_targets(&tree, &one, now);
    assert_string_equal(dial(&tree, now), "a");
}

static void targets_may_vanish_while_one_is_dialled(void **state) {
    (void)state;
    struct tree tree = begin(2, 0);
    uint64_t now = 0;
    struct stream_settings none = settings_with(0);
    dial_next(&tree, &now);
    tree_set_targets(&tree, &none, now);
    tree_greeting(&tree);
    tree_refused_greeting(&tree, now);
    assert_int_equal(tree.state, TREE_ROOT);
}

static void rule_2_refused_targets_are_passed_over(void **state) {
    (void)state;
    struct tree tree = begin(3, 0);
    uint64_t now = 0;
    refused_hosts = "ab";
    assert_string_equal(dial_next(&tree, &now), "");
    assert_string_equal(dial_next(&tree, &now), "");
    assert_string_equal(dial_next(&tree, &now), "c");
    tree_failed(&tree, now);
    refused_hosts = "abc"; // all, for ever: it does not spin
    uint64_t begun = now;
    for (int i = 0; i < 60; i++) assert_string_equal(dial_next(&tree, &now), "");
    assert_in_range(now - begun, 60000, 400000);
    refused_hosts = "";
}

static void rule_3_the_first_try_is_at_once_the_others_wait(void **state) {
    (void)state;
    struct tree tree = begin(2, 500);
    assert_int_equal(tree_deadline(&tree), 500);
    assert_string_equal(dial(&tree, 500), "a");
    tree_failed(&tree, 500);
    assert_in_range(tree_deadline(&tree), 500 + TREE_BACKOFF_LEAST_MS / 8, 500 + TREE_BACKOFF_LEAST_MS / 4);
    assert_string_equal(dial(&tree, tree_deadline(&tree) - 1), "");
}

static void rule_3_the_backoff_doubles_up_to_the_most(void **state) {
    (void)state;
    struct tree tree = begin(1, 0);
    uint64_t now = 0, about = TREE_BACKOFF_LEAST_MS;
    for (int i = 0; i < 12; i++) {
        assert_string_equal(dial_next(&tree, &now), "a");
        tree_failed(&tree, now);
        assert_in_range(tree_deadline(&tree) - now, about / 2, about);
        about = about * 2 > TREE_BACKOFF_MOST_MS ? TREE_BACKOFF_MOST_MS : about * 2;
    }
}

static void rule_3_or_up_to_an_announce_interval(void **state) {
    (void)state;
    struct tree tree = begin(1, 0);
    struct stream_settings settings = settings_with(1);
    uint64_t now = 0;
    settings.announce_interval_ms = 1000;
    tree_set_targets(&tree, &settings, 0); // no other targets, but other times
    for (int i = 0; i < 12; i++) {
        dial_next(&tree, &now);
        tree_failed(&tree, now);
        assert_true(tree_deadline(&tree) - now <= 1000);
    }
    dial_next(&tree, &now);
    link_up(&tree, now);
    tree_lost(&tree, now + 1000); // it held for an interval
    assert_true(tree_deadline(&tree) - (now + 1000) <= TREE_BACKOFF_LEAST_MS);
}

static void rule_3_links_that_do_not_hold_back_off_as_well(void **state) {
    (void)state;
    struct tree tree = begin(1, 0);
    uint64_t now = 0, about = TREE_BACKOFF_LEAST_MS;
    for (int i = 0; i < 12; i++) {
        dial_next(&tree, &now);
        link_up(&tree, now);
        tree_lost(&tree, now + TREE_SETTLED_MS - 1);
        assert_in_range(tree_deadline(&tree) - (now + TREE_SETTLED_MS - 1), about / 2, about);
        now += TREE_SETTLED_MS;
        about = about * 2 > TREE_BACKOFF_MOST_MS ? TREE_BACKOFF_MOST_MS : about * 2;
    }
}

static void rule_3_a_link_that_held_resets_it(void **state) {
    (void)state;
    struct tree tree = begin(1, 0);
    uint64_t now = 0;
    for (int i = 0; i < 10; i++) {
        dial_next(&tree, &now);
        tree_failed(&tree, now);
    }
    dial_next(&tree, &now);
    link_up(&tree, now);
    now += TREE_SETTLED_MS;
    tree_lost(&tree, now);
    assert_in_range(tree_deadline(&tree) - now, TREE_BACKOFF_LEAST_MS / 2, TREE_BACKOFF_LEAST_MS);
}

static void rule_3_servers_do_not_wait_alike(void **state) {
    (void)state;
    uint64_t soonest = UINT64_MAX, latest = 0;
    struct stream_settings settings = settings_with(1);
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct tree tree;
        dice_seed(&dice, seed);
        tree_init(&tree, &settings, &dice, 0);
        dial(&tree, 0);
        tree_failed(&tree, 0);
        if (tree_deadline(&tree) < soonest) soonest = tree_deadline(&tree);
        if (tree_deadline(&tree) > latest) latest = tree_deadline(&tree);
    }
    assert_true(latest - soonest > TREE_BACKOFF_LEAST_MS / 3);
}

static void rule_3_it_rests_after_a_circle(void **state) {
    (void)state;
    struct tree tree = begin(1, 0);
    uint64_t now = 0;
    dial_next(&tree, &now);
    link_up(&tree, now);
    tree_rest(&tree, 99999); // not while there is a link
    tree_lost(&tree, 10000);
    tree_rest(&tree, 25000);
    assert_int_equal(tree_deadline(&tree), 25000);
    tree_rest(&tree, 100); // never sooner
    assert_int_equal(tree_deadline(&tree), 25000);
}

static void rule_4_who_refused_the_greeting_is_met_plainly_at_once(void **state) {
    (void)state;
    struct tree tree = begin(2, 0);
    uint64_t now = 0;
    dial_next(&tree, &now);
    assert_false(tree_greets_plainly(&tree));
    tree_greeting(&tree);
    tree_refused_greeting(&tree, now);
    assert_int_equal(tree_deadline(&tree), now);
    assert_string_equal(dial(&tree, now), "a");
    assert_true(tree_greets_plainly(&tree));
    link_up(&tree, now);
    tree_lost(&tree, now);
    assert_string_equal(dial_next(&tree, &now), "a");
    assert_true(tree_greets_plainly(&tree)); // remembered
}

static void rule_4_a_refusal_may_come_late(void **state) {
    (void)state;
    struct tree tree = begin(2, 0);
    uint64_t now = 0;
    dial_next(&tree, &now);
    link_up(&tree, now); // its silence was taken for consent
    tree_refused_greeting(&tree, now + 600);
    assert_string_equal(dial(&tree, now + 600), "a");
    assert_true(tree_greets_plainly(&tree));
}

static void rule_4_a_late_refusal_is_not_held_against_a_new_target(void **state) {
    (void)state;
    struct tree tree = begin(1, 0);
    uint64_t now = 0;
    struct stream_settings others = settings_with(1);
    strcpy(others.connect[0].host, "x");
    dial_next(&tree, &now);
    link_up(&tree, now);
    tree_set_targets(&tree, &others, now);
    tree_refused_greeting(&tree, now);
    assert_string_equal(dial_next(&tree, &now), "x");
    assert_false(tree_greets_plainly(&tree));
}

static void rule_4_who_refuses_that_too_is_met_as_herald_again(void **state) {
    (void)state;
    struct tree tree = begin(2, 0);
    uint64_t now = 0;
    dial_next(&tree, &now);
    tree_greeting(&tree);
    tree_refused_greeting(&tree, now);
    dial_next(&tree, &now);
    tree_greeting(&tree);
    tree_refused_greeting(&tree, now);
    assert_true(tree_deadline(&tree) > now); // and not at once
    assert_string_equal(dial_next(&tree, &now), "b");
    assert_false(tree_greets_plainly(&tree));
    tree_failed(&tree, now);
    assert_string_equal(dial_next(&tree, &now), "a");
    assert_false(tree_greets_plainly(&tree));
}

static void rule_4_who_cannot_be_reached_may_return_as_another(void **state) {
    (void)state;
    struct tree tree = begin(1, 0);
    uint64_t now = 0;
    dial_next(&tree, &now);
    tree_greeting(&tree);
    tree_refused_greeting(&tree, now);
    dial_next(&tree, &now);
    tree_failed(&tree, now); // it was stopping, not refusing
    dial_next(&tree, &now);
    assert_false(tree_greets_plainly(&tree));
}

static void events_out_of_place_change_nothing(void **state) {
    (void)state;
    struct tree tree = begin(1, 0);
    tree_failed(&tree, 5);
    tree_lost(&tree, 5);
    tree_refused_greeting(&tree, 5);
    assert_int_equal(tree.state, TREE_WAITING);
    assert_int_equal(tree_deadline(&tree), 0);
    dial(&tree, 5);
    tree_lost(&tree, 5);
    tree_refused_greeting(&tree, 5);
    assert_int_equal(tree.state, TREE_DIALLING);
    link_up(&tree, 5);
    tree_failed(&tree, 5);
    assert_int_equal(tree.state, TREE_LINKED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_targets_it_is_the_root),
        cmocka_unit_test(rule_1_targets_are_tried_in_their_order),
        cmocka_unit_test(rule_1_after_a_loss_from_the_first_again),
        cmocka_unit_test(rule_1_after_silence_with_the_one_behind),
        cmocka_unit_test(rule_1_new_targets_begin_with_the_first),
        cmocka_unit_test(new_targets_do_not_touch_a_link_that_is_up),
        cmocka_unit_test(targets_may_vanish_while_one_is_dialled),
        cmocka_unit_test(rule_2_refused_targets_are_passed_over),
        cmocka_unit_test(rule_3_the_first_try_is_at_once_the_others_wait),
        cmocka_unit_test(rule_3_the_backoff_doubles_up_to_the_most),
        cmocka_unit_test(rule_3_or_up_to_an_announce_interval),
        cmocka_unit_test(rule_3_links_that_do_not_hold_back_off_as_well),
        cmocka_unit_test(rule_3_a_link_that_held_resets_it),
        cmocka_unit_test(rule_3_servers_do_not_wait_alike),
        cmocka_unit_test(rule_3_it_rests_after_a_circle),
        cmocka_unit_test(rule_4_who_refused_the_greeting_is_met_plainly_at_once),
        cmocka_unit_test(rule_4_a_refusal_may_come_late),
        cmocka_unit_test(rule_4_a_late_refusal_is_not_held_against_a_new_target),
        cmocka_unit_test(rule_4_who_refuses_that_too_is_met_as_herald_again),
        cmocka_unit_test(rule_4_who_cannot_be_reached_may_return_as_another),
        cmocka_unit_test(events_out_of_place_change_nothing),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}

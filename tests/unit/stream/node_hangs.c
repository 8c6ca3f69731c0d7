// Servers that hang: their kernel accepts us and they say nothing, as a plain server may (stream/tree.h, rule
// 5). Taken for a parent, such a one would be waited for by every registration, and would hear our activities
// without their numbers: as ours and, when it goes on, once more by its other links.
#include "stage.h"

// Whether the silent one is taken for a parent: everyone is waited for who is.
static bool a_name_is_granted(struct stage *stage) {
    struct login login;
    login_parse(STR("alice"), &login, NULL);
    forget_acts(stage);
    assert_int_equal(node_register(&stage->node, &login, STR("s"), NULL, stage->now), LOCKS_OK);
    return acts_with(stage, "granted alice") == 1;
}

// Whoever is dialled now is not there.
static void pass_failing(struct stage *stage) {
    if (stage->node.tree.state == TREE_DIALLING)
        node_dial_failed(&stage->node, "connection refused", stage->now);
    pass(stage, 100);
}

// Until it dials the host, whose kernel takes the connection.
static void connect_to(struct stage *stage, const char *host, uint32_t link) {
    char act[32];
    snprintf(act, sizeof act, "dial %s\n", host);
    for (unsigned tries = 0; acts_with(stage, act) == 0; tries++) {
        assert_true(tries < 100);
        pass_failing(stage);
    }
    node_linked_out(&stage->node, link, "192.0.2.2:3780", stage->now);
    forget_acts(stage);
}

static void assert_no_parent(struct stage *stage) {
    size_t links = node_links(&stage->node);
    pass(stage, NODE_GREETING_MS + 1);
    assert_int_equal(acts_with(stage, "up"), 0);
    assert_int_equal(node_links(&stage->node), links);
    assert_true(a_name_is_granted(stage));
}

static void assert_parent(struct stage *stage) {
    pass(stage, NODE_GREETING_MS);
    assert_int_equal(acts_with(stage, "up"), 1);
    assert_false(a_name_is_granted(stage));
}

static void a_parent_that_fell_silent_is_none_before_it_speaks(void **state) {
    (void)state;
    for (int herald = 0; herald < 2; herald++) {
        struct stage *stage = begin_with("pq");
        herald_parent(stage, 1, "p");
        pass(stage, 3 * INTERVAL);
        assert_int_equal(acts_with(stage, "cut 1 silent for three intervals"), 1);
        connect_to(stage, "p", 2);
        assert_no_parent(stage);
        say(stage, 2, herald ? HERALD("p") : ANNOUNCE("p"));
        assert_int_equal(acts_with(stage, herald ? "up 2 herald" : "up 2 plain"), 1);
        end(stage);
    }
}

static void nor_is_a_child_that_did(void **state) {
    (void)state;
    struct stage *stage = begin_with("qp");
    herald_child(stage, 1, "p");
    say(stage, 1, ANNOUNCE("p"));
    pass(stage, 0); // q is dialled, and p is refused as long as it is there
    node_dial_failed(&stage->node, "connection refused", stage->now);
    pass(stage, 3 * INTERVAL - 1);
    assert_int_equal(acts_with(stage, "dial p"), 0);
    connect_to(stage, "p", 2);
    assert_no_parent(stage);
    end(stage);
}

static void nor_is_one_far_away(void **state) {
    (void)state;
    for (int told = 0; told < 2; told++) {
        struct stage *stage = begin_with("qp");
        herald_child(stage, 1, "a");
        say(stage, 1, ANNOUNCE("p"));
        for (int i = 0; i < 3 && !told; i++) { // p is unheard for three intervals
            pass(stage, INTERVAL);
            say(stage, 1, ANNOUNCE("a"));
        }
        if (told) say(stage, 1, "{\"command\":\"HERALD\",\"goodbye\":\"p\"}"); // its neighbour lost it
        assert_int_equal(acts_with(stage, "gone p"), 1);
        say(stage, 1, "{\"command\":\"HERALD\",\"goodbye\":\"a\"}");
        node_link_down(&stage->node, 1, "closed", stage->now);
        connect_to(stage, "p", 2);
        assert_no_parent(stage);
        end(stage);
    }
}

static void it_is_left_after_three_intervals_for_another(void **state) {
    (void)state;
    for (int alone = 0; alone < 2; alone++) {
        struct stage *stage = begin_with(alone ? "p" : "pq");
        herald_parent(stage, 1, "p");
        pass(stage, 3 * INTERVAL);
        connect_to(stage, "p", 2);
        pass(stage, 3 * INTERVAL - 1);
        assert_int_equal(acts_with(stage, "cut"), 0);
        pass(stage, alone ? 100 * INTERVAL : 1); // where there is no other it may as well be waited for
        assert_int_equal(acts_with(stage, "cut 2 it does not answer"), alone ? 0 : 1);
        pass(stage, TREE_BACKOFF_LEAST_MS);
        assert_int_equal(acts_with(stage, "dial q"), alone ? 0 : 1);
        end(stage);
    }
}

static void one_that_never_said_a_word_is_not_believed_twice(void **state) {
    (void)state;
    struct stage *stage = begin_with("pq");
    connect_to(stage, "p", 1);
    assert_parent(stage);
    pass(stage, NODE_MUTE_MS > 3 * INTERVAL ? NODE_MUTE_MS : 3 * INTERVAL);
    assert_int_equal(acts_with(stage, "cut 1 it has never said a word"), 1);
    connect_to(stage, "p", 2);
    pass(stage, NODE_GREETING_MS + 1);
    assert_int_equal(acts_with(stage, "up"), 0);
    end(stage);
}

// Who may be another by now, or has shown that it is plain, may say nothing.
static void what_was_said_since_counts(void **state) {
    (void)state;
    enum { SPOKE, NOBODY_THERE, REFUSES, CASES };
    for (int what = 0; what < CASES; what++) {
        struct stage *stage = begin_with("pq");
        herald_parent(stage, 1, "p");
        pass(stage, 3 * INTERVAL);
        connect_to(stage, "p", 2);
        if (what == SPOKE) say(stage, 2, ANNOUNCE("p"));
        if (what == REFUSES) say(stage, 2, INVALID("unknown field herald"));
        node_link_down(&stage->node, 2, "closed", stage->now);
        if (what == NOBODY_THERE) {
            while (acts_with(stage, "dial p") == 0) pass_failing(stage);
            node_dial_failed(&stage->node, "connection refused", stage->now);
        }
        forget_acts(stage);
        connect_to(stage, "p", 4);
        assert_parent(stage);
        end(stage);
    }
}

// It is slow, and no plain server: the machine is busy, or it was stopped for a moment.
static void who_is_known_to_heralds_must_speak(void **state) {
    (void)state;
    for (int herald = 0; herald < 2; herald++) {
        struct stage *stage = begin_with("qp");
        if (herald)
            herald_child(stage, 1, "a");
        else
            plain_child(stage, 1);
        say(stage, 1, ANNOUNCE("p"));
        node_link_down(&stage->node, 1, "closed", stage->now);
        connect_to(stage, "p", 2);
        if (herald)
            assert_no_parent(stage);
        else
            assert_parent(stage);
        end(stage);
    }
}

// Its name is not the address that it announces.
static void so_must_who_answered_as_one(void **state) {
    (void)state;
    struct stage *stage = begin_with("p");
    herald_parent(stage, 1, "p");
    node_link_down(&stage->node, 1, "closed", stage->now);
    connect_to(stage, "p", 2);
    assert_no_parent(stage);
    end(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parent_that_fell_silent_is_none_before_it_speaks),
        cmocka_unit_test(nor_is_a_child_that_did),
        cmocka_unit_test(nor_is_one_far_away),
        cmocka_unit_test(it_is_left_after_three_intervals_for_another),
        cmocka_unit_test(one_that_never_said_a_word_is_not_believed_twice),
        cmocka_unit_test(what_was_said_since_counts),
        cmocka_unit_test(who_is_known_to_heralds_must_speak),
        cmocka_unit_test(so_must_who_answered_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

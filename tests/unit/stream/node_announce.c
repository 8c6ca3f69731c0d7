// What a node announces, and passes on. The links: node.c. Many servers: tests/sim/announce.c.
#include "stage.h"

static void announces_go_to_every_other_link(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    plain_child(stage, 2);
    herald_child(stage, 3, "c");
    say(stage, 1, ANNOUNCE("a"));
    assert_acts(stage, "heard a\nsend 2 " ANNOUNCE("a") "\nsend 3 " ANNOUNCE("a") "\n");
    end(stage);
}

static void not_to_a_link_that_still_greets(void **state) {
    (void)state;
    struct stage *stage = begin_with("p");
    pass(stage, 0);
    node_linked_out(&stage->node, 1, "192.0.2.2:3780", stage->now);
    herald_child(stage, 2, "a");
    say(stage, 2, ANNOUNCE("a"));
    assert_acts(stage, "heard a\n");
    end(stage);
}

static void our_own_goes_to_all_every_interval(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    plain_child(stage, 2);
    pass(stage, INTERVAL);
    assert_acts(stage, "send 1 " OURS "\nsend 2 " OURS "\n");
    end(stage);
}

static void a_new_load_goes_soon_but_not_at_any_rate(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    for (int i = 0; i < 1000; i++) {
        node_load_changed(&stage->node, stage->now);
        pass(stage, 1);
    }
    assert_in_range(acts_with(stage, "send 1 "), 3, 5);
    end(stage);
}

static void an_announce_that_repeats_is_passed_on_now_and_then(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    herald_child(stage, 2, "b");
    for (int i = 0; i < 100; i++) {
        say(stage, 1, ANNOUNCE("a"));
        pass(stage, 10);
    }
    assert_int_equal(acts_with(stage, "send 2 " ANNOUNCE("a")), 1);
    forget_acts(stage);
    for (int i = 0; i < 100; i++) say(stage, 1, i % 2 == 0 ? ANNOUNCE_AT("a", "1", "a") : ANNOUNCE("a"));
    assert_in_range(acts_with(stage, "send 2 "), 1, 10);
    forget_acts(stage);
    pass(stage, INTERVAL);
    forget_acts(stage);
    say(stage, 1, ANNOUNCE("a"));
    assert_int_equal(acts_with(stage, "send 2 " ANNOUNCE("a")), 1);
    end(stage);
}

static void impossible_announces_are_refused(void **state) {
    (void)state;
    char line[800];
    for (int i = 0; i < 3; i++) {
        struct stage *stage = begin();
        herald_child(stage, 1, "a");
        snprintf(
            line, sizeof line,
            "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"%0*d\",\"load\":0,\"hostname\":\"%0*d\",\"port\":1}",
            i == 0 ? PEER_ID_MAX + 1 : PEER_ID_MAX, 1, i == 1 ? ADDRESS_HOST_MAX + 1 : ADDRESS_HOST_MAX, 1);
        say(stage, 1, line);
        assert_int_equal(acts_with(stage, "cut 1 "), i < 2 ? 1 : 0);
        if (i == 2) say(stage, 1, ANNOUNCE_AT("", "0", "x"));
        assert_int_equal(node_links(&stage->node), 0);
        end(stage);
    }
}

static void more_servers_than_PEERS_MAX_are_not_passed_on(void **state) {
    (void)state;
    struct stage *stage = begin();
    char line[200];
    herald_child(stage, 1, "a");
    herald_child(stage, 2, "b");
    for (unsigned i = 0; i < PEERS_MAX; i++) {
        snprintf(line, sizeof line, ANNOUNCE_AT("x%u", "0", "x"), i);
        say(stage, 1 + i % 2, line);
        forget_acts(stage);
    }
    say(stage, 1, ANNOUNCE("one more"));
    assert_acts(stage, "");
    assert_int_equal(peers_count(&stage->node.peers), PEERS_MAX);
    end(stage);
}

static void a_dead_server_is_forgotten(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ANNOUNCE("dead"));
    for (int i = 0; i < 6; i++) {
        forget_acts(stage);
        pass(stage, INTERVAL / 2);
        say(stage, 1, ANNOUNCE("a"));
        assert_int_equal(acts_with(stage, "gone dead"), i == 5);
    }
    end(stage);
}

static void a_newcomer_is_not_told_of_the_overdue_nor_of_itself(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ANNOUNCE("overdue"));
    say(stage, 1, ANNOUNCE("b"));
    pass(stage, INTERVAL * 5 / 4 + 1);
    say(stage, 1, ANNOUNCE("a"));
    say(stage, 1, ANNOUNCE("b"));
    forget_acts(stage);
    arrive(stage, 2, HELLO_AS("b"));
    assert_int_equal(acts_with(stage, "send 2 " ANNOUNCE("a")), 1);
    assert_int_equal(acts_with(stage, "overdue"), 0);
    assert_int_equal(acts_with(stage, "send 2 " ANNOUNCE("b")), 0);
    end(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(announces_go_to_every_other_link),
        cmocka_unit_test(not_to_a_link_that_still_greets),
        cmocka_unit_test(our_own_goes_to_all_every_interval),
        cmocka_unit_test(a_new_load_goes_soon_but_not_at_any_rate),
        cmocka_unit_test(an_announce_that_repeats_is_passed_on_now_and_then),
        cmocka_unit_test(impossible_announces_are_refused),
        cmocka_unit_test(more_servers_than_PEERS_MAX_are_not_passed_on),
        cmocka_unit_test(a_dead_server_is_forgotten),
        cmocka_unit_test(a_newcomer_is_not_told_of_the_overdue_nor_of_itself),
    };
    return cmocka_run_group_tests_name("node announces", tests, NULL, NULL);
}

// Circles, rule by rule as numbered in stream/node_circle.c. Many servers in rings: tests/sim/tree.c.
#include "stage.h"

// Parent "p" on link 1, child "c" on link 2, both of Herald.
static struct stage *between_two(void) {
    struct stage *stage = begin_with("p");
    herald_parent(stage, 1, "p");
    herald_child(stage, 2, "c");
    say(stage, 1, ANNOUNCE("p"));
    say(stage, 2, ANNOUNCE("c"));
    forget_acts(stage);
    return stage;
}

// The token that goes to the parent; "" when none does.
static const char *token(struct stage *stage) {
    static char found[NODE_TOKEN_SIZE];
    const char *at = strstr(stage->transcript, "send 1 {\"command\":\"HERALD\"");
    found[0] = '\0';
    if (at == NULL) return found;
    at = strstr(at, "\"id\":\"");
    snprintf(found, sizeof found, "%.16s", at + 6);
    stage->transcript[0] = '\0';
    return found;
}

static void climb(struct stage *stage, uint32_t link, const char *text) {
    char line[200];
    snprintf(line, sizeof line, "{\"command\":\"HERALD\",\"version\":1,\"id\":\"%s\"}", text);
    say(stage, link, line);
}

static void circle_rule_1_who_hears_itself_sends_its_token_up(void **state) {
    (void)state;
    struct stage *stage = between_two();
    say(stage, 2, OURS);
    assert_string_equal(token(stage), stage->node.circle.token);
    say(stage, 2, OURS); // not more often than it takes to return
    assert_acts(stage, "");
    pass(stage, INTERVAL / 2);
    forget_acts(stage);
    say(stage, 2, OURS);
    assert_string_equal(token(stage), stage->node.circle.token);
    end(stage);
}

static void circle_rule_1_so_does_who_hears_another_by_turns(void **state) {
    (void)state;
    struct stage *stage = between_two();
    say(stage, 1, ANNOUNCE("x"));
    say(stage, 2, ANNOUNCE("x"));
    assert_string_equal(token(stage), "");
    say(stage, 1, ANNOUNCE("x"));
    assert_string_equal(token(stage), stage->node.circle.token);
    end(stage);
}

static void circle_rule_2_the_lower_token_goes_on_once(void **state) {
    (void)state;
    struct stage *stage = between_two();
    climb(stage, 2, "0000000000000001");
    assert_string_equal(token(stage), "0000000000000001");
    climb(stage, 2, "0000000000000001");
    assert_acts(stage, "");
    climb(stage, 2, "0000000000000002");
    assert_string_equal(token(stage), "0000000000000002");
    pass(stage, INTERVAL / 2);
    forget_acts(stage);
    climb(stage, 2, "0000000000000001");
    assert_string_equal(token(stage), "0000000000000001");
    end(stage);
}

static void circle_rule_2_for_a_higher_one_goes_ours(void **state) {
    (void)state;
    struct stage *stage = between_two();
    climb(stage, 2, "ffffffffffffffff");
    assert_string_equal(token(stage), stage->node.circle.token);
    end(stage);
}

static void circle_rule_2_who_has_its_token_back_cuts_the_link_it_dialled(void **state) {
    (void)state;
    struct stage *stage = between_two();
    char ours[NODE_TOKEN_SIZE];
    say(stage, 2, OURS);
    strcpy(ours, token(stage));
    climb(stage, 2, ours);
    assert_int_equal(acts_with(stage, "cut 1 the servers form a circle"), 1);
    assert_int_equal(node_links(&stage->node), 1);
    end(stage);
}

static void circle_rule_3_tokens_do_not_come_from_above(void **state) {
    (void)state;
    struct stage *stage = between_two();
    climb(stage, 1, stage->node.circle.token);
    climb(stage, 1, "0000000000000001");
    climb(stage, 2, "a token that is much too long");
    climb(stage, 2, "");
    assert_int_equal(acts_with(stage, "cut"), 0);
    assert_int_equal(acts_with(stage, "0000000000000001"), 0);
    end(stage);
}

static void circle_rule_3_no_more_are_remembered_than_there_is_room(void **state) {
    (void)state;
    struct stage *stage = between_two();
    char text[NODE_TOKEN_SIZE];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%016x", i);
        climb(stage, 2, text);
    }
    assert_int_equal(acts_with(stage, "send 1 "), NODE_TOKENS_MAX);
    end(stage);
}

static void circle_rule_4_with_a_plain_server_it_is_cut_in_time(void **state) {
    (void)state;
    struct stage *stage = begin_with("p");
    herald_parent(stage, 1, "p");
    plain_child(stage, 2);
    for (int i = 0; i < 6 && acts_with(stage, "cut 1") == 0; i++) {
        say(stage, 1, ANNOUNCE("p"));
        say(stage, 2, OURS);
        pass(stage, INTERVAL);
    }
    assert_int_equal(acts_with(stage, "cut 1 the servers form a circle"), 1);
    end(stage);
}

static void circle_rule_4_not_when_it_was_seen_but_once(void **state) {
    (void)state;
    struct stage *stage = begin_with("p");
    herald_parent(stage, 1, "p");
    plain_child(stage, 2);
    say(stage, 2, OURS);
    for (int i = 0; i < 10; i++) {
        pass(stage, INTERVAL);
        say(stage, 1, ANNOUNCE("p"));
    }
    assert_int_equal(acts_with(stage, "cut"), 0);
    end(stage);
}

static void circle_rule_4_who_cries_circle_is_not_believed_again(void **state) {
    (void)state;
    struct stage *stage = begin_with("p");
    uint32_t parent = 10;
    herald_parent(stage, parent, "p");
    plain_child(stage, 2);
    unsigned cuts = 0;
    for (int i = 0; i < 400; i++) {
        say(stage, 2, OURS);
        pass(stage, INTERVAL / 4);
        cuts += acts_with(stage, "the servers form a circle");
        if (acts_with(stage, "dial p") > 0) {
            node_linked_out(&stage->node, ++parent, "192.0.2.2:3780", stage->now);
            say(stage, parent, HERALD("p"));
        }
        forget_acts(stage);
        say(stage, parent, ANNOUNCE("p"));
    }
    assert_int_equal(cuts, 1);
    end(stage);
}

static void circle_rule_5_after_a_cut_it_rests(void **state) {
    (void)state;
    struct stage *stage = between_two();
    climb(stage, 2, stage->node.circle.token);
    forget_acts(stage);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(acts_with(stage, "dial"), 0);
        say(stage, 2, ANNOUNCE("c"));
        pass(stage, INTERVAL);
    }
    assert_int_equal(acts_with(stage, "dial p"), 1);
    end(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(circle_rule_1_who_hears_itself_sends_its_token_up),
        cmocka_unit_test(circle_rule_1_so_does_who_hears_another_by_turns),
        cmocka_unit_test(circle_rule_2_the_lower_token_goes_on_once),
        cmocka_unit_test(circle_rule_2_for_a_higher_one_goes_ours),
        cmocka_unit_test(circle_rule_2_who_has_its_token_back_cuts_the_link_it_dialled),
        cmocka_unit_test(circle_rule_3_tokens_do_not_come_from_above),
        cmocka_unit_test(circle_rule_3_no_more_are_remembered_than_there_is_room),
        cmocka_unit_test(circle_rule_4_with_a_plain_server_it_is_cut_in_time),
        cmocka_unit_test(circle_rule_4_not_when_it_was_seen_but_once),
        cmocka_unit_test(circle_rule_4_who_cries_circle_is_not_believed_again),
        cmocka_unit_test(circle_rule_5_after_a_cut_it_rests),
    };
    return cmocka_run_group_tests_name("node circles", tests, NULL, NULL);
}

// What links say to a node, and what it passes on: activities, locks, hints, circles. Links: node.c.
#include "stage.h"

#define ACTIVITY(origin, sequence)                                                                           \
    "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"" origin "\",\"sequence\":" sequence                   \
    ",\"activity\":{\"authenticated_user\":\"u\"}}"
#define PLAIN_ACTIVITY "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{\"authenticated_user\":\"u\"}}"

// --- activities ----------------------------------------------------------------------------------------

static void an_activity_keeps_its_origin_and_sequence(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ACTIVITY("far", "7"));
    assert_acts(stage, "publish 1 far 7 u\n");
    end(stage);
}

static void it_is_heard_once_by_whatever_link(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    herald_child(stage, 2, "b");
    say(stage, 1, ACTIVITY("far", "1"));
    say(stage, 2, ACTIVITY("far", "1"));
    say(stage, 1, ACTIVITY("far", "1"));
    say(stage, 2, ACTIVITY("far", "3")); // 2 was lost with a link
    say(stage, 1, ACTIVITY("far", "2"));
    say(stage, 1, ACTIVITY("near", "2"));
    assert_acts(stage, "publish 1 far 1 u\npublish 2 far 3 u\npublish 1 near 2 u\n");
    end(stage);
}

static void an_origin_with_a_zero_in_it_is_none(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ACTIVITY("far\\u0000off", "7"));
    say(stage, 1, ACTIVITY("far", "1"));
    say(stage, 1, ACTIVITY("far\\u0000off", "2"));
    say(stage, 1, ACTIVITY("far", "2"));
    assert_acts(stage, "publish 1 m 0 u\npublish 1 far 1 u\npublish 1 m 0 u\npublish 1 far 2 u\n");
    end(stage);
}

static void our_own_come_back_are_dropped(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ACTIVITY("m", "1"));
    assert_acts(stage, "");
    assert_null(stage->node.origins);
    end(stage);
}

static void from_plain_links_they_are_numbered_as_ours(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    plain_child(stage, 2);
    say(stage, 2, PLAIN_ACTIVITY);
    say(stage, 2, ACTIVITY("far", "1")); // whatever it claims
    say(stage, 2, ACTIVITY("far", "1"));
    say(stage, 1, PLAIN_ACTIVITY);
    assert_acts(stage, "publish 2 m 0 u\npublish 2 m 0 u\npublish 2 m 0 u\npublish 1 m 0 u\n");
    end(stage);
}

static void without_a_proper_user_it_is_anonymous(void **state) {
    (void)state;
    struct stage *stage = begin();
    plain_child(stage, 2);
    say(stage, 2, "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{\"authenticated_user\":7}}");
    assert_acts(stage, "publish 2 m 0 anonymous\n");
    end(stage);
}

static void a_busy_reel_leaves_no_trace(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ACTIVITY("far", "1"));
    forget_acts(stage);
    stage->busy = true;
    for (int i = 0; i < 3; i++) assert_int_equal(say(stage, 1, ACTIVITY("far", "2")), NODE_AGAIN);
    assert_int_equal(say(stage, 1, ACTIVITY("far", "1")), NODE_TAKEN); // old: nothing to wait for
    assert_int_equal(say(stage, 1, ACTIVITY("new", "1")), NODE_AGAIN);
    assert_acts(stage, "");
    stage->busy = false;
    assert_int_equal(say(stage, 1, ACTIVITY("far", "2")), NODE_TAKEN);
    assert_int_equal(say(stage, 1, ACTIVITY("new", "1")), NODE_TAKEN);
    assert_acts(stage, "publish 1 far 2 u\npublish 1 new 1 u\n");
    end(stage);
}

static void past_NODE_ORIGINS_MAX_newcomers_are_numbered_as_ours(void **state) {
    (void)state;
    struct stage *stage = begin();
    char line[200];
    herald_child(stage, 1, "a");
    for (unsigned i = 1; i < NODE_ORIGINS_MAX; i++) {
        snprintf(line, sizeof line,
                 "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"x%u\",\"sequence\":1,\"activity\":{}}", i);
        say(stage, 1, line);
        stage->transcript[0] = '\0';
    }
    assert_int_equal(HASH_COUNT(stage->node.origins), NODE_ORIGINS_MAX - 1);
    say(stage, 1, ACTIVITY("new", "5"));
    assert_acts(stage, "publish 1 m 0 u\n");
    say(stage, 1, ACTIVITY("x9", "2")); // the known stay known
    assert_acts(stage, "publish 1 x9 2 u\n");
    assert_int_equal(HASH_COUNT(stage->node.origins), NODE_ORIGINS_MAX - 1);
    end(stage);
}

static void an_origin_that_is_too_long_is_none(void **state) {
    (void)state;
    struct stage *stage = begin();
    char line[300];
    herald_child(stage, 1, "a");
    snprintf(line, sizeof line,
             "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"%0*d\",\"sequence\":1,\"activity\":{}}",
             PEER_ID_MAX + 1, 1);
    say(stage, 1, line);
    assert_acts(stage, "publish 1 m 0 anonymous\n");
    end(stage);
}

// --- locks ---------------------------------------------------------------------------------------------

#define REQUEST(name) "{\"command\":\"LOCK_REQUEST\",\"username\":\"" name "\",\"secret\":\"s\"}"
#define ALLOWED(name) "{\"command\":\"LOCK_ALLOWED\",\"username\":\"" name "\",\"secret\":\"s\"}"
#define SIGNED(name, server)                                                                                 \
    "{\"command\":\"LOCK_ALLOWED\",\"username\":\"" name "\",\"secret\":\"s\",\"server\":\"" server "\"}"
#define DENIED(name) "{\"command\":\"LOCK_DENIED\",\"username\":\"" name "\",\"secret\":\"s\"}"

// Link 1 is Herald's, 2 plain, 3 plain and has signed before.
static struct stage *three_links(enum lock_allowed_server policy) {
    struct stage *stage = begin();
    stage->settings.lock_allowed_server = policy;
    herald_child(stage, 1, "a");
    plain_child(stage, 2);
    plain_child(stage, 3);
    say(stage, 3, SIGNED("x", "c"));
    forget_acts(stage);
    return stage;
}

static void answers_are_signed_where_the_peer_signs(void **state) {
    (void)state;
    struct stage *stage = three_links(LOCK_SERVER_AUTO);
    say(stage, 2, REQUEST("al"));
    assert_acts(stage, "send 1 " REQUEST("al") "\nsend 3 " REQUEST(
                           "al") "\n"
                                 "send 1 " SIGNED("al", "m") "\nsend 2 " ALLOWED("al") "\nsend 3 " SIGNED(
                                     "al", "m") "\n");
    end(stage);
}

static void or_everywhere(void **state) {
    (void)state;
    struct stage *stage = three_links(LOCK_SERVER_YES);
    say(stage, 2, REQUEST("al"));
    assert_int_equal(acts_with(stage, SIGNED("al", "m")), 3);
    end(stage);
}

static void or_nowhere(void **state) {
    (void)state;
    struct stage *stage = three_links(LOCK_SERVER_NO);
    say(stage, 2, REQUEST("al"));
    assert_int_equal(acts_with(stage, ALLOWED("al")), 3);
    end(stage);
}

static void the_signature_of_another_is_kept(void **state) {
    (void)state;
    struct stage *stage = three_links(LOCK_SERVER_NO);
    say(stage, 1, SIGNED("al", "far"));
    assert_acts(stage, "send 2 " SIGNED("al", "far") "\nsend 3 " SIGNED("al", "far") "\n");
    end(stage);
}

static void denials_and_answers_never_go_back(void **state) {
    (void)state;
    struct stage *stage = three_links(LOCK_SERVER_AUTO);
    say(stage, 2, DENIED("al"));
    assert_acts(stage, "send 1 " DENIED("al") "\nsend 3 " DENIED("al") "\n");
    say(stage, 2, ALLOWED("bo"));
    assert_acts(stage, "send 1 " ALLOWED("bo") "\nsend 3 " ALLOWED("bo") "\n");
    end(stage);
}

static enum locks_result enrol(struct stage *stage, const char *name) {
    struct login login;
    assert_int_equal(login_parse(str_of(name), &login, NULL), 0);
    return node_register(&stage->node, &login, STR("s"), stage, stage->now);
}

static void a_register_waits_for_all_that_are_known(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ANNOUNCE("a"));
    say(stage, 1, ANNOUNCE("behind"));
    plain_child(stage, 2); // has not announced itself: waited for all the same
    assert_int_equal(enrol(stage, "al"), LOCKS_OK);
    say(stage, 1, SIGNED("al", "a"));
    say(stage, 2, ALLOWED("al"));
    assert_int_equal(acts_with(stage, "granted"), 0);
    say(stage, 1, SIGNED("al", "behind"));
    assert_int_equal(acts_with(stage, "granted al"), 1);
    end(stage);
}

static void alone_nobody_is_waited_for(void **state) {
    (void)state;
    struct stage *stage = begin_with("p"); // a link that still greets is nobody yet
    pass(stage, 0);
    node_linked_out(&stage->node, 1, "192.0.2.2:3780", stage->now);
    forget_acts(stage);
    stage->settle = true;
    assert_int_equal(enrol(stage, "al"), LOCKS_OK);
    assert_acts(stage, "granted al\n");
    strcpy(stage->account, "al");
    assert_int_equal(enrol(stage, "AL"), LOCKS_TAKEN);
    end(stage);
}

static void a_link_that_goes_down_is_not_waited_for(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ANNOUNCE("a"));
    say(stage, 1, ANNOUNCE("behind"));
    plain_child(stage, 2);
    enrol(stage, "al");
    node_link_down(&stage->node, 1, "closed", stage->now);
    assert_int_equal(acts_with(stage, "granted"), 0);
    node_link_down(&stage->node, 2, "closed", stage->now);
    assert_int_equal(acts_with(stage, "granted al"), 1);
    end(stage);
}

static void a_server_that_is_forgotten_is_not_waited_for(void **state) {
    (void)state;
    struct stage *stage = begin();
    stage->settings.register_timeout_ms = 10 * INTERVAL;
    node_settings_changed(&stage->node, stage->now);
    herald_child(stage, 1, "a");
    say(stage, 1, ANNOUNCE("a"));
    say(stage, 1, ANNOUNCE("dead"));
    enrol(stage, "al");
    say(stage, 1, SIGNED("al", "a"));
    for (int i = 0; i < 6; i++) {
        assert_int_equal(acts_with(stage, "granted"), 0);
        pass(stage, INTERVAL / 2);
        say(stage, 1, ANNOUNCE("a"));
    }
    assert_int_equal(acts_with(stage, "granted al"), 1);
    end(stage);
}

static void a_register_ends_with_the_timeout(void **state) {
    (void)state;
    struct stage *stage = begin();
    plain_child(stage, 2);
    enrol(stage, "al");
    pass(stage, stage->settings.register_timeout_ms - 1);
    forget_acts(stage);
    pass(stage, 1);
    assert_int_equal(acts_with(stage, "send 2 " DENIED("al")), 1);
    assert_int_equal(acts_with(stage, "timed out al"), 1);
    end(stage);
}

// --- hints ---------------------------------------------------------------------------------------------

#define HINT(id, by, round)                                                                                  \
    "{\"command\":\"HERALD\",\"redirected\":[{\"id\":\"" id "\",\"count\":3}],\"by\":\"" by                  \
    "\",\"round\":" round "}"
#define EXPECTED(id, by, round)                                                                              \
    "{\"command\":\"HERALD\",\"expected\":\"" id "\",\"by\":\"" by "\",\"round\":" round "}"

static void hints_go_on_to_herald_links_only_and_once(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    herald_child(stage, 2, "b");
    plain_child(stage, 3);
    say(stage, 1, HINT("x", "a", "1"));
    assert_acts(stage, "hint x 3\nsend 2 " HINT("x", "a", "1") "\n");
    say(stage, 2, HINT("x", "a", "1")); // round a circle
    say(stage, 1, HINT("x", "m", "9")); // our own
    assert_acts(stage, "");
    end(stage);
}

static void who_is_hinted_at_expects_them(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    herald_child(stage, 2, "b");
    say(stage, 1,
        "{\"command\":\"HERALD\",\"redirected\":[{\"id\":\"m\",\"count\":3},{\"id\":\"m\",\"count\":4}],"
        "\"by\":\"a\",\"round\":1}");
    assert_int_equal(acts_with(stage, "hint m 3 us\nhint m 4 us\nsend 1 " EXPECTED("m", "a", "1") "\n"), 1);
    assert_int_equal(acts_with(stage, "expected"), 1); // one answer is enough
    end(stage);
}

static void an_expectation_goes_to_who_sent_them_away(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    herald_child(stage, 2, "b");
    say(stage, 1, ANNOUNCE("a"));
    forget_acts(stage);
    say(stage, 2, EXPECTED("b", "a", "1"));
    assert_acts(stage, "send 1 " EXPECTED("b", "a", "1") "\n");
    say(stage, 1, EXPECTED("b", "a", "1")); // never back
    say(stage, 1, EXPECTED("b", "nobody", "1"));
    assert_acts(stage, "");
    end(stage);
}

static void a_round_is_told_when_all_expect_or_time_is_up(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ANNOUNCE("a"));
    forget_acts(stage);
    struct message_hint hint = {.id = STR("a"), .count = 3};
    node_tell_hints(&stage->node, &hint, 1, 1, stage->now);
    assert_acts(stage, "send 1 " HINT("a", "m", "1") "\n");
    say(stage, 1, EXPECTED("a", "m", "1"));
    assert_acts(stage, "told 1\n");
    node_tell_hints(&stage->node, &hint, 1, 2, stage->now);
    pass(stage, NODE_TELLING_MS - 1);
    assert_int_equal(acts_with(stage, "told"), 0);
    pass(stage, 1);
    assert_int_equal(acts_with(stage, "told 2"), 1);
    hint.id = STR("nobody");
    node_tell_hints(&stage->node, &hint, 1, 3, stage->now);
    assert_int_equal(acts_with(stage, "told 3"), 1);
    forget_acts(stage);
    node_tell_hints(&stage->node, NULL, 0, 4, stage->now); // all of them were forgotten meanwhile
    assert_acts(stage, "told 4\n");
    end(stage);
}

// --- goodbyes ------------------------------------------------------------------------------------------

#define GOODBYE(id) "{\"command\":\"HERALD\",\"goodbye\":\"" id "\"}"

static void a_goodbye_is_believed_and_passed_on(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    herald_child(stage, 2, "b");
    plain_child(stage, 3);
    say(stage, 1, ANNOUNCE("far"));
    forget_acts(stage);
    say(stage, 1, GOODBYE("far"));
    assert_acts(stage, "gone far\nsend 2 " GOODBYE("far") "\n");
    say(stage, 1, GOODBYE("far")); // nobody any more
    assert_acts(stage, "");
    end(stage);
}

static void but_only_from_the_link_that_leads_there(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    herald_child(stage, 2, "b");
    say(stage, 1, ANNOUNCE("far"));
    forget_acts(stage);
    say(stage, 2, GOODBYE("far"));
    say(stage, 2, GOODBYE("m"));
    assert_acts(stage, "");
    assert_int_equal(peers_count(&stage->node.peers), 1);
    end(stage);
}

static void who_was_behind_a_lost_link_is_said_goodbye_for(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    herald_child(stage, 2, "b");
    say(stage, 1, ANNOUNCE("far"));
    forget_acts(stage);
    node_link_down(&stage->node, 1, "closed", stage->now);
    assert_acts(stage, "gone far\nsend 2 " GOODBYE("far") "\n");
    node_goodbye(&stage->node);
    assert_acts(stage, "send 2 " GOODBYE("m") "\n");
    end(stage);
}

static void a_register_does_not_wait_for_who_said_goodbye(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ANNOUNCE("a"));
    say(stage, 1, ANNOUNCE("far"));
    enrol(stage, "al");
    say(stage, 1, SIGNED("al", "a"));
    assert_int_equal(acts_with(stage, "granted"), 0);
    say(stage, 1, GOODBYE("far"));
    assert_int_equal(acts_with(stage, "granted al"), 1);
    end(stage);
}

static void a_parent_that_said_goodbye_is_not_dialled_first(void **state) {
    (void)state;
    struct stage *stage = begin_with("pq");
    herald_parent(stage, 1, "p");
    say(stage, 1, GOODBYE("p"));
    node_link_down(&stage->node, 1, "closed", stage->now);
    forget_acts(stage);
    pass(stage, 1000);
    assert_acts(stage, "dial q\n");
    end(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_activity_keeps_its_origin_and_sequence),
        cmocka_unit_test(it_is_heard_once_by_whatever_link),
        cmocka_unit_test(an_origin_with_a_zero_in_it_is_none),
        cmocka_unit_test(our_own_come_back_are_dropped),
        cmocka_unit_test(from_plain_links_they_are_numbered_as_ours),
        cmocka_unit_test(without_a_proper_user_it_is_anonymous),
        cmocka_unit_test(a_busy_reel_leaves_no_trace),
        cmocka_unit_test(past_NODE_ORIGINS_MAX_newcomers_are_numbered_as_ours),
        cmocka_unit_test(an_origin_that_is_too_long_is_none),
        cmocka_unit_test(answers_are_signed_where_the_peer_signs),
        cmocka_unit_test(or_everywhere),
        cmocka_unit_test(or_nowhere),
        cmocka_unit_test(the_signature_of_another_is_kept),
        cmocka_unit_test(denials_and_answers_never_go_back),
        cmocka_unit_test(a_register_waits_for_all_that_are_known),
        cmocka_unit_test(alone_nobody_is_waited_for),
        cmocka_unit_test(a_link_that_goes_down_is_not_waited_for),
        cmocka_unit_test(a_server_that_is_forgotten_is_not_waited_for),
        cmocka_unit_test(a_register_ends_with_the_timeout),
        cmocka_unit_test(hints_go_on_to_herald_links_only_and_once),
        cmocka_unit_test(who_is_hinted_at_expects_them),
        cmocka_unit_test(an_expectation_goes_to_who_sent_them_away),
        cmocka_unit_test(a_round_is_told_when_all_expect_or_time_is_up),
        cmocka_unit_test(a_goodbye_is_believed_and_passed_on),
        cmocka_unit_test(but_only_from_the_link_that_leads_there),
        cmocka_unit_test(who_was_behind_a_lost_link_is_said_goodbye_for),
        cmocka_unit_test(a_register_does_not_wait_for_who_said_goodbye),
        cmocka_unit_test(a_parent_that_said_goodbye_is_not_dialled_first),
    };
    return cmocka_run_group_tests_name("node messages", tests, NULL, NULL);
}

// One server among servers: greeting, links, forwarding, as drawn in stream/node.h. Many of them: tests/sim/.
#include "stage.h"

#include "fault.h"

#define GREETING                                                                                             \
    "send 1 {\"command\":\"AUTHENTICATE\",\"secret\":\"" SECRET                                              \
    "\",\"herald\":{\"version\":1,\"id\":\"m\"}}\n"

// --- who connects to us --------------------------------------------------------------------------------

static void a_herald_child_is_answered_and_told_at_once(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ANNOUNCE("a"));
    forget_acts(stage);
    arrive(stage, 2, HELLO_AS("b"));
    assert_acts(stage, "send 2 " HERALD("m") "\nup 2 herald\nsend 2 " OURS "\nsend 2 " ANNOUNCE("a") "\n");
    end(stage);
}

static void a_plain_child_hears_nothing_for_a_while(void **state) {
    (void)state;
    struct stage *stage = begin();
    arrive(stage, 1, HELLO);
    assert_acts(stage, "up 1 plain\nhold 1\n");
    pass(stage, NODE_QUIET_MS - 1);
    assert_acts(stage, "");
    pass(stage, 1);
    assert_acts(stage, "release 1\nsend 1 " OURS "\n");
    end(stage);
}

static void an_announce_that_comes_too_early_is_not_for_the_quiet(void **state) {
    (void)state;
    struct stage *stage = begin();
    pass(stage, 2000);
    arrive(stage, 1, HELLO);
    forget_acts(stage);
    node_load_changed(&stage->node, stage->now); // due at once
    pass(stage, 0);
    assert_acts(stage, "");
    pass(stage, NODE_QUIET_MS);
    assert_acts(stage, "release 1\nsend 1 " OURS "\n");
    end(stage);
}

static void a_wrong_secret_is_refused(void **state) {
    (void)state;
    struct stage *stage = begin();
    arrive(stage, 1, "{\"command\":\"AUTHENTICATE\",\"secret\":\"wrong\"}");
    assert_acts(stage,
                "send 1 {\"command\":\"AUTHENTICATION_FAIL\",\"info\":\"the supplied secret is incorrect\"}\n"
                "cut 1 the supplied secret is incorrect\n");
    assert_int_equal(node_links(&stage->node), 0);
    end(stage);
}

static void a_second_AUTHENTICATE_is_refused(void **state) {
    (void)state;
    struct stage *stage = begin();
    arrive(stage, 1, HELLO); // quiet: the reason must arrive all the same
    forget_acts(stage);
    say(stage, 1, HELLO);
    assert_acts(stage,
                "release 1\nsend 1 " INVALID(
                    "this link is authenticated already") "\n"
                                                          "cut 1 this link is authenticated already\n");
    say(stage, 1, ANNOUNCE("a")); // what is still on its way
    node_link_down(&stage->node, 1, "closed", stage->now);
    node_invalid(&stage->node, 1, "nonsense", stage->now);
    assert_acts(stage, "");
    end(stage);
}

static void commands_of_clients_are_refused(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{\"command\":\"LOGIN\",\"username\":\"a\",\"secret\":\"b\"}",
        "{\"command\":\"LOGOUT\"}",
        "{\"command\":\"REGISTER\",\"username\":\"a\",\"secret\":\"b\"}",
        "{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\",\"secret\":\"b\",\"activity\":{}}",
        "{\"command\":\"LOGIN_SUCCESS\",\"info\":\"x\"}",
        "{\"command\":\"LOGIN_FAILED\",\"info\":\"x\"}",
        "{\"command\":\"REDIRECT\",\"hostname\":\"x\",\"port\":1}",
        "{\"command\":\"REGISTER_SUCCESS\",\"info\":\"x\"}",
        "{\"command\":\"REGISTER_FAILED\",\"info\":\"x\"}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct stage *stage = begin();
        herald_child(stage, 1, "a");
        say(stage, 1, lines[i]);
        assert_acts(stage, "send 1 " INVALID(
                               "not a command between servers") "\ncut 1 not a command between servers\n");
        end(stage);
    }
}

static void lines_that_are_no_message_are_refused(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    node_invalid(&stage->node, 1, "the line is empty", stage->now);
    assert_acts(stage, "send 1 " INVALID("the line is empty") "\ncut 1 the line is empty\n");
    end(stage);
}

static void who_refuses_us_is_cut(void **state) {
    (void)state;
    static const char *const lines[] = {INVALID("why"), "{\"command\":\"INVALID_MESSAGE\"}",
                                        "{\"command\":\"AUTHENTICATION_FAIL\",\"info\":\"" SECRET "\"}",
                                        "{\"command\":\"AUTHTENTICATION_FAIL\",\"info\":\"x\"}"};
    for (size_t i = 0; i < 4; i++) {
        struct stage *stage = begin();
        herald_child(stage, 1, "a");
        say(stage, 1, lines[i]);
        assert_acts(stage, i < 2 ? "cut 1 INVALID_MESSAGE\n" : "cut 1 AUTHENTICATION_FAIL\n");
        end(stage);
    }
}

static void HERALD_is_not_for_plain_links(void **state) {
    (void)state;
    struct stage *stage = begin();
    plain_child(stage, 1);
    say(stage, 1, HERALD("a"));
    assert_int_equal(acts_with(stage, "HERALD is for servers that declared themselves Herald"), 2);
    assert_int_equal(node_links(&stage->node), 0);
    end(stage);
}

// --- whom we connect to --------------------------------------------------------------------------------

static struct stage *greet(void) {
    struct stage *stage = begin_with("pq");
    pass(stage, 0);
    assert_acts(stage, "dial p\n");
    node_linked_out(&stage->node, 1, "192.0.2.2:3780", stage->now);
    assert_acts(stage, GREETING);
    assert_int_equal(node_links(&stage->node), 0);
    return stage;
}

static void a_herald_parent_answers(void **state) {
    (void)state;
    struct stage *stage = greet();
    say(stage, 1, HERALD("p"));
    assert_acts(stage, "up 1 herald\nsend 1 " OURS "\n");
    assert_int_equal(stage->node.tree.state, TREE_LINKED);
    end(stage);
}

static void silence_means_a_plain_parent(void **state) {
    (void)state;
    struct stage *stage = greet();
    pass(stage, NODE_GREETING_MS - 1);
    assert_acts(stage, "");
    pass(stage, 1);
    assert_acts(stage, "up 1 plain\nsend 1 " OURS "\n");
    end(stage);
}

static void any_message_means_a_plain_parent_and_is_heard(void **state) {
    (void)state;
    struct stage *stage = greet();
    say(stage, 1, ANNOUNCE("p"));
    assert_acts(stage, "up 1 plain\nsend 1 " OURS "\nheard p\n");
    end(stage);
}

static void a_first_message_waits_for_the_reel(void **state) {
    (void)state;
    struct stage *stage = greet();
    static const char activity[] =
        "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{\"authenticated_user\":\"u\"}}";
    stage->busy = true;
    assert_int_equal(say(stage, 1, activity), NODE_AGAIN);
    stage->busy = false;
    assert_int_equal(say(stage, 1, activity), NODE_TAKEN);
    assert_acts(stage, "up 1 plain\nsend 1 " OURS "\npublish 1 m 0 u\n");
    end(stage);
}

static void who_refuses_the_greeting_is_dialled_plainly_at_once(void **state) {
    (void)state;
    struct stage *stage = greet();
    say(stage, 1, INVALID("unknown field herald"));
    assert_acts(stage, "cut 1 the greeting was refused\n");
    pass(stage, 0);
    assert_acts(stage, "dial p\n");
    node_linked_out(&stage->node, 2, "192.0.2.2:3780", stage->now);
    assert_acts(stage, "send 2 " HELLO "\n");
    say(stage, 2, ANNOUNCE("p"));
    assert_int_equal(acts_with(stage, "up 2 plain"), 1);
    end(stage);
}

static void so_is_who_refuses_it_late(void **state) {
    (void)state;
    for (int closes = 0; closes < 2; closes++) {
        struct stage *stage = greet();
        pass(stage, NODE_GREETING_MS);
        assert_int_equal(acts_with(stage, "up 1 plain"), 1);
        if (closes)
            node_link_down(&stage->node, 1, "closed", stage->now);
        else
            say(stage, 1, INVALID("unknown field herald"));
        forget_acts(stage);
        pass(stage, 0);
        assert_acts(stage, "dial p\n");
        node_linked_out(&stage->node, 2, "192.0.2.2:3780", stage->now);
        assert_acts(stage, "send 2 " HELLO "\n");
        end(stage);
    }
}

static void so_is_who_closes_without_a_word(void **state) {
    (void)state;
    struct stage *stage = greet();
    node_link_down(&stage->node, 1, "closed", stage->now);
    pass(stage, 0);
    assert_acts(stage, "dial p\n");
    node_linked_out(&stage->node, 2, "192.0.2.2:3780", stage->now);
    assert_acts(stage, "send 2 " HELLO "\n");
    end(stage);
}

static void who_refuses_the_plain_greeting_too_is_left_for_the_next(void **state) {
    (void)state;
    struct stage *stage = greet();
    say(stage, 1, INVALID("no"));
    pass(stage, 0);
    node_linked_out(&stage->node, 2, "192.0.2.2:3780", stage->now);
    forget_acts(stage);
    say(stage, 2, INVALID("no"));
    assert_acts(stage, "cut 2 the greeting was refused\n");
    pass(stage, 100);
    assert_acts(stage, "dial q\n");
    node_dial_failed(&stage->node, "connection refused", stage->now);
    pass(stage, 300);
    node_linked_out(&stage->node, 3, "192.0.2.2:3780", stage->now);
    assert_int_equal(acts_with(stage, "\"herald\""), 1); // as Herald again
    end(stage);
}

static void a_wrong_secret_of_ours_is_no_question_of_greeting(void **state) {
    (void)state;
    struct stage *stage = greet();
    say(stage, 1, "{\"command\":\"AUTHENTICATION_FAIL\",\"info\":\"no\"}");
    assert_acts(stage, "cut 1 wrong server secret\n");
    pass(stage, 100);
    assert_acts(stage, "dial q\n");
    end(stage);
}

static void a_greeting_that_comes_late_is_welcome(void **state) {
    (void)state;
    struct stage *stage = greet();
    herald_child(stage, 2, "a");
    say(stage, 2, ANNOUNCE("a"));
    pass(stage, NODE_GREETING_MS);
    assert_int_equal(acts_with(stage, "up 1 plain"), 1);
    forget_acts(stage);
    say(stage, 1, HERALD("p"));
    assert_acts(stage, "up 1 herald\nsend 1 " ANNOUNCE("a") "\n");
    say(stage, 1, HERALD("q")); // once
    assert_int_equal(acts_with(stage, "up 1"), 0);
    end(stage);
}

static void HERALD_without_a_proper_id_is_refused(void **state) {
    (void)state;
    char line[200];
    for (unsigned len = 0; len < 2; len++) {
        struct stage *stage = greet();
        snprintf(line, sizeof line, "{\"command\":\"HERALD\",\"version\":1,\"id\":\"%0*d\"}", PEER_ID_MAX + 1,
                 7);
        say(stage, 1, len == 0 ? HERALD("") : line);
        assert_int_equal(acts_with(stage, "cut 1 unexpected HERALD"), 1);
        end(stage);
    }
}

static void HERALD_to_a_plain_greeting_is_refused(void **state) {
    (void)state;
    struct stage *stage = greet();
    say(stage, 1, INVALID("no"));
    pass(stage, 0);
    node_linked_out(&stage->node, 2, "192.0.2.2:3780", stage->now);
    say(stage, 2, HERALD("p"));
    assert_int_equal(acts_with(stage, "cut 2 unexpected HERALD"), 1);
    end(stage);
}

static void a_failed_dial_goes_on_to_the_next_target(void **state) {
    (void)state;
    struct stage *stage = begin_with("pq");
    pass(stage, 0);
    node_dial_failed(&stage->node, "no route", stage->now);
    forget_acts(stage);
    pass(stage, 100);
    assert_acts(stage, "dial q\n");
    end(stage);
}

static void ourselves_and_those_linked_are_not_dialled(void **state) {
    (void)state;
    struct stage *stage = begin_with("abc");
    strcpy(stage->settings.connect[0].host, "here"); // what we announce
    node_settings_changed(&stage->node, stage->now);
    herald_child(stage, 1, "x");
    say(stage, 1, ANNOUNCE("b")); // behind it
    forget_acts(stage);
    pass(stage, 200);
    assert_int_equal(acts_with(stage, "dial"), 1);
    assert_int_equal(acts_with(stage, "dial c"), 1);
    end(stage);
}

static void a_lost_parent_is_dialled_again(void **state) {
    (void)state;
    struct stage *stage = begin_with("p");
    herald_parent(stage, 1, "p");
    say(stage, 1, ANNOUNCE("p"));
    say(stage, 1, ANNOUNCE("far"));
    forget_acts(stage);
    node_link_down(&stage->node, 1, "closed", stage->now);
    assert_int_equal(acts_with(stage, "gone p"), 1);
    assert_int_equal(acts_with(stage, "gone far"), 1);
    forget_acts(stage);
    pass(stage, TREE_BACKOFF_LEAST_MS * 2);
    assert_acts(stage, "dial p\n");
    end(stage);
}

// --- one link between two ------------------------------------------------------------------------------

static void connecting_to_ourselves_is_noticed_on_both_ends(void **state) {
    (void)state;
    struct stage *stage = greet();
    arrive(stage, 2, HELLO_AS("m"));
    assert_acts(stage, "send 2 " HERALD("m") "\nsend 2 " INVALID(
                           "this server connected to itself") "\n"
                                                              "cut 2 this server connected to itself\n");
    say(stage, 1, HERALD("m"));
    assert_int_equal(acts_with(stage, "cut 1 this server connected to itself"), 1);
    forget_acts(stage);
    pass(stage, 100);
    assert_acts(stage, "dial q\n"); // and not plainly the same again
    end(stage);
}

// Both dialled each other. `other` is lower or higher than "m"; ours is link 1, theirs link 2.
static void both_dialled(const char *other, bool theirs_first, const char *expected) {
    struct stage *stage = greet();
    char hello[200], answer[200];
    snprintf(hello, sizeof hello,
             "{\"command\":\"AUTHENTICATE\",\"secret\":\"" SECRET
             "\",\"herald\":{\"version\":1,\"id\":\"%s\"}}",
             other);
    snprintf(answer, sizeof answer, "{\"command\":\"HERALD\",\"version\":1,\"id\":\"%s\"}", other);
    if (theirs_first) {
        arrive(stage, 2, hello);
        say(stage, 1, answer);
    } else {
        say(stage, 1, answer);
        arrive(stage, 2, hello);
    }
    char cuts[400] = "";
    for (char *line = strtok(stage->transcript, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, "cut", 3) == 0) strcat(cuts, line);
    }
    assert_string_equal(cuts, expected);
    assert_int_equal(node_links(&stage->node), 1);
    end(stage);
}

static void of_two_the_link_stays_that_the_lower_id_dialled(void **state) {
    (void)state;
    both_dialled("z", false, "cut 2 the two servers are linked already");
    both_dialled("z", true, "cut 2 replaced by another link of the same two servers");
    both_dialled("a", false, "cut 1 replaced by another link of the same two servers");
    both_dialled("a", true, "cut 1 the two servers are linked already");
}

static void a_second_link_from_the_same_side_replaces_the_first(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    say(stage, 1, ANNOUNCE("a"));
    forget_acts(stage);
    arrive(stage, 2, HELLO_AS("a"));
    assert_int_equal(acts_with(stage, "cut 1 replaced by another link of the same two servers"), 1);
    assert_int_equal(acts_with(stage, "gone a"), 1);
    assert_int_equal(acts_with(stage, "up 2 herald"), 1);
    assert_int_equal(node_links(&stage->node), 1);
    end(stage);
}

static void plain_links_have_no_name_to_be_the_same(void **state) {
    (void)state;
    struct stage *stage = begin();
    arrive(stage, 1, HELLO);
    arrive(stage, 2, HELLO);
    assert_int_equal(node_links(&stage->node), 2);
    end(stage);
}

// --- silence -------------------------------------------------------------------------------------------

static void a_link_that_falls_silent_is_cut(void **state) {
    (void)state;
    struct stage *stage = begin();
    plain_child(stage, 1);
    say(stage, 1, ANNOUNCE("a"));
    forget_acts(stage);
    pass(stage, 3 * INTERVAL - 1);
    assert_int_equal(acts_with(stage, "cut"), 0);
    pass(stage, 1);
    assert_int_equal(acts_with(stage, "cut 1 silent for three intervals"), 1);
    assert_int_equal(acts_with(stage, "gone a"), 1);
    end(stage);
}

static void a_plain_one_that_never_announced_is_left_alone(void **state) {
    (void)state;
    struct stage *stage = begin();
    plain_child(stage, 1);
    pass(stage, 10 * INTERVAL);
    assert_int_equal(acts_with(stage, "cut"), 0);
    end(stage);
}

static void a_parent_that_never_says_a_word_is_left_for_another(void **state) {
    (void)state;
    uint64_t most = 3 * INTERVAL > NODE_MUTE_MS ? 3 * INTERVAL : NODE_MUTE_MS;
    for (int speaks = 0; speaks < 2; speaks++) {
        struct stage *stage = greet();
        pass(stage, NODE_GREETING_MS);
        if (speaks) say(stage, 1, "{\"command\":\"LOCK_ALLOWED\",\"username\":\"x\",\"secret\":\"y\"}");
        pass(stage, most - 1);
        assert_int_equal(acts_with(stage, "cut"), 0);
        pass(stage, 1);
        assert_int_equal(acts_with(stage, "cut 1 it has never said a word"), speaks ? 0 : 1);
        pass(stage, TREE_BACKOFF_LEAST_MS);
        assert_int_equal(acts_with(stage, "dial q"), speaks ? 0 : 1);
        end(stage);
    }
}

static void a_herald_that_never_announced_is_cut(void **state) {
    (void)state;
    struct stage *stage = begin();
    herald_child(stage, 1, "a");
    pass(stage, 3 * INTERVAL);
    assert_int_equal(acts_with(stage, "cut 1 silent for three intervals"), 1);
    end(stage);
}

// --- without memory ------------------------------------------------------------------------------------

static void without_memory_it_stays_sound(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        struct stage *stage = begin_with("p");
        struct login login;
        login_parse(STR("al"), &login, NULL);
        stage->settle = true;
        fault_after(n);
        herald_child(stage, 2, "a");
        plain_child(stage, 3);
        say(stage, 2, ANNOUNCE("a"));
        say(stage, 2, "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"a\",\"sequence\":1,\"activity\":{}}");
        node_register(&stage->node, &login, STR("secret"), stage, stage->now);
        say(stage, 2, "{\"command\":\"LOCK_REQUEST\",\"username\":\"bo\",\"secret\":\"s\"}");
        if (stage->node.tree.state == TREE_DIALLING)
            node_linked_out(&stage->node, 4, "192.0.2.2:3780", stage->now);
        say(stage, 4, HERALD("p"));
        pass(stage, 2 * INTERVAL);
        bool failed = fault_off();
        // Whatever was missed: new links come up, everything is heard again, and time is not stuck.
        herald_child(stage, 5, "e");
        say(stage, 5, ANNOUNCE("e"));
        assert_non_null(peers_find(&stage->node.peers, STR("e")));
        say(stage, 5, "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"e\",\"sequence\":1,\"activity\":{}}");
        assert_int_equal(acts_with(stage, "publish 5 e 1 anonymous"), 1);
        pass(stage, 100 * INTERVAL);
        assert_null(stage->node.locks.table);
        end(stage);
        if (!failed) break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_herald_child_is_answered_and_told_at_once),
        cmocka_unit_test(a_plain_child_hears_nothing_for_a_while),
        cmocka_unit_test(an_announce_that_comes_too_early_is_not_for_the_quiet),
        cmocka_unit_test(a_wrong_secret_is_refused),
        cmocka_unit_test(a_second_AUTHENTICATE_is_refused),
        cmocka_unit_test(commands_of_clients_are_refused),
        cmocka_unit_test(lines_that_are_no_message_are_refused),
        cmocka_unit_test(who_refuses_us_is_cut),
        cmocka_unit_test(HERALD_is_not_for_plain_links),
        cmocka_unit_test(a_herald_parent_answers),
        cmocka_unit_test(silence_means_a_plain_parent),
        cmocka_unit_test(any_message_means_a_plain_parent_and_is_heard),
        cmocka_unit_test(a_first_message_waits_for_the_reel),
        cmocka_unit_test(who_refuses_the_greeting_is_dialled_plainly_at_once),
        cmocka_unit_test(so_is_who_refuses_it_late),
        cmocka_unit_test(so_is_who_closes_without_a_word),
        cmocka_unit_test(who_refuses_the_plain_greeting_too_is_left_for_the_next),
        cmocka_unit_test(a_wrong_secret_of_ours_is_no_question_of_greeting),
        cmocka_unit_test(a_greeting_that_comes_late_is_welcome),
        cmocka_unit_test(HERALD_without_a_proper_id_is_refused),
        cmocka_unit_test(HERALD_to_a_plain_greeting_is_refused),
        cmocka_unit_test(a_failed_dial_goes_on_to_the_next_target),
        cmocka_unit_test(ourselves_and_those_linked_are_not_dialled),
        cmocka_unit_test(a_lost_parent_is_dialled_again),
        cmocka_unit_test(connecting_to_ourselves_is_noticed_on_both_ends),
        cmocka_unit_test(of_two_the_link_stays_that_the_lower_id_dialled),
        cmocka_unit_test(a_second_link_from_the_same_side_replaces_the_first),
        cmocka_unit_test(plain_links_have_no_name_to_be_the_same),
        cmocka_unit_test(a_link_that_falls_silent_is_cut),
        cmocka_unit_test(a_plain_one_that_never_announced_is_left_alone),
        cmocka_unit_test(a_parent_that_never_says_a_word_is_left_for_another),
        cmocka_unit_test(a_herald_that_never_announced_is_cut),
        cmocka_unit_test(without_memory_it_stays_sound),
    };
    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}

// Spreading clients, rule by rule as numbered in stream/balance.h. Storms of many servers:
// tests/sim/balance.c.
#include "stream/balance.h"

#include "fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct balance *begin(void) {
    struct balance *balance = balance_open(1);
    assert_non_null(balance);
    return balance;
}

static void announce(struct balance *balance, const char *id, uint64_t load, uint64_t now) {
    assert_true(balance_announced(balance, str_of(id), load, STR("192.0.2.9"), 3780, now));
}

// "" when the client was kept, else the id of the server it was sent to.
static const char *login(struct balance *balance, uint64_t now) {
    static struct balance_target target;
    memset(&target, 'x', sizeof target);
    return balance_login(balance, now, &target) ? target.id : "";
}

static void keep(struct balance *balance, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) assert_string_equal(login(balance, 0), "");
}

static void alone_everybody_is_kept(void **state) {
    (void)state;
    struct balance *balance = begin();
    for (int i = 0; i < 100; i++) assert_string_equal(login(balance, 0), "");
    assert_int_equal(balance_load(balance), 100);
    balance_leave(balance);
    assert_int_equal(balance_load(balance), 99);
    balance_close(balance);
    balance_close(NULL);
}

static void rule_1_a_difference_of_two_sends_away_and_one_does_not(void **state) {
    (void)state;
    struct balance *balance = begin();
    keep(balance, 4);
    announce(balance, "b", 4, 0);
    assert_string_equal(login(balance, 0), ""); // 5 - 4
    announce(balance, "b", 4, 0);
    assert_string_equal(login(balance, 0), "b"); // 6 - 4
    assert_int_equal(balance_load(balance), 5);  // the one sent away does not count
    balance_close(balance);
}

static void rule_1_the_target_is_the_least_loaded_as_it_announced_itself(void **state) {
    (void)state;
    struct balance *balance = begin();
    struct balance_target target;
    keep(balance, 9);
    announce(balance, "b", 5, 0);
    assert_true(balance_announced(balance, STR("c"), 3, STR("old.example"), 1, 0));
    assert_true(balance_announced(balance, STR("c"), 3, STR("c.example"), 65535, 0));
    announce(balance, "d", 4, 0);
    assert_true(balance_login(balance, 0, &target));
    assert_string_equal(target.id, "c");
    assert_string_equal(target.hostname, "c.example");
    assert_int_equal(target.port, 65535);
    balance_close(balance);
}

static void rule_1_among_equals_the_dice_decide(void **state) {
    (void)state;
    unsigned chosen[3] = {0};
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct balance *balance = balance_open(seed);
        keep(balance, 5);
        announce(balance, "a", 0, 0);
        announce(balance, "b", 0, 0);
        announce(balance, "c", 0, 0);
        announce(balance, "d", 1, 0);
        const char *id = login(balance, 0);
        assert_in_range(id[0], 'a', 'c');
        chosen[id[0] - 'a']++;
        balance_close(balance);
    }
    for (int i = 0; i < 3; i++) assert_in_range(chosen[i], 60, 140);
}

static void rule_2_those_we_sent_count_there_until_announced(void **state) {
    (void)state;
    struct balance *balance = begin();
    keep(balance, 3);
    announce(balance, "b", 0, 0);
    static const char *const story[] = {"b", "b", "b", "", "b", "", "b", ""}; // then by turns
    for (size_t i = 0; i < 8; i++) assert_string_equal(login(balance, 100), story[i]);
    assert_int_equal(balance_load(balance), 6);
    balance_close(balance);
}

static void rule_2_those_others_sent_count_there_too(void **state) {
    (void)state;
    struct balance *balance = begin();
    keep(balance, 3);
    announce(balance, "b", 0, 0);
    balance_hinted(balance, STR("b"), 2, 0);
    balance_hinted(balance, STR("unknown"), 2, 0);
    assert_string_equal(login(balance, 0), "b"); // 4 - 2
    assert_string_equal(login(balance, 0), "");  // 4 - 3
    balance_close(balance);
}

static void rule_3_a_growing_load_takes_from_those_on_their_way(void **state) {
    (void)state;
    struct balance *balance = begin();
    keep(balance, 9);
    announce(balance, "b", 2, 0);
    balance_hinted(balance, STR("b"), 3, 0);
    announce(balance, "b", 4, 0);                // two of the three have arrived: 4 + 1
    announce(balance, "b", 5, 0);                // the third too: 5
    announce(balance, "b", 3, 0);                // two have left: 3
    assert_string_equal(login(balance, 0), "b"); // 10 - 3
    announce(balance, "b", 9, 0);                // 9, none on the way
    assert_string_equal(login(balance, 0), "");  // 10 - 9
    announce(balance, "b", 9, 0);
    assert_string_equal(login(balance, 0), "b"); // 11 - 9
    assert_string_equal(login(balance, 0), "");  // 11 - 10: an unchanged load has taken nobody
    balance_close(balance);
}

static void rule_3_the_oldest_are_taken_first(void **state) {
    (void)state;
    struct balance *balance = begin();
    keep(balance, 5);
    announce(balance, "b", 0, 0);
    balance_hinted(balance, STR("b"), 2, 500);
    balance_hinted(balance, STR("b"), 2, 3500);
    announce(balance, "b", 2, 3600);                // those of 500; the others count on: 4
    assert_string_equal(login(balance, 5000), "b"); // 6 - 4
    assert_string_equal(login(balance, 5000), "");  // 6 - 6
    balance_close(balance);
}

static void rule_3_who_does_not_arrive_is_forgotten_in_time(void **state) {
    (void)state;
    for (uint64_t sent = 0; sent < 2000; sent += 250) {
        struct balance *balance = begin();
        keep(balance, 5);
        announce(balance, "b", 0, sent);
        balance_hinted(balance, STR("b"), 6, sent);
        assert_string_equal(login(balance, sent + BALANCE_FLIGHT_MS - 1000), ""); // 6 - 6
        assert_string_equal(login(balance, sent + BALANCE_FLIGHT_MS), "b");       // 7 - 0
        balance_close(balance);
    }
}

static void rule_4_whom_others_sent_is_let_in_as_many_as_were_told(void **state) {
    (void)state;
    struct balance *balance = begin();
    announce(balance, "b", 0, 0);
    balance_expect(balance, 2, 0);
    balance_expect(balance, 1, 1000);
    const uint64_t later = 1000 + BALANCE_OPEN_MS;
    for (int i = 0; i < 3; i++) assert_string_equal(login(balance, later), "");
    assert_string_equal(login(balance, later), "b"); // 4 - 0
    assert_int_equal(balance_load(balance), 3);
    balance_close(balance);
}

static void rule_4_everybody_is_let_in_for_a_moment_after_the_word(void **state) {
    (void)state;
    struct balance *balance = begin();
    announce(balance, "b", 0, 0);
    balance_expect(balance, 1, 1000);
    for (int i = 0; i < 10; i++) assert_string_equal(login(balance, 1000 + BALANCE_OPEN_MS - 1), "");
    assert_string_equal(login(balance, 1000 + BALANCE_OPEN_MS), "b");
    balance_expect(balance, 0, 2000); // no word of anybody
    assert_string_equal(login(balance, 2000), "b");
    balance_close(balance);
}

static void rule_4_holds_for_a_while_only(void **state) {
    (void)state;
    struct balance *balance = begin();
    keep(balance, 3);
    announce(balance, "b", 0, 0);
    balance_expect(balance, 5, 700);
    assert_string_equal(login(balance, 3700), "");
    assert_string_equal(login(balance, 4700), "b");
    balance_close(balance);
}

static void rule_5_nobody_is_sent_where_nobody_arrives(void **state) {
    (void)state;
    struct balance *balance = begin();
    struct balance_target target;
    keep(balance, 100);
    announce(balance, "liar", 0, 0);
    for (unsigned i = 0; i < BALANCE_UNSEEN_MOST; i++) assert_string_equal(login(balance, 1000), "liar");
    uint64_t now = 1000 + BALANCE_FLIGHT_MS;
    announce(balance, "liar", 0, now);
    assert_string_equal(login(balance, now), "");
    assert_false(balance_elsewhere(balance, now, &target));
    now = 1000 + BALANCE_DOUBT_MS;
    assert_string_equal(login(balance, now), "liar"); // one tries
    assert_string_equal(login(balance, now + 1), "");
    announce(balance, "liar", 1, now + 2); // and has arrived
    assert_string_equal(login(balance, now + 2), "liar");
    balance_close(balance);
}

static void nobody_is_sent_to_a_server_that_was_forgotten(void **state) {
    (void)state;
    struct balance *balance = begin();
    struct balance_sent sent[4];
    size_t count;
    uint64_t round = 0;
    keep(balance, 5);
    announce(balance, "b", 0, 0);
    announce(balance, "c", 3, 0);
    assert_string_equal(login(balance, 0), "b");
    balance_forget(balance, STR("b"));
    balance_forget(balance, STR("never known"));
    assert_string_equal(login(balance, 0), "c");
    assert_true(balance_take_sent(balance, sent, 4, &count, &round));
    assert_int_equal(count, 1);
    assert_string_equal(sent[0].id, "c");
    balance_forget(balance, STR("c"));
    assert_string_equal(login(balance, 0), "");
    announce(balance, "b", 0, 0); // back, and nobody is on the way there
    assert_string_equal(login(balance, 0), "b");
    balance_close(balance);
}

static void who_waits_for_a_server_that_is_forgotten_goes_elsewhere(void **state) {
    (void)state;
    struct balance *balance = begin();
    struct balance_target target;
    struct balance_sent sent[4];
    size_t count;
    uint64_t round = 0;
    keep(balance, 5);
    announce(balance, "b", 0, 0);
    assert_true(balance_login(balance, 0, &target));
    balance_forget(balance, STR("b"));
    // Nobody is left to be told of, but the client waits for its round.
    assert_true(balance_take_sent(balance, sent, 4, &count, &round));
    assert_int_equal(count, 0);
    assert_int_equal(round, target.round);
    assert_false(balance_take_sent(balance, sent, 4, &count, &round));
    balance_confirm(balance, 0, &target); // there is no other
    assert_string_equal(target.id, "b");
    announce(balance, "c", 3, 0);
    balance_confirm(balance, 0, &target);
    assert_string_equal(target.id, "c");
    assert_true(balance_take_sent(balance, sent, 4, &count, &round));
    assert_string_equal(sent[0].id, "c");
    balance_confirm(balance, 0, &target); // still there
    assert_string_equal(target.id, "c");
    assert_false(balance_take_sent(balance, sent, 4, &count, &round));
    balance_close(balance);
}

static void whom_we_sent_is_told_once(void **state) {
    (void)state;
    struct balance *balance = begin();
    struct balance_sent sent[2];
    uint64_t round = 0;
    size_t count;
    assert_false(balance_take_sent(balance, sent, 2, &count, &round));
    keep(balance, 20);
    announce(balance, "a", 0, 0);
    announce(balance, "b", 0, 0);
    announce(balance, "c", 0, 0);
    unsigned told[3] = {0};
    for (int i = 0; i < 9; i++) assert_string_not_equal(login(balance, 0), "");
    int calls = 0;
    do {
        assert_true(balance_take_sent(balance, sent, 2, &count, &round));
        for (size_t i = 0; i < count; i++) told[sent[i].id[0] - 'a'] += sent[i].count;
        calls++;
    } while (count == 2);
    assert_int_equal(calls, 2);
    for (int i = 0; i < 3; i++) assert_int_equal(told[i], 3); // evenly
    assert_false(balance_take_sent(balance, sent, 2, &count, &round));
    balance_close(balance);
}

static void what_is_too_long_or_too_many_is_not_known(void **state) {
    (void)state;
    struct balance *balance = begin();
    keep(balance, 3);
    char text[ADDRESS_HOST_MAX + 2];
    memset(text, 'a', sizeof text);
    assert_false(balance_announced(balance, (struct str){text, BALANCE_ID_MAX + 1}, 0, STR("h"), 1, 0));
    assert_false(balance_announced(balance, STR("b"), 0, (struct str){text, ADDRESS_HOST_MAX + 1}, 1, 0));
    assert_true(balance_announced(balance, (struct str){text, BALANCE_ID_MAX}, 9000,
                                  (struct str){text, ADDRESS_HOST_MAX}, 1, 0));
    for (int i = 1; i < BALANCE_MAX_SERVERS; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        announce(balance, text, 9000, 0);
    }
    assert_false(balance_announced(balance, STR("one too many"), 0, STR("h"), 1, 0));
    announce(balance, "1", 0, 0); // who is known can still speak
    assert_string_equal(login(balance, 0), "1");
    balance_forget(balance, STR("2"));
    announce(balance, "one too many", 0, 0);
    balance_close(balance);
}

static void the_largest_loads_and_counts_are_survived(void **state) {
    (void)state;
    struct balance *balance = begin();
    keep(balance, 3);
    announce(balance, "b", UINT64_C(1) << 31, 0);
    for (int i = 0; i < 100; i++) balance_hinted(balance, STR("b"), UINT32_MAX, 0);
    assert_string_equal(login(balance, 0), "");
    announce(balance, "b", 0, 0);
    assert_string_equal(login(balance, 0), "");
    assert_string_equal(login(balance, BALANCE_FLIGHT_MS), "b");
    balance_close(balance);
}

static void when_memory_is_out_a_server_is_unknown_and_nothing_else(void **state) {
    (void)state;
    fault_after(1);
    assert_null(balance_open(1));
    assert_true(fault_off());
    for (long n = 1;; n++) {
        struct balance *balance = begin();
        keep(balance, 3);
        unsigned known = 0;
        char id[16];
        fault_after(n);
        for (int i = 0; i < 400; i++) {
            (void)snprintf(id, sizeof id, "s%d", i);
            known += balance_announced(balance, str_of(id), 0, STR("h"), 1, 0);
        }
        bool failed = fault_off();
        assert_int_equal(known, failed ? 399 : 400);
        unsigned sent = 0; // three to each that is known: 4 - 3 is too little
        while (*login(balance, 0) != '\0') sent++;
        assert_int_equal(sent, known * 3);
        balance_close(balance);
        if (!failed) break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_everybody_is_kept),
        cmocka_unit_test(rule_1_a_difference_of_two_sends_away_and_one_does_not),
        cmocka_unit_test(rule_1_the_target_is_the_least_loaded_as_it_announced_itself),
        cmocka_unit_test(rule_1_among_equals_the_dice_decide),
        cmocka_unit_test(rule_2_those_we_sent_count_there_until_announced),
        cmocka_unit_test(rule_2_those_others_sent_count_there_too),
        cmocka_unit_test(rule_3_a_growing_load_takes_from_those_on_their_way),
        cmocka_unit_test(rule_3_the_oldest_are_taken_first),
        cmocka_unit_test(rule_3_who_does_not_arrive_is_forgotten_in_time),
        cmocka_unit_test(rule_4_whom_others_sent_is_let_in_as_many_as_were_told),
        cmocka_unit_test(rule_4_everybody_is_let_in_for_a_moment_after_the_word),
        cmocka_unit_test(rule_4_holds_for_a_while_only),
        cmocka_unit_test(rule_5_nobody_is_sent_where_nobody_arrives),
        cmocka_unit_test(nobody_is_sent_to_a_server_that_was_forgotten),
        cmocka_unit_test(who_waits_for_a_server_that_is_forgotten_goes_elsewhere),
        cmocka_unit_test(whom_we_sent_is_told_once),
        cmocka_unit_test(what_is_too_long_or_too_many_is_not_known),
        cmocka_unit_test(the_largest_loads_and_counts_are_survived),
        cmocka_unit_test(when_memory_is_out_a_server_is_unknown_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

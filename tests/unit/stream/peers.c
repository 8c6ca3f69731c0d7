// The servers we know of, rule by rule as numbered in stream/peers.h.
#include "stream/peers.h"

#include "fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define INTERVAL 5000u

static struct peers begin(void) {
    struct peers peers;
    peers_init(&peers, INTERVAL);
    return peers;
}

static struct peer *last; // what peers_hear gave

static enum peers_heard hear(struct peers *peers, uint32_t link, const char *id, uint64_t load,
                             uint64_t now) {
    last = NULL;
    return peers_hear(peers, link, str_of(id), load, STR("host"), 3780, now, &last);
}

struct names { // of those forgotten, in any order
    char text[200];
    unsigned count;
};

static void forgotten(void *context, const struct peer *peer) {
    struct names *names = context;
    names->count++;
    strcat(names->text, peer->id);
}

static void rule_1_an_id_is_learnt_from_its_first_announce(void **state) {
    (void)state;
    struct peers peers = begin();
    assert_int_equal(hear(&peers, 7, "a", 3, 100), PEERS_NEW);
    assert_string_equal(last->id, "a");
    assert_string_equal(last->hostname, "host");
    assert_int_equal(last->port, 3780);
    assert_int_equal(last->load, 3);
    assert_int_equal(last->link, 7);
    assert_ptr_equal(peers_find(&peers, STR("a")), last);
    assert_null(peers_find(&peers, STR("b")));
    assert_null(peers_find(&peers, STR("")));
    peers_fini(&peers);
}

static void rule_1_it_belongs_to_its_link(void **state) {
    (void)state;
    struct peers peers = begin();
    hear(&peers, 1, "a", 0, 0);
    hear(&peers, 1, "b", 0, 0);
    hear(&peers, 2, "c", 0, 0);
    assert_int_equal(peers_count(&peers), 3);
    assert_int_equal(peers_through(&peers, 1), 2);
    assert_int_equal(peers_through(&peers, 2), 1);
    assert_int_equal(peers_through(&peers, 3), 0);
    peers_fini(&peers);
}

static void what_is_new_is_told_from_what_is_the_same(void **state) {
    (void)state;
    struct peers peers = begin();
    struct peer *peer;
    assert_int_equal(hear(&peers, 1, "a", 3, 0), PEERS_NEW);
    assert_int_equal(hear(&peers, 1, "a", 3, 1), PEERS_SAME);
    assert_int_equal(hear(&peers, 1, "a", 4, 2), PEERS_CHANGED);
    assert_int_equal(peers_hear(&peers, 1, STR("a"), 4, STR("other"), 3780, 3, &peer), PEERS_CHANGED);
    assert_int_equal(peers_hear(&peers, 1, STR("a"), 4, STR("other"), 3781, 4, &peer), PEERS_CHANGED);
    assert_int_equal(peers_hear(&peers, 1, STR("a"), 4, STR("other"), 3781, 5, &peer), PEERS_SAME);
    assert_null(peers_at(&peers, "host", 3780));
    assert_null(peers_at(&peers, "other", 3780));
    assert_ptr_equal(peers_at(&peers, "other", 3781), peer);
    peers_fini(&peers);
}

static void rule_2_another_link_is_ignored_while_the_first_is_fresh(void **state) {
    (void)state;
    struct peers peers = begin();
    hear(&peers, 1, "a", 3, 0);
    assert_int_equal(hear(&peers, 2, "a", 9, INTERVAL * 3 / 2 - 1), PEERS_ELSEWHERE);
    assert_null(last);
    assert_int_equal(peers_find(&peers, STR("a"))->load, 3);
    assert_int_equal(peers_find(&peers, STR("a"))->link, 1);
    peers_fini(&peers);
}

static void rule_2_and_taken_when_it_is_not(void **state) {
    (void)state;
    struct peers peers = begin();
    hear(&peers, 1, "a", 3, 0);
    assert_int_equal(hear(&peers, 2, "a", 3, INTERVAL * 3 / 2), PEERS_CHANGED);
    assert_int_equal(last->link, 2);
    assert_int_equal(hear(&peers, 1, "a", 3, INTERVAL * 3 / 2 + 1), PEERS_ELSEWHERE);
    peers_fini(&peers);
}

static void rule_2_by_turns_tells_of_a_circle(void **state) {
    (void)state;
    struct peers peers = begin();
    hear(&peers, 1, "a", 0, 0);
    assert_int_equal(last->by_turns, 0);
    hear(&peers, 2, "a", 0, 100);
    hear(&peers, 1, "a", 0, 5000);
    assert_int_equal(last->by_turns, 2);
    hear(&peers, 1, "a", 0, 10000); // not by turns any more
    assert_int_equal(last->by_turns, 0);
    peers_fini(&peers);
}

static void rule_2_a_change_of_place_is_no_circle(void **state) {
    (void)state;
    struct peers peers = begin();
    hear(&peers, 1, "a", 0, 0);
    hear(&peers, 2, "a", 0, 5000);  // it has moved
    hear(&peers, 2, "a", 0, 10000); // and is heard there from now on
    assert_int_equal(last->link, 2);
    assert_int_equal(last->by_turns, 0);
    peers_fini(&peers);
}

static void rule_3_unheard_for_three_intervals_is_forgotten(void **state) {
    (void)state;
    struct peers peers = begin();
    struct names names = {0};
    assert_true(peers_deadline(&peers) == UINT64_MAX);
    hear(&peers, 1, "a", 0, 0);
    hear(&peers, 1, "b", 0, 10);
    assert_int_equal(peers_deadline(&peers), 3 * INTERVAL);
    peers_expire(&peers, 3 * INTERVAL - 1, forgotten, &names);
    assert_int_equal(names.count, 0);
    peers_expire(&peers, 3 * INTERVAL, forgotten, &names);
    assert_string_equal(names.text, "a");
    assert_int_equal(peers_deadline(&peers), 3 * INTERVAL + 10);
    assert_int_equal(hear(&peers, 2, "a", 0, 3 * INTERVAL), PEERS_NEW);
    peers_fini(&peers);
}

static void rule_3_what_came_by_a_link_goes_with_it(void **state) {
    (void)state;
    struct peers peers = begin();
    struct names names = {0};
    hear(&peers, 1, "a", 0, 0);
    hear(&peers, 2, "b", 0, 0);
    hear(&peers, 1, "c", 0, 0);
    peers_drop_link(&peers, 1, forgotten, &names);
    assert_int_equal(names.count, 2);
    assert_null(strchr(names.text, 'b'));
    assert_non_null(peers_find(&peers, STR("b")));
    assert_int_equal(peers_count(&peers), 1);
    peers_fini(&peers);
}

static void more_than_PEERS_MAX_are_ignored(void **state) {
    (void)state;
    struct peers peers = begin();
    char id[PEER_ID_MAX + 1];
    for (unsigned i = 0; i < PEERS_MAX + 100; i++) {
        snprintf(id, sizeof id, "%064u", i); // as long as ids may be
        assert_int_equal(hear(&peers, 1 + i % 2, id, 0, 0), i < PEERS_MAX ? PEERS_NEW : PEERS_FULL);
        if (i >= PEERS_MAX) assert_null(last);
    }
    assert_int_equal(peers_count(&peers), PEERS_MAX);
    snprintf(id, sizeof id, "%064u", 4u);
    assert_int_equal(hear(&peers, 1, id, 1, 1), PEERS_CHANGED); // the known stay known
    struct names names = {0};
    peers_drop_link(&peers, 3, forgotten, &names);
    assert_int_equal(names.count, 0);
    peers_fini(&peers);
}

static void by_one_link_come_PEERS_MAX_PER_LINK_at_most(void **state) {
    (void)state;
    struct peers peers = begin();
    char id[PEER_ID_MAX + 1];
    for (unsigned i = 0; i < PEERS_MAX_PER_LINK + 100; i++) {
        snprintf(id, sizeof id, "%u", i);
        assert_int_equal(hear(&peers, 1, id, 0, 0), i < PEERS_MAX_PER_LINK ? PEERS_NEW : PEERS_FULL);
    }
    assert_int_equal(hear(&peers, 2, "another", 0, 0), PEERS_NEW);
    peers_fini(&peers);
}

static void without_memory_an_id_is_not_learnt(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        struct peers peers = begin();
        char id[16];
        unsigned learnt = 0;
        fault_after(n);
        for (unsigned i = 0; i < 400; i++) { // enough for the table to grow
            snprintf(id, sizeof id, "%u", i);
            learnt += hear(&peers, 1, id, 0, 0) == PEERS_NEW;
        }
        bool failed = fault_off();
        assert_int_equal(learnt, peers_count(&peers));
        assert_in_range(learnt, failed ? 399 : 400, 400);
        for (unsigned i = 0; i < 400; i++) {
            snprintf(id, sizeof id, "%u", i);
            hear(&peers, 1, id, 0, 0);
            assert_non_null(peers_find(&peers, str_of(id)));
        }
        assert_int_equal(peers_count(&peers), 400);
        peers_fini(&peers);
        if (!failed) break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_1_an_id_is_learnt_from_its_first_announce),
        cmocka_unit_test(rule_1_it_belongs_to_its_link),
        cmocka_unit_test(what_is_new_is_told_from_what_is_the_same),
        cmocka_unit_test(rule_2_another_link_is_ignored_while_the_first_is_fresh),
        cmocka_unit_test(rule_2_and_taken_when_it_is_not),
        cmocka_unit_test(rule_2_by_turns_tells_of_a_circle),
        cmocka_unit_test(rule_2_a_change_of_place_is_no_circle),
        cmocka_unit_test(rule_3_unheard_for_three_intervals_is_forgotten),
        cmocka_unit_test(rule_3_what_came_by_a_link_goes_with_it),
        cmocka_unit_test(more_than_PEERS_MAX_are_ignored),
        cmocka_unit_test(by_one_link_come_PEERS_MAX_PER_LINK_at_most),
        cmocka_unit_test(without_memory_an_id_is_not_learnt),
    };
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}

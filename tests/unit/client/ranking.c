// In which order servers are asked, and what is remembered of them. The numbers are those of the rules in
// client/ranking.h.
#include "client/ranking.h"

#include "base/dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1763650000

static struct ranking ranking;
static const char *const urls[] = {"http://a:1", "http://b:1", "http://c:1"};

static int forget(void **state) {
    (void)state;
    ranking = (struct ranking){0};
    return 0;
}

// "bca": which of a, b, c is asked first, second, third.
static void assert_order(const char *expected, int64_t now) {
    size_t order[3];
    char found[4] = "";
    ranking_order(&ranking, urls, 3, now, order);
    for (int i = 0; i < 3; i++) found[i] = urls[order[i]][7];
    assert_string_equal(found, expected);
}

static void without_memory_they_are_asked_as_given(void **state) {
    (void)state;
    assert_order("abc", NOW); // rule 4
}

static void the_nearest_is_asked_first(void **state) {
    (void)state;
    ranking_reached(&ranking, urls[0], 900, NOW);
    ranking_reached(&ranking, urls[1], 100, NOW);
    ranking_reached(&ranking, urls[2], 500, NOW);
    assert_order("bca", NOW); // rule 2
}

static void one_that_was_never_measured_is_asked_before_the_others(void **state) {
    (void)state;
    ranking_reached(&ranking, urls[0], 100, NOW);
    assert_order("bca", NOW); // rule 3
    ranking_reached(&ranking, urls[1], 200, NOW);
    assert_order("cab", NOW);
    assert_order("abc", NOW + RANKING_MEASURED_S); // too long ago: all are as if they were never measured
}

static void one_that_has_failed_is_asked_last_for_a_while(void **state) {
    (void)state;
    ranking_reached(&ranking, urls[0], 100, NOW);
    ranking_reached(&ranking, urls[1], 200, NOW);
    ranking_failed(&ranking, urls[0], NOW);
    assert_order("cba", NOW); // rules 1 and 3
    ranking_failed(&ranking, urls[2], NOW - 1);
    assert_order("bca", NOW);                    // rule 1: the older failure first
    assert_order("cab", NOW + RANKING_FAILED_S); // and then as if it had not
}

static void a_server_that_is_reached_has_not_failed(void **state) {
    (void)state;
    ranking_failed(&ranking, urls[0], NOW);
    ranking_reached(&ranking, urls[0], 0, NOW); // over a connection that was there: not measured
    assert_order("abc", NOW);
}

static void a_clock_that_jumped_back_keeps_nobody_last(void **state) {
    (void)state;
    ranking_failed(&ranking, urls[0], NOW + 1000);
    assert_order("abc", NOW);
}

static void the_latest_clock_of_all_counts(void **state) {
    (void)state;
    struct stamp clock;
    assert_false(ranking_clock(&ranking, urls, 3, &clock));
    ranking_saw(&ranking, urls[0], &(struct stamp){1, 42}, NOW);
    ranking_saw(&ranking, urls[1], &(struct stamp){2, 7}, NOW);
    ranking_saw(&ranking, urls[1], &(struct stamp){1, 99}, NOW); // older: an earlier epoch
    ranking_saw(&ranking, "http://elsewhere:1", &(struct stamp){9, 9}, NOW);
    assert_true(ranking_clock(&ranking, urls, 3, &clock));
    assert_int_equal(clock.epoch, 2);
    assert_int_equal(clock.clock, 7);
    ranking_forget(&ranking, urls[1]);
    assert_true(ranking_clock(&ranking, urls, 3, &clock));
    assert_int_equal(clock.clock, 42);
}

static void what_is_written_is_read_again(void **state) {
    (void)state;
    struct buf first = {0}, second = {0};
    ranking_reached(&ranking, urls[0], 100, NOW);
    ranking_failed(&ranking, urls[1], NOW - 5);
    ranking_saw(&ranking, urls[2], &(struct stamp){1, UINT64_MAX}, NOW);
    assert_int_equal(ranking_write(&ranking, &first), 0);
    ranking = (struct ranking){0};
    ranking_read(&ranking, buf_str(&first));
    assert_int_equal(ranking_write(&ranking, &second), 0);
    assert_true(str_equal(buf_str(&first), buf_str(&second)));
    assert_order("cab", NOW);
    buf_free(&first);
    buf_free(&second);
}

static void what_is_not_ours_is_skipped(void **state) {
    (void)state;
    ranking_read(&ranking,
                 STR("\n\nhttp://a:1\nhttp://a:1 1 2 3 4 five\nhttp://a:1 -1 2 3 4 1.1\n"
                     "http://a:1 1 2 3 4 1.1 more\n\0\0 1 2 3 4 1.1\nhttp://b:1 5 1763650000 0 9 1.8\n"
                     "http://a:1 99999999999 2 3 4 1.1"));
    assert_int_equal(ranking.count, 1);
    assert_string_equal(ranking.rows[0].url, "http://b:1");
    assert_int_equal(ranking.rows[0].clock.clock, 8);
}

static void garbage_does_no_harm(void **state) {
    (void)state;
    struct dice dice;
    struct buf text = {0};
    const char *given = getenv("HERALD_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 5;
    printf("HERALD_SEED=%llu\n", (unsigned long long)seed);
    dice_seed(&dice, seed);
    for (int round = 0; round < 2000; round++) {
        static const char bytes[] = "http://a:1 0123456789. \n\n";
        buf_truncate(&text, 0);
        for (uint64_t left = dice_below(&dice, 400); left > 0; left--)
            assert_int_equal(buf_append(&text, bytes + dice_below(&dice, sizeof bytes), 1), 0);
        ranking_read(&ranking, buf_str(&text));
        assert_true(ranking.count <= RANKING_ROWS);
    }
    buf_free(&text);
}

static void only_so_many_are_remembered(void **state) {
    (void)state;
    char url[32];
    for (int i = 0; i < RANKING_ROWS + 10; i++) {
        (void)snprintf(url, sizeof url, "http://h%d:1", i);
        ranking_reached(&ranking, url, 100, NOW + i);
    }
    assert_int_equal(ranking.count, RANKING_ROWS);
    for (size_t i = 0; i < ranking.count; i++)
        assert_true(ranking.rows[i].heard_s >= NOW + 10); // the oldest went
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_memory_they_are_asked_as_given, forget),
        cmocka_unit_test_setup(the_nearest_is_asked_first, forget),
        cmocka_unit_test_setup(one_that_was_never_measured_is_asked_before_the_others, forget),
        cmocka_unit_test_setup(one_that_has_failed_is_asked_last_for_a_while, forget),
        cmocka_unit_test_setup(a_server_that_is_reached_has_not_failed, forget),
        cmocka_unit_test_setup(a_clock_that_jumped_back_keeps_nobody_last, forget),
        cmocka_unit_test_setup(the_latest_clock_of_all_counts, forget),
        cmocka_unit_test_setup(what_is_written_is_read_again, forget),
        cmocka_unit_test_setup(what_is_not_ours_is_skipped, forget),
        cmocka_unit_test_setup(garbage_does_no_harm, forget),
        cmocka_unit_test_setup(only_so_many_are_remembered, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

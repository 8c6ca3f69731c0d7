// Lines come out of a byte stream whole and in order, however the bytes were cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/frame.h"

#include "guard.h"
#include "seed.h"

#include <string.h>
#include <time.h>

// Lines are collected as "a|bc|": enough to compare, and readable when a test fails.
struct story {
    struct framer framer;
    struct buf told;
};

static void begin(struct story *story, size_t max) {
    *story = (struct story){0};
    framer_init(&story->framer, max);
}

static void end(struct story *story) {
    framer_fini(&story->framer);
    buf_free(&story->told);
}

static enum frame_result feed(struct story *story, struct str input) {
    struct str line;
    enum frame_result result;
    while ((result = framer_next(&story->framer, &input, &line)) == FRAME_LINE) {
        assert_int_equal(buf_append_str(&story->told, line), 0);
        assert_int_equal(buf_append_text(&story->told, "|"), 0);
    }
    if (result == FRAME_MORE) assert_int_equal(input.len, 0);
    return result;
}

static void expect(struct story *story, const char *told) {
    assert_int_equal(story->told.len, strlen(told));
    if (story->told.len > 0) assert_memory_equal(story->told.data, told, story->told.len);
}

static void a_line_whole_in_the_input_is_given_in_place_and_nothing_is_held(void **state) {
    (void)state;
    struct framer framer;
    framer_init(&framer, 100);
    struct str input = STR("first\nsecond\r\n"), line, whole = input;
    assert_int_equal(framer_next(&framer, &input, &line), FRAME_LINE);
    assert_ptr_equal(line.ptr, whole.ptr);
    assert_int_equal(line.len, 5);
    assert_int_equal(framer_next(&framer, &input, &line), FRAME_LINE);
    assert_ptr_equal(line.ptr, whole.ptr + 6);
    assert_int_equal(line.len, 6); // without the \r
    assert_int_equal(framer_next(&framer, &input, &line), FRAME_MORE);
    assert_null(framer.held.data);
    framer_fini(&framer);
}

static void lines_are_the_same_at_every_pair_of_cuts(void **state) {
    (void)state;
    const char text[] = "a\r\n\nbc\r\r\n\r\nd\re\nlong one\n\n";
    const size_t len = sizeof text - 1;
    for (size_t i = 0; i <= len; i++) {
        for (size_t j = i; j <= len; j++) {
            struct story story;
            begin(&story, 8);
            assert_int_equal(feed(&story, (struct str){text, i}), FRAME_MORE);
            assert_int_equal(feed(&story, (struct str){text + i, j - i}), FRAME_MORE);
            assert_int_equal(feed(&story, (struct str){text + j, len - j}), FRAME_MORE);
            expect(&story, "a||bc\r||d\re|long one||");
            assert_int_equal(framer_held(&story.framer), 0);
            end(&story);
        }
    }
}

static void byte_by_byte_is_as_good_as_at_once(void **state) {
    (void)state;
    const char text[] = "{\"command\":\"LOGOUT\"}\r\nnext\nrest";
    struct story story;
    begin(&story, 20);
    for (size_t i = 0; i < sizeof text - 1; i++)
        assert_int_equal(feed(&story, (struct str){text + i, 1}), FRAME_MORE);
    expect(&story, "{\"command\":\"LOGOUT\"}|next|");
    assert_int_equal(framer_held(&story.framer), 4);
    end(&story);
}

static void no_byte_after_the_input_is_read(void **state) {
    (void)state;
    const char text[] = "a\r\n\nbc\r\nlong one\r\nrest";
    struct guard guard = guard_open(sizeof text);
    for (size_t first = 0; first < sizeof text; first++) {
        for (size_t then = 0; first + then < sizeof text; then++) {
            struct story story;
            begin(&story, 8);
            feed(&story, guard_copy(&guard, text, first));
            feed(&story, guard_copy(&guard, text + first, then));
            end(&story);
        }
    }
    guard_close(&guard);
}

static void a_line_of_exactly_max_bytes_passes_and_one_more_does_not(void **state) {
    (void)state;
    static const struct {
        const char *input;
        enum frame_result result;
    } cases[] = {
        {"12345\n", FRAME_MORE},         {"12345\r\n", FRAME_MORE},        {"123456\n", FRAME_TOO_LONG},
        {"123456", FRAME_TOO_LONG},      {"12345\r", FRAME_MORE},          {"12345\r6\n", FRAME_TOO_LONG},
        {"12345\r6", FRAME_TOO_LONG},    {"123456\r\n", FRAME_TOO_LONG},   {"1234\r\r\n", FRAME_MORE},
        {"12345\r\r\n", FRAME_TOO_LONG}, {"ok\n123456\n", FRAME_TOO_LONG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str input = str_of(cases[i].input);
        for (size_t cut = 0; cut <= input.len; cut++) {
            struct story story;
            begin(&story, 5);
            enum frame_result result = feed(&story, (struct str){input.ptr, cut});
            if (result == FRAME_MORE) result = feed(&story, (struct str){input.ptr + cut, input.len - cut});
            assert_int_equal(result, cases[i].result);
            assert_true(framer_held(&story.framer) <= 6);
            end(&story);
        }
    }
}

static void after_the_last_line_an_idle_connection_holds_nothing(void **state) {
    (void)state;
    struct framer framer;
    framer_init(&framer, 100);
    struct str input = STR("in pie"), line;
    assert_int_equal(framer_next(&framer, &input, &line), FRAME_MORE);
    assert_int_equal(framer_held(&framer), 6);
    input = STR("ces\n");
    assert_int_equal(framer_next(&framer, &input, &line), FRAME_LINE);
    assert_true(str_equal_text(line, "in pieces"));
    assert_int_equal(framer_held(&framer), 0);
    assert_int_equal(framer_next(&framer, &input, &line), FRAME_MORE);
    assert_null(framer.held.data);
    assert_int_equal(framer.held.cap, 0);
    framer_fini(&framer);
}

static void what_was_kept_comes_out_later_in_order_also_without_input(void **state) {
    (void)state;
    struct story story;
    begin(&story, 100);
    struct str input = STR("one\ntwo\nthr"), line;
    assert_int_equal(framer_next(&story.framer, &input, &line), FRAME_LINE);
    assert_true(str_equal_text(line, "one"));
    assert_int_equal(framer_keep(&story.framer, &input), 0);
    assert_int_equal(input.len, 0);
    assert_int_equal(framer_held(&story.framer), 7);
    input = STR("ee\nfour\n");
    assert_int_equal(framer_keep(&story.framer, &input), 0);
    assert_int_equal(framer_next(&story.framer, &input, &line), FRAME_LINE);
    assert_true(str_equal_text(line, "two"));
    input = STR("five\n");
    assert_int_equal(framer_keep(&story.framer, &input), 0); // again, with a line half way
    assert_int_equal(feed(&story, (struct str){0}), FRAME_MORE);
    expect(&story, "three|four|five|");
    assert_null(story.framer.held.data);
    end(&story);
}

static void kept_lines_are_held_to_the_same_limit(void **state) {
    (void)state;
    struct story story;
    begin(&story, 5);
    struct str input = STR("12345\n123456");
    assert_int_equal(framer_keep(&story.framer, &input), 0);
    assert_int_equal(feed(&story, (struct str){0}), FRAME_TOO_LONG);
    expect(&story, "12345|");
    end(&story);
}

// Searching from the beginning for each byte would take a minute of processor time.
static void a_slowly_arriving_large_line_costs_linear_time(void **state) {
    (void)state;
    const size_t size = 4u << 20;
    struct framer framer;
    framer_init(&framer, size);
    struct str line;
    clock_t start = clock();
    for (size_t i = 0; i < size; i++) {
        struct str input = STR("x");
        assert_int_equal(framer_next(&framer, &input, &line), FRAME_MORE);
    }
    struct str input = STR("\n");
    assert_int_equal(framer_next(&framer, &input, &line), FRAME_LINE);
    assert_int_equal(line.len, size);
    assert_true((clock() - start) / CLOCKS_PER_SEC < 20);
    framer_fini(&framer);
}

// The simplest thing that could be right.
static void split_naively(struct str text, struct buf *told) {
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\n') continue;
        size_t len = i - start - (i > start && text.ptr[i - 1] == '\r' ? 1 : 0);
        assert_int_equal(buf_append(told, text.ptr + start, len), 0);
        assert_int_equal(buf_append_text(told, "|"), 0);
        start = i + 1;
    }
}

static void random_streams_in_random_pieces_kept_or_not_give_the_same_lines(void **state) {
    (void)state;
    struct dice dice = seeded_dice("frame");
    for (int round = 0; round < 3000; round++) {
        char text[400];
        size_t len = (size_t)dice_below(&dice, sizeof text), taken = 0;
        for (size_t i = 0; i < len; i++) text[i] = "\n\r\nabcdefgh"[dice_below(&dice, 11)];
        struct story story;
        struct buf expected = {0};
        begin(&story, sizeof text);
        split_naively((struct str){text, len}, &expected);
        while (taken < len) {
            size_t piece = (size_t)dice_between(&dice, 1, len - taken);
            struct str input = {text + taken, piece};
            taken += piece;
            if (dice_below(&dice, 3) == 0)
                assert_int_equal(framer_keep(&story.framer, &input), 0);
            else
                assert_int_equal(feed(&story, input), FRAME_MORE);
        }
        assert_int_equal(feed(&story, (struct str){0}), FRAME_MORE);
        assert_int_equal(story.told.len, expected.len);
        if (expected.len > 0) assert_memory_equal(story.told.data, expected.data, expected.len);
        buf_free(&expected);
        end(&story);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_whole_in_the_input_is_given_in_place_and_nothing_is_held),
        cmocka_unit_test(lines_are_the_same_at_every_pair_of_cuts),
        cmocka_unit_test(byte_by_byte_is_as_good_as_at_once),
        cmocka_unit_test(no_byte_after_the_input_is_read),
        cmocka_unit_test(a_line_of_exactly_max_bytes_passes_and_one_more_does_not),
        cmocka_unit_test(after_the_last_line_an_idle_connection_holds_nothing),
        cmocka_unit_test(what_was_kept_comes_out_later_in_order_also_without_input),
        cmocka_unit_test(kept_lines_are_held_to_the_same_limit),
        cmocka_unit_test(a_slowly_arriving_large_line_costs_linear_time),
        cmocka_unit_test(random_streams_in_random_pieces_kept_or_not_give_the_same_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

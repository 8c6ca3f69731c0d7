// The reel alone: what is appended, where it lies, how long it stays, what a pass may touch.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frames.h"

#include <unistd.h>

#define SEGMENTS           4u
#define SEGMENT            256u
#define AT(serial, offset) ((reel_pos)(serial) << 32 | (offset))

static struct reel *tiny(unsigned participants) {
    struct err err;
    struct reel *reel = reel_open(SEGMENTS, SEGMENT, participants, &err);
    assert_non_null(reel);
    return reel;
}

// Opens segments up to `serial`, with two frames in each.
static void append_until(struct reel *reel, uint64_t serial) {
    while (reel_head(reel) < AT(serial, SEGMENT))
        assert_int_equal(frame_append(reel, SEGMENT / 2, reel_count(reel) + 1), REEL_OK);
}

// --- what goes in comes out ------------------------------------------------------------------------------

static void frames_come_back_in_order_with_their_index(void **state) {
    (void)state;
    struct err err;
    struct reel *reel = reel_open(SEGMENTS, 4096, 1, &err);
    char bytes[500];
    for (uint32_t i = 1; i <= 30; i++) {
        size_t len = REEL_MIN_FRAME + i * 7;
        frame_fill(bytes, len, i);
        assert_int_equal(reel_append(reel, (struct str){bytes, len}, i % 3, 100 + i, 1000 + i), REEL_OK);
    }
    reel_pos pos = reel_enter(reel, 0, 0), head = reel_head(reel);
    struct reel_frame frame;
    for (uint32_t i = 1; i <= 30; i++) {
        assert_true(reel_frame(reel, pos, head, &frame));
        assert_int_equal(frame.bytes.len, REEL_MIN_FRAME + i * 7);
        assert_int_equal(frame_number(frame.bytes), i);
        assert_int_equal(frame.source, i % 3);
        assert_int_equal(frame.origin, 100 + i);
        assert_int_equal(frame.sequence, 1000 + i);
        pos = frame.next;
    }
    assert_int_equal(pos, head);
    assert_false(reel_frame_next(reel, head, &frame));
    assert_false(reel_frame(reel, pos, head, &frame));
    assert_false(reel_frame(reel, pos - frame.bytes.len, head - 1, &frame)); // not wholly before the end
    assert_int_equal(reel_count(reel), 30);
    reel_leave(reel, 0);
    reel_close(reel);
}

static void what_lies_between_cursor_and_head_is_one_run(void **state) {
    (void)state;
    struct reel *reel = tiny(1);
    frame_append(reel, 64, 1);
    reel_pos middle = reel_head(reel);
    frame_append(reel, 70, 2);
    reel_pos pos = reel_enter(reel, 0, 0), head = reel_head(reel);
    struct str run = reel_span(reel, &pos, head);
    assert_int_equal(run.len, 134);
    assert_int_equal(frame_number((struct str){run.ptr, 64}), 1);
    assert_int_equal(frame_number((struct str){run.ptr + 64, 70}), 2);

    assert_int_equal(reel_span(reel, &pos, middle).len, 64); // no further than asked
    pos += 10;                                               // and from anywhere
    assert_ptr_equal(reel_span(reel, &pos, head).ptr, run.ptr + 10);
    assert_int_equal(reel_span(reel, &pos, head).len, 124);
    assert_int_equal(reel_span(reel, &head, head).len, 0);
    assert_int_equal(reel_span(reel, &head, middle).len, 0);
    reel_leave(reel, 0);
    reel_close(reel);
}

static void a_frame_that_just_fits_fills_the_segment(void **state) {
    (void)state;
    struct reel *reel = tiny(0);
    assert_int_equal(reel_head(reel), AT(1, 0));
    frame_append(reel, SEGMENT - REEL_MIN_FRAME, 1);
    frame_append(reel, REEL_MIN_FRAME, 2);
    assert_int_equal(reel_head(reel), AT(1, SEGMENT));
    frame_append(reel, SEGMENT, 3);
    assert_int_equal(reel_head(reel), AT(2, SEGMENT));
    frame_append(reel, SEGMENT - REEL_MIN_FRAME, 4);
    frame_append(reel, REEL_MIN_FRAME + 1, 5); // one byte too many: it goes whole into the next segment
    assert_int_equal(reel_head(reel), AT(4, REEL_MIN_FRAME + 1));
    reel_close(reel);
}

static void the_shortest_frames_fill_the_index_to_its_end(void **state) {
    (void)state;
    struct reel *reel = tiny(1);
    for (uint64_t i = 1; i <= SEGMENTS * SEGMENT / REEL_MIN_FRAME; i++) frame_append(reel, REEL_MIN_FRAME, i);
    reel_pos pos = reel_enter(reel, 0, 0), head = reel_head(reel);
    struct reel_frame frame;
    uint64_t seen = 1 * SEGMENT / REEL_MIN_FRAME; // one segment is retired
    while (reel_frame(reel, pos, head, &frame)) {
        assert_int_equal(frame_number(frame.bytes), ++seen);
        pos = frame.next;
    }
    assert_int_equal(seen, reel_count(reel));
    reel_leave(reel, 0);
    reel_close(reel);
}

static void going_on_finds_what_a_search_finds(void **state) {
    (void)state;
    struct reel *reel = tiny(1);
    for (uint64_t i = 1; i <= 40; i++) frame_append(reel, REEL_MIN_FRAME + i * 37 % 150, i);
    reel_pos tail = reel_enter(reel, 0, 0), head = reel_head(reel);
    struct reel_frame frame, searched;
    size_t segments = 1;
    assert_true(reel_frame(reel, tail, head, &frame));
    for (searched = frame; reel_frame(reel, searched.next, head, &searched);) {
        reel_pos before = frame.next;
        assert_true(reel_frame_next(reel, head, &frame));
        assert_ptr_equal(frame.bytes.ptr, searched.bytes.ptr);
        assert_int_equal(frame.bytes.len, searched.bytes.len);
        assert_int_equal(frame.sequence, searched.sequence);
        assert_int_equal(frame.next, searched.next);
        assert_int_equal(frame.place, searched.place);
        segments += before >> 32 != frame.next >> 32;
    }
    assert_false(reel_frame_next(reel, head, &frame));
    assert_true(segments > 2);
    assert_true(reel_frame(reel, tail, head, &frame));
    assert_false(reel_frame_next(reel, frame.next, &frame)); // nothing beyond was asked for
    assert_false(reel_frame_next(reel, frame.next + 1, &frame));
    reel_leave(reel, 0);
    reel_close(reel);
}

static void the_end_of_a_sealed_segment_is_the_next_ones_beginning(void **state) {
    (void)state;
    struct reel *reel = tiny(1);
    frame_append(reel, 100, 1);
    reel_pos end = reel_head(reel), pos = end;
    struct reel_frame frame;
    reel_enter(reel, 0, 0);
    assert_int_equal(reel_span(reel, &pos, end).len, 0); // not sealed yet: it stays where it is
    assert_int_equal(pos, end);
    frame_append(reel, 200, 2);
    assert_int_equal(reel_span(reel, &pos, end).len, 0); // sealed, but nothing beyond was asked for
    assert_int_equal(pos, end);
    assert_true(reel_frame(reel, end, reel_head(reel), &frame));
    assert_int_equal(frame_number(frame.bytes), 2);
    assert_int_equal(frame.next, AT(2, 200));
    assert_int_equal(frame_number(reel_span(reel, &pos, reel_head(reel))), 2);
    assert_int_equal(pos, AT(2, 0));
    reel_leave(reel, 0);
    reel_close(reel);
}

static void a_runs_end_is_the_segments_when_the_head_is_beyond(void **state) {
    (void)state;
    struct reel *reel = tiny(1);
    frame_append(reel, 100, 1);
    frame_append(reel, 100, 2);
    frame_append(reel, 100, 3);
    reel_pos pos = reel_enter(reel, 0, 0);
    assert_int_equal(reel_span(reel, &pos, reel_head(reel)).len, 200);
    pos += 200;
    assert_int_equal(reel_span(reel, &pos, reel_head(reel)).len, 100);
    reel_leave(reel, 0);
    reel_close(reel);
}

static void own_frames_are_numbered_here_others_keep_their_name(void **state) {
    (void)state;
    struct reel *reel = tiny(1);
    char bytes[REEL_MIN_FRAME];
    struct str line = {bytes, sizeof bytes};
    frame_fill(bytes, sizeof bytes, 1);
    reel_append(reel, line, REEL_LOCAL, REEL_LOCAL, 77);
    reel_append(reel, line, 5, 9, 77);
    reel_append(reel, line, REEL_LOCAL, REEL_LOCAL, 0);
    const uint64_t expected[] = {1, 77, 2};
    reel_pos pos = reel_enter(reel, 0, 0);
    struct reel_frame frame;
    for (size_t i = 0; i < 3; i++, pos = frame.next) {
        assert_true(reel_frame(reel, pos, reel_head(reel), &frame));
        assert_int_equal(frame.sequence, expected[i]);
    }
    reel_leave(reel, 0);
    reel_close(reel);
}

static void frames_between_any_two_bytes_are_counted(void **state) {
    (void)state;
    struct reel *reel = tiny(1);
    reel_pos ends[16], places[1024]; // places: every position there is, in order
    size_t frames = 0, count = 0;
    const size_t lens[] = {64, 90, 70, 200, 256, 65, 64, 64};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        frame_append(reel, lens[i], i + 1);
        ends[frames++] = reel_head(reel);
    }
    reel_pos tail = reel_enter(reel, 0, 0);
    for (size_t i = 0; i < frames; i++) {
        for (reel_pos pos = ends[i] - lens[i]; pos <= ends[i]; pos++) {
            if (pos >= tail && (count == 0 || pos > places[count - 1])) places[count++] = pos;
        }
    }
    for (size_t a = 0; a < count; a++) {
        for (size_t b = a; b < count; b++) {
            uint64_t expected = 0;
            for (size_t i = 0; i < frames; i++) expected += ends[i] > places[a] && ends[i] <= places[b];
            assert_int_equal(reel_frames_between(reel, places[a], places[b]), expected);
        }
    }
    reel_leave(reel, 0);
    reel_close(reel);
}

// --- how long it stays -----------------------------------------------------------------------------------

static reel_pos tail_of(struct reel *reel, unsigned spare) {
    reel_pos tail = reel_enter(reel, 0, spare);
    reel_leave(reel, 0);
    return tail;
}

static void the_tail_keeps_one_retired_segment_behind_the_appender(void **state) {
    (void)state;
    struct reel *reel = tiny(1);
    assert_int_equal(tail_of(reel, 0), AT(1, 0));
    for (uint64_t serial = 1; serial <= 3; serial++) {
        append_until(reel, serial);
        assert_int_equal(tail_of(reel, 0), AT(1, 0));
    }
    for (uint64_t serial = 4; serial <= 20; serial++) {
        append_until(reel, serial);
        assert_int_equal(tail_of(reel, 0), AT(serial - SEGMENTS + 2, 0));
    }
    assert_int_equal(reel_lag_limit(reel), (SEGMENTS - 2) * SEGMENT);
    reel_close(reel);
}

static void spare_segments_are_out_of_reach(void **state) {
    (void)state;
    struct reel *reel = tiny(1);
    assert_int_equal(tail_of(reel, 2), AT(1, 0));
    append_until(reel, 3);
    assert_int_equal(tail_of(reel, 1), AT(2, 0));
    append_until(reel, 9);
    assert_int_equal(tail_of(reel, 0), AT(7, 0));
    assert_int_equal(tail_of(reel, 1), AT(8, 0));
    assert_int_equal(tail_of(reel, 2), AT(9, 0)); // the head's own segment, never above it
    reel_close(reel);
}

static void a_pass_is_never_overtaken(void **state) {
    (void)state;
    struct reel *reel = tiny(2);
    append_until(reel, 6);
    reel_pos tail = reel_enter(reel, 1, 0);
    assert_int_equal(tail, AT(4, 0));
    append_until(reel, 7); // overwrites the retired segment 3
    reel_pos head = reel_head(reel);
    uint64_t count = reel_count(reel);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(frame_append(reel, REEL_MIN_FRAME, 999), REEL_BUSY);
        assert_int_equal(reel_head(reel), head);
        assert_int_equal(reel_count(reel), count);
        assert_int_equal(tail_of(reel, 0), AT(5, 0)); // 7 was opened; nothing more happened
    }
    // All that the pass was given is there.
    uint64_t number = 2 * 3;
    struct reel_frame frame;
    for (reel_pos pos = tail; reel_frame(reel, pos, head, &frame); pos = frame.next)
        assert_int_equal(frame_number(frame.bytes), ++number);
    assert_int_equal(number, count);

    reel_leave(reel, 1);
    assert_int_equal(frame_append(reel, REEL_MIN_FRAME, 999), REEL_OK);
    assert_int_equal(reel_head(reel), AT(8, REEL_MIN_FRAME));
    reel_enter(reel, 0, 0); // its number was not wasted on the three that were refused
    assert_true(reel_frame(reel, AT(8, 0), reel_head(reel), &frame));
    assert_int_equal(frame.sequence, count + 1);
    reel_leave(reel, 0);
    reel_close(reel);
}

static void lapped_means_that_the_next_byte_is_gone(void **state) {
    (void)state;
    struct reel *reel = tiny(1);
    frame_append(reel, 100, 1);
    frame_append(reel, 100, 2);
    reel_pos first_end = reel_head(reel);
    append_until(reel, 4); // the tail is now at 2
    reel_pos tail = reel_enter(reel, 0, 0), pos = first_end;
    assert_int_equal(tail, AT(2, 0));
    assert_false(reel_lapped(reel, &pos, tail)); // stood at the very end of what is gone: nothing was missed
    assert_int_equal(pos, tail);
    pos = first_end - 1;
    assert_true(reel_lapped(reel, &pos, tail));
    pos = AT(1, SEGMENT); // further than that segment went
    assert_true(reel_lapped(reel, &pos, tail));
    pos = 0; // never set
    assert_true(reel_lapped(reel, &pos, tail));
    pos = tail;
    assert_false(reel_lapped(reel, &pos, tail));
    pos = AT(2, 10);
    assert_false(reel_lapped(reel, &pos, tail));
    assert_int_equal(pos, AT(2, 10));
    reel_leave(reel, 0);
    append_until(reel, 5); // the next segment is gone as well
    pos = first_end;
    assert_true(reel_lapped(reel, &pos, tail_of(reel, 0)));
    pos = 0;
    struct reel *fresh = tiny(1);
    assert_true(reel_lapped(fresh, &pos, tail_of(fresh, 0)));
    reel_close(fresh);
    reel_close(reel);
}

// --- memory ----------------------------------------------------------------------------------------------

static size_t resident(void) {
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%*u %lu", &pages), 1);
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void memory_is_taken_as_used_and_never_grows(void **state) {
    (void)state;
    enum { SIZE = 256 * 1024, RING = 8 * SIZE, FRAME = 300 };
    char bytes[FRAME];
    struct str line = {bytes, FRAME};
    struct err err;
    frame_fill(bytes, FRAME, 1);
    size_t before = resident();
    struct reel *large = reel_open(64, 16u << 20, 1, &err); // 1 GiB
    assert_non_null(large);
    assert_in_range(resident() - before, 0, 1u << 20);
    reel_close(large);

    struct reel *reel = reel_open(8, SIZE, 1, &err);
    for (size_t i = 0; i < RING / FRAME + 8; i++) assert_int_equal(reel_append(reel, line, 0, 0, 0), REEL_OK);
    size_t touched = resident();
    for (size_t i = 0; i < 100 * (RING / FRAME); i++)
        assert_int_equal(reel_append(reel, line, 0, 0, 0), REEL_OK);
    size_t after = resident();
    assert_true(touched - before >= RING);
    // Less than a segment in a hundred laps, whatever else a process does.
    assert_true(after <= touched + SIZE);
    reel_close(reel);
}

static void nonsense_is_refused(void **state) {
    (void)state;
    struct err err;
    assert_null(reel_open(REEL_MIN_SEGMENTS - 1, 4096, 1, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(reel_open(4, REEL_MIN_FRAME - 1, 1, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(reel_open(4, SIZE_MAX, 1, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(reel_open(1u << 18, 0xfffffff0u, 1, &err)); // more than an address space
    assert_int_equal(err.code, ERR_MEMORY);
    assert_null(reel_open(0, 0, 1, NULL));
    reel_close(NULL);
}

// --- anything, in any order ------------------------------------------------------------------------------

#define STEPS   20000
#define CURSORS 8

struct model { // the reel as an array of frames
    struct {
        reel_pos pos;
        size_t len;
        uint32_t source;
    } frames[STEPS];
    size_t count, segments, segment_size;
    uint64_t serial;         // being written
    size_t used;             // of it
    uint64_t pins[2];        // serials; 0: none
    size_t cursors[CURSORS]; // frames: each pass, some of them read on
};

static uint64_t model_tail(const struct model *model) {
    return model->serial + 2 > model->segments + 1 ? model->serial + 2 - model->segments : 1;
}

static void append_anything(struct reel *reel, struct model *model, struct dice *dice) {
    size_t len = dice_between(dice, REEL_MIN_FRAME, dice_below(dice, 4) ? 200 : model->segment_size);
    char *bytes = malloc(len);
    bool next = model->used + len > model->segment_size, busy = false;
    uint32_t source = (uint32_t)dice_below(dice, 3);
    frame_fill(bytes, len, model->count + 1);
    for (size_t i = 0; i < 2; i++)
        busy |= next && model->pins[i] != 0 && model->pins[i] + model->segments <= model->serial + 1;
    assert_int_equal(reel_append(reel, (struct str){bytes, len}, source, 1, model->count),
                     busy ? REEL_BUSY : REEL_OK);
    free(bytes);
    if (busy) return;
    if (next) model->serial++, model->used = 0;
    model->frames[model->count].pos = AT(model->serial, model->used);
    model->frames[model->count].len = len;
    model->frames[model->count++].source = source;
    model->used += len;
    assert_int_equal(reel_head(reel), AT(model->serial, model->used));
}

// One cursor reads on, up to some frame, by frames or by runs of bytes.
static void read_on(struct reel *reel, struct model *model, struct dice *dice, size_t *cursor,
                    reel_pos tail) {
    while (*cursor < model->count && model->frames[*cursor].pos < tail) ++*cursor; // lapped
    if (*cursor == model->count) return;
    size_t goal = dice_between(dice, *cursor + 1, model->count), from = *cursor;
    reel_pos pos = model->frames[from].pos, end = model->frames[goal - 1].pos + model->frames[goal - 1].len;
    // Now and then as readers do: where the frame before it ended.
    if (from > 0 && model->frames[from - 1].pos >= tail && dice_below(dice, 2))
        pos = model->frames[from - 1].pos + model->frames[from - 1].len;
    assert_int_equal(reel_frames_between(reel, pos, end), goal - from);
    bool by_frames = dice_below(dice, 2);
    struct reel_frame frame;
    for (; *cursor < goal; ++*cursor) {
        size_t len = model->frames[*cursor].len;
        if (by_frames) {
            assert_true(reel_frame(reel, pos, end, &frame));
            assert_int_equal(frame.source, model->frames[*cursor].source);
            assert_int_equal(frame.sequence, *cursor);
            pos = frame.next;
        } else {
            frame.bytes = reel_span(reel, &pos, end);
            assert_true(frame.bytes.len >= len);
            frame.bytes.len = len;
            assert_int_equal(pos, model->frames[*cursor].pos);
            pos += len;
        }
        assert_int_equal(frame.bytes.len, len);
        assert_int_equal(frame_number(frame.bytes), *cursor + 1);
    }
    assert_int_equal(pos, end);
}

static void any_schedule_behaves_like_an_array_of_frames(void **state) {
    (void)state;
    struct dice dice;
    struct err err;
    dice_seed(&dice, seed_of_this_run());
    for (int round = 0; round < 20; round++) {
        struct model *model = calloc(1, sizeof *model);
        model->segments = dice_between(&dice, REEL_MIN_SEGMENTS, 9);
        model->segment_size = dice_between(&dice, 200, 3000);
        model->serial = 1;
        struct reel *reel = reel_open((unsigned)model->segments, model->segment_size, 2, &err);
        reel_pos tails[2] = {0};
        for (int step = 0; step < STEPS; step++) {
            size_t who = dice_below(&dice, 2);
            if (dice_below(&dice, 2)) {
                append_anything(reel, model, &dice);
            } else if (model->pins[who] == 0) {
                unsigned spare = (unsigned)dice_below(&dice, model->segments / 2 + 1);
                uint64_t tail = model_tail(model), strict = model->serial + 2 + spare;
                strict = strict > model->segments ? strict - model->segments : 0;
                model->pins[who] = tail;
                if (strict > tail) tail = strict < model->serial ? strict : model->serial;
                assert_int_equal(tails[who] = reel_enter(reel, (unsigned)who, spare), AT(tail, 0));
            } else if (dice_below(&dice, 10)) {
                read_on(reel, model, &dice, &model->cursors[dice_below(&dice, CURSORS)], tails[who]);
            } else {
                reel_leave(reel, (unsigned)who);
                model->pins[who] = 0;
            }
        }
        assert_int_equal(reel_count(reel), model->count);
        reel_close(reel);
        free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_back_in_order_with_their_index),
        cmocka_unit_test(what_lies_between_cursor_and_head_is_one_run),
        cmocka_unit_test(a_frame_that_just_fits_fills_the_segment),
        cmocka_unit_test(the_shortest_frames_fill_the_index_to_its_end),
        cmocka_unit_test(going_on_finds_what_a_search_finds),
        cmocka_unit_test(the_end_of_a_sealed_segment_is_the_next_ones_beginning),
        cmocka_unit_test(a_runs_end_is_the_segments_when_the_head_is_beyond),
        cmocka_unit_test(own_frames_are_numbered_here_others_keep_their_name),
        cmocka_unit_test(frames_between_any_two_bytes_are_counted),
        cmocka_unit_test(the_tail_keeps_one_retired_segment_behind_the_appender),
        cmocka_unit_test(spare_segments_are_out_of_reach),
        cmocka_unit_test(a_pass_is_never_overtaken),
        cmocka_unit_test(lapped_means_that_the_next_byte_is_gone),
        cmocka_unit_test(memory_is_taken_as_used_and_never_grows),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(any_schedule_behaves_like_an_array_of_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

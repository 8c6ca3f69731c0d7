// Readers over real sockets: what arrives, in which order, and who is told that he was too slow.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frames.h"
#include "stream/reader.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEGMENTS           4u
#define AT(serial, offset) ((reel_pos)(serial) << 32 | (offset))

// A reader, the socket it writes to, and who listens at the other end.
struct ear {
    struct reader reader;
    int fd, far;
    struct buf heard;
    uint64_t delivered;
};

static void ear_open(struct ear *ear, int type) {
    int fds[2];
    *ear = (struct ear){0};
    assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
    const int least = 1; // the system makes it the least there is
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
    ear->fd = fds[0];
    ear->far = fds[1];
    reader_init(&ear->reader);
}

static void ear_close(struct ear *ear) {
    reader_fini(&ear->reader);
    buf_free(&ear->heard);
    close(ear->fd);
    close(ear->far);
}

static size_t unread(const struct ear *ear) {
    int bytes = 0;
    assert_int_equal(ioctl(ear->far, FIONREAD, &bytes), 0);
    return (size_t)bytes;
}

// Takes at most `most` bytes of what has arrived.
static size_t hear(struct ear *ear, size_t most) {
    assert_int_equal(buf_reserve(&ear->heard, most + 1), 0);
    ssize_t len = recv(ear->far, ear->heard.data + ear->heard.len, most, MSG_DONTWAIT);
    if (len > 0) ear->heard.len += (size_t)len;
    return len > 0 ? (size_t)len : 0;
}

static enum reader_result flush_within(struct ear *ear, struct reel *reel, unsigned spare) {
    reel_pos tail = reel_enter(reel, 0, spare);
    enum reader_result result =
        reader_flush(&ear->reader, reel, ear->fd, reel_head(reel), tail, &ear->delivered);
    reel_leave(reel, 0);
    return result;
}

static enum reader_result flush(struct ear *ear, struct reel *reel) {
    return flush_within(ear, reel, 0);
}

// Flushes and hears until nothing is left.
static void hear_all(struct ear *ear, struct reel *reel, size_t at_once) {
    enum reader_result result;
    do {
        result = flush(ear, reel);
        assert_true(result == READER_DONE || result == READER_BLOCKED);
        while (hear(ear, at_once) > 0) {
        }
    } while (result == READER_BLOCKED);
    assert_false(reader_pending(&ear->reader, reel_head(reel)));
}

static void reply(struct ear *ear, struct reel *reel, const char *text) {
    assert_int_equal(buf_append_text(reader_lane(&ear->reader, reel_head(reel)), text), 0);
}

static void add_frame(struct buf *to, size_t len, uint64_t number) {
    assert_int_equal(buf_reserve(to, len), 0);
    frame_fill(to->data + to->len, len, number);
    to->len += len;
}

// "12<hello>3": frames 1 and 2, the text, frame 3; all frames `len` long.
static void assert_heard(const struct ear *ear, size_t len, const char *story) {
    struct buf expected = {0};
    bool text = false;
    for (const char *c = story; *c; c++) {
        if (*c == '<' || *c == '>')
            text = *c == '<';
        else if (text)
            buf_append(&expected, c, 1);
        else
            add_frame(&expected, len, (uint64_t)(*c - '0'));
    }
    assert_int_equal(ear->heard.len, expected.len);
    if (expected.len > 0) assert_memory_equal(ear->heard.data, expected.data, expected.len);
    buf_free(&expected);
}

static struct reel *reel_of(size_t segment_size) {
    struct err err;
    struct reel *reel = reel_open(SEGMENTS, segment_size, 1, &err);
    assert_non_null(reel);
    return reel;
}

// --- order -----------------------------------------------------------------------------------------------

static void hears_what_comes_after_it_listens(void **state) {
    (void)state;
    struct reel *reel = reel_of(300);
    struct ear ear;
    ear_open(&ear, SOCK_STREAM);
    frame_append(reel, 100, 1);
    assert_int_equal(flush(&ear, reel), READER_DONE);
    assert_false(reader_pending(&ear.reader, reel_head(reel)));
    reader_listen(&ear.reader, reel_head(reel));
    assert_false(reader_pending(&ear.reader, reel_head(reel)));
    for (uint64_t i = 2; i <= 7; i++) frame_append(reel, 100, i); // over two segment ends
    reader_listen(&ear.reader, reel_head(reel));                  // again: no effect
    assert_true(reader_pending(&ear.reader, reel_head(reel)));
    hear_all(&ear, reel, 4096);
    assert_heard(&ear, 100, "234567");
    assert_int_equal(ear.delivered, 6);
    ear_close(&ear);
    reel_close(reel);
}

static void a_run_of_frames_is_one_send(void **state) {
    (void)state;
    struct reel *reel = reel_of(1000);
    struct ear ear;
    ear_open(&ear, SOCK_SEQPACKET); // keeps each send apart
    reader_listen(&ear.reader, reel_head(reel));
    for (uint64_t i = 1; i <= 12; i++) frame_append(reel, 100, i);
    assert_int_equal(flush(&ear, reel), READER_DONE);
    assert_int_equal(hear(&ear, 4096), 1000);
    assert_int_equal(hear(&ear, 4096), 200);
    assert_int_equal(hear(&ear, 4096), 0);
    ear_close(&ear);
    reel_close(reel);
}

static void a_slow_ear_hears_all_the_same(void **state) {
    (void)state;
    enum { FRAME = 3000, FRAMES = 9 };
    struct reel *reel = reel_of(4 * FRAME + 10);
    struct ear ear;
    size_t blocked = 0;
    ear_open(&ear, SOCK_STREAM);
    reader_listen(&ear.reader, reel_head(reel));
    for (uint64_t i = 1; i <= FRAMES; i++) frame_append(reel, FRAME, i);
    while (flush(&ear, reel) == READER_BLOCKED) {
        // A half frame is not delivered.
        assert_int_equal(ear.delivered, (ear.heard.len + unread(&ear)) / FRAME);
        hear(&ear, 700);
        blocked++;
    }
    while (hear(&ear, 700) > 0) {
    }
    assert_true(blocked > FRAMES);
    assert_heard(&ear, FRAME, "123456789");
    assert_int_equal(ear.delivered, FRAMES);
    ear_close(&ear);
    reel_close(reel);
}

static void a_reply_goes_out_where_it_was_given(void **state) {
    (void)state;
    struct reel *reel = reel_of(300);
    struct ear ear;
    ear_open(&ear, SOCK_STREAM);
    reader_listen(&ear.reader, reel_head(reel));
    frame_append(reel, 100, 1);
    frame_append(reel, 100, 2);
    frame_append(reel, 100, 3); // the segment is full
    reply(&ear, reel, "yes\n");
    frame_append(reel, 100, 4);
    reply(&ear, reel, "no\n"); // joins: replies stay together
    frame_append(reel, 100, 5);
    hear_all(&ear, reel, 4096);
    reply(&ear, reel, "perhaps\n");
    hear_all(&ear, reel, 4096);
    frame_append(reel, 100, 6);
    reply(&ear, reel, "never\n");
    hear_all(&ear, reel, 4096);
    assert_heard(&ear, 100, "123<yes\nno\n>45<perhaps\n>6<never\n>");
    assert_null(ear.reader.lane.data); // idle connections hold nothing
    ear_close(&ear);
    reel_close(reel);
}

static void a_reply_never_cuts_a_frame(void **state) {
    (void)state;
    enum { FRAME = 50000 };
    struct reel *reel = reel_of(2 * FRAME);
    struct ear ear;
    ear_open(&ear, SOCK_STREAM);
    reader_listen(&ear.reader, reel_head(reel));
    frame_append(reel, FRAME, 1);
    assert_int_equal(flush(&ear, reel), READER_BLOCKED);
    assert_true(ear.reader.cursor > AT(1, 0) && ear.reader.cursor < AT(1, FRAME)); // half of it is on its way
    reply(&ear, reel, "after one\n");
    frame_append(reel, FRAME, 2);
    assert_int_equal(flush(&ear, reel), READER_BLOCKED);
    hear_all(&ear, reel, 4096);
    assert_heard(&ear, FRAME, "1<after one\n>2");
    assert_int_equal(ear.delivered, 2);
    ear_close(&ear);
    reel_close(reel);
}

static void a_long_lane_goes_out_in_pieces_and_whole(void **state) {
    (void)state;
    struct reel *reel = reel_of(300);
    struct ear ear;
    struct buf lane = {0};
    ear_open(&ear, SOCK_STREAM);
    reader_listen(&ear.reader, reel_head(reel));
    while (lane.len < READER_LANE_MAX) buf_printf(&lane, "reply at %zu\n", lane.len);
    frame_append(reel, 100, 1);
    buf_append_str(reader_lane(&ear.reader, reel_head(reel)), buf_str(&lane));
    frame_append(reel, 100, 2);
    assert_int_equal(flush(&ear, reel), READER_BLOCKED);
    assert_true(reader_pending(&ear.reader, reel_head(reel)));
    hear_all(&ear, reel, 777);
    assert_int_equal(ear.heard.len, lane.len + 200);
    assert_memory_equal(ear.heard.data + 100, lane.data, lane.len);
    assert_int_equal(frame_number((struct str){ear.heard.data + 100 + lane.len, 100}), 2);
    buf_free(&lane);
    ear_close(&ear);
    reel_close(reel);
}

static void who_does_not_listen_is_only_answered(void **state) {
    (void)state;
    struct reel *reel = reel_of(300);
    struct ear ear;
    ear_open(&ear, SOCK_STREAM);
    frame_append(reel, 100, 1);
    reply(&ear, reel, "failed\n");
    assert_true(reader_pending(&ear.reader, reel_head(reel)));
    frame_append(reel, 100, 2);
    hear_all(&ear, reel, 4096);
    reply(&ear, reel, "welcome\n");
    frame_append(reel, 100, 3);
    reader_listen(&ear.reader, reel_head(reel)); // what waits in the lane comes first
    frame_append(reel, 100, 4);
    hear_all(&ear, reel, 4096);
    assert_heard(&ear, 100, "<failed\nwelcome\n>4");
    ear_close(&ear);
    reel_close(reel);
}

// --- ends ------------------------------------------------------------------------------------------------

static void after_finish_only_the_lane_is_heard(void **state) {
    (void)state;
    struct reel *reel = reel_of(300);
    struct ear ear;
    ear_open(&ear, SOCK_STREAM);
    reader_listen(&ear.reader, reel_head(reel));
    frame_append(reel, 100, 1);
    reader_finish(&ear.reader, reel_head(reel));
    frame_append(reel, 100, 2);
    reader_finish(&ear.reader, reel_head(reel)); // the first one holds
    reply(&ear, reel, "goodbye\n");
    frame_append(reel, 100, 3);
    hear_all(&ear, reel, 4096);
    assert_heard(&ear, 100, "1<goodbye\n>");
    ear_close(&ear);
    reel_close(reel);
}

static void who_needs_no_more_is_never_lapped(void **state) {
    (void)state;
    struct reel *reel = reel_of(300);
    struct ear finished, deaf;
    ear_open(&finished, SOCK_STREAM);
    ear_open(&deaf, SOCK_STREAM);
    reader_listen(&finished.reader, reel_head(reel));
    frame_append(reel, 100, 1);
    hear_all(&finished, reel, 4096);
    reader_finish(&finished.reader, reel_head(reel));
    reply(&finished, reel, "goodbye\n");
    reply(&deaf, reel, "hello\n");
    for (uint64_t i = 2; i <= 40; i++) frame_append(reel, 100, i);
    hear_all(&finished, reel, 4096);
    hear_all(&deaf, reel, 4096);
    assert_heard(&finished, 100, "1<goodbye\n>");
    assert_heard(&deaf, 100, "<hello\n>");
    ear_close(&finished);
    ear_close(&deaf);
    reel_close(reel);
}

static void lapped_exactly_when_the_next_byte_is_gone(void **state) {
    (void)state;
    struct reel *reel = reel_of(200); // two frames a segment, segments 3 and 4 readable when 5 is written
    struct ear ahead, at_edge, within;
    ear_open(&ahead, SOCK_STREAM);
    ear_open(&at_edge, SOCK_STREAM);
    ear_open(&within, SOCK_STREAM);
    frame_append(reel, 100, 1);
    reader_listen(&within.reader, reel_head(reel)); // frame 2 is still in segment 1
    frame_append(reel, 100, 2);
    reader_listen(&at_edge.reader, reel_head(reel)); // the end of segment 1
    frame_append(reel, 100, 3);
    reader_listen(&ahead.reader, reel_head(reel)); // in segment 2
    for (uint64_t i = 4; i <= 6; i++) frame_append(reel, 100, i);
    // Of segments 1 to 3 the stricter limit leaves 2 and 3.
    assert_int_equal(flush_within(&at_edge, reel, 1), READER_DONE);
    assert_int_equal(hear(&at_edge, 4096), 400);
    at_edge.reader.cursor = AT(1, 200); // as if it had slept
    for (uint64_t i = 7; i <= 8; i++) frame_append(reel, 100, i);
    assert_int_equal(flush_within(&ahead, reel, 1), READER_LAPPED); // the stricter limit
    assert_int_equal(flush(&within, reel), READER_LAPPED);
    assert_int_equal(unread(&within), 0);
    assert_int_equal(within.delivered, 0);
    at_edge.heard.len = 0;
    hear_all(&at_edge, reel, 4096); // stood at the edge: it missed nothing
    assert_heard(&at_edge, 100, "345678");
    hear_all(&ahead, reel, 4096);
    assert_heard(&ahead, 100, "45678");

    at_edge.reader.cursor = AT(1, 200);
    frame_append(reel, 100, 9); // opens segment 5: segment 2 is gone as well
    assert_int_equal(flush(&at_edge, reel), READER_LAPPED);
    ear_close(&ahead);
    ear_close(&at_edge);
    ear_close(&within);
    reel_close(reel);
}

static void a_closed_socket_is_gone(void **state) {
    (void)state;
    struct reel *reel = reel_of(300);
    struct ear ear;
    ear_open(&ear, SOCK_STREAM);
    reader_listen(&ear.reader, reel_head(reel));
    frame_append(reel, 100, 1);
    close(ear.far);
    assert_int_equal(flush(&ear, reel), READER_GONE); // and no SIGPIPE
    assert_int_equal(ear.delivered, 0);
    reply(&ear, reel, "hello?\n");
    assert_int_equal(flush(&ear, reel), READER_GONE);
    ear.far = dup(ear.fd);
    ear_close(&ear);
    reel_close(reel);
}

// --- anything, in any order ------------------------------------------------------------------------------

#define STEPS   6000
#define EARS    6
#define REPLIES 64

struct fellow { // an ear and what the model knows of it
    struct ear ear;
    size_t from, end;                // frames: heard from this one on, up to that one
    size_t replies, places[REPLIES]; // a reply goes out before the frame of this place
};

struct world {
    struct reel *reel;
    size_t segment_size, count, lens[STEPS];
    uint64_t serials[STEPS], serial, used;
    struct fellow fellows[EARS];
};

static void fellow_replace(struct fellow *fellow) {
    if (fellow->ear.fd > 0) ear_close(&fellow->ear);
    *fellow = (struct fellow){.from = SIZE_MAX, .end = SIZE_MAX};
    ear_open(&fellow->ear, SOCK_STREAM);
}

static void append_anything(struct world *world, struct dice *dice) {
    size_t len = dice_between(dice, REEL_MIN_FRAME, dice_below(dice, 5) ? 300 : world->segment_size);
    if (world->used + len > world->segment_size) world->serial++, world->used = 0;
    world->used += len;
    world->serials[world->count] = world->serial;
    world->lens[world->count++] = len;
    assert_int_equal(frame_append(world->reel, len, world->count), REEL_OK);
}

static void reply_anything(struct world *world, struct fellow *fellow) {
    char text[64];
    if (fellow->replies == REPLIES) return;
    bool joins = fellow->ear.reader.lane.len > 0;
    fellow->places[fellow->replies] = joins ? fellow->places[fellow->replies - 1] : world->count;
    snprintf(text, sizeof text, "reply %zu\n", fellow->replies++);
    reply(&fellow->ear, world->reel, text);
}

// All that the fellow is to hear, to the end of the world. Of the first `sent` bytes of it, *whole becomes
// the number of frames within, and *next the frame that is to be sent next (SIZE_MAX: none).
static void expect(struct world *world, struct fellow *fellow, struct buf *all, size_t sent, size_t *whole,
                   size_t *next) {
    size_t end = fellow->from == SIZE_MAX ? 0 : fellow->end < world->count ? fellow->end : world->count;
    size_t frame = fellow->from == SIZE_MAX ? 0 : fellow->from, said = 0;
    *whole = 0;
    *next = SIZE_MAX;
    for (;; frame++) {
        while (said < fellow->replies && (frame >= end || fellow->places[said] <= frame))
            buf_printf(all, "reply %zu\n", said++);
        if (frame >= end) return;
        add_frame(all, world->lens[frame], frame + 1);
        if (all->len <= sent)
            ++*whole;
        else if (*next == SIZE_MAX)
            *next = frame;
    }
}

static void check_flush(struct world *world, struct fellow *fellow, unsigned spare) {
    struct buf all = {0};
    size_t whole, next, sent = fellow->ear.heard.len + unread(&fellow->ear);
    expect(world, fellow, &all, sent, &whole, &next);
    assert_int_equal(fellow->ear.delivered, whole);
    assert_int_equal(reader_pending(&fellow->ear.reader, reel_head(world->reel)), sent < all.len);
    uint64_t least = world->serial + 2 + spare > SEGMENTS + 1 ? world->serial + 2 + spare - SEGMENTS : 1;
    if (least > world->serial) least = world->serial;

    enum reader_result result = flush_within(&fellow->ear, world->reel, spare);
    sent = fellow->ear.heard.len + unread(&fellow->ear);
    if (next != SIZE_MAX && world->serials[next] < least) {
        assert_int_equal(result, READER_LAPPED);
    } else {
        assert_int_equal(result, sent == all.len ? READER_DONE : READER_BLOCKED);
        buf_truncate(&all, 0);
        expect(world, fellow, &all, sent, &whole, &next);
        assert_int_equal(fellow->ear.delivered, whole);
    }
    assert_true(fellow->ear.heard.len <= all.len);
    if (fellow->ear.heard.len > 0)
        assert_memory_equal(fellow->ear.heard.data, all.data, fellow->ear.heard.len);
    if (result == READER_LAPPED) fellow_replace(fellow);
    buf_free(&all);
}

static void any_schedule_is_heard_as_the_model_says(void **state) {
    (void)state;
    struct dice dice;
    dice_seed(&dice, seed_of_this_run());
    for (int round = 0; round < 20; round++) {
        struct world *world = calloc(1, sizeof *world);
        world->segment_size = dice_between(&dice, 400, 6000);
        world->reel = reel_of(world->segment_size);
        world->serial = 1;
        for (size_t i = 0; i < EARS; i++) fellow_replace(&world->fellows[i]);
        for (int step = 0; step < STEPS; step++) {
            struct fellow *fellow = &world->fellows[dice_below(&dice, EARS)];
            struct reader *reader = &fellow->ear.reader;
            switch (dice_below(&dice, 40)) {
            case 0:
                if (fellow->from == SIZE_MAX) fellow->from = world->count;
                reader_listen(reader, reel_head(world->reel));
                break;
            case 1:
                if (dice_below(&dice, 4)) break;
                if (fellow->end == SIZE_MAX) fellow->end = world->count;
                reader_finish(reader, reel_head(world->reel));
                break;
            case 2:
                if (!dice_below(&dice, 4)) fellow_replace(fellow);
                break;
            case 3:
            case 4:
            case 5:
            case 6: reply_anything(world, fellow); break;
            case 7:
            case 8:
            case 9:
            case 10:
            case 11:
            case 12:
            case 13:
            case 14:
            case 15:
            case 16: append_anything(world, &dice); break;
            case 17:
            case 18:
            case 19:
            case 20:
            case 21:
            case 22:
            case 23:
            case 24: hear(&fellow->ear, dice_between(&dice, 1, 3000)); break;
            default:
                check_flush(world, fellow, dice_below(&dice, 4) ? 0 : (unsigned)dice_below(&dice, 3));
                break;
            }
        }
        for (size_t i = 0; i < EARS; i++) ear_close(&world->fellows[i].ear);
        reel_close(world->reel);
        free(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hears_what_comes_after_it_listens),
        cmocka_unit_test(a_run_of_frames_is_one_send),
        cmocka_unit_test(a_slow_ear_hears_all_the_same),
        cmocka_unit_test(a_reply_goes_out_where_it_was_given),
        cmocka_unit_test(a_reply_never_cuts_a_frame),
        cmocka_unit_test(a_long_lane_goes_out_in_pieces_and_whole),
        cmocka_unit_test(who_does_not_listen_is_only_answered),
        cmocka_unit_test(after_finish_only_the_lane_is_heard),
        cmocka_unit_test(who_needs_no_more_is_never_lapped),
        cmocka_unit_test(lapped_exactly_when_the_next_byte_is_gone),
        cmocka_unit_test(a_closed_socket_is_gone),
        cmocka_unit_test(any_schedule_is_heard_as_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

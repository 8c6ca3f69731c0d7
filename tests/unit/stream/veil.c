// Readers behind a veil of TLS: they hear what others hear, in the same order, and are lapped like others.
#include "../net/tls_world.h"

#include "frames.h"
#include "net/tls_private.h"
#include "stream/veil.h"

#include <sys/socket.h>

#define SEGMENTS 4u
#define PIECE    4096u

struct world {
    struct folder folder;
    struct credential server;
    struct tls_context *serving, *asking;
    struct veil_scratch scratch;
};

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof *world);
    char path[PATH_ROOM];
    struct err err;
    assert_non_null(world);
    folder_make(&world->folder);
    credential_make(&world->server, (struct wanted){.names = "DNS:localhost", .from = -DAY, .until = DAY});
    world->serving = server_of(&world->folder, &world->server);
    world->asking = tls_context_client(
        &(struct tls_authorities){.file = folder_file(&world->folder, "chain.pem", path)}, &err);
    assert_non_null(world->asking);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    veil_scratch_free(&world->scratch);
    tls_context_close(world->asking);
    tls_context_close(world->serving);
    credential_free(&world->server);
    folder_remove(&world->folder);
    free(world);
    return 0;
}

// --- an ear
// -------------------------------------------------------------------------------------------------

// A reader with its veil, the socket it writes to, and a client who listens at the other end.
struct ear {
    struct world *world;
    struct veil *veil;
    struct reader reader;
    struct side client;
    int fd, far;
    uint64_t delivered;
};

static void ear_open(struct ear *ear, struct world *world) {
    int fds[2];
    struct tls_wish wish = {.host = "localhost", .protocol = "herald"};
    *ear = (struct ear){.world = world};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    const int least = 1; // the system makes it the least there is
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
    ear->fd = fds[0];
    ear->far = fds[1];
    reader_init(&ear->reader);
    ear->veil = veil_open(world->serving, &ear->client.err);
    assert_non_null(ear->veil);
    ear->client.tls = tls_connect(world->asking, &wish, &ear->client.wire, &ear->client.err);
    assert_non_null(ear->client.tls);
}

static void ear_close(struct ear *ear) {
    reader_fini(&ear->reader);
    veil_close(ear->veil);
    tls_close(ear->client.tls);
    buf_free(&ear->client.wire);
    buf_free(&ear->client.heard);
    close(ear->fd);
    close(ear->far);
}

static enum reader_result flush_as(struct ear *ear, struct reel *reel, bool last) {
    reel_pos tail = reel_enter(reel, 0, 0);
    enum reader_result result = veil_flush(ear->veil, &ear->world->scratch, &ear->reader, reel, ear->fd,
                                           reel_head(reel), tail, last, &ear->delivered);
    reel_leave(reel, 0);
    return result;
}

static enum reader_result flush(struct ear *ear, struct reel *reel) {
    return flush_as(ear, reel, false);
}

// Takes at most `most` bytes of what has arrived.
static size_t hear(struct ear *ear, size_t most) {
    char *piece = malloc(most);
    assert_non_null(piece);
    ssize_t len = recv(ear->far, piece, most, MSG_DONTWAIT);
    if (len > 0) {
        struct side *client = &ear->client;
        assert_int_equal(tls_receive(client->tls, (struct str){piece, (size_t)len}, &client->heard,
                                     &client->wire, &client->err),
                         0);
    }
    free(piece);
    return len > 0 ? (size_t)len : 0;
}

// What the client has to say, to the veil; what that says is put into `said`.
static int tell(struct ear *ear, struct buf *said) {
    struct buf *wire = &ear->client.wire;
    struct str plain;
    int rc =
        veil_receive(ear->veil, &ear->world->scratch, buf_str(wire), wire->len, &plain, &ear->client.err);
    buf_truncate(wire, 0);
    if (rc == 0 && said != NULL) assert_int_equal(buf_append_str(said, plain), 0);
    return rc;
}

static void greet(struct ear *ear, struct reel *reel) {
    while (!tls_ready(ear->client.tls)) {
        assert_int_equal(tell(ear, NULL), 0);
        assert_true(veil_holds(ear->veil));
        while (flush(ear, reel) == READER_BLOCKED) hear(ear, PIECE);
        while (hear(ear, PIECE) > 0) {
        }
    }
    assert_int_equal(tell(ear, NULL), 0);
}

static void hear_all(struct ear *ear, struct reel *reel, size_t at_once, bool last) {
    enum reader_result result;
    do {
        result = flush_as(ear, reel, last);
        assert_true(result == READER_DONE || result == READER_BLOCKED);
        while (hear(ear, at_once) > 0) {
        }
    } while (result == READER_BLOCKED);
    assert_false(reader_pending(&ear->reader, reel_head(reel)));
    assert_false(veil_holds(ear->veil));
}

static void reply(struct ear *ear, struct reel *reel, const char *text) {
    assert_int_equal(buf_append_text(reader_lane(&ear->reader, reel_head(reel)), text), 0);
}

static void add_frame(struct buf *to, size_t len, uint64_t number) {
    assert_int_equal(buf_reserve(to, len), 0);
    frame_fill(to->data + to->len, len, number);
    to->len += len;
}

static struct reel *reel_of(size_t segment_size) {
    struct err err;
    struct reel *reel = reel_open(SEGMENTS, segment_size, 1, &err);
    assert_non_null(reel);
    return reel;
}

// --- stories
// ------------------------------------------------------------------------------------------------

static void frames_and_replies_are_heard_in_their_order(void **state) {
    struct reel *reel = reel_of(300);
    struct ear ear;
    struct buf expected = {0};
    ear_open(&ear, *state);
    greet(&ear, reel);
    reader_listen(&ear.reader, reel_head(reel));
    for (uint64_t i = 1; i <= 4; i++) frame_append(reel, 100, i); // over the end of a segment
    reply(&ear, reel, "yes\n");
    frame_append(reel, 100, 5);
    hear_all(&ear, reel, PIECE, false);
    for (uint64_t i = 1; i <= 4; i++) add_frame(&expected, 100, i);
    buf_append_text(&expected, "yes\n");
    add_frame(&expected, 100, 5);
    assert_true(str_equal(buf_str(&ear.client.heard), buf_str(&expected)));
    assert_int_equal(ear.delivered, 5);
    buf_free(&expected);
    ear_close(&ear);
    reel_close(reel);
}

static void what_a_client_says_is_taken_out_of_the_veil(void **state) {
    struct reel *reel = reel_of(300);
    struct ear ear;
    struct buf said = {0};
    ear_open(&ear, *state);
    greet(&ear, reel);
    say(&ear.client, STR("{\"command\":\"LOGIN\"}\n"));
    assert_int_equal(tell(&ear, &said), 0);
    assert_true(str_equal_text(buf_str(&said), "{\"command\":\"LOGIN\"}\n"));
    assert_false(veil_ended(ear.veil));
    assert_int_equal(tls_finish(ear.client.tls, &ear.client.wire, NULL), 0);
    assert_int_equal(tell(&ear, &said), 0);
    assert_true(veil_ended(ear.veil));
    buf_free(&said);
    ear_close(&ear);
    reel_close(reel);
}

static void a_slow_ear_hears_all_the_same(void **state) {
    enum { FRAME = 30000, FRAMES = 12 };
    struct reel *reel = reel_of((size_t)4 * FRAME);
    struct ear ear;
    struct buf expected = {0};
    size_t blocked = 0;
    ear_open(&ear, *state);
    greet(&ear, reel);
    reader_listen(&ear.reader, reel_head(reel));
    for (uint64_t i = 1; i <= FRAMES; i++) {
        frame_append(reel, FRAME, i);
        add_frame(&expected, FRAME, i);
    }
    while (flush(&ear, reel) == READER_BLOCKED) {
        // What is sealed and not sent is a batch at most: the rest stays with the reel.
        size_t sealed = (size_t)ear.reader.cursor % ((size_t)1 << 32) + (ear.reader.cursor >> 32) * 4 * FRAME;
        assert_true(sealed <= ear.client.heard.len + VEIL_BATCH + 300000); // and the system's buffers
        hear(&ear, 700);
        blocked++;
    }
    while (hear(&ear, 700) > 0) {
    }
    assert_true(blocked > FRAMES);
    assert_true(str_equal(buf_str(&ear.client.heard), buf_str(&expected)));
    assert_int_equal(ear.delivered, FRAMES);
    buf_free(&expected);
    ear_close(&ear);
    reel_close(reel);
}

static void an_ear_that_is_too_slow_is_lapped(void **state) {
    enum { FRAME = 30000 };
    struct reel *reel = reel_of((size_t)4 * FRAME);
    struct ear ear;
    ear_open(&ear, *state);
    greet(&ear, reel);
    reader_listen(&ear.reader, reel_head(reel));
    enum reader_result result = READER_DONE;
    for (uint64_t i = 1; i <= 100 && result != READER_LAPPED; i++) {
        if (frame_append(reel, FRAME, i) == REEL_OK) result = flush(&ear, reel);
        // A socket that takes nothing keeps it from looking at the reel: the shard asks for it.
        if (reader_lapped(&ear.reader, reel, reel_enter(reel, 0, 0))) result = READER_LAPPED;
        reel_leave(reel, 0);
    }
    assert_int_equal(result, READER_LAPPED);
    assert_int_equal(flush(&ear, reel), READER_LAPPED);
    ear_close(&ear);
    reel_close(reel);
}

static void a_goodbye_follows_the_last_word(void **state) {
    struct reel *reel = reel_of(300);
    struct ear ear;
    ear_open(&ear, *state);
    greet(&ear, reel);
    reader_listen(&ear.reader, reel_head(reel));
    frame_append(reel, 100, 1);
    hear_all(&ear, reel, PIECE, true); // more may follow: it is not finished
    assert_false(tls_ended(ear.client.tls));
    reply(&ear, reel, "farewell\n");
    reader_finish(&ear.reader, reel_head(reel));
    hear_all(&ear, reel, 3, true);
    assert_true(tls_ended(ear.client.tls));
    struct str heard = buf_str(&ear.client.heard);
    assert_int_equal(heard.len, 109);
    assert_memory_equal(heard.ptr + 100, "farewell\n", 9);
    assert_int_equal(flush_as(&ear, reel, true), READER_DONE);
    assert_int_equal(recv(ear.far, &ear, 1, MSG_DONTWAIT), -1); // it is said once
    ear_close(&ear);
    reel_close(reel);
}

static void who_is_not_understood_is_told_and_hears_nothing(void **state) {
    struct reel *reel = reel_of(300);
    struct ear ear;
    char alert[64];
    ear_open(&ear, *state);
    reply(&ear, reel, "secret\n");
    assert_int_equal(flush(&ear, reel), READER_DONE); // not greeted yet: it waits
    buf_truncate(&ear.client.wire, 0);
    buf_append(&ear.client.wire, "\x16\x03\x01\x00\x05hello", 10);
    assert_int_equal(tell(&ear, NULL), -1);
    reader_mute(&ear.reader);
    assert_int_equal(flush_as(&ear, reel, true), READER_DONE);
    assert_int_equal(recv(ear.far, alert, sizeof alert, MSG_DONTWAIT), 7);
    assert_int_equal(alert[0], 21);
    assert_false(reader_pending(&ear.reader, ear.reader.end));
    ear_close(&ear);
    reel_close(reel);
}

// Each change of keys is answered at once. Who asks for it again and again, and does not read, is refused.
static void answers_that_are_not_read_end_it(void **state) {
    struct reel *reel = reel_of(300);
    struct ear ear;
    ear_open(&ear, *state);
    greet(&ear, reel);
    int rounds = 0, rc = 0;
    for (; rc == 0 && rounds < 100000; rounds++) {
        assert_int_equal(SSL_key_update(ear.client.tls->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        say(&ear.client, STR("x"));
        rc = tell(&ear, NULL);
    }
    assert_int_equal(rc, -1);
    assert_string_equal(ear.client.err.text, "TLS: it asks for more answers than it reads");
    assert_in_range(rounds, 1000, 10000);
    ear_close(&ear);
    reel_close(reel);
}

static void whatever_is_said_when_is_heard_in_order(void **state) {
    struct dice dice;
    dice_seed(&dice, seed_of_this_run());
    for (int round = 0; round < 10; round++) {
        struct reel *reel = reel_of(50000);
        struct ear ear;
        struct buf expected = {0};
        uint64_t number = 0;
        ear_open(&ear, *state);
        greet(&ear, reel);
        reader_listen(&ear.reader, reel_head(reel));
        for (int i = 0; i < 400; i++) {
            uint64_t what = dice_below(&dice, 8);
            size_t len = dice_between(&dice, REEL_MIN_FRAME, dice_below(&dice, 8) == 0 ? 20000 : 500);
            if (what < 3 && reader_pending(&ear.reader, reel_head(reel)) && expected.len > 60000)
                what = 7; // never lapped
            if (what < 3 && frame_append(reel, len, number + 1) == REEL_OK)
                add_frame(&expected, len, ++number);
            if (what == 3 && ear.reader.lane.len > 0)
                what = 4; // it would join what waits, before later frames
            if (what == 3) reply(&ear, reel, "yes\n");
            if (what == 3) buf_append_text(&expected, "yes\n");
            if (what == 4 || what == 5) flush(&ear, reel);
            if (what == 6) hear(&ear, dice_between(&dice, 1, 9000));
            if (what == 7) hear_all(&ear, reel, dice_between(&dice, 1, 9000), false);
        }
        hear_all(&ear, reel, PIECE, false);
        assert_true(str_equal(buf_str(&ear.client.heard), buf_str(&expected)));
        assert_int_equal(ear.delivered, number);
        buf_free(&expected);
        ear_close(&ear);
        reel_close(reel);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_and_replies_are_heard_in_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_client_says_is_taken_out_of_the_veil, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_ear_hears_all_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_ear_that_is_too_slow_is_lapped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_goodbye_follows_the_last_word, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_not_understood_is_told_and_hears_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_that_are_not_read_end_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whatever_is_said_when_is_heard_in_order, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("stream veil", tests, NULL, NULL);
}

// TLS between two sides in memory: however the bytes arrive, both hear what was said, or know that they did
// not.
#include "tls_world.h"

#include "base/clock.h"
#include "base/dice.h"

#include <openssl/ssl.h>
#include <pthread.h>

struct world {
    struct folder folder;
    struct credential authority, server;
    struct tls_context *serving, *asking;
};

static const struct tls_wish WISH = {.host = "herald.example"};

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof *world);
    char path[PATH_ROOM];
    struct err err;
    assert_non_null(world);
    folder_make(&world->folder);
    credential_make(&world->authority, (struct wanted){.from = -DAY, .until = DAY});
    credential_make(
        &world->server,
        (struct wanted){.names = "DNS:herald.example", .from = -DAY, .until = DAY, .by = &world->authority});
    write_certificate(folder_file(&world->folder, "authority.pem", path), &world->authority);
    world->serving = server_of(&world->folder, &world->server);
    world->asking = tls_context_client(&(struct tls_authorities){.file = path}, &err);
    assert_non_null(world->asking);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    tls_context_close(world->asking);
    tls_context_close(world->serving);
    credential_free(&world->server);
    credential_free(&world->authority);
    folder_remove(&world->folder);
    free(world);
    return 0;
}

static void open_world(struct pair *pair, const struct world *world) {
    pair_open(pair, world->asking, world->serving, &WISH);
}

static void open_greeted(struct pair *pair, const struct world *world) {
    open_world(pair, world);
    settle(pair);
    assert_true(greeted(pair));
}

// --- telling it from a line
// ---------------------------------------------------------------------------------

static void a_client_hello_is_told_from_a_line_by_its_first_byte(void **state) {
    struct pair pair;
    open_world(&pair, *state);
    const struct buf *hello = &pair.client.wire;
    for (size_t len = 1; len <= hello->len; len++) assert_true(tls_is_hello(hello->data, len));
    assert_false(tls_is_hello("", 0));
    for (int byte = 0; byte < 256; byte++) {
        unsigned char first = (unsigned char)byte;
        assert_int_equal(tls_is_hello(&first, 1), byte == 0x16);
    }
    assert_false(tls_is_hello("{\"command\":\"LOGIN\"}\n", 20));
    assert_false(tls_is_hello("GET / HTTP/1.1\r\n", 16));
    assert_false(tls_is_hello("\x16\x02", 2));
    assert_false(tls_is_hello("\x15\x03\x03\x00\x02\x02\x28", 7)); // an alert
    pair_close(&pair);
}

// --- pieces
// -------------------------------------------------------------------------------------------------

// Two flights to the server, one to the client, then words both ways; cut once at `at` of what one side gets.
static void one_cut(const struct world *world, size_t at, bool to_server, size_t *total) {
    struct pair pair;
    open_world(&pair, world);
    struct side *from = to_server ? &pair.client : &pair.server;
    size_t passed = 0;
    bool said = false;
    for (;;) {
        struct side *speaker = pair.client.wire.len > 0 ? &pair.client : &pair.server;
        struct side *listener = speaker == &pair.client ? &pair.server : &pair.client;
        if (speaker->wire.len == 0 && said) break;
        if (speaker->wire.len == 0) {
            assert_true(greeted(&pair));
            say(&pair.client, STR("hear ye"));
            say(&pair.server, STR("oyez"));
            said = true;
            continue;
        }
        size_t len = speaker->wire.len;
        if (speaker == from && at > passed && at < passed + len) {
            len = at - passed;
            carry(speaker, listener, len);
            passed += len;
            len = speaker->wire.len;
        }
        if (speaker == from) passed += len;
        carry(speaker, listener, len);
    }
    assert_true(heard(&pair.server, "hear ye"));
    assert_true(heard(&pair.client, "oyez"));
    *total = passed;
    pair_close(&pair);
}

static void both_are_understood_wherever_the_bytes_are_cut(void **state) {
    for (int to_server = 0; to_server < 2; to_server++) {
        size_t total = 2;
        for (size_t at = 1; at < total; at++) one_cut(*state, at, to_server != 0, &total);
        assert_true(total > 200);
    }
}

static void both_are_understood_byte_by_byte(void **state) {
    struct pair pair;
    open_world(&pair, *state);
    for (int round = 0; round < 2; round++) {
        while (pair.client.wire.len > 0 || pair.server.wire.len > 0) {
            if (pair.client.wire.len > 0) carry(&pair.client, &pair.server, 1);
            if (pair.server.wire.len > 0) carry(&pair.server, &pair.client, 1);
        }
        assert_true(greeted(&pair));
        if (round == 0) say(&pair.client, STR("hear ye"));
    }
    assert_true(heard(&pair.server, "hear ye"));
    pair_close(&pair);
}

// Says random words both ways while the wires carry random pieces.
static void talk_at_random(struct pair *pair, struct dice *dice, size_t bytes) {
    struct side *sides[] = {&pair->client, &pair->server};
    struct buf said[2] = {{0}, {0}};
    char *words = malloc(100000);
    assert_non_null(words);
    while (said[0].len < bytes || said[1].len < bytes || pair->client.wire.len + pair->server.wire.len > 0) {
        size_t who = dice_below(dice, 2);
        struct side *side = sides[who];
        if (tls_ready(side->tls) && said[who].len < bytes && dice_below(dice, 3) == 0) {
            size_t len = dice_below(dice, 10) == 0 ? dice_below(dice, 100000) : dice_below(dice, 500);
            for (size_t i = 0; i < len; i++) words[i] = (char)dice_roll(dice);
            say(side, (struct str){words, len});
            assert_int_equal(buf_append(&said[who], words, len), 0);
        }
        if (side->wire.len > 0) {
            size_t most = dice_below(dice, 2) == 0 ? 40 : side->wire.len;
            carry(side, sides[1 - who], dice_between(dice, 1, most < side->wire.len ? most : side->wire.len));
        }
        assert_false(pair->client.failed || pair->server.failed);
    }
    for (size_t who = 0; who < 2; who++) {
        assert_true(str_equal(buf_str(&sides[1 - who]->heard), buf_str(&said[who])));
        buf_free(&said[who]);
    }
    free(words);
}

static void all_that_is_said_arrives_in_order_in_random_pieces(void **state) {
    const char *given = getenv("HERALD_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_ms();
    print_message("HERALD_SEED=%llu\n", (unsigned long long)seed);
    struct dice dice;
    dice_seed(&dice, seed);
    for (int round = 0; round < 20; round++) {
        struct pair pair;
        open_world(&pair, *state);
        talk_at_random(&pair, &dice, 200000);
        pair_close(&pair);
    }
}

// --- records
// ------------------------------------------------------------------------------------------------

static void many_frames_go_in_one_call_in_full_records(void **state) {
    struct pair pair;
    open_greeted(&pair, *state);
    size_t len = 40 * TLS_RECORD_MAX;
    char *frames = malloc(len);
    assert_non_null(frames);
    for (size_t i = 0; i < len; i++) frames[i] = (char)(i * 7);
    say(&pair.server, (struct str){frames, len});
    assert_int_equal(pair.server.wire.len, len + (size_t)40 * TLS_OVERHEAD);
    settle(&pair);
    assert_true(str_equal(buf_str(&pair.client.heard), (struct str){frames, len}));
    free(frames);
    pair_close(&pair);
}

static void nothing_said_is_nothing_sent(void **state) {
    struct pair pair;
    open_greeted(&pair, *state);
    say(&pair.server, (struct str){0});
    assert_int_equal(pair.server.wire.len, 0);
    pair_close(&pair);
}

// --- ends
// ---------------------------------------------------------------------------------------------------

static void a_goodbye_is_told_from_a_truncation(void **state) {
    struct pair pair;
    open_greeted(&pair, *state);
    say(&pair.client, STR("hear ye"));
    settle(&pair);
    assert_false(tls_ended(pair.server.tls)); // were the wire cut now, it would be a truncation
    assert_int_equal(tls_finish(pair.client.tls, &pair.client.wire, &pair.client.err), 0);
    settle(&pair);
    assert_true(tls_ended(pair.server.tls));
    assert_true(heard(&pair.server, "hear ye"));
    say(&pair.server, STR("farewell")); // the other direction is still open
    settle(&pair);
    assert_true(heard(&pair.client, "farewell"));
    assert_int_equal(tls_finish(pair.server.tls, &pair.server.wire, &pair.server.err), 0);
    settle(&pair);
    assert_true(tls_ended(pair.client.tls));
    pair_close(&pair);
}

static void a_goodbye_cut_short_is_none(void **state) {
    struct pair pair;
    open_greeted(&pair, *state);
    assert_int_equal(tls_finish(pair.client.tls, &pair.client.wire, &pair.client.err), 0);
    carry(&pair.client, &pair.server, pair.client.wire.len - 1);
    assert_false(tls_ended(pair.server.tls));
    pair_close(&pair);
}

static void a_goodbye_before_the_greeting_says_nothing(void **state) {
    struct pair pair;
    open_world(&pair, *state);
    assert_int_equal(tls_finish(pair.server.tls, &pair.server.wire, &pair.server.err), 0);
    assert_int_equal(pair.server.wire.len, 0);
    pair_close(&pair);
}

// --- what is wrong
// ------------------------------------------------------------------------------------------

static bool is_alert(const struct buf *wire, int description) {
    return wire->len >= 7 && wire->data[0] == 21 && wire->data[wire->len - 1] == description;
}

static void a_client_of_an_older_version_is_told_so(void **state) {
    const struct world *world = *state;
    struct pair pair;
    open_world(&pair, world);
    SSL_CTX *older = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(older, TLS1_2_VERSION);
    SSL *ssl = SSL_new(older);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    char hello[4096];
    SSL_set_bio(ssl, in, out);
    assert_int_equal(SSL_connect(ssl), -1);
    int len = BIO_read(out, hello, sizeof hello);
    assert_true(len > 0 && tls_is_hello(hello, (size_t)len));
    struct side *server = &pair.server;
    assert_int_equal(tls_receive(server->tls, (struct str){hello, (size_t)len}, &server->heard, &server->wire,
                                 &server->err),
                     -1);
    assert_string_equal(server->err.text, "TLS: the other side does not speak version 1.3");
    assert_true(is_alert(&server->wire, SSL_AD_PROTOCOL_VERSION));
    SSL_free(ssl);
    SSL_CTX_free(older);
    pair_close(&pair);
}

static int greet_with(struct pair *pair, const void *bytes, size_t len) {
    struct side *server = &pair->server;
    return tls_receive(server->tls, (struct str){bytes, len}, &server->heard, &server->wire, &server->err);
}

static void a_hello_that_claims_to_be_huge_is_refused_before_memory_is_taken(void **state) {
    struct pair pair;
    open_world(&pair, *state);
    // 128 KiB of ClientHello, of which nine bytes come.
    assert_int_equal(greet_with(&pair, "\x16\x03\x01\x40\x00\x01\x02\x00\x00", 9), -1);
    assert_string_equal(pair.server.err.text, "TLS: the ClientHello is too long");
    assert_true(is_alert(&pair.server.wire, SSL_AD_DECODE_ERROR));
    assert_int_equal(greet_with(&pair, "x", 1), -1); // broken for good
    pair_close(&pair);
}

static void a_record_that_is_no_hello_is_refused(void **state) {
    struct pair pair;
    open_world(&pair, *state);
    assert_int_equal(greet_with(&pair, "\x16\x03\x01\x00\x05", 5), 0);
    assert_int_equal(greet_with(&pair, "\x02", 1), -1); // a ServerHello
    assert_string_equal(pair.server.err.text, "TLS: not a ClientHello");
    assert_true(is_alert(&pair.server.wire, SSL_AD_UNEXPECTED_MESSAGE));
    pair_close(&pair);
}

static void a_hello_in_crumbs_is_refused(void **state) {
    struct pair pair;
    open_world(&pair, *state);
    assert_int_equal(greet_with(&pair, "\x16\x03\x01\x00\x02\x01\x00", 7), 0);
    assert_int_equal(greet_with(&pair, "\x16\x03", 2), -1);
    assert_string_equal(pair.server.err.text, "TLS: the ClientHello comes in crumbs");
    pair_close(&pair);
}

// The byte at `at` of what the client says is another: nothing wrong may be heard, nothing may fall. One that
// makes a record longer is waited for; nearly all others are noticed.
static void a_spoilt_byte_is_never_heard(void **state) {
    size_t total = 1, noticed = 0, tried = 0;
    for (size_t at = 0; at < total; at += at < 200 ? 1 : 17) {
        struct pair pair;
        open_world(&pair, *state);
        size_t passed = 0;
        bool said = false;
        while (pair.client.wire.len + pair.server.wire.len > 0) {
            struct buf *wire = &pair.client.wire;
            if (at >= passed && at < passed + wire->len) wire->data[at - passed] ^= 0x20;
            passed += wire->len;
            carry(&pair.client, &pair.server, wire->len);
            carry(&pair.server, &pair.client, pair.server.wire.len);
            if (greeted(&pair) && !pair.client.failed && !pair.server.failed && !said) {
                say(&pair.client, STR("hear ye"));
                said = true;
            }
        }
        total = passed > total ? passed : total;
        tried++;
        noticed += pair.server.failed || pair.client.failed;
        assert_true(pair.server.heard.len == 0 || heard(&pair.server, "hear ye"));
        pair_close(&pair);
    }
    assert_true(noticed * 10 > tried * 8);
}

static void a_server_that_does_not_speak_it_is_noticed(void **state) {
    struct pair pair;
    open_world(&pair, *state);
    struct side *client = &pair.client;
    struct str line = STR("{\"command\":\"INVALID_MESSAGE\",\"info\":\"not JSON\"}\n");
    assert_int_equal(tls_receive(client->tls, line, &client->heard, &client->wire, &client->err), -1);
    assert_string_equal(client->err.text, "TLS: the other side does not speak it");
    pair_close(&pair);
}

// --- protocols
// ----------------------------------------------------------------------------------------------

static void a_protocol_must_fit_when_one_is_named(void **state) {
    const struct world *world = *state;
    const struct {
        const char *served, *asked;
        bool fits;
    } cases[] = {{"herald", "herald", true},
                 {"herald", NULL, true},
                 {NULL, "herald", true},
                 {"herald", "http/1.1", false},
                 {"herald", "heral", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair pair;
        struct tls_wish wish = {.host = "herald.example", .protocol = cases[i].asked};
        pair_open(&pair, world->asking, world->serving, &wish);
        tls_close(pair.server.tls);
        pair.server.tls = tls_accept(world->serving, cases[i].served, &pair.server.err);
        settle(&pair);
        assert_int_equal(greeted(&pair), cases[i].fits);
        if (!cases[i].fits)
            assert_string_equal(pair.client.err.text, "TLS: the other side refused: no application protocol");
        pair_close(&pair);
    }
}

// --- changing the certificate
// -------------------------------------------------------------------------------

static bool remember(void *context, const struct tls_peer *peer) {
    memcpy(context, peer->fingerprint, TLS_FINGERPRINT_SIZE);
    return true;
}

static void those_there_keep_theirs_when_the_certificate_changes(void **state) {
    const struct world *world = *state;
    struct pair before, under_way, after;
    struct credential next;
    char first[TLS_FINGERPRINT_SIZE] = "", second[TLS_FINGERPRINT_SIZE] = "",
         third[TLS_FINGERPRINT_SIZE] = "";
    struct tls_wish wish = WISH;
    wish.accept = remember;
    wish.context = first;
    pair_open(&before, world->asking, world->serving, &wish);
    settle(&before);
    wish.context = second;
    pair_open(&under_way, world->asking, world->serving, &wish); // not greeted yet
    credential_make(
        &next,
        (struct wanted){.names = "DNS:herald.example", .from = -DAY, .until = DAY, .by = &world->authority});
    struct tls_certificate *renewed = certificate_of(&world->folder, &next);
    assert_int_equal(tls_context_renew(world->serving, renewed, NULL), 0);
    wish.context = third;
    pair_open(&after, world->asking, world->serving, &wish);
    settle(&after);
    settle(&under_way);
    assert_true(greeted(&after) && greeted(&under_way));
    assert_string_equal(first, second);
    assert_string_equal(third, tls_certificate_fingerprint(renewed));
    assert_string_not_equal(first, third);
    say(&before.server, STR("still here"));
    settle(&before);
    assert_true(heard(&before.client, "still here"));
    tls_certificate_close(renewed);
    credential_free(&next);
    pair_close(&before);
    pair_close(&under_way);
    pair_close(&after);
}

struct visitor {
    const struct world *world;
    unsigned greeted;
};

static void *visit(void *context) {
    struct visitor *visitor = context;
    for (int i = 0; i < 30; i++) {
        struct pair pair;
        open_world(&pair, visitor->world);
        settle(&pair);
        visitor->greeted += greeted(&pair);
        pair_close(&pair);
    }
    return NULL;
}

static void threads_greet_while_the_certificate_changes(void **state) {
    const struct world *world = *state;
    struct visitor visitors[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        visitors[i] = (struct visitor){.world = world};
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &visitors[i]), 0);
    }
    struct tls_certificate *again = certificate_of(&world->folder, &world->server);
    for (int i = 0; i < 30; i++) assert_int_equal(tls_context_renew(world->serving, again, NULL), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(visitors[i].greeted, 30);
    }
    tls_certificate_close(again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_hello_is_told_from_a_line_by_its_first_byte, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(both_are_understood_wherever_the_bytes_are_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_are_understood_byte_by_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_that_is_said_arrives_in_order_in_random_pieces, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_frames_go_in_one_call_in_full_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_said_is_nothing_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_goodbye_is_told_from_a_truncation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_goodbye_cut_short_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_goodbye_before_the_greeting_says_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_of_an_older_version_is_told_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hello_that_claims_to_be_huge_is_refused_before_memory_is_taken,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_is_no_hello_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hello_in_crumbs_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_spoilt_byte_is_never_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_server_that_does_not_speak_it_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_protocol_must_fit_when_one_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_there_keep_theirs_when_the_certificate_changes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(threads_greet_while_the_certificate_changes, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("net tls", tests, NULL, NULL);
}

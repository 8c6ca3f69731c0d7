// What the other side of a connection may send to our side of TLS: bytes from the first one on, or anything
// at all once both have greeted. Checked: however a stream is cut, it is understood or refused alike; nothing
// is heard that was not said, nothing twice or in another order; after a fault nothing is heard any more, and
// the last word is an alert; what is held and answered is bounded.
//
// Input: a byte of options (OPTION_*), a byte that seeds the cuts, then with OPTION_GREETED moves, below,
// else the stream itself.
#include "base/dice.h"
#include "net/tls_private.h"
#include "world.h"

#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPTION_GREETED  1u // an honest client has greeted before
#define OPTION_PROTOCOL 2u // we want a protocol to be named (ALPN)

enum move {       // a byte; those of a length are followed by it
    MOVE_SAY,     // the client says so many bytes
    MOVE_CARRY,   // so many bytes of what it sent arrive
    MOVE_INSERT,  // so many bytes, which follow, arrive instead
    MOVE_SPOIL,   // the last byte on its way is another
    MOVE_LOSE,    // so many bytes are lost
    MOVE_REKEY,   // the client changes its keys
    MOVE_ASK,     // and wants us to change ours
    MOVE_GOODBYE, // it says that no more comes
    MOVE_ANSWER,  // we say so many bytes
    MOVE_FINISH,  // we say that no more comes
    MOVES
};

static struct tls_context *serving, *asking;

struct world {
    struct tls *server, *client;
    struct buf way;          // from the client to us
    struct buf back;         // from us to the client
    struct buf said, heard;  // by the client; by us
    struct buf told, answer; // by us; by the client
    bool broken, tampered, left, finished;
};

// --- our side ---------------------------------------------------------------------------------------------

// A stream's piece in a block of its own, so that reading beyond it is seen.
static void arrive(struct world *world, struct str piece) {
    char *copy = copy_of(piece);
    size_t heard = world->heard.len, answered = world->back.len;
    bool ended = tls_ended(world->server);
    struct err err = {0};
    int rc = tls_receive(world->server, (struct str){copy, piece.len}, &world->heard, &world->back, &err);
    check(world->heard.len - heard <= piece.len + TLS_RECORD_MAX);
    // A greeting is a few records; else an answer is an alert, or one to each change of keys.
    check(world->back.len - answered <= 16u * 1024 + piece.len * 2);
    if (world->broken || ended) check(world->heard.len == heard);
    if (world->broken) check(rc != 0 && world->back.len == answered);
    if (rc != 0) {
        check(err.text[0] != '\0' && err.code != ERR_MEMORY && !tls_ready(world->server));
        world->broken = true;
    }
    free(copy);
}

// --- a stream from its first byte -------------------------------------------------------------------------

static void stream(struct str bytes, const char *protocol, uint8_t seed, struct world *world) {
    struct dice dice;
    dice_seed(&dice, seed);
    *world = (struct world){.server = tls_accept(serving, protocol, NULL)};
    check(world->server != NULL);
    for (size_t at = 0, len; at < bytes.len; at += len) {
        len = seed == 0 ? bytes.len : dice_between(&dice, 1, bytes.len - at < 200 ? bytes.len - at : 200);
        arrive(world, (struct str){bytes.ptr + at, len});
    }
    // Nobody finishes a greeting without our keys.
    check(!tls_ready(world->server) && !tls_ended(world->server) && world->heard.len == 0);
}

static void world_free(struct world *world) {
    tls_close(world->server);
    tls_close(world->client);
    buf_free(&world->way);
    buf_free(&world->back);
    buf_free(&world->said);
    buf_free(&world->heard);
    buf_free(&world->told);
    buf_free(&world->answer);
}

static void from_the_first_byte(struct str bytes, const char *protocol, uint8_t seed) {
    struct world whole, pieces;
    if (bytes.len > 1) check(tls_is_hello(bytes.ptr, 1) || !tls_is_hello(bytes.ptr, bytes.len));
    stream(bytes, protocol, 0, &whole);
    stream(bytes, protocol, seed | 1, &pieces);
    check(whole.broken == pieces.broken);
    if (bytes.len > 0 && !tls_is_hello(bytes.ptr, bytes.len)) check(whole.broken);
    // A refusal is one alert, in the clear.
    if (whole.broken && whole.back.len > 0 && whole.back.len < 100)
        check(whole.back.data[0] == 21 && whole.back.len == 7);
    world_free(&whole);
    world_free(&pieces);
}

// --- after the greeting -----------------------------------------------------------------------------------

static void client_takes(struct world *world) {
    (void)tls_receive(world->client, buf_str(&world->back), &world->answer, &world->way, NULL);
    buf_truncate(&world->back, 0);
}

static void carry(struct world *world, size_t len) {
    if (len > world->way.len) len = world->way.len;
    arrive(world, (struct str){world->way.data, len});
    buf_consume(&world->way, len);
}

static void greet(struct world *world, const char *protocol) {
    const struct tls_wish wish = {.host = "herald.example", .protocol = protocol};
    *world = (struct world){.server = tls_accept(serving, protocol, NULL)};
    world->client = tls_connect(asking, &wish, &world->way, NULL);
    check(world->server != NULL && world->client != NULL);
    while (world->way.len > 0 || world->back.len > 0) {
        carry(world, world->way.len);
        client_takes(world);
    }
    check(tls_ready(world->server) && tls_ready(world->client));
}

// Numbers each byte, so that one that is lost or doubled shows.
static void say(struct tls *tls, struct buf *said, struct buf *way, size_t len) {
    size_t before = said->len;
    if (len == 0) return;
    check(buf_reserve(said, len) == 0);
    for (size_t i = 0; i < len; i++) said->data[said->len++] = (char)((before + i) * 7 + (before + i) / 251);
    check(tls_send(tls, (struct str){said->data + before, len}, way, NULL) == 0);
}

static void change_keys(struct world *world, int kind) {
    world->client->out = &world->way;
    check(SSL_key_update(world->client->ssl, kind) == 1 && SSL_do_handshake(world->client->ssl) == 1);
    world->client->out = NULL;
}

static bool has_length(enum move move) {
    return move <= MOVE_INSERT || move == MOVE_LOSE || move == MOVE_ANSWER;
}

static void client_moves(struct world *world, enum move move, size_t len) {
    if (world->left || !tls_ready(world->client)) return;
    switch (move) {
    case MOVE_SAY: say(world->client, &world->said, &world->way, len * 64); break;
    case MOVE_REKEY: change_keys(world, SSL_KEY_UPDATE_NOT_REQUESTED); break;
    case MOVE_ASK: change_keys(world, SSL_KEY_UPDATE_REQUESTED); break;
    default:
        check(tls_finish(world->client, &world->way, NULL) == 0);
        world->left = true;
        break;
    }
}

static void make(struct world *world, enum move move, size_t len, struct str bytes) {
    switch (move) {
    case MOVE_CARRY: carry(world, len * 16); break;
    case MOVE_INSERT:
        world->tampered = true;
        arrive(world, bytes);
        break;
    case MOVE_SPOIL:
        if (world->way.len == 0) break;
        world->tampered = true;
        world->way.data[world->way.len - 1] ^= 1;
        break;
    case MOVE_LOSE:
        if (len > world->way.len) len = world->way.len;
        world->tampered |= len > 0;
        buf_consume(&world->way, len);
        break;
    case MOVE_ANSWER:
        if (tls_ready(world->server) && !world->finished)
            say(world->server, &world->told, &world->back, len * 64);
        break;
    case MOVE_FINISH:
        check(tls_finish(world->server, &world->back, NULL) == 0);
        world->finished = true;
        break;
    default: client_moves(world, move, len); break;
    }
}

// What was heard is what was said, up to somewhere; all of it when nobody stood between.
static void compare(const struct buf *said, const struct buf *heard, bool all) {
    check(heard->len <= said->len && (!all || heard->len == said->len));
    check(heard->len == 0 || memcmp(said->data, heard->data, heard->len) == 0);
}

static void after_the_greeting(struct str moves, const char *protocol) {
    struct world world;
    greet(&world, protocol);
    for (size_t at = 0; at < moves.len;) {
        enum move move = (enum move)((unsigned char)moves.ptr[at++] % MOVES);
        size_t len = has_length(move) && at < moves.len ? (unsigned char)moves.ptr[at++] : 0;
        struct str bytes = {moves.ptr + at, len < moves.len - at ? len : moves.len - at};
        if (move == MOVE_INSERT) at += bytes.len;
        make(&world, move, len, bytes);
    }
    carry(&world, world.way.len);
    client_takes(&world);
    carry(&world, world.way.len); // its answers to our changes of keys
    compare(&world.said, &world.heard, !world.tampered);
    compare(&world.told, &world.answer, !world.tampered);
    if (!world.tampered) check(!world.broken && tls_ended(world.server) == world.left);
    world_free(&world);
}

// --- one run ----------------------------------------------------------------------------------------------

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    char directory[] = "/tmp/fuzz-tls-XXXXXX", path[64];
    const struct str name = STR("herald.example");
    struct err err;
    check(mkdtemp(directory) != NULL);
    struct tls_certificate *certificate = tls_certificate_own(directory, &name, 1, &err);
    check(certificate != NULL);
    serving = tls_context_server(certificate, &err);
    tls_certificate_close(certificate);
    (void)snprintf(path, sizeof path, "%s/tls_certificate.pem", directory);
    asking = tls_context_client(&(struct tls_authorities){.file = path}, &err);
    check(serving != NULL && asking != NULL);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/tls_key.pem", directory);
    check(unlink(path) == 0 && rmdir(directory) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    const char *protocol = data[0] & OPTION_PROTOCOL ? "herald" : NULL;
    struct str rest = {(const char *)data + 2, size - 2};
    if (data[0] & OPTION_GREETED)
        after_the_greeting(rest, protocol);
    else
        from_the_first_byte(rest, protocol, data[1]);
    return 0;
}

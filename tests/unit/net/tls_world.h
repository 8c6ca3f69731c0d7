// A world for the tests of TLS: the two sides of a connection, with the wires between them in memory.
#pragma once

#include "tls_papers.h"

#include "base/buf.h"
#include "net/tls.h"

static inline struct tls_context *server_of(const struct folder *folder,
                                            const struct credential *credential) {
    struct err err = {0};
    struct tls_certificate *certificate = certificate_of(folder, credential);
    struct tls_context *context = tls_context_server(certificate, &err);
    if (context == NULL) fail_msg("%s", err.text);
    tls_certificate_close(certificate);
    return context;
}

// --- two sides --------------------------------------------------------------------------------------------

struct side {
    struct tls *tls;
    struct buf wire;  // on its way to the other side
    struct buf heard; // what it has been told
    struct err err;
    bool failed;
};

struct pair {
    struct side client, server;
};

static inline void pair_open(struct pair *pair, struct tls_context *client, struct tls_context *server,
                             const struct tls_wish *wish) {
    *pair = (struct pair){0};
    pair->server.tls = tls_accept(server, wish->protocol, &pair->server.err);
    assert_non_null(pair->server.tls);
    pair->client.tls = tls_connect(client, wish, &pair->client.wire, &pair->client.err);
    assert_non_null(pair->client.tls);
}

static inline void pair_close(struct pair *pair) {
    struct side *sides[] = {&pair->client, &pair->server};
    for (int i = 0; i < 2; i++) {
        tls_close(sides[i]->tls);
        buf_free(&sides[i]->wire);
        buf_free(&sides[i]->heard);
    }
}

// The first `len` bytes from one side's wire to the other; each piece is its own block, so that a read beyond
// it is seen.
static inline void carry(struct side *from, struct side *to, size_t len) {
    char *piece = malloc(len > 0 ? len : 1);
    assert_non_null(piece);
    if (len > 0) memcpy(piece, from->wire.data, len);
    buf_consume(&from->wire, len);
    if (!to->failed)
        to->failed = tls_receive(to->tls, (struct str){piece, len}, &to->heard, &to->wire, &to->err) != 0;
    free(piece);
}

// Until nothing is on its way.
static inline void settle(struct pair *pair) {
    while (pair->client.wire.len > 0 || pair->server.wire.len > 0) {
        if (pair->client.wire.len > 0) carry(&pair->client, &pair->server, pair->client.wire.len);
        if (pair->server.wire.len > 0) carry(&pair->server, &pair->client, pair->server.wire.len);
    }
}

static inline void say(struct side *side, struct str words) {
    if (tls_send(side->tls, words, &side->wire, &side->err) != 0) fail_msg("%s", side->err.text);
}

static inline bool heard(const struct side *side, const char *words) {
    return str_equal_text(buf_str(&side->heard), words);
}

static inline bool greeted(const struct pair *pair) {
    return tls_ready(pair->client.tls) && tls_ready(pair->server.tls);
}

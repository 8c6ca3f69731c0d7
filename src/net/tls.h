// TLS 1.3 as a transformer of bytes: no socket, no loop, no thread. The door to OpenSSL, with
// net/tls_certificate.h.
//
//   recv ──► cipher ──► tls_receive ──► plain ──► whoever reads
//                           │
//                           └─► out (handshake, alerts) ─┐
//                                                        ├──► send
//   whoever says something ──► plain ──► tls_send ──► out ┘
//
//                  tls_ready                    tls_ended
//   GREETING ──────────────────────► OPEN ─────────────────► OPEN for sending, until tls_finish
//      │                              │
//      └── any call that says -1 ─────┴──► BROKEN: what is in `out` is the last word, then close
//
// Nothing is buffered between calls but the record that has not come in whole; an idle connection holds no
// buffer (docs/decisions/0017-tls.md has the bytes). The transport's end without tls_ended is a truncation.
//
// A connection belongs to one thread at a time; a context is shared by all.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

#define TLS_RECORD_MAX (16 * 1024) // bytes of plain text in a record
#define TLS_OVERHEAD   22          // bytes a record adds: header, type, tag

struct tls_certificate;

// --- contexts: what connections have in common ----------------------------------------------------------
struct tls_context;

// NULL: `err` says why. The certificate is the caller's still, and may be closed at once.
struct tls_context *tls_context_server(const struct tls_certificate *certificate, struct err *err);
// Connections from now on get `certificate`; those there are keep theirs. Any thread. -1: as before.
int tls_context_renew(struct tls_context *context, const struct tls_certificate *certificate,
                      struct err *err);

struct tls_authorities {
    bool system;      // those this machine trusts
    const char *file; // PEM; NULL: none. With neither, only what `accept` says lets a server in
};
struct tls_context *tls_context_client(const struct tls_authorities *authorities, struct err *err);

void tls_context_close(struct tls_context *context); // after its connections; NULL is fine

// --- connections ----------------------------------------------------------------------------------------
struct tls;

// True when `bytes`, the first of a connection, begin TLS: a handshake record. The first byte is enough, for
// it is never that of a line of JSON or of HTTP.
bool tls_is_hello(const void *bytes, size_t len);

// The server's side. protocol: what a client that names protocols (ALPN) must have among them; who names
// none is welcome. NULL: any. The text must outlive the connection.
struct tls *tls_accept(struct tls_context *context, const char *protocol, struct err *err);

// What a client has found about a server, before it has said anything to it.
struct tls_peer {
    const char *host;        // as it was asked for
    const char *fingerprint; // tls_certificate.h
    const char *fault;       // NULL: vouched for by an authority, for this host, at this time
};
struct tls_wish {
    const char *host;     // whom to connect to: a name or a numeric address
    const char *protocol; // ALPN; NULL: none is named
    // Called once, within tls_receive: whether to go on. NULL: only without a fault.
    bool (*accept)(void *context, const struct tls_peer *peer);
    void *context;
};
// The client's side; `out` gets its first words.
struct tls *tls_connect(struct tls_context *context, const struct tls_wish *wish, struct buf *out,
                        struct err *err);

// Takes all of `cipher`. Appends to `plain` what was said, at most what came in and one record, and to `out`
// what has to be sent. -1: the connection is broken, `err` says why; `plain` holds what was said before that,
// `out` the alert that tells the other side.
int tls_receive(struct tls *tls, struct str cipher, struct buf *plain, struct buf *out, struct err *err);

// Appends the records of `plain` to `out`, the longer ones the better: each costs TLS_OVERHEAD bytes and a
// microsecond or so. Only when tls_ready, and not after tls_finish. -1 with ERR_MEMORY: nothing was done;
// otherwise the connection is broken.
int tls_send(struct tls *tls, struct str plain, struct buf *out, struct err *err);

// The last word, close_notify. Reading may go on. -1: memory is out.
int tls_finish(struct tls *tls, struct buf *out, struct err *err);

bool tls_ready(const struct tls *tls); // the handshake is done, and the connection is not broken
bool tls_ended(const struct tls *tls); // the other side has said that nothing more comes

void tls_close(struct tls *tls); // wipes; NULL is fine

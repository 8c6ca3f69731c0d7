// The HTTP API of the roll: accounts, settings, the change log, activities, health and metrics. All on the
// core thread.
//
//   listener (core thread) ──► a gate (one on each of the stream's shards) ──► conn ──► call ──► answer
//
// Its connections live on the stream's loops, count against the stream's limits and are verified at the
// stream's desk (stream/guest.h).
#pragma once

#include "cluster/propose.h"
#include "net/sock.h"
#include "stream/stream.h"

enum registration { REGISTRATION_OPEN, REGISTRATION_ADMIN };
enum directory { DIRECTORY_PUBLIC, DIRECTORY_AUTHENTICATED, DIRECTORY_ADMIN };

struct gateway_settings {
    struct address listen;
    enum registration registration; // who may create accounts
    enum directory directory;       // who may look up
    uint64_t request_timeout_ms;    // until a request is here
    uint64_t idle_timeout_ms;       // between requests, and for a client that does not read
    uint64_t drain_ms;
    struct tls_context *tls;   // for those who begin with a ClientHello; NULL: TLS is not spoken. Not owned
    bool plaintext;            // clients on other machines may do without TLS
    size_t max_message;        // the stream's
    bool counts_registrations; // there is a limit for new accounts from one address
};

struct gateway;
struct gateway *gateway_open(struct loop *loop, const struct gateway_settings *settings,
                             struct stream *stream, struct proposer *proposer, struct err *err);
// The stream must be open; it is its host from here on, and `directory` where the store is. -1: to be stopped
// and closed in the same order as one that has started.
int gateway_start(struct gateway *gateway, const char *directory, struct err *err);
int gateway_listen(struct gateway *gateway, struct err *err);                 // -1: it goes on without
void gateway_address(const struct gateway *gateway, struct address *address); // where it listens

// Takes over all but `listen`.
void gateway_reload(struct gateway *gateway, const struct gateway_settings *settings);

// Stops accepting; answers what is asked already (at most drain_ms), then `drained` on the core thread.
void gateway_drain(struct gateway *gateway, void (*drained)(void *context), void *context);
// After stream_stop, before the proposer is closed: stops watching it. NULL is fine.
void gateway_stop(struct gateway *gateway);
void gateway_close(struct gateway *gateway); // after stream_close; NULL is fine

// docs/openapi.yaml, from the table of routes. -1: memory is out.
int gateway_openapi(struct buf *out);

// Sockets on a loop: readiness, not buffering. Reading and sending are plain recv() and send() on the
// descriptor by whoever owns the bytes (stream/reader.c sends straight from the reel).
#pragma once

#include "base/err.h"
#include "base/text.h"
#include "net/loop.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// --- addresses ------------------------------------------------------------------------------------------
struct address { // there is one of these per connection: no room for families that TCP does not have
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } storage;
    socklen_t len;
};
#define ADDRESS_TEXT_SIZE 64 // "[IPv6%zone]:port" and the terminator
#define ADDRESS_HOST_MAX  255

// "host:port", "[v6]:port"; an empty host means 127.0.0.1. Host is not resolved. False: malformed.
bool address_split(struct str text, char host[ADDRESS_HOST_MAX + 1], uint16_t *port);
// Numeric host only.
bool address_parse(const char *host, uint16_t port, struct address *address);
void address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE]);      // with port
void address_format_host(const struct address *address, char text[ADDRESS_TEXT_SIZE]); // without
uint16_t address_port(const struct address *address);
bool address_is_wildcard(const struct address *address);
bool address_is_loopback(const struct address *address);
// What per-address limits count by: IPv4 whole (also when mapped into IPv6), IPv6 its /64.
struct address_key {
    uint8_t bytes[8];
    uint8_t family; // 4 or 6
};
struct address_key address_key(const struct address *address);

// --- sockets --------------------------------------------------------------------------------------------
#define SOCK_WANT_READ  1u
#define SOCK_WANT_WRITE 2u

struct sock;
// Takes `fd`, which does not block. `ready` gets the SOCK_WANT_* bits that hold; a hang-up or error counts as
// whatever was wanted, recv() or send() then tells. On error NULL, and `fd` is still the caller's.
struct sock *sock_open(struct loop *loop, int fd, unsigned wanted,
                       void (*ready)(void *context, unsigned events), void *context, struct err *err);
void sock_want(struct sock *sock, unsigned events); // cheap when unchanged
unsigned sock_wanted(const struct sock *sock);
int sock_fd(const struct sock *sock);
// For a TCP socket, listening (those it accepts inherit it) or connecting: no delay for small messages, and a
// peer that has vanished without a word is noticed: after SOCK_DEAD_MS when there is something to send to it,
// else after SOCK_IDLE_S and SOCK_DEAD_MS.
#define SOCK_IDLE_S  120
#define SOCK_DEAD_MS 60000
void sock_tune(int fd);
int sock_detach(struct sock *sock); // gives the descriptor back to the caller and frees the rest
void sock_close(struct sock *sock); // closes the descriptor too; NULL is fine

// --- listening ------------------------------------------------------------------------------------------
struct listener;
// `accepted` takes `fd` (non-blocking, close-on-exec). Out of descriptors: accepting pauses by itself,
// says so once in the log, and tries again every 100 ms and at listener_retry().
struct listener *listener_open(struct loop *loop, const struct address *address,
                               void (*accepted)(void *context, int fd, const struct address *from),
                               void *context, struct err *err);
void listener_address(const struct listener *listener,
                      struct address *address); // with the port the system chose
void listener_retry(struct listener *listener); // a descriptor was freed
void listener_close(struct listener *listener); // NULL is fine

// --- dialling -------------------------------------------------------------------------------------------
struct dial;
// Resolves and connects without blocking the loop, trying each address the name has. Calls `done` exactly
// once, never before this returns: fd >= 0 is the caller's; fd < 0 and `why` is a sentence. After it the
// dial is gone. NULL: could not start (err says why), no call follows.
struct dial *dial_open(struct loop *loop, const char *host, uint16_t port, uint64_t timeout_ms,
                       void (*done)(void *context, int fd, const struct address *to, const char *why),
                       void *context, struct err *err);
void dial_cancel(struct dial *dial); // `done` will not be called

// What the stream can be told: filled by daemon/config.c, where the defaults and the permitted values are.
#pragma once

#include "net/sock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SETTINGS_MAX_CONNECT 16
#define SETTINGS_SECRET_MAX  256

// lock_allowed_server: when LOCK_ALLOWED carries "server" (protocol, "Registration locks").
enum lock_allowed_server { LOCK_SERVER_AUTO, LOCK_SERVER_YES, LOCK_SERVER_NO };

struct settings_target { // one --connect
    char host[ADDRESS_HOST_MAX + 1];
    uint16_t port;
};

struct tls_context;

struct stream_settings {
    struct address listen;
    struct tls_context *tls; // for those who begin with a ClientHello; NULL: TLS is not spoken. Not owned
    bool plaintext;          // clients on other machines may do without TLS
    char advertise[ADDRESS_HOST_MAX + 1];                 // empty: the address of `listen`
    char secret[SETTINGS_SECRET_MAX + 1];                 // the server secret; wipe
    struct settings_target connect[SETTINGS_MAX_CONNECT]; // parent, then fallbacks
    size_t connect_count;
    unsigned shards; // event-loop threads for clients, at least 1

    uint64_t announce_interval_ms;
    uint64_t register_timeout_ms; // waiting for locks
    uint64_t lock_window_ms;      // how long a name recorded by a lock stays pending
    enum lock_allowed_server lock_allowed_server;

    size_t max_message;       // bytes of a line
    unsigned max_depth;       // nesting of JSON
    unsigned max_connections; // all, clients and servers
    unsigned connections_per_address;
    uint64_t first_message_timeout_ms; // until a first complete line
    uint64_t publish_limit;            // bytes a second, counted for each who hears them; 0: no limit
    unsigned registers_per_minute;     // per address; 0: no limit
    unsigned login_failures; // per address and name, and ten times as many per address, before delays
    uint64_t login_delay_ms; // the first delay; doubles with each further failure
    uint64_t login_delay_max_ms;

    unsigned reel_segments;
    size_t reel_segment_size; // bytes; at least max_message + ACTIVITY_FRAME_SLACK
    unsigned hash_threads;
    size_t hash_queue;    // logins and registrations that may wait to be hashed
    uint64_t verified_ms; // how long a verified secret need not be hashed again; 0: never remembered
    size_t verified_entries;
    uint64_t drain_ms; // how long a stopping server lets its clients take what is pending
};

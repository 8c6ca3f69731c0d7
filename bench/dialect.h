// How a kind of server is spoken to. The rest of the program does not know which kind it is.
//
//     greet ──► the server's answers, frame by frame, `look`: IN ──► before + activity + after ──► the server
//                                                                                                    │
//     every client, also the one that publishes, hears each activity once:  `frame` ◄────────────────┘
//
// Deliveries are told by the mark that stands in each activity (note.h), and mostly recognised without any of
// this: by being as long as the one before (traffic.c).
#pragma once

#include "base/buf.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

#define DIALECT_CHANNEL   "act"    // the subject or topic that everyone subscribes to, where there are such
#define DIALECT_GARBLED   SIZE_MAX // from `frame`: this is not the protocol
#define DIALECT_MOST_WHAT 160

enum sight {
    SIGHT_NOTHING, // of no concern
    SIGHT_IN,      // this client hears all activities from now on
    SIGHT_PING,    // `pong` is the answer
    SIGHT_MOVE,    // to where `what` and `port` say
    SIGHT_WRONG    // this client cannot stay; `what` says why
};

struct sighting {
    char what[DIALECT_MOST_WHAT]; // a host, or what is wrong
    uint16_t port;
};

struct greeter {
    uint32_t index;         // of the client
    bool publishes;         // it may have to
    struct str credentials; // "username":...,"secret":... as JSON members
};

struct dialect {
    const char *name;
    char last;         // byte of a delivery
    const char *pong;  // NULL: there are no pings
    const char *after; // what ends a publication

    // What a client says first. -1: memory is out.
    int (*greet)(struct buf *out, const struct greeter *greeter);
    // Bytes of the frame at the front; 0: it has not come whole.
    size_t (*frame)(const char *data, size_t len);
    // What a frame that is no delivery of ours means.
    enum sight (*look)(struct parser *parser, struct str frame, struct sighting *seen);
    // What begins the publication of an activity of `size` bytes. -1: memory is out.
    int (*before)(struct buf *out, struct str credentials, size_t size);
};

extern const struct dialect dialect_seed004; // heraldd, and any other server of that protocol
extern const struct dialect dialect_bare;    // bench/limit: seed 004 without the server's part in it
extern const struct dialect dialect_nats;    // NATS core
extern const struct dialect dialect_redis;   // publish and subscribe in RESP3
extern const struct dialect dialect_mqtt;    // MQTT 3.1.1, QoS 0

const struct dialect *dialect_find(const char *name); // NULL: there is none of that name

// Servers in virtual time: struct nodes (stream/node.h) on links that deliver in order after a random delay,
// until they are cut. Lines travel encoded and are decoded where they arrive.
//
//   node ──ops.send──► pipe (FIFO, delays by the dice) ──► message_parse ──► node_message
//     └───ops.dial──► whoever lives at the host, after a delay
//
// All that is random comes from one seed, which is printed when a story fails; HERALD_SEED=n tells every
// story with that seed only, HERALD_SEEDS=n with so many, HERALD_STORY=text only those whose name contains
// it, HERALD_LOG=1 with all they say to each other, and the servers' logs.
#pragma once

#include "base/buf.h"
#include "base/dice.h"
#include "stream/node.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

#define WORLD_MAX        64 // servers of one story, those that were restarted counted again
#define WORLD_ACTIVITIES 1024
#define WORLD_REGISTERS  64
#define WORLD_SECRET     "the server secret"
#define WORLD_PORT       3780

#define INTERVAL_MS 5000u
#define TIMEOUT_MS  10000u // register_timeout
#define WINDOW_MS   20000u // lock_window

enum world_kind {
    WORLD_HERALD,
    // They speak plainly, and to a Herald greeting answer:
    WORLD_SILENT,  // nothing, as to any other
    WORLD_REFUSES, // INVALID_MESSAGE
    WORLD_CLOSES,  // no word
    // No struct node: what it does is the story's (world->raw_line).
    WORLD_RAW,
};

struct world_account {
    char fold[64];
    struct secret_digest digest;
    UT_hash_handle hh;
};

struct server {
    struct world *world;
    unsigned index;
    enum world_kind kind;
    bool alive;
    char id[PEER_ID_MAX + 1];
    char host[32];
    struct stream_settings settings;
    struct node node;
    uint64_t tick_ms;
    uint64_t load;
    struct world_account *accounts;
    unsigned heard[WORLD_MAX]; // activities, by who published them
    uint64_t published;        // sequence of its own reel
    uint64_t sent[COMMAND_COUNT], sent_all;
    unsigned hints, tellings;
};

struct world_register {
    unsigned server;
    char name[64], secret[64];
    uint64_t asked_ms, answered_ms;
    unsigned answers;
    bool success;
};

struct world_activity {
    unsigned publisher, number;
    unsigned after[WORLD_MAX]; // what its publisher had heard
};

struct pipe;
struct event;

struct world {
    const char *story;
    uint64_t seed, now_ms;
    bool loud; // every line is shown
    struct dice dice;
    struct parser *parser;
    struct secret_key key;
    uint64_t slowest_ms;        // of the delays
    unsigned busy_percent;      // how often the reel is
    unsigned unsettled_percent; // how often an account cannot be stored
    bool causal;                // the tree is whole: each hears each exactly once, and after what it answers
    enum lock_allowed_server signatures;

    struct server *servers[WORLD_MAX];
    unsigned count;
    struct pipe **pipes;
    uint32_t pipe_count, pipe_capacity;
    struct event *events;
    size_t event_count, event_capacity;
    uint64_t event_order;

    struct world_activity activities[WORLD_ACTIVITIES];
    unsigned activity_count;
    struct world_register registers[WORLD_REGISTERS];
    unsigned register_count;

    void (*raw_line)(struct world *world, unsigned server, uint32_t link, struct str line);
    struct buf frame, line;
};

// --- stories -------------------------------------------------------------------------------------------
struct story {
    const char *name;
    unsigned seeds;
    void (*tell)(struct world *world);
};
int world_tell(const struct story *stories, size_t count); // main's exit status
_Noreturn void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define promise(world, condition, ...)                                                                       \
    do {                                                                                                     \
        if (!(condition)) world_fail(world, __VA_ARGS__);                                                    \
    } while (0)

// --- servers -------------------------------------------------------------------------------------------
// A place for a server, not started; connect: places of its targets, in order.
unsigned world_place(struct world *world, enum world_kind kind);
void world_connect(struct world *world, unsigned server, unsigned to);
void world_start(struct world *world, unsigned server);
void world_kill(struct world *world, unsigned server);
unsigned world_restart(struct world *world,
                       unsigned server); // a new place, a new id, the same host and targets
size_t world_alive(const struct world *world);

// Mostly small ones: a large one costs the square of its size.
unsigned world_some_size(struct world *world, unsigned most);
// Each connects to one before it, and to more of them as fallbacks. Not started.
void world_place_tree(struct world *world, unsigned size);
void world_make_plain(struct world *world, unsigned percent);  // so many of those placed
void world_start_all(struct world *world, uint64_t within_ms); // in any order
// All of this, until everyone knows everyone.
void world_grow(struct world *world, unsigned size, unsigned plain_percent);
unsigned world_any(struct world *world); // of the living that are no WORLD_RAW

// --- time ----------------------------------------------------------------------------------------------
void world_run(struct world *world, uint64_t for_ms);
// Runs until it holds; fails after `within_ms`.
void world_await(struct world *world, bool (*holds)(struct world *world), uint64_t within_ms,
                 const char *what);
uint64_t world_roll(struct world *world, uint64_t least, uint64_t most);
bool world_chance(struct world *world, unsigned percent);

// --- links ---------------------------------------------------------------------------------------------
// Two living servers' link breaks: both learn it, each in its time; or, silently, neither. False: there is no
// link.
bool world_cut_any(struct world *world, bool silently);
const struct server *world_other(struct world *world, uint32_t link); // at the other end
size_t world_links(const struct world *world); // up at both ends, between servers that are no WORLD_RAW
bool world_is_tree(struct world *world);       // of all living servers but WORLD_RAW
bool world_is_known(struct world *world);      // a tree in which everyone knows everyone
// A WORLD_RAW server connects and says what it wants. 0: nobody there.
uint32_t world_raw_dial(struct world *world, unsigned server, unsigned to);
void world_raw_send(struct world *world, uint32_t link, struct str line);

// --- what clients do -----------------------------------------------------------------------------------
void world_publish(struct world *world, unsigned server);
unsigned world_register(struct world *world, unsigned server, const char *name, const char *secret);
// 0: not known; otherwise whether it is so with this secret (1) or another (-1).
int world_account(struct world *world, unsigned server, const char *name, const char *secret);
void world_load(struct world *world, unsigned server, uint64_t load);

// --- between world.c and world_server.c ----------------------------------------------------------------
extern const struct node_ops world_ops;
void world_transmit(struct world *world, uint32_t link, struct str line); // link: the sender's name for it
void world_hold(struct world *world, uint32_t link, bool held);
void world_close(struct world *world, uint32_t link); // after what was sent before
void world_plan_dial(struct server *server, const char *host);
void world_plan_settle(struct server *server, struct lock *lock);
void world_settle(struct server *server, struct lock *lock);
void world_server_fini(struct server *server);
void world_fini(struct world *world);
void world_turn(struct server *server); // after anything was done with it: plans its next tick

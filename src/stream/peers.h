// The servers we know of: who announced what, through which link (seed 004, SERVER_ANNOUNCE). A pure core.
//
// Rules:
//  1. An id is learnt from the first announce, through the link it came by, and belongs to that link.
//  2. Announces of the same id through another link are ignored while the first path is fresh (an interval
//  and a
//     half): in a tree there is one path, so two are a circle, and an announce must not run round it.
//     An id that is heard through two links by turns (its path, another, its path) tells of such a circle.
//  3. An id unheard for three intervals is forgotten; so are all that came by a link when it goes down.
#pragma once

#include "base/text.h"
#include "net/sock.h"

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#define PEER_ID_MAX            64              // bytes; a longer id is INVALID_MESSAGE
#define PEERS_MAX              4096            // more are ignored: a hostile server cannot make us grow
#define PEERS_MAX_PER_LINK     (PEERS_MAX / 2) // by one link: one that invents servers leaves room for the others
#define PEERS_FORGET_INTERVALS 3u

struct peer {
    char id[PEER_ID_MAX + 1];
    char hostname[ADDRESS_HOST_MAX + 1];
    uint16_t port;
    uint64_t load;
    uint32_t link;      // it was heard through
    uint64_t heard_ms;  // last time
    uint32_t elsewhere; // another link by which it came since (rule 2); 0: none
    uint32_t by_turns;  // the last time: it came through this link as well, by turns; 0: it did not
    uint64_t elsewhere_ms;
    uint64_t round_ms; // it was passed on `forwarded` times since (node_message.c)
    unsigned forwarded;
    enum {
        PEER_EXPECTS_UNKNOWN,
        PEER_EXPECTS,
        PEER_EXPECTS_NOT
    } expects; // whether it answers hints (node_hint.c)
    UT_hash_handle hh;
};

struct peers {
    struct peer *table; // by id
    uint64_t interval_ms;
};

void peers_init(struct peers *peers, uint64_t interval_ms);
void peers_fini(struct peers *peers);

enum peers_heard {
    PEERS_NEW,       // learnt
    PEERS_CHANGED,   // known; its load or address is different now
    PEERS_SAME,      // known; nothing new
    PEERS_ELSEWHERE, // ignored by rule 2
    PEERS_FULL,      // ignored: no room
};
// An announce came by `link`. *peer is set but for PEERS_ELSEWHERE and PEERS_FULL.
enum peers_heard peers_hear(struct peers *peers, uint32_t link, struct str id, uint64_t load,
                            struct str hostname, uint16_t port, uint64_t now_ms, struct peer **peer);

struct peer *peers_find(struct peers *peers, struct str id);
// The server that announced this address, if any.
struct peer *peers_at(struct peers *peers, const char *host, uint16_t port);
size_t peers_count(const struct peers *peers);
size_t peers_through(const struct peers *peers, uint32_t link);

void peers_drop(struct peers *peers, struct peer *peer); // it is gone: known otherwise
// Forgets by rule 3, telling `forgotten` each id before it goes.
void peers_drop_link(struct peers *peers, uint32_t link,
                     void (*forgotten)(void *context, const struct peer *peer), void *context);
void peers_expire(struct peers *peers, uint64_t now_ms,
                  void (*forgotten)(void *context, const struct peer *peer), void *context);
uint64_t peers_deadline(const struct peers *peers); // when peers_expire has work; UINT64_MAX: never

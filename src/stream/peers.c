// The servers we know of. See peers.h for the rules.
// Memory may run out while a table grows: the element then has hh.tbl == NULL.
#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include "stream/peers.h"

#include <stdlib.h>
#include <string.h>

void peers_init(struct peers *peers, uint64_t interval_ms) {
    *peers = (struct peers){.interval_ms = interval_ms};
}

void peers_drop(struct peers *peers, struct peer *peer) {
    HASH_DEL(peers->table, peer);
    free(peer);
}

void peers_fini(struct peers *peers) {
    struct peer *peer, *next;
    HASH_ITER(hh, peers->table, peer, next) peers_drop(peers, peer);
}

struct peer *peers_find(struct peers *peers, struct str id) {
    struct peer *peer;
    HASH_FIND(hh, peers->table, id.ptr, id.len, peer);
    return peer;
}

struct peer *peers_at(struct peers *peers, const char *host, uint16_t port) {
    struct peer *peer, *next;
    HASH_ITER(hh, peers->table, peer, next) {
        if (peer->port == port && strcmp(peer->hostname, host) == 0) return peer;
    }
    return NULL;
}

size_t peers_count(const struct peers *peers) {
    return HASH_COUNT(peers->table);
}

size_t peers_through(const struct peers *peers, uint32_t link) {
    size_t count = 0;
    struct peer *peer, *next;
    HASH_ITER(hh, peers->table, peer, next) count += peer->link == link;
    return count;
}

static struct peer *peer_learn(struct peers *peers, uint32_t link, struct str id) {
    if (HASH_COUNT(peers->table) >= PEERS_MAX) return NULL;
    // Counting walks the table: only when it can matter.
    if (HASH_COUNT(peers->table) >= PEERS_MAX_PER_LINK && peers_through(peers, link) >= PEERS_MAX_PER_LINK)
        return NULL;
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) return NULL;
    str_copy(id, peer->id, sizeof peer->id);
    HASH_ADD_KEYPTR(hh, peers->table, peer->id, id.len, peer);
    if (peer->hh.tbl != NULL) return peer;
    free(peer);
    return NULL;
}

// Rule 2. The path was heard before the other one, and now again: neither is a leftover of the other.
static void peer_heard_by_turns(const struct peers *peers, struct peer *peer, uint32_t link,
                                uint64_t now_ms) {
    bool lately = peer->elsewhere != 0 && now_ms - peer->elsewhere_ms < peers->interval_ms * 3 / 2;
    peer->by_turns = lately && peer->link == link ? peer->elsewhere : 0;
    peer->elsewhere = 0;
}

enum peers_heard peers_hear(struct peers *peers, uint32_t link, struct str id, uint64_t load,
                            struct str hostname, uint16_t port, uint64_t now_ms, struct peer **found) {
    struct peer *peer = peers_find(peers, id);
    enum peers_heard heard = PEERS_SAME;
    if (peer == NULL) {
        peer = peer_learn(peers, link, id);
        if (peer == NULL) return PEERS_FULL;
        heard = PEERS_NEW;
    } else if (peer->link != link && now_ms - peer->heard_ms < peers->interval_ms * 3 / 2) {
        peer->elsewhere = link;
        peer->elsewhere_ms = now_ms;
        return PEERS_ELSEWHERE; // rule 2
    } else if (peer->link != link || peer->load != load || peer->port != port ||
               !str_equal_text(hostname, peer->hostname)) {
        heard = PEERS_CHANGED;
    }
    peer_heard_by_turns(peers, peer, link, now_ms);
    peer->link = link;
    peer->load = load;
    peer->port = port;
    peer->heard_ms = now_ms;
    str_copy(hostname, peer->hostname, sizeof peer->hostname);
    *found = peer;
    return heard;
}

void peers_drop_link(struct peers *peers, uint32_t link,
                     void (*forgotten)(void *context, const struct peer *peer), void *context) {
    struct peer *peer, *next;
    HASH_ITER(hh, peers->table, peer, next) {
        if (peer->link != link) continue;
        forgotten(context, peer);
        peers_drop(peers, peer);
    }
}

static uint64_t peer_deadline(const struct peers *peers, const struct peer *peer) {
    return peer->heard_ms + PEERS_FORGET_INTERVALS * peers->interval_ms;
}

void peers_expire(struct peers *peers, uint64_t now_ms,
                  void (*forgotten)(void *context, const struct peer *peer), void *context) {
    struct peer *peer, *next;
    HASH_ITER(hh, peers->table, peer, next) {
        if (peer_deadline(peers, peer) > now_ms) continue;
        forgotten(context, peer);
        peers_drop(peers, peer);
    }
}

uint64_t peers_deadline(const struct peers *peers) {
    uint64_t soonest = UINT64_MAX;
    struct peer *peer, *next;
    HASH_ITER(hh, peers->table, peer, next) {
        uint64_t deadline = peer_deadline(peers, peer);
        if (deadline < soonest) soonest = deadline;
    }
    return soonest;
}

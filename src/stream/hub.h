// What the event loops of one stream share: the reel, the balance, each other's wakes.
//
// Three things in it are touched by several threads: the reel (its own rules), the balance
// (hub->balance_lock, held for a few lookups and never during I/O) and the atomic counters. Everything else
// is set before the threads start.
#pragma once

#include "base/secret.h"
#include "cluster/propose.h"
#include "net/loop.h"
#include "stream/balance.h"
#include "stream/closing.h"
#include "stream/reel.h"
#include "stream/settings.h"

#include <pthread.h>
#include <stdatomic.h>

struct shard;

struct hub_counters {
    atomic_uint_fast64_t activities, deliveries;
    atomic_uint_fast64_t closed[CLOSE_COUNT]; // by reason
    atomic_uint_fast64_t logins_failed, logins_delayed;
};

struct hub {
    struct reel *reel;
    struct proposer *proposer;
    struct balance *balance;
    pthread_mutex_t balance_lock;
    struct secret_key key; // of digests that live as long as the process
    struct mailbox *core_mailbox;
    struct wake *core_wake;
    atomic_uint_fast64_t told; // the last round of clients sent away that may go (balance.h)
    atomic_uint links;         // that are up: the core thread hears the reel
    unsigned shard_count;
    struct shard **shards;
    struct hub_counters counters;
};

// The core thread's number among the reel's participants; shards have 1 and up.
#define HUB_CORE 0u

// The reel has grown: wake every loop that has readers, but `participant`'s own. Once per batch.
void hub_wake_readers(struct hub *hub, unsigned participant);

// Who hears what is said here: clients and links.
unsigned hub_audience(const struct hub *hub);

void hub_count_closed(struct hub *hub, enum close_reason reason);

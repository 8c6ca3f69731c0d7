// The stream's core thread, as its parts (door, trunk, desk) see each other.
#pragma once

#include "cluster/propose.h"
#include "stream/desk.h"
#include "stream/door.h"
#include "stream/guest.h"
#include "stream/hub.h"
#include "stream/node.h"
#include "stream/shard.h"
#include "stream/stream.h"
#include "stream/trunk.h"

struct stream {
    struct loop *loop;
    struct stream_settings settings;
    struct proposer *proposer;
    struct mailbox *mailbox;
    struct wake *wake;
    struct timer *timer;
    struct hub hub;
    struct shard *shards; // hub.shard_count of them
    unsigned shards_started;
    char id[PEER_ID_MAX + 1];
    bool node_ready;
    struct node node;
    struct trunk *trunk;
    struct desk *desk;
    struct door *door;
    uint64_t announced_load;
    const struct guest_ops *guest; // NULL: none
    void *guest_context;

    // draining
    bool draining;
    unsigned shards_draining;
    struct mail *drain_mails;
    uint64_t drain_until_ms;
    void (*drained)(void *context);
    void *drained_context;
};

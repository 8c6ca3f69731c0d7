// What the loops share. See hub.h.
#include "stream/hub.h"

#include "stream/shard.h"

void hub_wake_readers(struct hub *hub, unsigned participant) {
    uint64_t now_us = timing_now_us();
    for (unsigned i = 0; i < hub->shard_count; i++) {
        struct shard *shard = hub->shards[i];
        if (atomic_load(&shard->listeners) == 0) continue;
        shard_owes(shard, now_us);
        if (shard->participant != participant) wake_send(shard->wake);
    }
    if (participant != HUB_CORE && atomic_load(&hub->links) > 0) wake_send(hub->core_wake);
}

unsigned hub_audience(const struct hub *hub) {
    unsigned audience = atomic_load_explicit(&hub->links, memory_order_relaxed);
    for (unsigned i = 0; i < hub->shard_count; i++)
        audience += atomic_load_explicit(&hub->shards[i]->listeners, memory_order_relaxed);
    return audience;
}

void hub_count_closed(struct hub *hub, enum close_reason reason) {
    atomic_fetch_add_explicit(&hub->counters.closed[reason], 1, memory_order_relaxed);
}

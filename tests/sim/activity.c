// Activities over several servers: who hears what, and in which order. world_server.c checks each as it is
// heard.
#include "world.h"

static void promise_all_heard(struct world *world) {
    for (unsigned i = 0; i < world->count; i++) {
        for (unsigned k = 0; k < world->count; k++) {
            if (!world->servers[i]->alive || !world->servers[k]->alive) continue;
            unsigned heard = world->servers[i]->heard[k], published = world->servers[k]->heard[k];
            promise(world, heard == published, "server %u heard %u of %u activities of server %u", i, heard,
                    published, k);
        }
    }
}

static void publish_here_and_there(struct world *world, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        world_publish(world, world_any(world));
        world_run(world, world_roll(world, 0, world_chance(world, 50) ? 2 : 100));
    }
}

static void each_hears_each_once_in_causal_order(struct world *world) {
    world_grow(world, world_some_size(world, 20), 0);
    world->causal = true;
    world->busy_percent = (unsigned)world_roll(world, 0, 30);
    publish_here_and_there(world, 60);
    world_run(world, 10000);
    promise_all_heard(world);
}

static void among_plain_servers_too(struct world *world) {
    world_grow(world, world_some_size(world, 20), 50);
    world->causal = true;
    world->busy_percent = (unsigned)world_roll(world, 0, 30);
    publish_here_and_there(world, 60);
    world_run(world, 10000);
    promise_all_heard(world);
}

// What was on the broken link may be lost; what was heard is not heard again.
static void never_twice_after_cuts(struct world *world) {
    world_grow(world, world_some_size(world, 16), 0);
    world->busy_percent = (unsigned)world_roll(world, 0, 30);
    for (unsigned i = 0; i < 8; i++) {
        publish_here_and_there(world, 10);
        world_cut_any(world, world_chance(world, 20));
        if (world_chance(world, 30)) {
            unsigned one = world_any(world);
            world_kill(world, one);
            world_restart(world, one);
        }
        publish_here_and_there(world, 10);
        world_run(world, world_roll(world, 0, 10000));
    }
    world_await(world, world_is_tree, 90000, "a tree");
    for (unsigned i = 0; i < world->count; i++) {
        if (world->servers[i]->alive) world_publish(world, i);
    }
    world_run(world, 10000);
    promise_all_heard(world); // the last ones at least
}

static void never_twice_in_a_circle(struct world *world) {
    unsigned size = (unsigned)world_roll(world, 2, 8);
    // Slower than a greeting may be, servers take each other for plain at first: their activities have no
    // names then.
    if (world->slowest_ms > NODE_GREETING_MS / 2) world->slowest_ms = NODE_GREETING_MS / 2;
    for (unsigned i = 0; i < size; i++) world_place(world, WORLD_HERALD);
    for (unsigned i = 0; i < size; i++) world_connect(world, i, (i + 1) % size);
    world_start_all(world, world_chance(world, 70) ? 1 : 3000);
    for (unsigned i = 0; i < 10; i++) {
        publish_here_and_there(world, 10);
        world_run(world, 2000);
    }
    world_await(world, world_is_known, 6 * INTERVAL_MS, "a tree");
    world->causal = false;
    for (unsigned i = 0; i < size; i++) world_publish(world, i);
    world_run(world, 10000);
    promise_all_heard(world);
}

static void hints_reach_herald_servers_once(struct world *world) {
    world_grow(world, world_some_size(world, 16), world_chance(world, 50) ? 40 : 0);
    unsigned from = world_any(world), to = world_any(world);
    struct server *server = world->servers[from];
    struct message_hint hint = {.id = str_of(world->servers[to]->id), .count = 3};
    node_tell_hints(&server->node, &hint, 1, 1, world->now_ms);
    world_turn(server);
    world_run(world, NODE_TELLING_MS + 1);
    promise(world, server->tellings == 1, "told %u times", server->tellings);
    world_run(world, 5000);
    bool plain = false;
    for (unsigned i = 0; i < world->count; i++) plain |= world->servers[i]->kind != WORLD_HERALD;
    for (unsigned i = 0; i < world->count; i++) {
        unsigned hints = world->servers[i]->hints;
        promise(world, hints <= 1 && (i != from || hints == 0), "server %u had the hint %u times", i, hints);
        promise(world, hints == 0 || world->servers[i]->kind == WORLD_HERALD, "a plain server had a hint");
        promise(world, plain || i == from || hints == 1, "server %u had no hint", i);
    }
}

static const struct story stories[] = {
    {"each hears each once, in causal order", 200, each_hears_each_once_in_causal_order},
    {"among plain servers too", 200, among_plain_servers_too},
    {"never twice after cuts", 200, never_twice_after_cuts},
    {"never twice in a circle", 200, never_twice_in_a_circle},
    {"hints reach Herald servers once", 200, hints_reach_herald_servers_once},
};

int main(void) {
    return world_tell(stories, sizeof stories / sizeof stories[0]);
}

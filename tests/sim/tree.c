// How trees form, and heal.
#include "world.h"

#include <stdlib.h>

// Nothing moves once it stands.
static void promise_it_stays(struct world *world) {
    uint32_t pipes = world->pipe_count;
    for (int i = 0; i < 6; i++) {
        world_run(world, INTERVAL_MS);
        promise(world, world_is_known(world), "the tree fell apart");
    }
    promise(world, world->pipe_count == pipes, "a server dialled another that it was linked to already");
}

static void a_tree_forms_from_any_order(struct world *world) {
    world_place_tree(world, world_some_size(world, 30));
    world_start_all(world, world_chance(world, 50) ? 100 : 20000);
    // A server whose targets started last waits for its longest backoff.
    world_await(world, world_is_tree, 45000, "a tree");
    world_await(world, world_is_known, 2 * INTERVAL_MS, "everyone knows everyone");
    promise_it_stays(world);
}

static void the_parent_may_start_last(struct world *world) {
    unsigned size = world_some_size(world, 12);
    world_place_tree(world, size);
    for (unsigned i = size - 1; i > 0; i--) world_start(world, i);
    world_run(world, world_roll(world, 0, 60000));
    world_start(world, 0);
    world_await(world, world_is_tree, 45000, "a tree");
    world_await(world, world_is_known, 2 * INTERVAL_MS, "everyone knows everyone");
    promise_it_stays(world);
}

static void two_that_connect_to_each_other_keep_one_link(struct world *world) {
    world_place(world, WORLD_HERALD);
    world_place(world, WORLD_HERALD);
    world_connect(world, 0, 1);
    world_connect(world, 1, 0);
    world_start_all(world, world_chance(world, 50) ? 1 : 2000);
    world_await(world, world_is_known, 30000, "one link");
    world_run(world, 4000); // a third may have been on its way
    world_await(world, world_is_known, 10000, "one link");
    promise_it_stays(world);
}

static void a_ring_becomes_a_tree(struct world *world) {
    unsigned size = world_chance(world, 50) ? 3 : (unsigned)world_roll(world, 3, 9);
    for (unsigned i = 0; i < size; i++) world_place(world, WORLD_HERALD);
    for (unsigned i = 0; i < size; i++) world_connect(world, i, (i + 1) % size);
    world_start_all(world, world_chance(world, 70) ? 1 : 3000);
    // One is a link too few, all are one too many: seen with the second announces, and cut at once.
    world_run(world, 2 * INTERVAL_MS);
    world_await(world, world_is_tree, 1000, "the circle is cut");
    world_await(world, world_is_known, 3 * INTERVAL_MS, "everyone knows everyone");
    promise_it_stays(world);
}

static void servers_die_and_return(struct world *world) {
    unsigned size = world_some_size(world, 16);
    world_place_tree(world, size);
    world_start_all(world, 100);
    for (unsigned round = 0; round < 6; round++) {
        world_run(world, world_roll(world, 0, 20000));
        unsigned one = (unsigned)world_roll(world, 0, world->count - 1);
        if (!world->servers[one]->alive) continue;
        world_kill(world, one);
        world_run(world, world_roll(world, 0, world_chance(world, 50) ? 200 : 20000));
        world_restart(world, one);
    }
    world_await(world, world_is_tree, 90000, "a tree");
    world_await(world, world_is_known, 4 * INTERVAL_MS, "everyone knows everyone");
    promise_it_stays(world);
}

static void links_break_and_heal(struct world *world) {
    world_place_tree(world, world_some_size(world, 16));
    world_start_all(world, 100);
    for (unsigned round = 0; round < 6; round++) {
        world_run(world, world_roll(world, 0, 20000));
        world_cut_any(world, world_chance(world, 30));
    }
    world_await(world, world_is_tree, 90000, "a tree");
    world_await(world, world_is_known, 4 * INTERVAL_MS, "everyone knows everyone");
    promise_it_stays(world);
}

// A server whose fallbacks are its own children's children: who loses its parent may close a circle.
static void anyone_may_connect_to_anyone(struct world *world) {
    unsigned size = world_some_size(world, 12);
    for (unsigned i = 0; i < size; i++) world_place(world, WORLD_HERALD);
    for (unsigned i = 0; i < size; i++) {
        for (unsigned k = 1; k < size && k < 4; k++) {
            unsigned to = (unsigned)world_roll(world, 0, size - 1);
            if (to != i) world_connect(world, i, to);
        }
        if (i > 0) world_connect(world, i, 0); // or else none might be able to reach it
    }
    world_start_all(world, 1000);
    for (unsigned round = 0; round < 3; round++) {
        world_run(world, world_roll(world, 0, 20000));
        world_cut_any(world, false);
    }
    // A last link may be on its way that closes a circle.
    world_await(world, world_is_tree, 90000, "a tree");
    world_run(world, 2 * INTERVAL_MS);
    world_await(world, world_is_known, 4 * INTERVAL_MS, "everyone knows everyone");
    promise_it_stays(world);
}

// Half of them are not Herald's.
static void plain_servers_are_met_plainly(struct world *world) {
    unsigned size = world_some_size(world, 16);
    world_place_tree(world, size);
    world_make_plain(world, 50);
    world_start_all(world, world_chance(world, 50) ? 100 : 20000);
    world_await(world, world_is_tree, 60000, "a tree");
    world_await(world, world_is_known, 2 * INTERVAL_MS, "everyone knows everyone");
    promise_it_stays(world);
    struct node_link *link, *next;
    for (unsigned i = 0; i < size; i++) {
        HASH_ITER(hh, world->servers[i]->node.links, link, next) {
            const struct server *server = world->servers[i];
            bool both = server->kind == WORLD_HERALD && world_other(world, link->id)->kind == WORLD_HERALD;
            promise(world, link->herald == both, "server %u takes its link for another kind", i);
        }
    }
}

static const struct story stories[] = {
    {"a tree forms from any order of starting", 200, a_tree_forms_from_any_order},
    {"the parent may start last", 200, the_parent_may_start_last},
    {"two that connect to each other keep one link", 500, two_that_connect_to_each_other_keep_one_link},
    {"a ring becomes a tree", 200, a_ring_becomes_a_tree},
    {"servers die and return", 200, servers_die_and_return},
    {"links break and heal", 200, links_break_and_heal},
    {"anyone may connect to anyone", 200, anyone_may_connect_to_anyone},
    {"plain servers are met plainly", 200, plain_servers_are_met_plainly},
};

int main(void) {
    return world_tell(stories, sizeof stories / sizeof stories[0]);
}

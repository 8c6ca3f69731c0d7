// Trees to tell stories in. See world.h.
#include "world.h"

#include <assert.h>

unsigned world_some_size(struct world *world, unsigned most) {
    return (unsigned)world_roll(world, 2, world_chance(world, 40) ? most : 8);
}

void world_place_tree(struct world *world, unsigned size) {
    for (unsigned i = 0; i < size; i++) {
        world_place(world, WORLD_HERALD);
        if (i == 0) continue;
        unsigned targets = (unsigned)world_roll(world, 1, 3);
        for (unsigned k = 0; k < targets; k++) world_connect(world, i, (unsigned)world_roll(world, 0, i - 1));
    }
}

void world_start_all(struct world *world, uint64_t within_ms) {
    unsigned order[WORLD_MAX];
    unsigned count = world->count;
    for (unsigned i = 0; i < count; i++) order[i] = i;
    for (unsigned i = count; i > 1; i--) {
        unsigned k = (unsigned)world_roll(world, 0, i - 1), kept = order[i - 1];
        order[i - 1] = order[k];
        order[k] = kept;
    }
    for (unsigned i = 0; i < count; i++) {
        world_start(world, order[i]);
        world_run(world, world_roll(world, 0, within_ms / count));
    }
}

void world_make_plain(struct world *world, unsigned percent) {
    for (unsigned i = 0; i < world->count; i++) {
        assert(!world->servers[i]->alive);
        if (world_chance(world, percent))
            world->servers[i]->kind = (enum world_kind)world_roll(world, WORLD_SILENT, WORLD_CLOSES);
    }
}

void world_grow(struct world *world, unsigned size, unsigned plain_percent) {
    world_place_tree(world, size);
    world_make_plain(world, plain_percent);
    world_start_all(world, 100);
    world_await(world, world_is_tree, 60000, "a tree");
    world_await(world, world_is_known, 2 * INTERVAL_MS, "everyone knows everyone");
}

unsigned world_any(struct world *world) {
    unsigned index;
    do index = (unsigned)world_roll(world, 0, world->count - 1);
    while (!world->servers[index]->alive || world->servers[index]->kind == WORLD_RAW);
    return index;
}

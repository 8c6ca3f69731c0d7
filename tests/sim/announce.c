// Announces: who knows whom and how loaded, and what that costs.
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t announces(const struct world *world) {
    uint64_t sent = 0;
    for (unsigned i = 0; i < world->count; i++) sent += world->servers[i]->sent[COMMAND_SERVER_ANNOUNCE];
    return sent;
}

static const struct peer *known(struct world *world, unsigned to, unsigned about) {
    return peers_find(&world->servers[to]->node.peers, str_of(world->servers[about]->id));
}

static void promise_loads_known(struct world *world) {
    for (unsigned i = 0; i < world->count; i++) {
        for (unsigned k = 0; k < world->count; k++) {
            if (i == k || !world->servers[i]->alive || !world->servers[k]->alive) continue;
            const struct peer *peer = known(world, i, k);
            promise(world, peer != NULL, "server %u does not know server %u", i, k);
            promise(world, peer->load == world->servers[k]->load, "server %u has an old load of server %u", i,
                    k);
        }
    }
}

static void loads_are_known_within_two_intervals(struct world *world) {
    world_grow(world, world_some_size(world, 24), world_chance(world, 50) ? 40 : 0);
    for (unsigned round = 0; round < 4; round++) {
        unsigned changes = (unsigned)world_roll(world, 1, 40);
        for (unsigned i = 0; i < changes; i++) {
            world_load(world, world_any(world), world_roll(world, 0, 1000));
            world_run(world, world_roll(world, 0, 200));
        }
        world_run(world, 2 * INTERVAL_MS);
        promise_loads_known(world);
    }
}

// In a tree of n each announce passes n - 1 links.
static void they_cost_n_times_n_an_interval(struct world *world) {
    unsigned size = world_some_size(world, 24);
    world_grow(world, size, world_chance(world, 50) ? 40 : 0);
    uint64_t before = announces(world), most = (uint64_t)size * (size - 1);
    world_run(world, 10 * INTERVAL_MS);
    promise(world, announces(world) - before <= 11 * most, "%" PRIu64 " announces",
            announces(world) - before);
    promise(world, announces(world) - before >= 9 * most, "%" PRIu64 " announces", announces(world) - before);
}

static void restless_loads_make_no_storm(struct world *world) {
    unsigned size = world_some_size(world, 16);
    world_grow(world, size, world_chance(world, 50) ? 40 : 0);
    uint64_t before = announces(world);
    for (unsigned i = 0; i < 4 * INTERVAL_MS / 20; i++) {
        world_load(world, world_any(world), world_roll(world, 0, 1000));
        world_run(world, 20);
    }
    // Each server's own, four a second.
    uint64_t most = (uint64_t)size * (size - 1) * (4 * INTERVAL_MS / 250 + 4);
    promise(world, announces(world) - before <= most, "%" PRIu64 " announces", announces(world) - before);
}

static void the_dead_are_forgotten(struct world *world) {
    world_grow(world, world_some_size(world, 16), world_chance(world, 50) ? 40 : 0);
    unsigned dead = world_any(world);
    bool neighbour[WORLD_MAX] = {false};
    struct node_link *link, *next;
    HASH_ITER(hh, world->servers[dead]->node.links, link, next)
    neighbour[world_other(world, link->id)->index] = true;
    world_kill(world, dead);
    world_run(world, world->slowest_ms);
    for (unsigned i = 0; i < world->count; i++)
        promise(world, !neighbour[i] || known(world, i, dead) == NULL, "its neighbour %u knows it still", i);
    // The last announce was on its way, and may have been told on by one that heard it to another that had
    // lost its link.
    world_run(world, 4 * INTERVAL_MS + INTERVAL_MS / 4 + world->count * world->slowest_ms);
    for (unsigned i = 0; i < world->count; i++)
        promise(world, !world->servers[i]->alive || known(world, i, dead) == NULL, "server %u knows it still",
                i);
}

static void a_silent_break_is_noticed(struct world *world) {
    world_grow(world, world_some_size(world, 16), world_chance(world, 50) ? 40 : 0);
    world_cut_any(world, true);
    world_run(world, 3 * INTERVAL_MS + 1);
    world_await(world, world_is_tree, 20000, "a tree again");
}

// --- servers that pass on whatever they hear -----------------------------------------------------------

// As the simplest of the peers do: every line to every other link. In a ring with such, what is said goes
// round.
static uint32_t naive_links[WORLD_MAX][8];

static bool naive_knows(unsigned server, uint32_t link) {
    for (int i = 0; i < 8 && naive_links[server][i] != 0; i++) {
        if (naive_links[server][i] == link) return true;
    }
    return false;
}

static void naive_link(struct world *world, unsigned server, uint32_t link) {
    int i = 0;
    while (i < 8 && naive_links[server][i] != 0) i++;
    promise(world, i < 8, "too many links for a naive server");
    naive_links[server][i] = link;
}

static void naive_line(struct world *world, unsigned server, uint32_t link, struct str line) {
    if (!naive_knows(server, link)) { // it begins with AUTHENTICATE
        naive_link(world, server, link);
        return;
    }
    for (int i = 0; i < 8 && naive_links[server][i] != 0; i++) {
        if (naive_links[server][i] != link) world_raw_send(world, naive_links[server][i], line);
    }
}

static void naive_announce(struct world *world, unsigned server, uint64_t load) {
    char line[200];
    int len = snprintf(line, sizeof line,
                       "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"%s\",\"load\":%" PRIu64
                       ",\"hostname\":\"%s\",\"port\":%u}\n",
                       world->servers[server]->id, load, world->servers[server]->host, WORLD_PORT);
    for (int i = 0; i < 8 && naive_links[server][i] != 0; i++)
        world_raw_send(world, naive_links[server][i], (struct str){.ptr = line, .len = (size_t)len});
}

static void a_ring_with_plain_servers_makes_no_storm(struct world *world) {
    memset(naive_links, 0, sizeof naive_links);
    world->raw_line = naive_line;
    unsigned naive = (unsigned)world_roll(world, 1, 4), herald = world_place(world, WORLD_HERALD);
    for (unsigned i = 1; i <= naive; i++) world_place(world, WORLD_RAW);
    // herald -> 1 <- 2 <- ... <- naive, and the last one -> herald: a ring, when it dials too.
    world_connect(world, herald, 1);
    for (unsigned i = 1; i <= naive; i++) world_start(world, i);
    world_start(world, herald);
    world_run(world, 2000);
    char hello[] = "{\"command\":\"AUTHENTICATE\",\"secret\":\"" WORLD_SECRET "\"}\n";
    for (unsigned i = 2; i <= naive + 1; i++) {
        unsigned from = i <= naive ? i : naive, to = i <= naive ? i - 1 : herald;
        uint32_t link = world_raw_dial(world, from, to);
        naive_link(world, from, link);
        world_raw_send(world, link, str_of(hello));
    }
    struct server *server = world->servers[herald];
    uint64_t worst = 0;
    bool restless = world_chance(world, 50);
    for (unsigned interval = 0; interval < 20; interval++) {
        uint64_t before = server->sent_all;
        for (unsigned tenth = 0; tenth < 10; tenth++) {
            for (unsigned i = 1; i <= naive; i++) {
                if (tenth == 0 || restless) naive_announce(world, i, restless ? world_roll(world, 0, 9) : 3);
            }
            world_run(world, INTERVAL_MS / 10);
        }
        if (server->sent_all - before > worst) worst = server->sent_all - before;
    }
    // Of each server on each link: some at most in each quarter of an interval.
    uint64_t most = (naive + 1) * 2 * 4 * 10;
    promise(world, worst <= most, "%" PRIu64 " lines in an interval, with %u naive servers", worst, naive);
    promise(world, node_links(&server->node) == 1, "the ring is still there");
}

static const struct story stories[] = {
    {"loads are known within two intervals", 200, loads_are_known_within_two_intervals},
    {"they cost n times n an interval", 200, they_cost_n_times_n_an_interval},
    {"restless loads make no storm", 50, restless_loads_make_no_storm},
    {"the dead are forgotten", 200, the_dead_are_forgotten},
    {"a silent break is noticed", 200, a_silent_break_is_noticed},
    {"a ring with plain servers makes no storm", 200, a_ring_with_plain_servers_makes_no_storm},
};

int main(void) {
    return world_tell(stories, sizeof stories / sizeof stories[0]);
}

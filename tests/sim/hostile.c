// A neighbour that has the server secret and means harm: what it costs the others is bounded.
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define HONEST 5

static uint32_t hostile_link;
static unsigned hostile, victim;

static void say(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct world *world, const char *format, ...) {
    char line[1024];
    va_list list;
    va_start(list, format);
    int len = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    promise(world, len > 0 && len < (int)sizeof line, "the line is too long");
    world_raw_send(world, hostile_link, (struct str){.ptr = line, .len = (size_t)len});
}

static void begin(struct world *world, bool herald) {
    world_grow(world, HONEST, 0);
    hostile = world_place(world, WORLD_RAW);
    victim = (unsigned)world_roll(world, 0, HONEST - 1);
    world_start(world, hostile);
    hostile_link = world_raw_dial(world, hostile, victim);
    say(world, "{\"command\":\"AUTHENTICATE\",\"secret\":\"" WORLD_SECRET "\"%s}\n",
        herald ? ",\"herald\":{\"version\":1,\"id\":\"hostile\"}" : "");
    world_run(world, INTERVAL_MS);
}

static uint64_t lines(const struct world *world) {
    uint64_t sent = 0;
    for (unsigned i = 0; i < HONEST; i++) sent += world->servers[i]->sent_all;
    return sent;
}

static void promise_the_others_live(struct world *world) {
    promise(world, world_is_known(world), "the tree fell apart");
    world->causal = true;
    for (unsigned i = 0; i < 20; i++) {
        world_publish(world, world_any(world));
        world_run(world, world_roll(world, 0, 50));
    }
    world_run(world, 5000);
    for (unsigned i = 0; i < HONEST; i++) {
        for (unsigned k = 0; k < HONEST; k++)
            promise(world, world->servers[i]->heard[k] == world->servers[k]->heard[k],
                    "an activity was lost");
    }
}

static void leave(struct world *world) {
    world_kill(world, hostile);
    world_run(world, 4 * INTERVAL_MS + INTERVAL_MS / 4 + world->count * world->slowest_ms);
    for (unsigned i = 0; i < HONEST; i++)
        promise(world, peers_count(&world->servers[i]->node.peers) == HONEST - 1,
                "server %u remembers its servers", i);
    unsigned request = world_register(world, world_any(world), "afterwards", "secret");
    world_run(world, TIMEOUT_MS);
    promise(world, world->registers[request].success, "nobody can register");
}

static void a_hundred_thousand_servers_announced(struct world *world) {
    begin(world, world_chance(world, 50));
    uint64_t before = lines(world);
    for (unsigned i = 0; i < 100000; i++) {
        say(world,
            "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"x-%u\",\"load\":0,\"hostname\":\"x\",\"port\":1}\n",
            i);
        if (i % 1000 == 0) world_run(world, 10);
    }
    world_run(world, 1000);
    for (unsigned i = 0; i < HONEST; i++)
        promise(world, peers_count(&world->servers[i]->node.peers) <= PEERS_MAX, "server %u knows too many",
                i);
    promise(world, lines(world) - before <= PEERS_MAX * HONEST + 1000, "%" PRIu64 " lines",
            lines(world) - before);
    promise_the_others_live(world);
    leave(world);
}

static void the_same_announce_again_and_again(struct world *world) {
    begin(world, world_chance(world, 50));
    uint64_t before = lines(world);
    for (unsigned i = 0; i < 20000; i++) {
        bool change = i % 2 == 0; // a load that will not rest
        say(world,
            "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"x\",\"load\":%u,\"hostname\":\"x\",\"port\":1}\n",
            change ? i : 0);
        if (i % 20 == 0) world_run(world, 10);
    }
    // Ten seconds: eight quarters of an interval, in each a few go on; and the others' own.
    promise(world, lines(world) - before <= 10 * 10 * HONEST + 200, "%" PRIu64 " lines",
            lines(world) - before);
    promise_the_others_live(world);
    leave(world);
}

static void ids_that_come_back(struct world *world) {
    bool herald = world_chance(world, 50);
    begin(world, herald);
    uint32_t pipes = world->pipe_count;
    for (unsigned i = 0; i < 1000; i++) {
        say(world,
            "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"%s\",\"load\":0,\"hostname\":\"x\",\"port\":1}\n",
            world->servers[victim]->id);
        if (herald) say(world, "{\"command\":\"HERALD\",\"version\":1,\"id\":\"%016x\"}\n", i);
        world_run(world, 100);
    }
    // A plain one is believed once; then its victim knows better. Of a Herald it would have to be a token.
    promise(world, world->pipe_count - pipes <= (herald ? 0 : 1), "the victim left its parent %u times",
            world->pipe_count - pipes);
    promise_the_others_live(world);
    leave(world);
}

static void a_flood_of_lock_requests(struct world *world) {
    enum { NAMES = 3000, TIMES = 4 };
    begin(world, world_chance(world, 50));
    uint64_t before = lines(world);
    for (unsigned time = 0; time < TIMES; time++) {
        for (unsigned i = 0; i < NAMES; i++) {
            say(world, "{\"command\":\"LOCK_REQUEST\",\"username\":\"x-%u\",\"secret\":\"s\"}\n", i);
            if (i % 100 == 0) world_run(world, 5);
        }
    }
    world_run(world, 3000);
    // Each name once: its request over the links of the tree, and everyone's answer over them and back.
    uint64_t most = (uint64_t)NAMES * ((HONEST - 1) + HONEST * HONEST) + 1000;
    promise(world, lines(world) - before <= most, "%" PRIu64 " lines", lines(world) - before);
    for (unsigned i = 0; i < HONEST; i++) {
        struct locks *locks = &world->servers[i]->node.locks;
        promise(world, HASH_COUNT(locks->table) <= NAMES && locks->marks <= LOCKS_MAX_MARKS,
                "too many locks");
    }
    unsigned request = world_register(world, victim, "honest", "secret");
    promise_the_others_live(world);
    world_run(world, TIMEOUT_MS);
    promise(world, world->registers[request].answers == 1,
            "a REGISTER had no answer"); // the hostile one gave none
    world_run(world, WINDOW_MS + TIMEOUT_MS);
    for (unsigned i = 0; i < HONEST; i++) {
        struct locks *locks = &world->servers[i]->node.locks;
        promise(world, HASH_COUNT(locks->table) == 0, "server %u keeps %u locks", i,
                HASH_COUNT(locks->table));
        promise(world, locks->seen == NULL && locks->marks == 0, "server %u remembers what was seen", i);
    }
    leave(world);
}

static void denials_of_what_nobody_asked(struct world *world) {
    begin(world, world_chance(world, 50));
    unsigned request = world_register(world, victim, "honest", "secret");
    say(world,
        "{\"command\":\"LOCK_ALLOWED\",\"username\":\"honest\",\"secret\":\"secret\"}\n"); // as a plain one
                                                                                           // does
    world_run(world, TIMEOUT_MS + 1000);
    promise(world, world->registers[request].success, "an honest REGISTER failed");
    world_run(world, WINDOW_MS + 1000);
    uint64_t before = lines(world);
    static const char *const commands[] = {"LOCK_DENIED", "LOCK_ALLOWED"};
    for (unsigned i = 0; i < 2000; i++) {
        say(world, "{\"command\":\"%s\",\"username\":\"honest\",\"secret\":\"secret\"}\n", commands[i % 2]);
        if (i % 100 == 0) world_run(world, 10);
    }
    world_run(world, 1000);
    // Repeats, but for a few rounds: a denial lets what it denies be asked and allowed again.
    promise(world, lines(world) - before <= 2 * 10 * HONEST + 200, "%" PRIu64 " lines",
            lines(world) - before);
    for (unsigned i = 0; i < HONEST; i++)
        promise(world, world_account(world, i, "honest", "secret") == 1, "server %u lost an account", i);
    promise_the_others_live(world);
    leave(world);
}

static void activities_again_and_again(struct world *world) {
    begin(world, true);
    uint64_t before = lines(world);
    struct world_activity *activity = &world->activities[++world->activity_count];
    *activity = (struct world_activity){.publisher = hostile, .number = 1};
    for (unsigned i = 0; i < 1000; i++) {
        say(world,
            "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"hostile\",\"sequence\":%u,"
            "\"activity\":{\"activity_number\":1}}\n",
            i % 3 == 0 ? 7 : i % 7 + 1);
    }
    world_run(world, 2000);
    for (unsigned i = 0; i < HONEST; i++)
        promise(world, world->servers[i]->heard[hostile] == 1, "not heard once");
    promise(world, lines(world) - before <= 200, "%" PRIu64 " lines", lines(world) - before);
    promise_the_others_live(world);
    leave(world);
}

static void words_that_are_none(struct world *world) {
    static const char *const words[] = {
        "{}\n",
        "[]\n",
        "\n",
        "{\"command\":\"LOGOUT\"}\n",
        "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"x\"}\n",
        "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"\",\"load\":0,\"hostname\":\"x\",\"port\":1}\n",
        "{\"command\":\"AUTHENTICATE\",\"secret\":\"" WORLD_SECRET "\"}\n",
        "{\"command\":\"LOGIN\",\"username\":\"a\",\"secret\":\"b\"}\n",
        "{\"command\":\"LOCK_REQUEST\",\"username\":7}\n",
        "{\"command\":\"INVALID_MESSAGE\",\"info\":\"you\"}\n",
    };
    begin(world, world_chance(world, 50));
    size_t links = node_links(&world->servers[victim]->node);
    say(world, "%s", words[world_roll(world, 0, sizeof words / sizeof words[0] - 1)]);
    world_run(world, 1000);
    promise(world, node_links(&world->servers[victim]->node) == links - 1, "it was not cut");
    promise_the_others_live(world);
}

static const struct story stories[] = {
    {"a hundred thousand servers announced", 1, a_hundred_thousand_servers_announced},
    {"the same announce again and again", 10, the_same_announce_again_and_again},
    {"ids that come back", 100, ids_that_come_back},
    {"a flood of lock requests", 2, a_flood_of_lock_requests},
    {"denials of what nobody asked", 100, denials_of_what_nobody_asked},
    {"activities again and again", 50, activities_again_and_again},
    {"words that are none", 200, words_that_are_none},
};

int main(void) {
    return world_tell(stories, sizeof stories / sizeof stories[0]);
}

// Registering over several servers: one answer each, one owner of a name.
#include "world.h"

#include "base/secret.h"

#include <inttypes.h>
#include <stdio.h>

// Time for the slowest REGISTER to be answered, and for making the account.
#define ANSWERED_MS (TIMEOUT_MS + 1000)
#define SAME_SECRET "the same secret"

static void promise_answers(struct world *world) {
    for (unsigned i = 0; i < world->register_count; i++) {
        const struct world_register *request = &world->registers[i];
        promise(world, request->answers == 1, "the REGISTER of %s at server %u had no answer", request->name,
                request->server);
        promise(world, request->answered_ms - request->asked_ms <= ANSWERED_MS,
                "the answer came after %" PRIu64 " ms", request->answered_ms - request->asked_ms);
    }
}

static void promise_no_locks(struct world *world) {
    for (unsigned i = 0; i < world->count; i++) {
        const struct server *server = world->servers[i];
        if (!server->alive || server->kind == WORLD_RAW) continue;
        promise(world, HASH_COUNT(server->node.locks.table) == 0, "server %u keeps a lock", i);
        promise(world, server->node.locks.asking == NULL && server->node.locks.recorded == NULL, "server %u",
                i);
    }
}

static unsigned register_somewhere(struct world *world, const char *name) {
    char secret[64];
    snprintf(secret, sizeof secret, "secret-%016" PRIx64, dice_roll(&world->dice));
    return world_register(world, world_any(world), name, secret);
}

// Of each name the secret that succeeded is the account's, everywhere; and none if none did.
static void promise_one_owner(struct world *world) {
    for (unsigned i = 0; i < world->register_count; i++) {
        const struct world_register *winner = NULL, *request = &world->registers[i];
        if (str_equal(str_of(request->secret), STR(SAME_SECRET))) continue;
        for (unsigned k = 0; k < world->register_count; k++) {
            const struct world_register *other = &world->registers[k];
            if (!other->success || !str_equal(str_of(other->name), str_of(request->name))) continue;
            promise(world, winner == NULL, "%s was registered twice", request->name);
            winner = other;
        }
        for (unsigned k = 0; k < world->count; k++) {
            if (!world->servers[k]->alive) continue;
            int account = world_account(world, k, request->name, winner != NULL ? winner->secret : "");
            promise(world, account == (winner != NULL), "server %u has %s account for %s", k,
                    account == 0 ? "no" : "another's", request->name);
        }
    }
}

// Requests with the same secret cannot be told apart, nor their answers: of them it is only promised that
// nobody else gets the name.
static void promise_no_other_owner(struct world *world, const char *name) {
    for (unsigned k = 0; k < world->count; k++)
        promise(world, world_account(world, k, name, SAME_SECRET) != -1, "server %u has another's account",
                k);
}

static void distinct_names(struct world *world, unsigned plain_percent) {
    world_grow(world, world_some_size(world, 20), plain_percent);
    for (unsigned i = 0; i < 12; i++) {
        char name[32];
        snprintf(name, sizeof name, "name-%u", i);
        register_somewhere(world, name);
        world_run(world, world_roll(world, 0, world_chance(world, 50) ? 10 : 1000));
    }
    world_run(world, ANSWERED_MS);
    promise_answers(world);
    for (unsigned i = 0; i < world->register_count; i++)
        promise(world, world->registers[i].success, "%s was refused", world->registers[i].name);
    world_run(world, WINDOW_MS + 1000);
    promise_one_owner(world);
    promise_no_locks(world);
}

static void distinct_names_all_succeed(struct world *world) {
    distinct_names(world, 0);
}

static void among_plain_servers_too(struct world *world) {
    distinct_names(world, 50);
}

static void of_one_name_at_most_one(struct world *world) {
    world_grow(world, world_some_size(world, 16), world_chance(world, 30) ? 50 : 0);
    unsigned rounds = (unsigned)world_roll(world, 1, 3);
    for (unsigned round = 0; round < rounds; round++) {
        char name[32];
        snprintf(name, sizeof name, "name-%u", round);
        unsigned at_once = (unsigned)world_roll(world, 2, 6);
        bool same_secret = world_chance(world, 20);
        if (same_secret) snprintf(name, sizeof name, "same-%u", round);
        for (unsigned i = 0; i < at_once; i++) {
            if (same_secret)
                world_register(world, world_any(world), name, SAME_SECRET);
            else
                register_somewhere(world, name);
            world_run(world, world_roll(world, 0, world_chance(world, 50) ? 3 : 300));
        }
    }
    world_run(world, ANSWERED_MS);
    promise_answers(world);
    world_run(world, WINDOW_MS + 1000);
    promise_one_owner(world);
    promise_no_other_owner(world, "same-0");
    promise_no_other_owner(world, "same-1");
    promise_no_other_owner(world, "same-2");
    promise_no_locks(world);
}

// Who was refused may ask again, with a new secret or the same, until it has the name or another has it.
static void who_is_refused_may_ask_again(struct world *world) {
    world_grow(world, world_some_size(world, 10), 0);
    for (unsigned i = 0; i < 5; i++) {
        register_somewhere(world, "name");
        register_somewhere(world, "name");
        world_run(world, ANSWERED_MS);
        promise_answers(world);
        if (world->registers[world->register_count - 1].success ||
            world->registers[world->register_count - 2].success)
            break;
    }
    unsigned last = register_somewhere(world, "name");
    world_run(world, ANSWERED_MS);
    promise_answers(world);
    bool any = false;
    for (unsigned i = 0; i <= last; i++) any |= world->registers[i].success;
    promise(world, any, "nobody got the name");
    world_run(world, WINDOW_MS + 1000);
    promise_one_owner(world);
    promise_no_locks(world);
}

static void in_trouble_every_register_is_answered(struct world *world) {
    world->unsettled_percent = 10;
    world_grow(world, world_some_size(world, 16), world_chance(world, 30) ? 30 : 0);
    for (unsigned i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "name-%u", (unsigned)world_roll(world, 0, 8));
        register_somewhere(world, name);
        world_run(world, world_roll(world, 0, 100));
        if (world_chance(world, 20)) world_cut_any(world, world_chance(world, 30));
        unsigned one = (unsigned)world_roll(world, 0, world->count - 1);
        if (world_chance(world, 90) || world->count + 1 >= WORLD_MAX) continue;
        if (!world->servers[one]->alive) continue;
        world_kill(world, one);
        world_restart(world, one);
    }
    world_run(world, ANSWERED_MS);
    promise_answers(world);
    world_run(world, 10 * WINDOW_MS); // the storage fails again and again
    promise_no_locks(world);
}

static const struct story stories[] = {
    {"distinct names all succeed", 150, distinct_names_all_succeed},
    {"among plain servers too", 150, among_plain_servers_too},
    {"of one name at most one", 300, of_one_name_at_most_one},
    {"who is refused may ask again", 200, who_is_refused_may_ask_again},
    {"in trouble every REGISTER is answered", 150, in_trouble_every_register_is_answered},
};

int main(void) {
    return world_tell(stories, sizeof stories / sizeof stories[0]);
}

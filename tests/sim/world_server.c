// What a server's owner does: the reel in small, accounts, registrations. See world.h.
#include "world.h"

#include "base/secret.h"
#include "stream/reel.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- links ---------------------------------------------------------------------------------------------

static void on_send(void *context, uint32_t link, struct str line) {
    struct server *server = context;
    world_transmit(server->world, link, line);
}

static void on_hold(void *context, uint32_t link, bool held) {
    struct server *server = context;
    world_hold(server->world, link, held);
}

static void on_up(void *context, uint32_t link, bool herald) {
    (void)context, (void)link, (void)herald;
}

static void on_cut(void *context, uint32_t link, const char *why) {
    struct server *server = context;
    (void)why;
    world_close(server->world, link);
}

static void on_dial(void *context, const struct settings_target *target) {
    struct server *server = context;
    // A server of another kind was told never to greet as Herald.
    if (server->kind != WORLD_HERALD) server->node.tree.plain[server->node.tree.current] = true;
    world_plan_dial(server, target->host);
}

// --- activities ----------------------------------------------------------------------------------------

#define NUMBER "\"activity_number\":"

static uint64_t number_in(const struct buf *frame) {
    const char *at = memmem(frame->data, frame->len, NUMBER, sizeof NUMBER - 1);
    assert(at != NULL);
    return strtoull(at + sizeof NUMBER - 1, NULL, 10);
}

// The frame goes to this server's clients: never twice, each publisher's in order; in a whole tree all of
// them, and none before what its publisher had heard.
static void hear(struct server *server, const struct buf *frame) {
    struct world *world = server->world;
    struct world_activity *activity = &world->activities[number_in(frame)];
    unsigned *heard = &server->heard[activity->publisher];
    promise(world, activity->number > *heard, "server %u heard activity %u of %u after %u", server->index,
            activity->number, activity->publisher, *heard);
    if (world->causal) {
        promise(world, activity->number == *heard + 1, "server %u missed an activity of %u before %u",
                server->index, activity->publisher, activity->number);
        for (unsigned i = 0; i < world->count; i++)
            promise(world, server->heard[i] >= activity->after[i],
                    "server %u heard an answer before its question", server->index);
    }
    *heard = activity->number;
}

// What trunk_flush.c does with the frame.
static void spread(struct server *server, uint32_t source, uint32_t origin, uint64_t sequence) {
    struct world *world = server->world;
    struct str frame = buf_str(&world->frame);
    struct node_link *link, *next;
    HASH_ITER(hh, server->node.links, link, next) {
        if (link->state != NODE_LINK_UP || link->id == source) continue;
        buf_truncate(&world->line, 0);
        if (link->herald) {
            size_t prefix = sizeof ACTIVITY_FRAME_PREFIX - 1;
            int rc = activity_envelope(&world->line, node_origin(&server->node, origin), sequence);
            rc |= buf_append(&world->line, frame.ptr + prefix, frame.len - prefix);
            assert(rc == 0);
        }
        world_transmit(world, link->id, link->herald ? buf_str(&world->line) : frame);
    }
}

static bool on_publish(void *context, const struct message *message, struct str user, uint32_t link,
                       uint32_t origin, uint64_t sequence) {
    struct server *server = context;
    struct world *world = server->world;
    if (world_chance(world, world->busy_percent)) return false;
    buf_truncate(&world->frame, 0);
    int rc = activity_encode(world->parser, message, user, &world->frame);
    assert(rc == 0);
    hear(server, &world->frame);
    spread(server, link, origin, origin == REEL_LOCAL ? ++server->published : sequence);
    return true;
}

void world_publish(struct world *world, unsigned index) {
    struct server *server = world->servers[index];
    assert(world->activity_count + 1 < WORLD_ACTIVITIES);
    unsigned number = ++world->activity_count;
    struct world_activity *activity = &world->activities[number];
    *activity = (struct world_activity){.publisher = index, .number = server->heard[index] + 1};
    memcpy(activity->after, server->heard, sizeof activity->after);
    buf_truncate(&world->frame, 0);
    int rc = buf_printf(&world->frame,
                        ACTIVITY_FRAME_PREFIX "\"activity\":{" NUMBER "%u,\"authenticated_user\":\"u\"}}\n",
                        number);
    assert(rc == 0);
    hear(server, &world->frame);
    spread(server, 0, REEL_LOCAL, ++server->published);
}

// --- others --------------------------------------------------------------------------------------------

static uint64_t on_load(void *context) {
    const struct server *server = context;
    return server->load;
}

void world_load(struct world *world, unsigned index, uint64_t load) {
    struct server *server = world->servers[index];
    server->load = load;
    node_load_changed(&server->node, world->now_ms);
    world_turn(server);
}

static void on_heard(void *context, const struct peer *peer, uint64_t now_ms) {
    (void)context, (void)peer, (void)now_ms;
}

static void on_gone(void *context, const struct peer *peer) {
    (void)context, (void)peer;
}

static void on_hinted(void *context, struct str id, uint32_t count, bool us, uint64_t now_ms) {
    struct server *server = context;
    (void)id, (void)count, (void)us, (void)now_ms;
    server->hints++;
}

static void on_told(void *context, uint64_t round) {
    struct server *server = context;
    (void)round;
    server->tellings++;
}

// --- accounts ------------------------------------------------------------------------------------------

static bool on_is_account(void *context, const char *fold) {
    struct server *server = context;
    struct world_account *account;
    HASH_FIND_STR(server->accounts, fold, account);
    return account != NULL;
}

static void answered(struct world *world, struct world_register *request, bool success) {
    request->answers++;
    request->success = success;
    request->answered_ms = world->now_ms;
    promise(world, request->answers == 1, "the REGISTER of %s was answered twice", request->name);
}

static void on_decided(void *context, struct lock *lock, enum lock_outcome outcome) {
    struct server *server = context;
    if (outcome == LOCK_GRANTED)
        world_plan_settle(server, lock);
    else
        answered(server->world, lock->request, false);
}

void world_settle(struct server *server, struct lock *lock) {
    struct world *world = server->world;
    if (!server->alive) return;
    bool stored = !world_chance(world, world->unsettled_percent);
    struct world_register *request = lock->ours ? lock->request : NULL;
    if (stored) {
        struct world_account *account = calloc(1, sizeof *account);
        assert(account != NULL && !on_is_account(server, lock->login.fold));
        bool whole = str_copy(str_of(lock->login.fold), account->fold, sizeof account->fold);
        assert(whole);
        account->digest = lock->digest;
        HASH_ADD_STR(server->accounts, fold, account);
        locks_settled(&server->node.locks, lock);
    } else {
        locks_unsettled(&server->node.locks, lock, world->now_ms);
    }
    if (request != NULL) answered(world, request, stored);
    world_turn(server);
}

unsigned world_register(struct world *world, unsigned index, const char *name, const char *secret) {
    struct server *server = world->servers[index];
    assert(world->register_count < WORLD_REGISTERS);
    struct world_register *request = &world->registers[world->register_count];
    *request = (struct world_register){.server = index, .asked_ms = world->now_ms};
    str_copy(str_of(name), request->name, sizeof request->name);
    str_copy(str_of(secret), request->secret, sizeof request->secret);
    struct login login;
    int rc = login_parse(str_of(name), &login, NULL);
    assert(rc == 0);
    if (node_register(&server->node, &login, str_of(secret), request, world->now_ms) != LOCKS_OK)
        answered(world, request, false);
    world_turn(server);
    return world->register_count++;
}

int world_account(struct world *world, unsigned index, const char *name, const char *secret) {
    struct server *server = world->servers[index];
    struct secret_digest digest;
    struct world_account *account;
    HASH_FIND_STR(server->accounts, name, account);
    if (account == NULL) return 0;
    secret_digest(&world->key, str_of(secret), &digest);
    return secret_equal(&digest, &account->digest, sizeof digest) ? 1 : -1;
}

void world_server_fini(struct server *server) {
    // Their clients see the connection closed: an answer too.
    for (unsigned i = 0; i < server->world->register_count; i++) {
        struct world_register *request = &server->world->registers[i];
        if (request->server == server->index && request->answers == 0)
            answered(server->world, request, false);
    }
    if (server->kind != WORLD_RAW) node_fini(&server->node);
    struct world_account *account, *next;
    HASH_ITER(hh, server->accounts, account, next) {
        HASH_DEL(server->accounts, account);
        free(account);
    }
}

const struct node_ops world_ops = {.send = on_send,
                                   .hold = on_hold,
                                   .up = on_up,
                                   .cut = on_cut,
                                   .dial = on_dial,
                                   .publish = on_publish,
                                   .load = on_load,
                                   .server_heard = on_heard,
                                   .server_gone = on_gone,
                                   .hinted = on_hinted,
                                   .told = on_told,
                                   .is_account = on_is_account,
                                   .decided = on_decided};

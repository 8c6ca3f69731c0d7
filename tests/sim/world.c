// Time, links, and the lives of servers. See world.h; what a server's owner does for it is in world_server.c.
#include "world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
    struct line *next;
    size_t len; // 0: the sender has closed
    char bytes[];
};

// Both ends have a name of their own for it: pipe * 2 + side.
struct pipe {
    struct {
        unsigned server;
        bool gone;                 // this end has closed, or has been told that it is closed
        bool known;                // to the node at this end
        struct line *first, *last; // on their way from here
        struct line *held;         // not yet, newest first
        bool holds;
        uint64_t arrives_ms; // the last one
    } end[2];
    bool broken; // nothing arrives any more
};

enum event_kind { TICK, ARRIVE, DOWN, DIAL, SETTLE };

struct event {
    uint64_t at, order;
    enum event_kind kind;
    unsigned server;
    uint32_t link; // ARRIVE: the receiver's; DOWN
    struct lock *lock;
    char host[32];
};

// --- chance --------------------------------------------------------------------------------------------

uint64_t world_roll(struct world *world, uint64_t least, uint64_t most) {
    return dice_between(&world->dice, least, most);
}

bool world_chance(struct world *world, unsigned percent) {
    return dice_below(&world->dice, 100) < percent;
}

static uint64_t delay(struct world *world) {
    return world_roll(world, 1, world->slowest_ms);
}

// --- events, earliest first ----------------------------------------------------------------------------

static bool earlier(const struct event *a, const struct event *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void plan(struct world *world, struct event event) {
    if (world->event_count == world->event_capacity) {
        world->event_capacity = world->event_capacity == 0 ? 1024 : world->event_capacity * 2;
        world->events = realloc(world->events, world->event_capacity * sizeof event);
        assert(world->events != NULL);
    }
    event.order = world->event_order++;
    size_t i = world->event_count++;
    for (; i > 0 && earlier(&event, &world->events[(i - 1) / 2]); i = (i - 1) / 2)
        world->events[i] = world->events[(i - 1) / 2];
    world->events[i] = event;
}

static struct event next_event(struct world *world) {
    struct event first = world->events[0], last = world->events[--world->event_count];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < world->event_count) {
        if (child + 1 < world->event_count && earlier(&world->events[child + 1], &world->events[child]))
            child++;
        if (!earlier(&world->events[child], &last)) break;
        world->events[i] = world->events[child];
        i = child;
    }
    world->events[i] = last;
    return first;
}

// --- pipes ---------------------------------------------------------------------------------------------

static struct pipe *pipe_of(struct world *world, uint32_t link) {
    return world->pipes[link / 2];
}

static struct server *server_at(struct world *world, uint32_t link) {
    return world->servers[pipe_of(world, link)->end[link % 2].server];
}

const struct server *world_other(struct world *world, uint32_t link) {
    return server_at(world, link ^ 1);
}

// The dialler's name for it; the other's is one more.
static uint32_t pipe_open(struct world *world, unsigned from, unsigned to) {
    if (world->pipe_count == world->pipe_capacity) {
        world->pipe_capacity = world->pipe_capacity == 0 ? 64 : world->pipe_capacity * 2;
        world->pipes = realloc(world->pipes, world->pipe_capacity * sizeof *world->pipes);
        assert(world->pipes != NULL);
    }
    if (world->pipe_count == 0) world->pipes[world->pipe_count++] = NULL; // no link is called 0
    struct pipe *pipe = calloc(1, sizeof *pipe);
    assert(pipe != NULL);
    pipe->end[0].server = from;
    pipe->end[1].server = to;
    pipe->end[0].known = true;
    world->pipes[world->pipe_count] = pipe;
    return world->pipe_count++ * 2;
}

static void pipe_push(struct world *world, uint32_t link, struct line *line) {
    struct pipe *pipe = pipe_of(world, link);
    unsigned side = link % 2;
    line->next = NULL;
    if (pipe->end[side].first == NULL)
        pipe->end[side].first = line;
    else
        pipe->end[side].last->next = line;
    pipe->end[side].last = line;
    uint64_t at = world->now_ms + delay(world);
    if (at < pipe->end[side].arrives_ms) at = pipe->end[side].arrives_ms;
    pipe->end[side].arrives_ms = at;
    plan(world, (struct event){.at = at, .kind = ARRIVE, .link = link ^ 1});
}

static struct line *line_of(struct str text) {
    struct line *line = malloc(sizeof *line + text.len);
    assert(line != NULL);
    line->len = text.len;
    line->next = NULL;
    if (text.len > 0) memcpy(line->bytes, text.ptr, text.len);
    return line;
}

static void count_line(struct server *server, struct str text) {
    static const char begin[] = "{\"command\":\"";
    server->sent_all++;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const char *name = command_name((enum command)i);
        size_t len = strlen(name), at = sizeof begin - 1;
        if (text.len > at + len && memcmp(text.ptr + at, name, len) == 0 && text.ptr[at + len] == '"') {
            server->sent[i]++;
            return;
        }
    }
}

void world_transmit(struct world *world, uint32_t link, struct str text) {
    struct pipe *pipe = pipe_of(world, link);
    unsigned side = link % 2;
    if (pipe->end[side].gone) return;
    count_line(server_at(world, link), text);
    if (world->loud)
        fprintf(stderr, "%6" PRIu64 " %2u->%-2u %.*s", world->now_ms, server_at(world, link)->index,
                world_other(world, link)->index, (int)text.len, text.ptr);
    struct line *line = line_of(text);
    if (pipe->end[side].holds) {
        line->next = pipe->end[side].held;
        pipe->end[side].held = line;
    } else {
        pipe_push(world, link, line);
    }
}

void world_hold(struct world *world, uint32_t link, bool held) {
    struct pipe *pipe = pipe_of(world, link);
    unsigned side = link % 2;
    pipe->end[side].holds = held;
    struct line *line = held ? NULL : pipe->end[side].held, *ordered = NULL;
    while (line != NULL) {
        struct line *older = line->next;
        line->next = ordered;
        ordered = line;
        line = older;
    }
    if (!held) pipe->end[side].held = NULL;
    while (ordered != NULL) {
        struct line *next = ordered->next;
        pipe_push(world, link, ordered);
        ordered = next;
    }
}

void world_close(struct world *world, uint32_t link) {
    struct pipe *pipe = pipe_of(world, link);
    if (pipe->end[link % 2].gone) return;
    world_hold(world, link, false);
    pipe->end[link % 2].gone = true;
    pipe_push(world, link, line_of((struct str){0}));
}

// --- arrivals ------------------------------------------------------------------------------------------

// The first line of whoever dialled us.
static void greeted(struct server *server, uint32_t link, struct message *message) {
    struct world *world = server->world;
    promise(world, message->command == COMMAND_AUTHENTICATE, "a link began with %s",
            command_name(message->command));
    pipe_of(world, link)->end[link % 2].known = true;
    bool herald = message->herald_version != 0;
    if (herald && server->kind == WORLD_REFUSES)
        world_transmit(world, link, STR("{\"command\":\"INVALID_MESSAGE\",\"info\":\"unknown field\"}\n"));
    if (herald && (server->kind == WORLD_REFUSES || server->kind == WORLD_CLOSES)) {
        world_close(world, link);
        return;
    }
    if (server->kind != WORLD_HERALD) message->herald_version = 0;
    node_linked_in(&server->node, link, "in", message, world->now_ms);
}

// False: not taken, the reel is busy.
static bool deliver(struct server *server, uint32_t link, struct str text) {
    struct world *world = server->world;
    struct message message;
    struct err err;
    bool taken = true;
    if (server->kind == WORLD_RAW) {
        if (world->raw_line != NULL) world->raw_line(world, server->index, link, text);
        return true;
    }
    if (message_parse(world->parser, (struct str){.ptr = text.ptr, .len = text.len - 1}, &message, &err) != 0)
        node_invalid(&server->node, link, err.text, world->now_ms);
    else if (!pipe_of(world, link)->end[link % 2].known)
        greeted(server, link, &message);
    else
        taken = node_message(&server->node, link, &message, world->now_ms) == NODE_TAKEN;
    parser_forget(world->parser);
    return taken;
}

static void link_down(struct world *world, uint32_t link) {
    struct pipe *pipe = pipe_of(world, link);
    struct server *server = server_at(world, link);
    if (pipe->end[link % 2].gone) return;
    pipe->end[link % 2].gone = true;
    if (!server->alive || server->kind == WORLD_RAW || !pipe->end[link % 2].known) return;
    node_link_down(&server->node, link, "closed", world->now_ms);
    world_turn(server);
}

static void on_arrive(struct world *world, uint32_t link) {
    struct pipe *pipe = pipe_of(world, link);
    unsigned from = (link % 2) ^ 1;
    struct line *line = pipe->end[from].first;
    if (pipe->broken || line == NULL) return;
    struct server *server = server_at(world, link);
    if (server->alive && !pipe->end[link % 2].gone) {
        if (line->len == 0) {
            link_down(world, link);
        } else if (!deliver(server, link, (struct str){.ptr = line->bytes, .len = line->len})) {
            plan(world, (struct event){
                            .at = world->now_ms + world_roll(world, 1, 20), .kind = ARRIVE, .link = link});
            return;
        } else if (server->kind != WORLD_RAW) {
            world_turn(server);
        }
    }
    pipe->end[from].first = line->next;
    free(line);
}

void world_plan_dial(struct server *server, const char *host) {
    struct world *world = server->world;
    struct event event = {.at = world->now_ms + delay(world), .kind = DIAL, .server = server->index};
    str_copy(str_of(host), event.host, sizeof event.host);
    plan(world, event);
}

static struct server *living_at(struct world *world, const char *host) {
    for (unsigned i = 0; i < world->count; i++) {
        if (world->servers[i]->alive && strcmp(world->servers[i]->host, host) == 0) return world->servers[i];
    }
    return NULL;
}

static void on_dial(struct server *server, const char *host) {
    struct world *world = server->world;
    if (!server->alive) return;
    struct server *to = living_at(world, host);
    if (to == NULL)
        node_dial_failed(&server->node, "connection refused", world->now_ms);
    else
        node_linked_out(&server->node, pipe_open(world, server->index, to->index), to->host, world->now_ms);
    world_turn(server);
}

static void on_tick(struct server *server) {
    struct world *world = server->world;
    if (!server->alive || server->tick_ms != world->now_ms) return; // an earlier one was planned since
    server->tick_ms = UINT64_MAX;
    node_tick(&server->node, world->now_ms);
    struct lock *lock;
    while ((lock = locks_ripe(&server->node.locks, world->now_ms)) != NULL) world_plan_settle(server, lock);
    promise(world, node_deadline(&server->node) > world->now_ms, "server %u ticks without end",
            server->index);
    world_turn(server);
}

void world_turn(struct server *server) {
    if (!server->alive) return;
    uint64_t due = node_deadline(&server->node);
    if (due < server->world->now_ms) due = server->world->now_ms;
    if (due >= server->tick_ms) return;
    server->tick_ms = due;
    plan(server->world, (struct event){.at = due, .kind = TICK, .server = server->index});
}

void world_plan_settle(struct server *server, struct lock *lock) {
    plan(server->world, (struct event){.at = server->world->now_ms + world_roll(server->world, 1, 100),
                                       .kind = SETTLE,
                                       .server = server->index,
                                       .lock = lock});
}

static void happen(struct world *world, const struct event *event) {
    switch (event->kind) {
    case TICK: on_tick(world->servers[event->server]); break;
    case ARRIVE: on_arrive(world, event->link); break;
    case DOWN: link_down(world, event->link); break;
    case DIAL: on_dial(world->servers[event->server], event->host); break;
    case SETTLE: world_settle(world->servers[event->server], event->lock); break;
    }
}

void world_run(struct world *world, uint64_t for_ms) {
    uint64_t until = world->now_ms + for_ms;
    while (world->event_count > 0 && world->events[0].at <= until) {
        struct event event = next_event(world);
        world->now_ms = event.at;
        happen(world, &event);
    }
    world->now_ms = until;
}

void world_await(struct world *world, bool (*holds)(struct world *world), uint64_t within_ms,
                 const char *what) {
    uint64_t until = world->now_ms + within_ms;
    while (!holds(world)) {
        promise(world, world->now_ms < until, "not within %" PRIu64 " ms: %s", within_ms, what);
        world_run(world, 50);
    }
}

// --- servers -------------------------------------------------------------------------------------------

unsigned world_place(struct world *world, enum world_kind kind) {
    assert(world->count < WORLD_MAX);
    struct server *server = calloc(1, sizeof *server);
    assert(server != NULL);
    server->world = world;
    server->index = world->count;
    server->kind = kind;
    // Not in the order of the places: who has the lower id matters.
    snprintf(server->id, sizeof server->id, "%08" PRIx64 "-%u", dice_roll(&world->dice) >> 32, server->index);
    snprintf(server->host, sizeof server->host, "server-%u", server->index);
    struct stream_settings *settings = &server->settings;
    str_copy(STR(WORLD_SECRET), settings->secret, sizeof settings->secret);
    settings->announce_interval_ms = INTERVAL_MS;
    settings->register_timeout_ms = TIMEOUT_MS;
    settings->lock_window_ms = WINDOW_MS;
    settings->lock_allowed_server = world->signatures;
    world->servers[world->count] = server;
    return world->count++;
}

void world_connect(struct world *world, unsigned server, unsigned to) {
    struct stream_settings *settings = &world->servers[server]->settings;
    assert(settings->connect_count < SETTINGS_MAX_CONNECT);
    struct settings_target *target = &settings->connect[settings->connect_count++];
    str_copy(str_of(world->servers[to]->host), target->host, sizeof target->host);
    target->port = WORLD_PORT;
}

void world_start(struct world *world, unsigned index) {
    struct server *server = world->servers[index];
    assert(!server->alive);
    server->alive = true;
    server->tick_ms = UINT64_MAX;
    if (server->kind == WORLD_RAW) return;
    struct node_identity identity = {.id = server->id,
                                     .hostname = server->host,
                                     .port = WORLD_PORT,
                                     .dice_seed = dice_roll(&world->dice),
                                     .key = &world->key};
    node_init(&server->node, &identity, &server->settings, &world_ops, server, world->now_ms);
    world_turn(server);
}

// With a goodbye or without; the other ends learn it by an orderly close, or later by an error.
void world_kill(struct world *world, unsigned index) {
    struct server *server = world->servers[index];
    assert(server->alive);
    if (server->kind != WORLD_RAW && world_chance(world, 30)) node_goodbye(&server->node);
    for (uint32_t i = 1; i < world->pipe_count; i++) {
        for (uint32_t link = i * 2; link < i * 2 + 2; link++) {
            struct pipe *pipe = world->pipes[i];
            if (pipe->end[link % 2].server != index || pipe->end[link % 2].gone) continue;
            if (world_chance(world, 50)) {
                world_close(world, link);
            } else {
                pipe->broken = pipe->end[link % 2].gone = true;
                plan(world,
                     (struct event){.at = world->now_ms + delay(world), .kind = DOWN, .link = link ^ 1});
            }
        }
    }
    server->alive = false;
    world_server_fini(server);
}

unsigned world_restart(struct world *world, unsigned index) {
    const struct server *old = world->servers[index];
    assert(!old->alive);
    unsigned again = world_place(world, old->kind);
    struct server *server = world->servers[again];
    str_copy(str_of(old->host), server->host, sizeof server->host);
    memcpy(server->settings.connect, old->settings.connect, sizeof old->settings.connect);
    server->settings.connect_count = old->settings.connect_count;
    world_start(world, again);
    return again;
}

size_t world_alive(const struct world *world) {
    size_t alive = 0;
    for (unsigned i = 0; i < world->count; i++)
        alive += world->servers[i]->alive && world->servers[i]->kind != WORLD_RAW;
    return alive;
}

// --- links ---------------------------------------------------------------------------------------------

static const struct node_link *node_link_at(struct world *world, uint32_t link) {
    const struct server *server = server_at(world, link);
    if (pipe_of(world, link)->end[link % 2].gone || !server->alive || server->kind == WORLD_RAW) return NULL;
    struct node_link *found;
    HASH_FIND(hh, server->node.links, &link, sizeof link, found);
    return found;
}

static bool end_is_up(struct world *world, uint32_t link) {
    const struct node_link *found = node_link_at(world, link);
    return found != NULL && found->state == NODE_LINK_UP;
}

// A plain server that never announced may be silent for good: only the system would notice that it is gone.
static bool silence_is_noticed(struct world *world, uint32_t link) {
    const struct node_link *found = node_link_at(world, link);
    return found->announced || found->herald;
}

static bool pipe_is_up(struct world *world, uint32_t pipe) {
    return !world->pipes[pipe]->broken && end_is_up(world, pipe * 2) && end_is_up(world, pipe * 2 + 1);
}

size_t world_links(const struct world *world) {
    size_t up = 0;
    for (uint32_t i = 1; i < world->pipe_count; i++) up += pipe_is_up((struct world *)world, i);
    return up;
}

bool world_cut_any(struct world *world, bool silently) {
    size_t up = world_links(world);
    if (up == 0) return false;
    size_t chosen = world_roll(world, 1, up);
    for (uint32_t i = 1; i < world->pipe_count; i++) {
        if (!pipe_is_up(world, i) || --chosen > 0) continue;
        world->pipes[i]->broken = true;
        silently = silently && silence_is_noticed(world, i * 2) && silence_is_noticed(world, i * 2 + 1);
        for (uint32_t link = i * 2; !silently && link < i * 2 + 2; link++)
            plan(world, (struct event){.at = world->now_ms + delay(world), .kind = DOWN, .link = link});
        return true;
    }
    return false;
}

bool world_is_tree(struct world *world) {
    unsigned root[WORLD_MAX];
    size_t groups = world_alive(world);
    for (unsigned i = 0; i < world->count; i++) root[i] = i;
    for (uint32_t i = 1; i < world->pipe_count; i++) {
        if (server_at(world, i * 2)->kind == WORLD_RAW || server_at(world, i * 2 + 1)->kind == WORLD_RAW)
            continue;
        if (!end_is_up(world, i * 2) && !end_is_up(world, i * 2 + 1)) continue;
        if (!pipe_is_up(world, i)) return false; // one side has yet to learn
        unsigned a = root[world->pipes[i]->end[0].server], b = root[world->pipes[i]->end[1].server];
        if (a == b) return false; // a circle
        for (unsigned k = 0; k < world->count; k++) {
            if (root[k] == b) root[k] = a;
        }
        groups--;
    }
    return groups == 1;
}

bool world_is_known(struct world *world) {
    if (!world_is_tree(world)) return false;
    for (unsigned i = 0; i < world->count; i++) {
        struct server *server = world->servers[i];
        if (!server->alive || server->kind == WORLD_RAW) continue;
        for (unsigned k = 0; k < world->count; k++) {
            if (k == i || !world->servers[k]->alive || world->servers[k]->kind == WORLD_RAW) continue;
            if (peers_find(&server->node.peers, str_of(world->servers[k]->id)) == NULL) return false;
        }
    }
    return true;
}

uint32_t world_raw_dial(struct world *world, unsigned server, unsigned to) {
    if (!world->servers[to]->alive) return 0;
    return pipe_open(world, server, to);
}

void world_raw_send(struct world *world, uint32_t link, struct str text) {
    world_transmit(world, link, text);
}

// --- the end ---------------------------------------------------------------------------------------------

void world_fini(struct world *world) {
    for (unsigned i = 0; i < world->count; i++) {
        if (world->servers[i]->alive) world_server_fini(world->servers[i]);
        free(world->servers[i]);
    }
    for (uint32_t i = 1; i < world->pipe_count; i++) {
        for (int side = 0; side < 2; side++) {
            struct line *line, *next;
            for (line = world->pipes[i]->end[side].first; line != NULL; line = next)
                next = line->next, free(line);
            for (line = world->pipes[i]->end[side].held; line != NULL; line = next)
                next = line->next, free(line);
        }
        free(world->pipes[i]);
    }
    free(world->pipes);
    free(world->events);
    buf_free(&world->frame);
    buf_free(&world->line);
}

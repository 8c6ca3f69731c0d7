// One server among servers: itself, its announces, its place in the tree, and time. See node.h.
// Memory may run out while a table grows: the element then has hh.tbl == NULL.
#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include "stream/node_private.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

// --- what the locks need from us
// ----------------------------------------------------------------------------

static bool link_wants_signature(const struct node *node, const struct node_link *link) {
    switch (node->settings->lock_allowed_server) {
    case LOCK_SERVER_YES: return true;
    case LOCK_SERVER_NO: return false;
    case LOCK_SERVER_AUTO: break;
    }
    return link->herald || link->signs;
}

static void node_broadcast_lock(void *context, enum command command, struct str username, struct str secret,
                                struct str server, uint32_t except) {
    struct node *node = context;
    bool ours = server.ptr != NULL && str_equal_text(server, node->id);
    struct node_link *link, *next;
    HASH_ITER(hh, node->links, link, next) {
        if (link->state != NODE_LINK_UP || link->id == except) continue;
        bool unsign = ours && !link_wants_signature(node, link);
        buf_truncate(&node->line, 0);
        if (message_write_lock(&node->line, command, username, secret, unsign ? (struct str){0} : server) ==
            0)
            node_send(node, link);
    }
    buf_wipe(&node->line);
}

static bool node_is_account(void *context, const char *fold) {
    struct node *node = context;
    return node->ops->is_account(node->context, fold);
}

static size_t node_servers_through(void *context, uint32_t link) {
    struct node *node = context;
    return peers_through(&node->peers, link);
}

static void node_decided(void *context, struct lock *lock, enum lock_outcome outcome) {
    struct node *node = context;
    node->ops->decided(node->context, lock, outcome);
}

static const struct locks_ops lock_ops = {.broadcast = node_broadcast_lock,
                                          .is_account = node_is_account,
                                          .servers_through = node_servers_through,
                                          .decided = node_decided};

// --- life
// ---------------------------------------------------------------------------------------------------

void node_init(struct node *node, const struct node_identity *identity,
               const struct stream_settings *settings, const struct node_ops *ops, void *context,
               uint64_t now_ms) {
    *node = (struct node){.settings = settings, .port = identity->port, .ops = ops, .context = context};
    str_copy(str_of(identity->id), node->id, sizeof node->id);
    str_copy(str_of(identity->hostname), node->hostname, sizeof node->hostname);
    dice_seed(&node->dice, identity->dice_seed);
    peers_init(&node->peers, settings->announce_interval_ms);
    locks_init(&node->locks, identity->key, str_of(node->id), &lock_ops, node);
    locks_set_times(&node->locks, settings->register_timeout_ms, settings->lock_window_ms);
    tree_init(&node->tree, settings, &node->dice, now_ms);
    node_circle_init(node);
    node->announce_ms = now_ms + settings->announce_interval_ms;
}

void node_fini(struct node *node) {
    struct node_link *link, *next_link;
    HASH_ITER(hh, node->links, link, next_link) {
        HASH_DEL(node->links, link);
        free(link);
    }
    struct node_origin *origin, *next_origin;
    HASH_ITER(hh, node->origins, origin, next_origin) {
        HASH_DEL(node->origins, origin);
        free(origin);
    }
    free(node->origin_by_index);
    node_rounds_fini(node);
    peers_fini(&node->peers);
    locks_fini(&node->locks);
    buf_wipe(&node->line);
}

void node_settings_changed(struct node *node, uint64_t now_ms) {
    node->peers.interval_ms = node->settings->announce_interval_ms;
    locks_set_times(&node->locks, node->settings->register_timeout_ms, node->settings->lock_window_ms);
    tree_set_targets(&node->tree, node->settings, now_ms);
    node_announce_by(node, now_ms + node->settings->announce_interval_ms);
}

// --- origins
// ------------------------------------------------------------------------------------------------

static bool origins_reserve(struct node *node, uint32_t index) {
    if (index < node->origin_capacity) return true;
    size_t capacity = node->origin_capacity == 0 ? 64 : node->origin_capacity * 2;
    struct node_origin **grown = realloc(node->origin_by_index, capacity * sizeof(struct node_origin *));
    if (grown == NULL) return false;
    node->origin_by_index = grown;
    node->origin_capacity = capacity;
    return true;
}

// Origins are never given up: frames in the reel refer to them. Past NODE_ORIGINS_MAX (so many restarts of
// other servers were seen) newcomers' activities are numbered as ours.
struct node_origin *node_origin_of(struct node *node, struct str id) {
    struct node_origin *origin = node->recent;
    if (origin != NULL && str_equal_text(id, origin->id)) return origin;
    HASH_FIND(hh, node->origins, id.ptr, id.len, origin);
    if (origin != NULL) return node->recent = origin;
    uint32_t index = HASH_COUNT(node->origins) + 1;
    if (id.len == 0 || id.len > PEER_ID_MAX || memchr(id.ptr, '\0', id.len) != NULL) return NULL; // no name
    if (index >= NODE_ORIGINS_MAX || !origins_reserve(node, index)) return NULL;
    origin = calloc(1, sizeof *origin);
    if (origin == NULL) return NULL;
    str_copy(id, origin->id, sizeof origin->id);
    origin->index = index;
    HASH_ADD_KEYPTR(hh, node->origins, origin->id, id.len, origin);
    if (origin->hh.tbl == NULL) {
        free(origin);
        return NULL;
    }
    node->origin_by_index[index] = origin;
    return origin;
}

struct str node_origin(const struct node *node, uint32_t index) {
    return str_of(index == 0 ? node->id : node->origin_by_index[index]->id);
}

// --- announcing
// ---------------------------------------------------------------------------------------------

uint64_t node_silence_ms(const struct node *node) {
    return PEERS_FORGET_INTERVALS * node->settings->announce_interval_ms;
}

void node_announce_by(struct node *node, uint64_t when_ms) {
    if (when_ms < node->announce_ms) node->announce_ms = when_ms;
}

void node_load_changed(struct node *node, uint64_t now_ms) {
    uint64_t gap = node->settings->announce_interval_ms / 4;
    // Each announce goes to every server: the more there are, the rarer it has to be.
    uint64_t most = 250 + 5 * (uint64_t)peers_count(&node->peers);
    if (gap > most) gap = most;
    uint64_t when = node->announced_ms + gap;
    node_announce_by(node, when > now_ms ? when : now_ms);
}

void node_write_announce(struct node *node) {
    buf_truncate(&node->line, 0);
    // Out of memory leaves the line empty: one announce is missed, the next one comes.
    (void)message_write_announce(&node->line, str_of(node->id), node->ops->load(node->context),
                                 str_of(node->hostname), node->port);
}

static void node_announce(struct node *node, uint64_t now_ms) {
    node->announced_ms = now_ms;
    node->announce_ms = now_ms + node->settings->announce_interval_ms;
    struct node_link *link, *next;
    HASH_ITER(hh, node->links, link, next) {
        if (!link->quiet) continue;
        if (now_ms - link->since_ms < NODE_QUIET_MS) {
            node_announce_by(node, link->since_ms + NODE_QUIET_MS); // this one comes too early for it
            continue;
        }
        link->quiet = false;
        node->ops->hold(node->context, link->id, false);
    }
    node_write_announce(node);
    HASH_ITER(hh, node->links, link, next) {
        if (link->state == NODE_LINK_UP && !link->quiet) node_send(node, link);
    }
}

void node_goodbye(struct node *node) {
    buf_truncate(&node->line, 0);
    if (message_write_goodbye(&node->line, str_of(node->id)) == 0) node_send_others(node, 0, true);
}

// --- the tree
// -----------------------------------------------------------------------------------------------

static bool is_us(const struct node *node, const struct settings_target *target) {
    if (target->port != node->port) return false;
    if (strcmp(target->host, node->hostname) == 0) return true;
    struct address address;
    bool loopback = strcmp(target->host, "localhost") == 0 ||
                    (address_parse(target->host, target->port, &address) && address_is_loopback(&address));
    return loopback &&
           (address_is_loopback(&node->settings->listen) || address_is_wildcard(&node->settings->listen));
}

const char *node_target_host(const struct settings_target *target) {
    return strcmp(target->host, "localhost") == 0 ? "127.0.0.1" : target->host;
}

static bool target_refused(void *context, const struct settings_target *target) {
    struct node *node = context;
    const char *why = NULL;
    if (is_us(node, target))
        why = "it is this server itself";
    else if (peers_at(&node->peers, node_target_host(target), target->port) != NULL)
        why = "it is linked to us already; another link would close a circle";
    if (why == NULL) return false;
    // It may stay so for good: said the first times only.
    enum log_level level = node->tree.backoff_ms < node->tree.most_ms ? LOG_WARN : LOG_DEBUG;
    log_write(level, (const struct log_field[]){L_MSG("not connecting"),
                                                L_STR("host", target->host),
                                                L_UINT("port", target->port),
                                                L_STR("why", why),
                                                {0}});
    return true;
}

void node_dial_failed(struct node *node, const char *why, uint64_t now_ms) {
    log_warn(L_MSG("connect failed"), L_STR("why", why));
    tree_failed(&node->tree, now_ms);
}

// --- time
// ---------------------------------------------------------------------------------------------------

void node_forget(struct node *node, const struct peer *peer) {
    node->ops->server_gone(node->context, peer);
    locks_server_gone(&node->locks, str_of(peer->id));
}

static void peer_forgotten(void *context, const struct peer *peer) {
    struct node *node = context;
    log_info(L_MSG("server forgotten"), L_STR("id", peer->id), L_STR("why", "unheard for three intervals"));
    node_must_speak(node, peer);
    node_forget(node, peer);
}

void node_tick(struct node *node, uint64_t now_ms) {
    if (node->announce_ms <= now_ms) node_announce(node, now_ms);
    node_links_tick(node, now_ms);
    peers_expire(&node->peers, now_ms, peer_forgotten, node);
    locks_tick(&node->locks, now_ms);
    node_rounds_tick(node, now_ms);
    node_circle_tick(node, now_ms);
    const struct settings_target *target = tree_dial(&node->tree, target_refused, node, now_ms);
    if (target != NULL) node->ops->dial(node->context, target);
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t node_deadline(const struct node *node) {
    uint64_t when = least(node->announce_ms, tree_deadline(&node->tree));
    when = least(when, node_links_deadline(node));
    when = least(when, peers_deadline(&node->peers));
    when = least(when, node_rounds_deadline(node));
    if (node->circle.cut_ms != 0) when = least(when, node->circle.cut_ms);
    return least(when, locks_deadline(&node->locks));
}

// --- registering
// --------------------------------------------------------------------------------------------

enum locks_result node_register(struct node *node, const struct login *login, struct str secret,
                                void *request, uint64_t now_ms) {
    size_t room = peers_count(&node->peers) + HASH_COUNT(node->links), count = 0;
    struct lock_expected *expected = NULL;
    if (room > 0) {
        expected = calloc(room, sizeof *expected);
        if (expected == NULL) return LOCKS_FULL;
    }
    struct peer *peer, *next_peer;
    HASH_ITER(hh, node->peers.table, peer, next_peer) {
        struct lock_expected *one = &expected[count++];
        one->link = peer->link;
        str_copy(str_of(peer->id), one->id, sizeof one->id);
    }
    struct node_link *link, *next_link;
    HASH_ITER(hh, node->links, link, next_link) {
        if (link->state == NODE_LINK_UP && !link->announced) expected[count++].link = link->id;
    }
    enum locks_result result = locks_register(&node->locks, login, secret, request, expected, count, now_ms);
    free(expected);
    return result;
}

// The node's links: from greeting to up to gone. See node.h for the picture.
// Memory may run out while a table grows: the element then has hh.tbl == NULL.
#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include "stream/node_private.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

struct node_link *node_link_find(const struct node *node, uint32_t id) {
    struct node_link *link;
    HASH_FIND(hh, node->links, &id, sizeof id, link);
    return link;
}

static struct node_link *link_add(struct node *node, uint32_t id, const char *address, bool dialled,
                                  uint64_t now_ms) {
    struct node_link *link = calloc(1, sizeof *link);
    if (link == NULL) return NULL;
    link->id = id;
    link->dialled = dialled;
    link->since_ms = link->heard_ms = now_ms;
    str_copy(str_of(address), link->address, sizeof link->address);
    HASH_ADD(hh, node->links, id, sizeof link->id, link);
    if (link->hh.tbl != NULL) return link;
    free(link);
    return NULL;
}

size_t node_links(const struct node *node) {
    size_t up = 0;
    struct node_link *link, *next;
    HASH_ITER(hh, node->links, link, next) up += link->state == NODE_LINK_UP;
    return up;
}

// --- sending
// ------------------------------------------------------------------------------------------------

void node_send(struct node *node, const struct node_link *link) {
    if (node->line.len > 0) node->ops->send(node->context, link->id, buf_str(&node->line));
}

void node_send_others(struct node *node, uint32_t except, bool herald_only) {
    struct node_link *link, *next;
    HASH_ITER(hh, node->links, link, next) {
        if (link->state == NODE_LINK_UP && link->id != except && (link->herald || !herald_only))
            node_send(node, link);
    }
}

static void node_send_info(struct node *node, const struct node_link *link, enum command command,
                           const char *info) {
    buf_truncate(&node->line, 0);
    if (message_write_info(&node->line, command, info) == 0) node_send(node, link);
}

// --- going
// --------------------------------------------------------------------------------------------------

// It may be one of those that we dial (tree.h, rule 5).
void node_must_speak(struct node *node, const struct peer *peer) {
    for (size_t i = 0; i < node->tree.count; i++) {
        const struct settings_target *target = &node->tree.targets[i];
        if (target->port == peer->port && strcmp(node_target_host(target), peer->hostname) == 0)
            node->tree.must_speak[i] = true;
    }
}

static void peer_unreachable(void *context, const struct peer *peer) {
    struct node *node = context;
    log_info(L_MSG("server forgotten"), L_STR("id", peer->id), L_STR("why", "its link is down"));
    node_forget(node, peer);
    // Those behind the other links learn it now, and not only when it has been unheard for three intervals.
    buf_truncate(&node->line, 0);
    if (message_write_goodbye(&node->line, str_of(peer->id)) == 0) node_send_others(node, peer->link, true);
}

// What was known through the link is unknown now. The tree is told by the caller, who knows why.
static void link_remove(struct node *node, struct node_link *link) {
    uint32_t id = link->id;
    HASH_DEL(node->links, link);
    free(link);
    peers_drop_link(&node->peers, id, peer_unreachable, node);
    locks_link_gone(&node->locks, id);
}

static uint64_t link_deadline(const struct node *node, const struct node_link *link) {
    uint64_t silence = node_silence_ms(node);
    if (link->state == NODE_LINK_GREETING) {
        if (!tree_must_speak(&node->tree)) return link->since_ms + NODE_GREETING_MS;
        if (node->tree.count == 1) return UINT64_MAX; // there is nobody else to go to
        return link->since_ms + (silence > NODE_GREETING_MS ? silence : NODE_GREETING_MS);
    }
    if (link->announced || link->herald) return link->heard_ms + silence;
    // Not a plain server that announces rarely, but one that hangs: its kernel accepted us.
    if (link->mute && node->tree.count > 1)
        return link->since_ms + (silence > NODE_MUTE_MS ? silence : NODE_MUTE_MS);
    return UINT64_MAX;
}

static void link_fell_silent(struct node *node, const struct node_link *link) {
    struct peer *peer, *next;
    HASH_ITER(hh, node->peers.table, peer, next) {
        if (peer->link == link->id) node_must_speak(node, peer);
    }
}

static void link_gone(struct node *node, struct node_link *link, const char *why, uint64_t now_ms) {
    bool up = link->state == NODE_LINK_UP, dialled = link->dialled;
    bool silent = link_deadline(node, link) <= now_ms;
    bool elsewhere = link->leaving || silent; // it will not be there when we come back
    log_info(L_MSG(up ? "link down" : "link refused"), L_STR("peer", link->address), L_STR("why", why));
    if (silent) link_fell_silent(node, link);
    link_remove(node, link);
    if (!dialled) return;
    if (up && elsewhere)
        tree_lost_silent(&node->tree, now_ms);
    else if (up)
        tree_lost(&node->tree, now_ms);
    else
        tree_failed(&node->tree, now_ms);
}

void node_cut(struct node *node, struct node_link *link, const char *why, uint64_t now_ms) {
    node->ops->cut(node->context, link->id, why);
    link_gone(node, link, why, now_ms);
}

void node_refuse(struct node *node, struct node_link *link, enum command command, const char *info,
                 uint64_t now_ms) {
    if (link->quiet) node->ops->hold(node->context, link->id, false); // the reason must arrive
    node_send_info(node, link, command, info);
    node_cut(node, link, info, now_ms);
}

void node_invalid(struct node *node, uint32_t id, const char *info, uint64_t now_ms) {
    struct node_link *link = node_link_find(node, id);
    if (link != NULL) node_refuse(node, link, COMMAND_INVALID_MESSAGE, info, now_ms);
}

void node_greeting_refused(struct node *node, const struct node_link *link, uint64_t now_ms) {
    bool first_word = link->state == NODE_LINK_GREETING || (!link->herald && !link->announced);
    if (link->dialled && link->greeted_herald && first_word) tree_refused_greeting(&node->tree, now_ms);
}

void node_link_down(struct node *node, uint32_t id, const char *why, uint64_t now_ms) {
    struct node_link *link = node_link_find(node, id);
    if (link == NULL) return;
    node_greeting_refused(node, link, now_ms); // some plain servers do so without a word
    link_gone(node, link, why, now_ms);
}

// --- coming
// -------------------------------------------------------------------------------------------------

// Between Herald servers a newcomer learns at once what we know; a plain one hears it with the next
// announces. Who is overdue may be dead: told on, it would be alive there for another three intervals.
static void link_tell_peers(struct node *node, struct node_link *link, uint64_t now_ms) {
    struct peer *peer, *next;
    HASH_ITER(hh, node->peers.table, peer, next) {
        bool overdue = now_ms - peer->heard_ms > node->settings->announce_interval_ms * 5 / 4;
        if (overdue || peer->link == link->id || strcmp(peer->id, link->herald_id) == 0) continue;
        buf_truncate(&node->line, 0);
        if (message_write_announce(&node->line, str_of(peer->id), peer->load, str_of(peer->hostname),
                                   peer->port) == 0)
            node_send(node, link);
    }
}

void node_link_up(struct node *node, struct node_link *link, bool herald, uint64_t now_ms) {
    link->state = NODE_LINK_UP;
    link->herald = herald;
    link->since_ms = link->heard_ms = now_ms;
    node->ops->up(node->context, link->id, herald);
    // Said only now: whoever reads it may count on what is published from here on.
    log_info(L_MSG("link up"), L_STR("peer", link->address), L_STR("kind", herald ? "herald" : "plain"),
             L_STR("side", link->dialled ? "parent" : "child"));
    if (link->dialled) tree_linked(&node->tree, now_ms);
    if (!link->dialled && !herald) {
        link->quiet = true;
        node->ops->hold(node->context, link->id, true);
        node_announce_by(node, now_ms + NODE_QUIET_MS);
        return;
    }
    node_write_announce(node);
    node_send(node, link);
    if (herald) link_tell_peers(node, link, now_ms);
}

// A greeting that comes late, over a slow path: until now the other side was taken for a plain server.
void node_link_late(struct node *node, struct node_link *link, struct str herald_id, uint64_t now_ms) {
    if (!node_link_unique(node, link, herald_id, now_ms)) return;
    link->herald = true;
    node->ops->up(node->context, link->id, true);
    log_info(L_MSG("link is herald"), L_STR("peer", link->address));
    link_tell_peers(node, link, now_ms);
}

void node_linked_out(struct node *node, uint32_t id, const char *address, uint64_t now_ms) {
    struct node_link *link = link_add(node, id, address, true, now_ms);
    if (link == NULL) {
        node->ops->cut(node->context, id, "memory is out");
        tree_failed(&node->tree, now_ms);
        return;
    }
    tree_greeting(&node->tree);
    link->state = NODE_LINK_GREETING;
    link->greeted_herald = !tree_greets_plainly(&node->tree);
    buf_truncate(&node->line, 0);
    struct str herald_id = link->greeted_herald ? str_of(node->id) : (struct str){0};
    if (message_write_authenticate(&node->line, str_of(node->settings->secret), herald_id) == 0)
        node_send(node, link);
    buf_wipe(&node->line);
}

bool node_link_unique(struct node *node, struct node_link *link, struct str herald_id, uint64_t now_ms) {
    if (str_equal_text(herald_id, node->id)) {
        node_refuse(node, link, COMMAND_INVALID_MESSAGE, "this server connected to itself", now_ms);
        return false;
    }
    str_copy(herald_id, link->herald_id, sizeof link->herald_id);
    struct node_link *other, *next;
    HASH_ITER(hh, node->links, other, next) {
        if (other == link || other->state != NODE_LINK_UP || !str_equal_text(herald_id, other->herald_id))
            continue;
        // Both sides decide alike: the link stays that the lower id dialled. A second one from the same side
        // replaces the first, which is then a leftover.
        bool they_are_lower = strcmp(other->herald_id, node->id) < 0;
        bool keep_other = other->dialled != link->dialled && other->dialled != they_are_lower;
        if (keep_other) {
            node_refuse(node, link, COMMAND_INVALID_MESSAGE, "the two servers are linked already", now_ms);
            return false;
        }
        node_cut(node, other, "replaced by another link of the same two servers", now_ms);
        return true;
    }
    return true;
}

void node_linked_in(struct node *node, uint32_t id, const char *address, const struct message *message,
                    uint64_t now_ms) {
    struct node_link *link = link_add(node, id, address, false, now_ms);
    if (link == NULL) {
        node->ops->cut(node->context, id, "memory is out");
        return;
    }
    if (!secret_equal_str(message->secret, str_of(node->settings->secret))) {
        node_refuse(node, link, COMMAND_AUTHENTICATION_FAIL, "the supplied secret is incorrect", now_ms);
        return;
    }
    bool herald =
        message->herald_version != 0 && message->herald_id.len > 0 && message->herald_id.len <= PEER_ID_MAX;
    if (herald) {
        // First of all: by it the other side knows that a refusal is not one of its greeting.
        buf_truncate(&node->line, 0);
        if (message_write_herald(&node->line, str_of(node->id)) == 0) node_send(node, link);
        if (!node_link_unique(node, link, message->herald_id, now_ms)) return;
    }
    node_link_up(node, link, herald, now_ms);
}

// --- time
// ---------------------------------------------------------------------------------------------------

void node_links_tick(struct node *node, uint64_t now_ms) {
    struct node_link *link, *next;
    HASH_ITER(hh, node->links, link, next) {
        if (link_deadline(node, link) > now_ms) continue;
        if (link->state == NODE_LINK_GREETING && tree_must_speak(&node->tree)) {
            node_cut(node, link, "it does not answer", now_ms);
        } else if (link->state == NODE_LINK_GREETING) {
            link->mute = true;
            node_link_up(node, link, false, now_ms);
        } else {
            node_cut(node, link, link->mute ? "it has never said a word" : "silent for three intervals",
                     now_ms);
        }
    }
}

uint64_t node_links_deadline(const struct node *node) {
    uint64_t soonest = UINT64_MAX;
    struct node_link *link, *next;
    HASH_ITER(hh, node->links, link, next) {
        uint64_t deadline = link_deadline(node, link);
        if (deadline < soonest) soonest = deadline;
    }
    return soonest;
}

// What a link says, and what we do about it. Commands are rows.
#include "stream/node_private.h"

#include "base/log.h"
#include "stream/reel.h"

#include <string.h>

typedef enum node_result (*link_handler)(struct node *node, struct node_link *link,
                                         const struct message *message, uint64_t now_ms);

// --- SERVER_ANNOUNCE
// ----------------------------------------------------------------------------------------

#define FORWARD_ROUND_MS 1250u // or a quarter of an interval: in each an announce is passed on
#define FORWARD_CHANGED                                                                                      \
    8u // so many times when it tells something new, else once: nothing runs round for ever

static bool announce_due(const struct node *node, struct peer *peer, enum peers_heard heard,
                         uint64_t now_ms) {
    uint64_t round = node->settings->announce_interval_ms / 4;
    if (round > FORWARD_ROUND_MS) round = FORWARD_ROUND_MS;
    if (heard == PEERS_NEW || now_ms - peer->round_ms >= round) {
        peer->round_ms = now_ms;
        peer->forwarded = 0;
    }
    if (peer->forwarded >= (heard == PEERS_SAME ? 1 : FORWARD_CHANGED)) return false;
    peer->forwarded++;
    return true;
}

// It came through two links by turns: they are two of a circle, if we dialled one of them.
static void announce_check_circle(struct node *node, struct node_link *link, const struct peer *peer,
                                  uint64_t now_ms) {
    const struct node_link *other = peer->by_turns != 0 ? node_link_find(node, peer->by_turns) : NULL;
    if (other != NULL && (link->dialled || other->dialled)) node_circle_seen(node, link, other, now_ms);
}

static void announce_forward(struct node *node, const struct node_link *link, const struct peer *peer) {
    buf_truncate(&node->line, 0);
    if (message_write_announce(&node->line, str_of(peer->id), peer->load, str_of(peer->hostname),
                               peer->port) == 0)
        node_send_others(node, link->id, false);
}

static enum node_result on_announce(struct node *node, struct node_link *link, const struct message *message,
                                    uint64_t now_ms) {
    if (message->id.len == 0 || message->id.len > PEER_ID_MAX || message->hostname.len > ADDRESS_HOST_MAX) {
        node_refuse(node, link, COMMAND_INVALID_MESSAGE, "the field id or hostname is empty or too long",
                    now_ms);
        return NODE_TAKEN;
    }
    if (str_equal_text(message->id, node->id)) {
        node_circle_seen(node, link, NULL, now_ms);
        return NODE_TAKEN;
    }
    link->announced = true;
    link->heard_ms = now_ms;
    struct peer *peer;
    enum peers_heard heard = peers_hear(&node->peers, link->id, message->id, message->load, message->hostname,
                                        message->port, now_ms, &peer);
    if (heard == PEERS_ELSEWHERE || heard == PEERS_FULL) {
        log_debug(
            L_MSG("announce ignored"), L_STRN("id", message->id), L_STR("peer", link->address),
            L_STR("why", heard == PEERS_FULL ? "too many servers" : "the server is heard by another link"));
        return NODE_TAKEN;
    }
    if (heard == PEERS_NEW)
        log_info(L_MSG("server heard"), L_STR("id", peer->id), L_STR("hostname", peer->hostname),
                 L_UINT("port", peer->port), L_UINT("load", peer->load));
    if (heard == PEERS_NEW && link->herald) node_must_speak(node, peer);
    node->ops->server_heard(node->context, peer, now_ms);
    announce_check_circle(node, link, peer, now_ms);
    if (announce_due(node, peer, heard, now_ms)) announce_forward(node, link, peer);
    return NODE_TAKEN;
}

// --- ACTIVITY_BROADCAST
// -------------------------------------------------------------------------------------

static enum node_result on_activity(struct node *node, struct node_link *link, const struct message *message,
                                    uint64_t now_ms) {
    (void)now_ms;
    struct node_origin *origin = NULL;
    uint64_t sequence = 0;
    if (link->herald && message->sequence != 0) {
        if (str_equal_text(message->origin, node->id)) return NODE_TAKEN; // our own, come back
        origin = node_origin_of(node, message->origin);
        if (origin != NULL && message->sequence <= origin->sequence) return NODE_TAKEN; // heard already
        if (origin != NULL) sequence = message->sequence;
    }
    if (!node->ops->publish(node->context, message, activity_user(message), link->id,
                            origin != NULL ? origin->index : REEL_LOCAL, sequence))
        return NODE_AGAIN;
    if (origin != NULL) origin->sequence = sequence;
    return NODE_TAKEN;
}

// --- locks
// --------------------------------------------------------------------------------------------------

static enum node_result on_lock(struct node *node, struct node_link *link, const struct message *message,
                                uint64_t now_ms) {
    if (message->command == COMMAND_LOCK_ALLOWED && message->server.ptr != NULL) link->signs = true;
    locks_message(&node->locks, link->id, message, now_ms);
    return NODE_TAKEN;
}

// --- Herald's own
// -------------------------------------------------------------------------------------------

// A server is gone, or going: known at once, and not only after three intervals. Believed only by the link
// that we know it through: it may have moved.
static void on_goodbye(struct node *node, struct node_link *link, struct str id) {
    if (str_equal_text(id, link->herald_id)) link->leaving = true;
    struct peer *peer = peers_find(&node->peers, id);
    if (peer == NULL || peer->link != link->id) return;
    log_info(L_MSG("server forgotten"), L_STR("id", peer->id), L_STR("why", "it said goodbye"));
    node_forget(node, peer);
    buf_truncate(&node->line, 0);
    if (message_write_goodbye(&node->line, id) == 0) node_send_others(node, link->id, true);
    peers_drop(&node->peers, peer);
}

static enum node_result on_herald(struct node *node, struct node_link *link, const struct message *message,
                                  uint64_t now_ms) {
    bool greets =
        message->herald_version != 0 && message->herald_id.len > 0 && message->herald_id.len <= PEER_ID_MAX;
    if (!link->herald && link->dialled && link->greeted_herald && greets) {
        node_link_late(node, link, message->herald_id, now_ms);
        return NODE_TAKEN;
    }
    if (!link->herald) {
        node_refuse(node, link, COMMAND_INVALID_MESSAGE,
                    "HERALD is for servers that declared themselves Herald", now_ms);
        return NODE_TAKEN;
    }
    if (message->hint_count > 0)
        node_hints_heard(node, link, message, now_ms);
    else if (message->server.len > 0)
        node_expected_heard(node, link, message);
    else if (message->id.len > 0)
        on_goodbye(node, link, message->id);
    else
        node_circle_token(node, link, message->herald_id, now_ms);
    return NODE_TAKEN;
}

// --- goodbyes and faults
// ------------------------------------------------------------------------------------

static enum node_result on_refusal(struct node *node, struct node_link *link, const struct message *message,
                                   uint64_t now_ms) {
    char why[160] = "";
    // Seed 004's own example repeats the secret in `info`: such words are not for the log.
    struct str secret = str_of(node->settings->secret);
    bool tells =
        message->info.len > 0 && memmem(message->info.ptr, message->info.len, secret.ptr, secret.len) != NULL;
    if (!tells) str_copy(message->info, why, sizeof why);
    log_warn(L_MSG("the other server refused"), L_STR("peer", link->address),
             L_STR("command", command_name(message->command)), L_STR("info", why));
    if (message->command == COMMAND_INVALID_MESSAGE) node_greeting_refused(node, link, now_ms);
    node_cut(node, link, command_name(message->command), now_ms);
    return NODE_TAKEN;
}

static enum node_result on_authenticate(struct node *node, struct node_link *link,
                                        const struct message *message, uint64_t now_ms) {
    (void)message;
    node_refuse(node, link, COMMAND_INVALID_MESSAGE, "this link is authenticated already", now_ms);
    return NODE_TAKEN;
}

static const link_handler handlers[COMMAND_COUNT] = {
    [COMMAND_AUTHENTICATE] = on_authenticate,
    [COMMAND_INVALID_MESSAGE] = on_refusal,
    [COMMAND_AUTHENTICATION_FAIL] = on_refusal,
    [COMMAND_ACTIVITY_BROADCAST] = on_activity,
    [COMMAND_SERVER_ANNOUNCE] = on_announce,
    [COMMAND_LOCK_REQUEST] = on_lock,
    [COMMAND_LOCK_DENIED] = on_lock,
    [COMMAND_LOCK_ALLOWED] = on_lock,
    [COMMAND_HERALD] = on_herald,
};

// --- the greeting
// -------------------------------------------------------------------------------------------

// The first words of a server that we dialled. True: the link is up and the message is still to be handled.
static bool greeting_message(struct node *node, struct node_link *link, const struct message *message,
                             uint64_t now_ms) {
    switch (message->command) {
    case COMMAND_HERALD:
        if (!link->greeted_herald || message->herald_version == 0 || message->herald_id.len == 0 ||
            message->herald_id.len > PEER_ID_MAX) {
            node_refuse(node, link, COMMAND_INVALID_MESSAGE, "unexpected HERALD", now_ms);
        } else if (node_link_unique(node, link, message->herald_id, now_ms)) {
            node_link_up(node, link, true, now_ms);
        }
        return false;
    case COMMAND_AUTHENTICATION_FAIL:
        log_error(L_MSG("the server secret is wrong"), L_STR("peer", link->address),
                  L_STR("cure",
                        "give this server the secret of the one it connects to: --secret or --secret-file"));
        node_cut(node, link, "wrong server secret", now_ms);
        return false;
    case COMMAND_INVALID_MESSAGE:
        node_greeting_refused(node, link, now_ms);
        node_cut(node, link, "the greeting was refused", now_ms);
        return false;
    default: node_link_up(node, link, false, now_ms); return true;
    }
}

enum node_result node_message(struct node *node, uint32_t id, const struct message *message,
                              uint64_t now_ms) {
    struct node_link *link = node_link_find(node, id);
    if (link == NULL) return NODE_TAKEN; // cut, and not yet closed
    link->mute = false;
    if (link->dialled)
        tree_spoke(&node->tree, link->herald || (link->greeted_herald && message->command == COMMAND_HERALD));
    if (link->state == NODE_LINK_GREETING && !greeting_message(node, link, message, now_ms))
        return NODE_TAKEN;
    link_handler handler = handlers[message->command];
    if (handler == NULL) {
        node_refuse(node, link, COMMAND_INVALID_MESSAGE, "not a command between servers", now_ms);
        return NODE_TAKEN;
    }
    return handler(node, link, message, now_ms);
}

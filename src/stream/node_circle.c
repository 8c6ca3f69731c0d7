// Circles: servers that dial each other all at once can close one before any has heard of the others.
//
//     ┌── A ◄── B ◄──┐     Every server dials one other, so in a circle all links are dialled the same way
//     round. └──► C ───► D ─┘     A token that climbs from child to parent ends at the root of a tree; in a
//     circle it returns.
//
// Rules:
//  1. Who hears a server by two links by turns, or itself, suspects a circle and sends its token to its
//  parent:
//     HERALD with the token as `id`, on a link that is up.
//  2. A server passes on a token that is lower than its own, each once in half an interval; instead of a
//  higher one it
//     sends its own. So one token returns, the lowest, and one link is cut: the one that its owner dialled.
//  3. Tokens are random and only climb: no child can pretend to return one.
//  4. Plain servers pass no tokens. A circle with one of them is cut, after a random time, by a Herald server
//  that
//     has a plain link and sees it again and again. A link that still shows it after our cut is not believed
//     again.
//  5. After a cut nothing is dialled until the others are heard on their new paths (tree.h, rule 2).
#include "stream/node_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void node_circle_init(struct node *node) {
    snprintf(node->circle.token, sizeof node->circle.token, "%016" PRIx64, dice_roll(&node->dice));
}

static struct node_link *link_to_parent(const struct node *node) {
    struct node_link *link, *next;
    HASH_ITER(hh, node->links, link, next) {
        if (link->dialled && link->state == NODE_LINK_UP) return link;
    }
    return NULL;
}

static void circle_cut(struct node *node, struct node_link *parent, uint64_t now_ms) {
    node->circle.cut_ms = 0;
    node->circle.rest_ms = now_ms + PEERS_FORGET_INTERVALS * node->settings->announce_interval_ms;
    node_cut(node, parent, "the servers form a circle", now_ms);
    tree_rest(&node->tree, node->circle.rest_ms); // rule 5
}

// --- among Herald servers
// -------------------------------------------------------------------------------------

static void token_climb(struct node *node, const struct node_link *parent, const char *token) {
    buf_truncate(&node->line, 0);
    if (message_write_herald(&node->line, str_of(token)) == 0) node_send(node, parent);
}

static bool token_is_due(const struct node *node, uint64_t last_ms, uint64_t now_ms) {
    return last_ms == 0 || now_ms - last_ms >= node->settings->announce_interval_ms / 2;
}

static void token_send_ours(struct node *node, const struct node_link *parent, uint64_t now_ms) {
    if (!token_is_due(node, node->circle.sent_ms, now_ms)) return;
    node->circle.sent_ms = now_ms;
    token_climb(node, parent, node->circle.token);
}

// Rule 2. False: it was passed on lately, or there is no room to remember it.
static bool token_pass_once(struct node *node, const char *token, uint64_t now_ms) {
    struct node_circle *circle = &node->circle;
    size_t room = NODE_TOKENS_MAX;
    for (size_t i = 0; i < NODE_TOKENS_MAX; i++) {
        if (token_is_due(node, circle->others[i].passed_ms, now_ms))
            room = i;
        else if (strcmp(circle->others[i].token, token) == 0)
            return false;
    }
    if (room == NODE_TOKENS_MAX) return false;
    strcpy(circle->others[room].token, token);
    circle->others[room].passed_ms = now_ms;
    return true;
}

void node_circle_token(struct node *node, const struct node_link *link, struct str text, uint64_t now_ms) {
    char token[NODE_TOKEN_SIZE];
    struct node_link *parent = link_to_parent(node);
    if (link->dialled || parent == NULL || !parent->herald || !str_copy(text, token, sizeof token)) return;
    int order = strcmp(token, node->circle.token);
    if (order == 0)
        circle_cut(node, parent, now_ms);
    else if (order > 0)
        token_send_ours(node, parent, now_ms);
    else if (token_pass_once(node, token, now_ms))
        token_climb(node, parent, token);
}

// --- with plain ones
// ------------------------------------------------------------------------------------------

// Rule 4: after our cut there can be none.
static void circle_doubt(struct node *node, struct node_link *link, uint64_t now_ms) {
    uint64_t late_ms = node->circle.rest_ms > now_ms ? node->circle.rest_ms - now_ms : UINT64_MAX;
    if (late_ms < (PEERS_FORGET_INTERVALS - 1) * node->settings->announce_interval_ms)
        link->cries_circle = true;
}

void node_circle_seen(struct node *node, struct node_link *link, const struct node_link *other,
                      uint64_t now_ms) {
    struct node_circle *circle = &node->circle;
    struct node_link *parent = link_to_parent(node);
    if (parent == NULL) {
        if (other == NULL) circle_doubt(node, link, now_ms);
        return;
    }
    if (parent->herald) token_send_ours(node, parent, now_ms);
    if (node_links(node) < 2 || link->cries_circle) return;
    if (parent->herald && link->herald && (other == NULL || other->herald)) return;
    uint64_t interval = node->settings->announce_interval_ms;
    circle->seen_ms = now_ms;
    if (circle->cut_ms != 0) return;
    circle->first_ms = now_ms;
    circle->cut_ms = now_ms + dice_between(&node->dice, interval, 4 * interval);
}

void node_circle_tick(struct node *node, uint64_t now_ms) {
    struct node_circle *circle = &node->circle;
    if (circle->cut_ms == 0 || circle->cut_ms > now_ms) return;
    circle->cut_ms = 0;
    uint64_t interval = node->settings->announce_interval_ms;
    // Seen once: a server has changed its place. Not seen any more: another has cut it.
    if (circle->seen_ms - circle->first_ms <= interval / 2 || now_ms - circle->seen_ms > interval * 5 / 4)
        return;
    struct node_link *parent = link_to_parent(node);
    if (parent != NULL) circle_cut(node, parent, now_ms);
}

// Hints: telling other Herald servers of clients that were sent away, before the clients arrive there.
//
//   us: logins ──► REDIRECTs held, round r ──redirected [B: 3], by us, round r──► every Herald server
//                                                                                  B lets 3 in (balance, rule
//                                                                                  4)
//   us: told(r), the REDIRECTs go out  ◄──────────expected B, by us, round r────── B
//
// A client that came before its hint could not be told from a new one, and might be sent on and on. A server
// that does not answer (it is plain) costs one wait of NODE_TELLING_MS, and is not waited for again.
#include "stream/node_private.h"

#include <stdlib.h>
#include <utlist.h>

struct node_round {
    uint64_t round, deadline_ms;
    size_t awaited;                               // ids not yet answered
    char ids[MESSAGE_MAX_HINTS][PEER_ID_MAX + 1]; // empty: answered
    struct node_round *prev, *next;
};

// --- ours
// ---------------------------------------------------------------------------------------------------

static void rounds_tell(struct node *node) {
    while (node->rounds != NULL && node->rounds->awaited == 0) {
        struct node_round *round = node->rounds;
        DL_DELETE(node->rounds, round);
        node->ops->told(node->context, round->round);
        free(round);
    }
}

static void round_await(struct node *node, struct node_round *round, struct str id) {
    const struct peer *peer = peers_find(&node->peers, id);
    if (peer == NULL || peer->expects == PEER_EXPECTS_NOT) return;
    const struct node_link *link = node_link_find(node, peer->link);
    if (link == NULL || !link->herald) return; // a plain server in between passes nothing on
    str_copy(id, round->ids[round->awaited++], sizeof round->ids[0]);
}

void node_tell_hints(struct node *node, const struct message_hint *hints, size_t count, uint64_t number,
                     uint64_t now_ms) {
    buf_truncate(&node->line, 0);
    if (count > 0 && message_write_hints(&node->line, hints, count, str_of(node->id), number) == 0)
        node_send_others(node, 0, true);
    struct node_round *round = calloc(1, sizeof *round);
    if (round == NULL) { // nobody waits then
        node->ops->told(node->context, number);
        return;
    }
    round->round = number;
    round->deadline_ms = now_ms + NODE_TELLING_MS;
    for (size_t i = 0; i < count; i++) round_await(node, round, hints[i].id);
    DL_APPEND(node->rounds, round);
    rounds_tell(node);
}

static void round_answered(struct node *node, struct node_round *round, struct str id) {
    for (size_t i = 0; i < MESSAGE_MAX_HINTS; i++) {
        if (round->ids[i][0] == '\0' || !str_equal_text(id, round->ids[i])) continue;
        round->ids[i][0] = '\0';
        round->awaited--;
    }
    rounds_tell(node);
}

void node_rounds_tick(struct node *node, uint64_t now_ms) {
    while (node->rounds != NULL && node->rounds->deadline_ms <= now_ms) {
        struct node_round *round = node->rounds;
        for (size_t i = 0; i < MESSAGE_MAX_HINTS; i++) {
            struct peer *peer =
                round->ids[i][0] == '\0' ? NULL : peers_find(&node->peers, str_of(round->ids[i]));
            if (peer != NULL && peer->expects == PEER_EXPECTS_UNKNOWN) peer->expects = PEER_EXPECTS_NOT;
        }
        round->awaited = 0;
        rounds_tell(node);
    }
}

uint64_t node_rounds_deadline(const struct node *node) {
    return node->rounds != NULL ? node->rounds->deadline_ms : UINT64_MAX;
}

void node_rounds_fini(struct node *node) {
    struct node_round *round, *next;
    DL_FOREACH_SAFE(node->rounds, round, next) free(round);
    node->rounds = NULL;
}

// --- others'
// ------------------------------------------------------------------------------------------------

void node_expected_heard(struct node *node, const struct node_link *from, const struct message *message) {
    if (str_equal_text(message->origin, node->id)) {
        struct peer *peer = peers_find(&node->peers, message->server);
        if (peer != NULL) peer->expects = PEER_EXPECTS;
        struct node_round *round, *next;
        DL_FOREACH_SAFE(node->rounds, round, next) {
            if (round->round != message->sequence) continue;
            round_answered(node, round, message->server);
            return;
        }
        return;
    }
    const struct peer *to = peers_find(&node->peers, message->origin);
    const struct node_link *link = to != NULL ? node_link_find(node, to->link) : NULL;
    if (link == NULL || link == from || !link->herald || link->state != NODE_LINK_UP) return;
    buf_truncate(&node->line, 0);
    if (message_write_expected(&node->line, message->server, message->origin, message->sequence) == 0)
        node_send(node, link);
}

void node_hints_heard(struct node *node, const struct node_link *link, const struct message *message,
                      uint64_t now_ms) {
    if (str_equal_text(message->origin, node->id)) return; // come round a circle
    struct node_origin *origin = node_origin_of(node, message->origin);
    if (origin == NULL || message->sequence <= origin->round) return; // likewise
    origin->round = message->sequence;
    bool expected = false;
    for (size_t i = 0; i < message->hint_count; i++) {
        const struct message_hint *hint = &message->hints[i];
        bool us = str_equal_text(hint->id, node->id);
        node->ops->hinted(node->context, hint->id, hint->count, us, now_ms);
        expected |= us;
    }
    buf_truncate(&node->line, 0);
    if (expected &&
        message_write_expected(&node->line, str_of(node->id), message->origin, message->sequence) == 0)
        node_send(node, link);
    buf_truncate(&node->line, 0);
    if (message_write_hints(&node->line, message->hints, message->hint_count, message->origin,
                            message->sequence) == 0)
        node_send_others(node, link->id, true);
}

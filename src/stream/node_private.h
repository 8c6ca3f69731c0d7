// Shared by the files of the node: node.c (itself and time), node_link.c (links), node_message.c (what they
// say).
#pragma once

#include "stream/node.h"

// --- node_link.c
struct node_link *node_link_find(const struct node *node, uint32_t id);
void node_send(struct node *node, const struct node_link *link); // node->line, to one
// node->line, to every link that is up but `except` (0: to all); herald_only: not to plain ones.
void node_send_others(struct node *node, uint32_t except, bool herald_only);
void node_link_up(struct node *node, struct node_link *link, bool herald, uint64_t now_ms);
void node_link_late(struct node *node, struct node_link *link, struct str herald_id, uint64_t now_ms);
// Forget the link, and what came by it; the owner is told to cut it.
void node_cut(struct node *node, struct node_link *link, const char *why, uint64_t now_ms);
// The same after a last word: `command` with `info`.
void node_refuse(struct node *node, struct node_link *link, enum command command, const char *info,
                 uint64_t now_ms);
// The link is refused, or closed. If nothing was heard on it before, it was for our greeting; perhaps late,
// over a slow path, when the silence was already taken for a plain server's.
void node_greeting_refused(struct node *node, const struct node_link *link, uint64_t now_ms);
// Two Herald servers that dialled each other keep one link. False: `link` was the one to go.
bool node_link_unique(struct node *node, struct node_link *link, struct str herald_id, uint64_t now_ms);
void node_must_speak(struct node *node, const struct peer *peer);
void node_links_tick(struct node *node, uint64_t now_ms);
uint64_t node_links_deadline(const struct node *node);

// --- node_hint.c
void node_hints_heard(struct node *node, const struct node_link *link, const struct message *message,
                      uint64_t now_ms);
void node_expected_heard(struct node *node, const struct node_link *from, const struct message *message);
void node_rounds_tick(struct node *node, uint64_t now_ms);
uint64_t node_rounds_deadline(const struct node *node);
void node_rounds_fini(struct node *node);

// --- node_circle.c
void node_circle_init(struct node *node);
// What came by `link` should not have: it came by `other` as well (NULL: it is our own).
void node_circle_seen(struct node *node, struct node_link *link, const struct node_link *other,
                      uint64_t now_ms);
void node_circle_token(struct node *node, const struct node_link *link, struct str token, uint64_t now_ms);
void node_circle_tick(struct node *node, uint64_t now_ms);

// --- node.c
const char *node_target_host(const struct settings_target *target);   // as it would announce itself
void node_forget(struct node *node, const struct peer *peer);         // tells the owner and the locks
void node_announce_by(struct node *node, uint64_t when_ms);           // no later than
void node_write_announce(struct node *node);                          // ours, into node->line
struct node_origin *node_origin_of(struct node *node, struct str id); // NULL: no room
uint64_t node_silence_ms(const struct node *node); // how long a link that announces may be silent

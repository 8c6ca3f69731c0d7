// The trunk: the node's links on sockets. Puts stream/node.h to work on the core thread.
//
//   socket ──recv──► framer ──► parser ──► node_message ──► publish: the reel; send: the link's lane
//      ▲
//      └── trunk_turn, once a turn:   rest of a cut frame, then the lane, then the reel without what came
//                                     from this link; Herald links with (origin, sequence) in each frame
#pragma once

#include "net/loop.h"
#include "stream/door.h"
#include "stream/node.h"

struct stream;
struct trunk;

#define TRUNK_LANE_MAX (8u << 20) // bytes of announces and lock messages that a link may leave unread

struct trunk *trunk_open(struct stream *stream, struct err *err);
void trunk_turn(struct trunk *trunk);               // once in every turn of the core loop
void trunk_finish(struct trunk *trunk);             // closes all links in good order
uint64_t trunk_deadline(const struct trunk *trunk); // of the next turn that it needs; UINT64_MAX: none
bool trunk_idle(const struct trunk *trunk);         // none is left
void trunk_close(struct trunk *trunk);              // NULL is fine

void trunk_adopt(struct mail *mail, void *stream); // adoption.mail.deliver

// node_ops, as far as they concern sockets; `context` is the stream.
void trunk_send(void *context, uint32_t link, struct str line);
void trunk_hold(void *context, uint32_t link, bool held);
void trunk_up(void *context, uint32_t link, bool herald);
void trunk_cut(void *context, uint32_t link, const char *why);
void trunk_dial(void *context, const struct settings_target *target);
bool trunk_publish(void *context, const struct message *message, struct str user, uint32_t link,
                   uint32_t origin, uint64_t sequence);

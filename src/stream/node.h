// One server among servers: links, announces, forwarding, the tree and the locks, as one pure core. Messages
// and the time go in, actions come out through node_ops; stream/trunk.c puts it on sockets, tests/sim/ into
// virtual time.
//
// A link (seed 004, AUTHENTICATE; protocol.md, "Servers" and "Between Herald servers"):
//
//   dialled:   node_linked_out ──► GREETING ──HERALD, any message, or GREETING_MS of silence──► UP
//   accepted:  node_linked_in ───right secret──► UP (QUIET until the next announce, if not Herald)
//   either:    wrong message, refusal, silence of three intervals ──► cut
//
// Rules of forwarding: announces, activities and lock messages go to every other link that is up; hints only
// to Herald links. Nothing is ever sent back to where it came from, but the answer to a lock request.
#pragma once

#include "base/dice.h"
#include "stream/locks.h"
#include "stream/peers.h"
#include "stream/settings.h"
#include "stream/tree.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

#define NODE_QUIET_MS    300u   // protocol: send nothing to a new plain child any earlier
#define NODE_GREETING_MS 500u   // silence after our AUTHENTICATE that means: accepted, by a plain server
#define NODE_MUTE_MS     15000u // or three intervals: a parent that has not said a word by then hangs
#define NODE_ORIGINS_MAX 65536u
#define NODE_TELLING_MS  1000u // a REDIRECT waits at most so long for the other server to expect the client

struct node_ops {
    // Append one line (with its newline) to the link's lane.
    void (*send)(void *context, uint32_t link, struct str line);
    // Hold back (true) or let go (false) all that is to be sent on the link. A new link is not held.
    void (*hold)(void *context, uint32_t link, bool held);
    // The link is up: it hears the reel from here on. herald: frames carry origin and sequence.
    void (*up)(void *context, uint32_t link, bool herald);
    // Close the link once what is queued has gone out. No callback follows; the node has forgotten it.
    void (*cut)(void *context, uint32_t link, const char *why);
    // Connect; the answer is node_linked_out or node_dial_failed.
    void (*dial)(void *context, const struct settings_target *target);
    // Stamp and append. origin: node_origin() knows its name; REEL_LOCAL: ours to number. False: the reel is
    // busy, nothing happened.
    bool (*publish)(void *context, const struct message *message, struct str user, uint32_t link,
                    uint32_t origin, uint64_t sequence);
    uint64_t (*load)(void *context); // clients that count
    // What other servers have to do with balancing.
    void (*server_heard)(void *context, const struct peer *peer, uint64_t now_ms);
    void (*server_gone)(void *context, const struct peer *peer);
    void (*hinted)(void *context, struct str id, uint32_t count, bool us, uint64_t now_ms);
    // Whom we sent away in this round, and in those before it, is expected where it goes, or has waited long
    // enough.
    void (*told)(void *context, uint64_t round);
    // Accounts.
    bool (*is_account)(void *context, const char *fold);
    void (*decided)(void *context, struct lock *lock, enum lock_outcome outcome); // locks_ops.decided
};

enum node_link_state { NODE_LINK_GREETING, NODE_LINK_UP };

struct node_link {
    uint32_t id; // given by the owner, never reused
    enum node_link_state state;
    bool dialled, herald, quiet;
    bool greeted_herald; // our AUTHENTICATE declared us Herald
    bool announced;      // any announce was heard on it
    bool mute;           // its silence was taken for consent, and it has not said a word since
    bool leaving;        // it said goodbye
    bool signs;          // its LOCK_ALLOWED carried "server"
    bool cries_circle;   // where there is none: not believed again
    char herald_id[PEER_ID_MAX + 1];
    char address[ADDRESS_TEXT_SIZE]; // for the log
    uint64_t since_ms;               // state, or quiet, began
    uint64_t heard_ms;               // last announce
    UT_hash_handle hh;
};

struct node_origin {
    char id[PEER_ID_MAX + 1];
    uint32_t index;    // from 1; REEL_LOCAL is ourselves
    uint64_t sequence; // the last one taken
    uint64_t round;    // of hints: the last one heard
    UT_hash_handle hh;
};

#define NODE_TOKENS_MAX 32
#define NODE_TOKEN_SIZE 17

struct node_circle {             // node_circle.c
    char token[NODE_TOKEN_SIZE]; // ours
    uint64_t sent_ms;            // last; 0: never
    struct {
        char token[NODE_TOKEN_SIZE];
        uint64_t passed_ms;
    } others[NODE_TOKENS_MAX];
    uint64_t cut_ms;            // 0, or when to cut our link if a circle with a plain server is still there
    uint64_t first_ms, seen_ms; // of that circle
    uint64_t rest_ms;           // we have cut one: until when nothing is dialled
};

struct node {
    char id[PEER_ID_MAX + 1];
    const struct stream_settings *settings; // the owner's, may change between calls
    char hostname[ADDRESS_HOST_MAX + 1];    // what we announce
    uint16_t port;
    struct dice dice;
    struct peers peers;
    struct locks locks;
    struct tree tree;
    struct node_link *links;
    struct node_origin *origins, **origin_by_index, *recent; // the one found last
    size_t origin_capacity;
    uint64_t announce_ms;  // when the next announce is due
    uint64_t announced_ms; // the last one
    struct node_circle circle;
    struct node_round *rounds; // of clients sent away, not yet told; oldest first
    struct buf line;           // scratch for encoding
    const struct node_ops *ops;
    void *context;
};

struct node_identity {
    const char *id;
    const char *hostname; // to announce
    uint16_t port;
    uint64_t dice_seed;
    const struct secret_key *key; // the process's
};

void node_init(struct node *node, const struct node_identity *identity,
               const struct stream_settings *settings, const struct node_ops *ops, void *context,
               uint64_t now_ms);
void node_fini(struct node *node);
void node_settings_changed(struct node *node, uint64_t now_ms);

// --- links ------------------------------------------------------------------------------------------------
// A dial succeeded, or not.
void node_linked_out(struct node *node, uint32_t link, const char *address, uint64_t now_ms);
void node_dial_failed(struct node *node, const char *why, uint64_t now_ms);
// A connection began with AUTHENTICATE (`message`). Refusals are sent and cut here.
void node_linked_in(struct node *node, uint32_t link, const char *address, const struct message *message,
                    uint64_t now_ms);
enum node_result { NODE_TAKEN, NODE_AGAIN }; // AGAIN: the reel is busy; give the same message again later
enum node_result node_message(struct node *node, uint32_t link, const struct message *message,
                              uint64_t now_ms);
void node_invalid(struct node *node, uint32_t link, const char *info,
                  uint64_t now_ms); // a line that is no message
void node_link_down(struct node *node, uint32_t link, const char *why,
                    uint64_t now_ms); // the other side closed

// --- the owner's events -----------------------------------------------------------------------------------
void node_load_changed(struct node *node, uint64_t now_ms); // announces soon, not at once
// We sent these away: tells the other Herald servers; ops->told follows, at once or within NODE_TELLING_MS.
void node_tell_hints(struct node *node, const struct message_hint *hints, size_t count, uint64_t round,
                     uint64_t now_ms);
enum locks_result node_register(struct node *node, const struct login *login, struct str secret,
                                void *request, uint64_t now_ms);
void node_tick(struct node *node, uint64_t now_ms);
uint64_t node_deadline(const struct node *node); // when node_tick has work

// We are stopping: tells the other Herald servers, who forget us; our children look for another parent.
void node_goodbye(struct node *node);

size_t node_links(const struct node *node); // that are up
// The name of an origin index; REEL_LOCAL is our own id.
struct str node_origin(const struct node *node, uint32_t index);

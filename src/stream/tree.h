// Finding a parent in the tree (design, section 5: --connect). A pure core: what to dial, and when.
//
// Rules:
//  1. Targets are tried in their order, the first first; after a success that is lost, and when there are new
//  ones,
//     from the first again; after one that fell silent, from the one behind it: it would accept us, and say
//     nothing.
//  2. Never ourselves, and never a server that we reach through one of our links: that would close a circle.
//  3. Every try but the very first waits a random time: short between two targets, and after the last of the
//  list a
//     backoff that doubles from TREE_BACKOFF_LEAST_MS to TREE_BACKOFF_MOST_MS, or to one announce interval if
//     that is less: a tree is to be whole again within two. A link that held TREE_SETTLED_MS, or an interval,
//     resets it. After a circle was cut, nothing is dialled for as long as the servers need to find their new
//     paths.
//  4. A target that refused our Herald greeting is dialled once more at once, plainly, and remembered as
//  plain;
//     one that refuses the plain greeting too, or cannot be reached, is greeted as Herald again the time
//     after.
//  5. A plain server may take a greeting in silence, and so does the kernel of one that hangs or is slow. A
//     target that fell silent, or is known to Herald servers, is no parent before it says something; who
//     cannot be reached may be another the time after.
#pragma once

#include "base/dice.h"
#include "stream/settings.h"

#include <stdbool.h>
#include <stdint.h>

#define TREE_BACKOFF_LEAST_MS 200u
#define TREE_BACKOFF_MOST_MS  10000u
#define TREE_SETTLED_MS       5000u

enum tree_state { TREE_ROOT, TREE_WAITING, TREE_DIALLING, TREE_GREETING, TREE_LINKED };

struct tree {
    enum tree_state state;
    struct settings_target targets[SETTINGS_MAX_CONNECT];
    bool plain[SETTINGS_MAX_CONNECT];      // rule 4
    bool must_speak[SETTINGS_MAX_CONNECT]; // rule 5
    size_t count, current;
    bool renewed;                 // the targets are others than when the one was dialled that we are at
    uint64_t next_ms;             // WAITING: when to try
    uint64_t backoff_ms;          // the next one
    uint64_t most_ms, settled_ms; // rule 3
    uint64_t linked_ms;           // LINKED: since
    struct dice *dice;            // not owned
};

void tree_init(struct tree *tree, const struct stream_settings *settings, struct dice *dice, uint64_t now_ms);
// New times, and new fallbacks, which take effect with the next try.
void tree_set_targets(struct tree *tree, const struct stream_settings *settings, uint64_t now_ms);

// The target to dial now, or NULL. `refuse` decides rule 2; refused targets are passed over.
const struct settings_target *tree_dial(struct tree *tree,
                                        bool (*refuse)(void *context, const struct settings_target *target),
                                        void *context, uint64_t now_ms);
bool tree_greets_plainly(const struct tree *tree);              // the current target
void tree_failed(struct tree *tree, uint64_t now_ms);           // the dial or the greeting did not succeed
void tree_greeting(struct tree *tree);                          // connected; AUTHENTICATE is sent
void tree_spoke(struct tree *tree, bool herald);                // rule 5: the current target said something
bool tree_must_speak(const struct tree *tree);                  // rule 5: its silence is no consent
void tree_refused_greeting(struct tree *tree, uint64_t now_ms); // rule 4; GREETING, or late: LINKED
void tree_linked(struct tree *tree, uint64_t now_ms);
void tree_lost(struct tree *tree, uint64_t now_ms);        // the link went down
void tree_lost_silent(struct tree *tree, uint64_t now_ms); // it said nothing any more, and was cut
void tree_rest(struct tree *tree, uint64_t until_ms);      // no try before
uint64_t tree_deadline(const struct tree *tree);

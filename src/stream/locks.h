// Registration locks (seed 004, LOCK_*; protocol.md, "Registration locks"). A pure core.
//
// A name that is not an account yet has at most one lock here:
//
//     our REGISTER ──► ASKING ──all allowed──► SETTLING ──► an account, or gone
//                        └── denied, or timed out ──► gone
//     LOCK_REQUEST ──► RECORDED ──first LOGIN, or the window ends──► SETTLING
//                        └── LOCK_DENIED with its secret ──► gone
//
// Rules:
//  1. A request is denied when the name is an account or has a lock here, whatever the secret; otherwise it
//  is
//     recorded and allowed. It is passed on to the other links in both cases, and the answer goes to all.
//  2. A REGISTER succeeds when every server known at its start has allowed it: those that sign their answer
//     are counted once each, unsigned answers by number. A server forgotten meanwhile is no longer waited
//     for; one that came meanwhile is not, and its signed answer does not stand for another's.
//  3. One denial with name and secret ends it. So does register_timeout, which tells the others LOCK_DENIED.
//  4. LOCK_DENIED with name and secret removes a RECORDED lock; never one that was used to log in, never an
//  account.
//  5. One lock message per (command, name, secret, server) per link and window; repeats are dropped.
//  LOCK_ALLOWED
//     without a signature may come once per server reached through the link. A denial ends the window early,
//     so that a refused name can be asked for again.
//  6. Names that our login rules do not allow cannot clash: allowed, not recorded.
//  7. A lock without a secret (a peer leaves it out) only reserves the name for the window.
#pragma once

#include "base/secret.h"
#include "base/text.h"
#include "stream/peers.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#define LOCKS_MAX          65536u  // names with a lock here; beyond it requests are denied
#define LOCKS_MAX_PER_LINK 32768u  // recorded on behalf of one link: a flood leaves room for the others
#define LOCKS_MAX_SEEN     65536u  // (name, secret) pairs remembered for rule 5; the oldest make room
#define LOCKS_MAX_MARKS    524288u // messages remembered for them, likewise

enum lock_state { LOCK_ASKING, LOCK_RECORDED, LOCK_SETTLING };

struct lock_expected {        // one server that a REGISTER waits for
    char id[PEER_ID_MAX + 1]; // empty: a neighbour that has not announced itself
    uint32_t link;
    bool answered;
};

struct lock {
    struct login login;
    enum lock_state state;
    bool ours;                   // from a REGISTER here
    bool has_secret;             // rule 7
    struct secret_digest digest; // of the secret, under locks->key: what becomes the credential
    struct buf secret;           // ours only: the secret itself, to be sent again in LOCK_DENIED; wiped
    uint64_t deadline_ms;
    uint32_t link; // RECORDED: where it came from
    struct lock_expected *expected;
    size_t expected_count, unsigned_answers;
    void *request;            // ours: the owner's
    void *waiting;            // the owner's: logins that wait for SETTLING to end
    struct lock *prev, *next; // in locks->asking or locks->recorded, by deadline
    UT_hash_handle hh;        // by login.fold
};

enum lock_outcome { LOCK_GRANTED, LOCK_REFUSED, LOCK_TIMED_OUT };

struct locks_ops {
    // Send a lock message to every link but `except` (0: to all). `server`: whose answer it is; the NULL
    // slice: none.
    void (*broadcast)(void *context, enum command command, struct str username, struct str secret,
                      struct str server, uint32_t except);
    bool (*is_account)(void *context, const char *fold);
    size_t (*servers_through)(void *context, uint32_t link);
    // Our REGISTER is decided. GRANTED: the lock is SETTLING, make it an account and call locks_settled.
    // Otherwise it is gone after this call.
    void (*decided)(void *context, struct lock *lock, enum lock_outcome outcome);
};

struct locks {
    struct lock *table, *asking, *recorded;
    struct lock_seen *seen, *seen_oldest;
    size_t marks;              // of all of `seen`
    struct lock_quota *quotas; // RECORDED locks by link
    struct secret_key key;     // the process's
    uint64_t register_timeout_ms, window_ms;
    struct str own_id; // signs our answers
    const struct locks_ops *ops;
    void *context;
};

void locks_init(struct locks *locks, const struct secret_key *key, struct str own_id,
                const struct locks_ops *ops, void *context);
void locks_fini(struct locks *locks); // wipes
void locks_set_times(struct locks *locks, uint64_t register_timeout_ms, uint64_t window_ms);

// A client wants to register. `expected` is copied. On LOCKS_OK the outcome comes through ops->decided,
// perhaps before this returns (when nobody is expected). Otherwise nothing was kept.
enum locks_result { LOCKS_OK, LOCKS_TAKEN, LOCKS_FULL };
enum locks_result locks_register(struct locks *locks, const struct login *login, struct str secret,
                                 void *request, const struct lock_expected *expected, size_t count,
                                 uint64_t now_ms);

// LOCK_REQUEST, LOCK_ALLOWED or LOCK_DENIED from a link.
void locks_message(struct locks *locks, uint32_t link, const struct message *message, uint64_t now_ms);

// A server was forgotten, a neighbour's link went down or announced itself: see rule 2.
void locks_server_gone(struct locks *locks, struct str id);
void locks_link_gone(struct locks *locks, uint32_t link);

// A LOGIN for a name that is not an account.
enum lock_login {
    LOCK_LOGIN_UNKNOWN, // no such lock, or not this secret
    LOCK_LOGIN_FIRST,   // right: the lock is SETTLING now; make it an account, then let in who waits
    LOCK_LOGIN_WAIT,    // right, and on its way already
};
enum lock_login locks_login(struct locks *locks, const char *fold, struct str secret, struct lock **lock);

// The account was made, or could not be: the lock is gone.
void locks_settled(struct locks *locks, struct lock *lock);
// Making the account failed for want of storage: a recorded lock goes back to be tried again; ours is gone,
// and the other servers are told so.
void locks_unsettled(struct locks *locks, struct lock *lock, uint64_t now_ms);

// Timeouts, and forgetting. The window's end of a recorded lock is not handled here but by locks_ripe.
void locks_tick(struct locks *locks, uint64_t now_ms);
uint64_t locks_deadline(const struct locks *locks); // of locks_tick or locks_ripe; UINT64_MAX: nothing waits
// The next recorded lock whose window has ended, now SETTLING; NULL: none. Those of rule 7 are dropped.
struct lock *locks_ripe(struct locks *locks, uint64_t now_ms);

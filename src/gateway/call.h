// A call: one request on its way to its answer. On its gate's thread.
//
//   call_head     the head is here: a route, a media type, a length?  (else answered at once)
//   call_begin    the whole request:
//
//     reads     clock reached? ──► who asks? ──► may they? ──► route->handle: answers
//     changes   clock reached? ──► route->prepare: the errand ──► done before? ──► who asks? ──► may they?
//               ──► allowance ──► argon2id ──► propose ──► answer
//
// Each arrow may take a while (another thread's mail); whoever goes on then says conn_settle.
#pragma once

#include "gateway/gate.h"
#include "gateway/routes.h"

#define CALL_CLOCK_WAIT_MS 5000u // for a clock that this server has not reached
#define CALL_PAGE_DEFAULT  100u
#define CALL_PAGE_MAX      1000u

enum asker { ASKER_NOBODY, ASKER_ACCOUNT, ASKER_ADMIN };

struct credentials { // as they were sent; wiped
    enum { CREDENTIALS_NONE, CREDENTIALS_BASIC, CREDENTIALS_BEARER } kind;
    struct buf text;
    struct str login, secret;   // BASIC; in `text`
    struct secret_digest token; // BEARER
};

// A change on its way.
struct errand {
    struct proposal proposal;
    struct job job; // argon2id of digest
    struct call *call;
    struct secret_digest digest;
    bool hashes, worked, hashed;
};

struct call {
    struct mail mail; // to its own thread, to try again
    struct conn *conn;
    struct gate *gate;
    const struct route *route;
    const struct http_request *request;
    uint64_t begun_us, asked_us;
    struct credentials credentials;
    enum asker asker;
    struct account account; // ASKER_ACCOUNT
    struct uuid admin;      // ASKER_ADMIN: id of the token
    uint64_t as_of;         // they were let in at that clock
    bool saw;               // something of the roll,
    uint64_t seen;          // as it was at that clock
    struct uuid target;     // of the path, when it has one
    struct errand *errand;  // of what changes
    unsigned tries;
    bool parked;
    uint64_t clock;  // it waits for
    uint64_t due_ms; // until
    struct call *prev, *next;
};

// --- from the connection
bool call_head(struct conn *conn); // false: it has answered
size_t call_body_max(const struct conn *conn);
void call_begin(struct conn *conn);
void call_end(struct conn *conn, unsigned status); // counts and frees; also when there was no call

// --- from the gate
void call_clock(struct gate *gate); // the clock has gone on, or time has: those who wait for it

// --- for handlers: all of these answer (conn_reply), after which the call is gone
void call_problem(struct call *call, enum problem problem, const char *detail, const char *field);
void call_problem_wait(struct call *call, enum problem problem, const char *detail, uint64_t wait_ms);
void call_broken(struct call *call, const struct err *err); // the store or memory failed: 503
// With gate->body as JSON, gate->header and Herald-Clock.
void call_json(struct call *call, unsigned status);
void call_reply(struct call *call, unsigned status, const char *type); // type NULL: no body
void call_put_clock(struct call *call);                                // the header Herald-Clock
// What a read was given out of the view of gate_store, before it answers: one thing of this version; or
// anything else. Herald-Clock is that of what was seen: whoever follows the change log from there on misses
// nothing, and whoever sends it elsewhere sees nothing older.
void call_saw(struct call *call, uint64_t version);
bool call_saw_all(struct call *call); // false: has answered
// Makes gate->header and gate->body empty, to be filled.
void call_fresh(struct call *call);
void call_put_tag(struct call *call, uint64_t version); // the header ETag
void call_again(struct call *call); // route->handle once more, in the next turn of the loop

// --- for handlers: reading the request. False: has answered
// Parameter `name`, decoded into gate->text, which the next one reuses. *found: is it there?
bool call_parameter(struct call *call, const char *name, bool *found, struct str *value);
bool call_header(struct call *call, const char *name, bool *found, struct str *value);
bool call_limit(struct call *call, unsigned *limit);                     // parameter `limit`
bool call_if_match(struct call *call, struct change *change);            // and If-None-Match
bool call_not_modified(struct call *call, uint64_t version, bool *same); // If-None-Match
bool call_new_errand(struct call *call, enum change_kind kind);

// "EPOCH.CLOCK" or "CLOCK" (then *epoch is left alone).
bool call_parse_clock(struct str text, uint64_t *epoch, uint64_t *clock);

// --- credentials.c
bool credentials_read(struct call *call); // false: has answered
// Who they are of: goes on with call_allowed, later perhaps.
void credentials_verify(struct call *call);
// Digests of who asks, as they say, for idempotency keys.
void credentials_scope(const struct call *call, struct secret_digest *scope);
void call_allowed(struct call *call);
// Are they still who they were at call->as_of? Then it becomes the clock of now. False: has answered.
bool credentials_hold(struct call *call);

// May they look up?
bool readers_may(const struct gateway_settings *settings, enum asker asker);

// --- errand.c
void errand_run(struct call *call);    // it is allowed: hash, propose, answer
bool errand_repeat(struct call *call); // true: it was done before, and has been answered
void errand_free(struct errand *errand);
// To hash the password; its digest's key is made.
void errand_secret(struct errand *errand, struct str secret);

// --- writing
int identity_write(struct buf *out, const struct account *account);
int setting_write(struct buf *out, const struct setting *setting);  // without its value
int time_write(struct buf *out, const char *name, int64_t wall_ms); // ,"name":"2026-..."

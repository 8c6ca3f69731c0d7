// One connection of a session: a name looked up, its addresses dialled one after the other, then lines.
//
//   FINDING ──► DIALLING (each address its share of the time) ──┬──────────────────────► OPEN ──► closed
//                                                               └─► GREETING (with TLS) ──┘
//
// The caller knows when: conn_step's answer says what has become of it.
#pragma once

#include "base/buf.h"
#include "client/cloak.h"
#include "client/finder.h"
#include "client/where.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stdint.h>

#define CONN_SLOT_BITS 8
#define CONN_SLOT      0xFFu // of a tag

#define CONN_INPUT_LEAST (32u * 1024) // with TLS

enum conn_state { CONN_NONE, CONN_FINDING, CONN_DIALLING, CONN_GREETING, CONN_OPEN, CONN_FAILED };

struct conn {
    enum conn_state state;
    int fd, epoll;
    uint32_t wanted; // what epoll watches for
    uint32_t serial; // of this use of the struct: what was begun for an earlier one finds that it is over
    uint64_t tag;    // slot and serial: epoll_data, and the finder's ticket
    struct spot spots[FINDER_SPOTS];
    unsigned spot_count, spot_next;
    uint64_t deadline;              // of this address
    uint64_t give_up;               // of all
    char why[128];                  // CONN_FAILED
    bool announced;                 // the plan knows that it is open
    bool broken;                    // sending has failed
    struct trust *trust;            // of the session; NULL: no TLS
    struct where server;            // with TLS: whose certificate it must be
    struct cloak *cloak;            // from GREETING on
    char met[TLS_FINGERPRINT_SIZE]; // the key of a server met for the first time; "": none, or it was told
    struct framer framer;
    struct buf out; // our own words; publications follow them
    size_t out_sent;
};

void conn_init(struct conn *conn, int epoll, unsigned slot);
void conn_close(struct conn *conn); // to CONN_NONE; wipes

// CONN_FINDING: conn_found is to follow.
void conn_begin(struct conn *conn, size_t max_message, uint64_t give_up);
// With TLS: after conn_begin. The trust outlives the connection.
void conn_cloak(struct conn *conn, struct trust *trust, const struct where *server);
// Begins to dial; CONN_FAILED when none can be.
void conn_found(struct conn *conn, const struct spot *spots, unsigned count, const char *why, uint64_t now);
bool conn_is_opening(const struct conn *conn); // DIALLING or GREETING
// The descriptor is ready, or the deadline has passed: goes on with dialling and greeting.
void conn_dial_step(struct conn *conn, bool ready, uint64_t now);
void conn_fail(struct conn *conn, const char *why);

void conn_want(struct conn *conn, bool input, bool output);
bool conn_holds(const struct conn *conn); // sealed words wait for the socket

enum conn_result { CONN_DONE, CONN_BLOCKED, CONN_OVER };
// Sends what is in `out`. CONN_OVER: the connection is broken, conn->why says how.
enum conn_result conn_flush(struct conn *conn);
// Sends part of `bytes`; *sent is how much was taken.
enum conn_result conn_send(struct conn *conn, struct str bytes, size_t *sent);
// Reads into `bytes`, of CONN_INPUT_LEAST at least. CONN_DONE with *got > 0; CONN_OVER with *in_order: the
// other side has closed, and not before all that was sent had arrived.
enum conn_result conn_receive(struct conn *conn, char *bytes, size_t capacity, size_t *got, bool *in_order);

// A client's connection on its shard: bytes in, lines to the session, replies and the reel out.
//
//   socket ──recv──► framer ──line──► parser ──message──► session ──► publish: the reel
//      ▲                                                     │  └───► ask: the desk (core thread)
//      └────────── reader_flush, in the shard's turn ◄───────┴─ reply: the lane
//
//   Who begins with a ClientHello has a veil between the socket and the rest: veil_receive, veil_flush.
//
//   phase:  OPEN ──finish──► FINISHING ──all sent──► LINGERING ──the other side closed, or too long──► gone
//
// A client that waits for the desk, for the reel, or because it has said more than its share, is not read.
#pragma once

#include "base/uuid.h"
#include "net/sock.h"
#include "stream/balance.h"
#include "stream/closing.h"
#include "stream/reader.h"
#include "stream/session.h"
#include "stream/veil.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stdint.h>

struct shard;
struct request;

enum client_phase { CLIENT_OPEN, CLIENT_FINISHING, CLIENT_LINGERING };
enum client_place { PLACE_NONE, PLACE_READY, PLACE_BLOCKED }; // among the shard's listeners

struct client {
    struct mail mail; // core thread to shard at the start, back at the end
    struct address from;
    int fd; // until the shard has it in `sock`
    struct shard *shard;
    struct sock *sock;
    struct session session;
    struct reader reader;
    struct framer framer;
    struct veil *veil;           // it speaks TLS; NULL: it does not, or that is not known yet
    struct request *request;     // at the desk
    struct buf stalled;          // a line that the reel had no room for
    struct departure *departure; // it will be redirected as soon as it is expected there
    enum client_phase phase;
    struct uuid account; // logged in as; zero: as nobody in particular
    uint64_t as_of;      // of the login (request.h)
    enum client_place place;
    enum close_reason doom;             // why it is in the shard's list of the doomed
    bool in_clear;                      // it does not speak TLS: its first bytes have told
    bool paused;                        // waits, and is not read meanwhile
    bool refused;                       // the last reply was a refusal
    bool ended;                         // its account has changed
    bool eof;                           // the client closed its side
    bool counted;                       // in the load
    bool touched, doomed;               // in the shard's lists of that name
    bool waits_for_reel;                // in the shard's list of stalled clients
    bool resting;                       // has said more than its share: not read until that is paid
    uint64_t paid_us;                   // what it has said is paid by then, at publish_limit
    size_t drained;                     // bytes thrown away while FINISHING or LINGERING
    uint64_t deadline_ms;               // in the shard's list of `phase`, or of the resting; 0: in none
    struct client *prev, *next;         // place
    struct client *due_prev, *due_next; // deadlines
    struct client *all_prev, *all_next; // every client of the shard
    struct client *touched_next, *doomed_next, *stalled_next;
};

struct departure {
    struct balance_target target;
    struct departure *prev, *next; // in the shard's list, by round
    struct client *client;
};

// On the core thread: takes `fd`. NULL: memory is out, `fd` is still the caller's.
struct client *client_new(int fd, const struct address *from, struct shard *shard);
void client_free(struct client *client); // after its shard has closed it, or before it arrived

// On the shard.
void client_arrived(struct mail *mail, void *shard); // mail.deliver
void client_answered(struct client *client, const struct request *request);
void client_retry(struct client *client); // the reel may have room again
void client_rested(struct client *client);
void client_stop(struct client *client);   // the server is stopping: to another, if there is one
void client_ended(struct client *client);  // its account has changed: it must log in again
void client_depart(struct client *client); // sends the REDIRECT that was held
void client_finish(struct client *client, enum close_reason reason);
// Its part of a pass; tail and head are the pass's. May doom it, never closes it.
void client_flush(struct client *client, reel_pos head, reel_pos tail);
void client_close(struct client *client, enum close_reason reason);

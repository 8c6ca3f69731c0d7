// A shard: one event-loop thread, the clients that live on it, and its flush passes over the reel.
//
// One turn of the loop: read from everyone who has something (each read appends to the reel), then in
// shard_turn retry who was stalled, wake the other loops once, and send to every listener in one pass.
#pragma once

#include "base/timing.h"
#include "stream/client.h"
#include "stream/former.h"
#include "stream/hub.h"
#include "wire/message.h"

#include <pthread.h>
#include <stdatomic.h>

#define SHARD_INPUT        (256 * 1024) // bytes read from one client in one turn
#define PUBLISH_SHARE_US   1000000u     // of publish_limit: a second's share may be spent at once
#define PUBLISH_OVERHEAD   256u         // bytes that sending anything costs as much as
#define LINGER_MS          2000u        // to read the last word and close
#define LINGER_STOPPING_MS 500u         // the same while the server stops
#define LINGER_BYTES       (4u << 20)   // thrown away meanwhile

struct deadlines { // clients that share one length of wait, oldest first
    struct client *list;
};

struct shard {
    struct hub *hub;
    unsigned participant;
    pthread_t thread;
    bool running;
    struct loop *loop;
    struct mailbox *mailbox;
    struct wake *wake;
    struct timer *timer;
    struct parser *parser;
    struct buf frame;                // scratch: the frame being encoded
    char *input;                     // SHARD_INPUT bytes
    struct veil_scratch veil;        // for those who speak TLS
    struct stream_settings settings; // a copy; the shard's own
    struct client *all;
    struct client *ready, *blocked; // listeners, by whether their socket takes more
    struct client *touched, *doomed, *stalled;
    struct departure *departing;
    atomic_uint departing_count;
    struct deadlines newcomers, resting,
        finishing;          // first message; share of talking; finishing and lingering
    reel_pos flushed, tail; // as of the last pass
    bool appended;          // something went into the reel in this turn
    bool core_news;         // the load changed or somebody was redirected
    bool draining;
    uint64_t drain_until_ms;
    struct mail *drained; // to be posted to the core when the last client is gone
    atomic_uint listeners;
    struct watch *watch; // of the roll
    uint64_t told;       // the event clock that it was told of last
    struct former former;
    void (*turned)(void *context); // the guest's; NULL: there is none
    void *turned_context;
    struct timing fanout;         // from an append to its having been sent to all of ours that take it
    atomic_uint_fast64_t owes_us; // when something was appended that has not been sent; 0: there is nothing
};

// Opens the loop and starts the thread. -1: nothing was left behind.
int shard_start(struct shard *shard, struct hub *hub, unsigned participant,
                const struct stream_settings *settings, struct err *err);
// From the core thread.
void shard_reload(struct shard *shard, const struct stream_settings *settings);
void shard_drain(struct shard *shard, struct mail *drained); // posted to the core mailbox when done
// Joins the thread; what is mailed to it from now on waits for shard_settle. Once or more.
void shard_stop(struct shard *shard);
void shard_settle(struct shard *shard); // delivers that; closes everyone at once
void shard_close(struct shard *shard);  // frees

// --- for client.c
// -------------------------------------------------------------------------------------------
// An account that was renamed, deleted or given a new secret must not be heard any more once that is durable.
// Told: every session of whom that is so has been closed; else wait a turn.
bool shard_is_told(const struct shard *shard);
// Has the account changed so since the event clock `as_of`? Also when that is too long ago to be known.
bool shard_has_ended(const struct shard *shard, const struct uuid *account, uint64_t as_of);

// From any thread: something for its listeners was appended at that time.
static inline void shard_owes(struct shard *shard, uint64_t now_us) {
    uint_fast64_t nothing = 0;
    atomic_compare_exchange_strong_explicit(&shard->owes_us, &nothing, now_us, memory_order_relaxed,
                                            memory_order_relaxed);
}

void shard_touch(struct shard *shard, struct client *client); // it has something to send in this turn
void shard_doom(struct shard *shard, struct client *client,
                enum close_reason reason); // close it after the pass
void shard_departs(struct shard *shard, struct departure *departure);
void shard_departs_not(struct shard *shard, struct departure *departure);
void shard_stall(struct shard *shard, struct client *client);
void shard_place(struct shard *shard, struct client *client, enum client_place place);
void shard_deadline(struct shard *shard, struct client *client, struct deadlines *list, uint64_t after_ms);
void shard_no_deadline(struct shard *shard, struct client *client);

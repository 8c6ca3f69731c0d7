// A shard: one event-loop thread, the clients that live on it, and its flush passes over the reel.
//
// One turn of the loop: read from everyone who has something (each read appends to the reel), then in
// shard_turn retry who was stalled, wake the other loops once, and send to every listener in one pass.
#pragma once

#include "stream/client.h"
#include "stream/hub.h"
#include "wire/message.h"

#include <pthread.h>
#include <stdatomic.h>

#define SHARD_INPUT        (256 * 1024) // bytes read from one client in one turn
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
};

// Opens the loop and starts the thread. -1: nothing was left behind.
int shard_start(struct shard *shard, struct hub *hub, unsigned participant,
                const struct stream_settings *settings, struct err *err);
// From the core thread.
void shard_reload(struct shard *shard, const struct stream_settings *settings);
void shard_drain(struct shard *shard, struct mail *drained); // posted to the core mailbox when done
void shard_stop(
    struct shard *shard); // joins the thread; what is mailed to it from now on waits for shard_close
void shard_close(struct shard *shard); // closes everyone at once, frees

// --- for client.c
// -------------------------------------------------------------------------------------------
void shard_touch(struct shard *shard, struct client *client); // it has something to send in this turn
void shard_doom(struct shard *shard, struct client *client,
                enum close_reason reason); // close it after the pass
void shard_departs(struct shard *shard, struct departure *departure);
void shard_departs_not(struct shard *shard, struct departure *departure);
void shard_stall(struct shard *shard, struct client *client);
void shard_place(struct shard *shard, struct client *client, enum client_place place);
void shard_deadline(struct shard *shard, struct client *client, struct deadlines *list, uint64_t after_ms);
void shard_no_deadline(struct shard *shard, struct client *client);

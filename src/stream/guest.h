// What a floor above may use of the stream, so that its connections live on the same threads, under the same
// limits, and are judged at the same desk: the gateway is the guest.
//
//   core thread    stream_admit ... stream_left        connections count by address and in all
//   shard thread   loop, mailbox                       the guest's sockets and timers live there, too
//   any thread     stream_ask ──► desk ──► answered    is this secret right; may this address register
//                  stream_hash ──► pool ──► job.mail   argon2id
//   shard thread   stream_say ──► reel                 an activity, stamped like any other
#pragma once

#include "base/timing.h"
#include "stream/closing.h"
#include "stream/request.h"
#include "stream/stream.h"

struct guest_ops {
    // On the core thread, within stream_close, when the shards' threads have ended and nothing is under way
    // any more: close what lives on the shards' loops. No mail is delivered after it.
    void (*leave)(void *context);
};
void stream_host(struct stream *stream, const struct guest_ops *ops, void *context);

unsigned stream_shards(const struct stream *stream);
struct loop *stream_shard_loop(const struct stream *stream, unsigned shard);
struct mailbox *stream_shard_mailbox(const struct stream *stream, unsigned shard);
// On the shard's thread, or when that has ended: `turned` is called at the end of each turn of its loop.
// NULL: no more.
void stream_on_turned(struct stream *stream, unsigned shard, void (*turned)(void *context), void *context);

// Counts a connection in, on the core thread. NULL: it is welcome, and stream_left counts it out; else a
// sentence why not.
const char *stream_admit(struct stream *stream, const struct address *from);
void stream_left(struct stream *stream, const struct address *from);

// Has a request of kind VERIFY or ALLOWANCE decided; `request->answered` gets it back on its home's thread,
// exactly once, and frees it. Any thread.
void stream_ask(struct stream *stream, struct request *request);

// False: too many wait (hash_queue); the job stays the caller's. Any thread.
bool stream_hash(struct stream *stream, struct job *job);

enum said {
    SAID_HEARD,   // it is in the reel
    SAID_BUSY,    // not now; nothing happened: again after *wait_ms
    SAID_INVALID, // not an activity: err says why
    SAID_LONG,    // longer than max_message, with what stands around it
    SAID_ENDED,   // the account has changed since it was verified: verify again
    SAID_MEMORY,
};
struct speaker {
    struct uuid uuid;
    uint64_t as_of; // request.as_of of its verification
    struct str user;
    uint64_t *paid_us; // what the speaker has said is paid by then (publish_limit); 0 at first
};
// On the shard's thread: stamps `activity`, one JSON object, with the user and appends it to the reel.
enum said stream_say(struct stream *stream, unsigned shard, const struct speaker *speaker,
                     struct str activity, uint64_t *wait_ms, struct err *err);

// For metrics; any thread.
struct stream_gauges {
    uint64_t connections; // of all kinds; read without order
    uint64_t listeners, links, activities, deliveries;
    uint64_t logins_failed, logins_delayed; // of all kinds; delayed: also who was told to wait
    uint64_t hash_waiting;
    uint64_t closed[CLOSE_COUNT];
    struct timing fanout; // from an append to its having been sent to those that take it
};
void stream_gauges(const struct stream *stream, struct stream_gauges *gauges);

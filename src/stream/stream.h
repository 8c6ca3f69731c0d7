// The activity stream as the daemon sees it: open, reload, drain, close. All on the core thread.
#pragma once

#include "cluster/propose.h"
#include "net/loop.h"
#include "stream/settings.h"

struct stream;

// Starts the shards and listens. `directory` holds the store (readers are opened on it); `proposer` must
// answer into a mailbox on `loop`. The settings are copied. On error NULL: nothing was left running.
struct stream *stream_open(struct loop *loop, const struct stream_settings *settings, const char *directory,
                           struct proposer *proposer, struct err *err);
void stream_address(const struct stream *stream, struct address *address); // where it listens
const char *stream_id(const struct stream *stream);                        // its SERVER_ANNOUNCE id

// Takes over what can change while running: everything but listen, advertise, shards, max_message,
// max_depth, the reel's, hash_* and verified_entries (daemon/config.c says so to the user).
void stream_reload(struct stream *stream, const struct stream_settings *settings);

// Stops accepting, lets every client take what is pending (at most settings.drain_ms), closes all; then
// `drained` on the core thread. The loop must go on running until then.
void stream_drain(struct stream *stream, void (*drained)(void *context), void *context);
// Ends the shards' threads and stops watching the proposer, which may be closed then; its answers, and those
// of the desk, are still heard. After drained, or at once; NULL is fine.
void stream_stop(struct stream *stream);
void stream_close(struct stream *stream); // stops it first; NULL is fine

// For the log line at the end.
struct stream_totals {
    uint64_t accepted;   // connections
    uint64_t activities; // appended to the reel
    uint64_t deliveries; // activities fully handed to a reader's socket
    uint64_t lapped;     // readers closed because they were too slow for the reel
    uint64_t refused;    // connections closed for a message that was wrong
};
void stream_totals(const struct stream *stream, struct stream_totals *totals);

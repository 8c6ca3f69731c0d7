// A reader of the reel: a cursor, and a private lane for what only this connection is to hear.
//
//   reel   ──────frame──frame──frame──┊──frame──frame──►      bytes go out in this order: the reel up to
//                     ▲ cursor        ┊ lane_at               lane_at, the lane, the reel again
//   lane                              └─ reply, reply
//
// The lane is inserted at the position that was the head when it was filled: a frame boundary, so nothing is
// ever cut in two, and nobody hears an answer before what it answers. Sends are synchronous and
// non-blocking, straight from the reel's memory, within reel_enter / reel_leave.
#pragma once

#include "base/buf.h"
#include "stream/reel.h"

#include <stdbool.h>

#define READER_LANE_MAX (64 * 1024) // bytes; over it the connection is not read until the lane is empty

struct reader {
    reel_pos cursor;  // next byte to send; meaningless until reader_listen
    reel_pos end;     // stop here (reader_finish); UINT64_MAX: never
    reel_pos lane_at; // where the lane is inserted, when it is not empty
    struct buf lane;
    bool listening; // hears the reel at all
};

void reader_init(struct reader *reader);
void reader_fini(struct reader *reader);

void reader_listen(struct reader *reader, reel_pos head); // from here on; no effect when it already listens
void reader_finish(struct reader *reader,
                   reel_pos head); // nothing after this position (a closing connection)

// Where a reply is to be appended (reader->lane), to go out after all that is in the reel now.
struct buf *reader_lane(struct reader *reader, reel_pos head);

enum reader_result {
    READER_DONE,    // all sent
    READER_BLOCKED, // the socket is full: wait until it can be written
    READER_LAPPED,  // what it needs next of the reel is gone: too slow; close it after the sweep
    READER_GONE,    // the socket failed
};

// The contiguous bytes to be sent next, within a pass; empty: none. After sending, `reader_sent` is told.
struct reader_run {
    struct str bytes;
    bool lane;
};
struct reader_run reader_next(struct reader *reader, const struct reel *reel, reel_pos head);
void reader_sent(struct reader *reader, const struct reader_run *run, size_t len);
// What it needs next of the reel is gone. To be asked before anything else in a pass.
bool reader_lapped(struct reader *reader, const struct reel *reel, reel_pos tail);
void reader_mute(struct reader *reader); // nothing more, whatever there is

// One reader's part of a pass. head, tail: of the pass. *delivered grows by the frames handed over whole.
enum reader_result reader_flush(struct reader *reader, const struct reel *reel, int fd, reel_pos head,
                                reel_pos tail, uint64_t *delivered);
bool reader_pending(const struct reader *reader, reel_pos head); // has something to send

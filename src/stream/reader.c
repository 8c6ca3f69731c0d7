// A reader's part of a pass: from the reel's memory to the socket, with the lane where it belongs.
//
//              ┌──────────────────────────┐
//   reel ──────┤ up to lane_at, end, head │──► send ──► socket       one send for each contiguous run, never
//   lane ──────┤ once lane_at is reached  │                          one for each frame
//              └──────────────────────────┘
#include "stream/reader.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#define NEVER UINT64_MAX

static reel_pos earlier(reel_pos a, reel_pos b) {
    return a < b ? a : b;
}

void reader_init(struct reader *reader) {
    *reader = (struct reader){.end = NEVER};
}

void reader_fini(struct reader *reader) {
    buf_wipe(&reader->lane);
}

void reader_listen(struct reader *reader, reel_pos head) {
    if (reader->listening) return;
    reader->cursor = head; // not before lane_at: what waits in the lane is heard first
    reader->listening = true;
}

void reader_finish(struct reader *reader, reel_pos head) {
    reader->end = earlier(reader->end, head);
}

struct buf *reader_lane(struct reader *reader, reel_pos head) {
    if (reader->lane.len == 0) reader->lane_at = head;
    return &reader->lane;
}

// Needs nothing more of the reel, though there may be more of it.
static bool past_end(const struct reader *reader) {
    return !reader->listening || reader->cursor >= reader->end;
}

static bool lane_next(const struct reader *reader) {
    return reader->lane.len > 0 && (past_end(reader) || reader->cursor >= reader->lane_at);
}

struct reader_run reader_next(struct reader *reader, const struct reel *reel, reel_pos head) {
    if (lane_next(reader)) return (struct reader_run){.bytes = buf_str(&reader->lane), .lane = true};
    if (past_end(reader)) return (struct reader_run){0};
    reel_pos end = earlier(head, reader->end);
    if (reader->lane.len > 0) end = earlier(end, reader->lane_at);
    return (struct reader_run){.bytes = reel_span(reel, &reader->cursor, end)};
}

// The lane is freed as soon as it is empty: idle connections hold nothing.
static void lane_sent(struct reader *reader, size_t len) {
    if (len == reader->lane.len)
        buf_wipe(&reader->lane);
    else
        buf_consume(&reader->lane, len);
}

void reader_sent(struct reader *reader, const struct reader_run *run, size_t len) {
    if (run->lane)
        lane_sent(reader, len);
    else
        reader->cursor += (reel_pos)len;
}

bool reader_lapped(struct reader *reader, const struct reel *reel, reel_pos tail) {
    return !past_end(reader) && reel_lapped(reel, &reader->cursor, tail);
}

void reader_mute(struct reader *reader) {
    reader->end = reader->cursor;
    buf_wipe(&reader->lane);
}

static enum reader_result send_all(struct reader *reader, const struct reel *reel, int fd, reel_pos head) {
    for (;;) {
        struct reader_run run = reader_next(reader, reel, head);
        if (run.bytes.len == 0) return READER_DONE;
        ssize_t sent = send(fd, run.bytes.ptr, run.bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN || errno == EWOULDBLOCK ? READER_BLOCKED : READER_GONE;
        }
        reader_sent(reader, &run, (size_t)sent);
        if ((size_t)sent < run.bytes.len) return READER_BLOCKED; // asking again would only be told so
    }
}

enum reader_result reader_flush(struct reader *reader, const struct reel *reel, int fd, reel_pos head,
                                reel_pos tail, uint64_t *delivered) {
    if (reader_lapped(reader, reel, tail)) return READER_LAPPED;
    reel_pos begun = reader->cursor;
    enum reader_result result = send_all(reader, reel, fd, head);
    *delivered += reel_frames_between(reel, begun, reader->cursor);
    return result;
}

bool reader_pending(const struct reader *reader, reel_pos head) {
    return reader->lane.len > 0 || (!past_end(reader) && reader->cursor < head);
}

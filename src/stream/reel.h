// The reel: one append-only sequence of encoded frames that every reader of this server shares
// (design, decision 4).
//
//            tail                                                   head
//             ▼                                                      ▼
//   ┌───────┬───────┬───────┬── … ──┬───────┬───────┬───────┐
//   │retired│   k   │  k+1  │       │  h-1  │   h ▓▓│       │   a ring of N segments; serials count on
//   └───────┴───────┴───────┴── … ──┴───────┴───────┴───────┘
//      ▲ recycled only when no participant's pass may still be sending from it
//
// A position is serial << 32 | offset, so positions compare as numbers. Frames never cross segments: what
// lies between a cursor and the head within one segment is one contiguous run of bytes. Beside the bytes
// each segment has an index of its frames: offset, source, origin, sequence.
//
// Threads: any may append (one short lock). Readers take no lock: a participant (one per event loop) wraps
// its flush pass in reel_enter / reel_leave, and between them may touch everything from the tail it was
// given to the head. Appending never waits for a pass: if the segment to be recycled may still be read, it
// says BUSY and the caller tries again in a later turn.
#pragma once

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEL_MIN_FRAME    64 // bytes; the shortest frame of wire/activity.c is longer
#define REEL_MIN_SEGMENTS 4  // one is being written, one is retired
#define REEL_LOCAL        0u // source and origin of what this server's own clients publish

typedef uint64_t reel_pos;

struct reel;

// participants: how many event loops will call reel_enter. Memory is taken as it is first used.
struct reel *reel_open(unsigned segments, size_t segment_size, unsigned participants, struct err *err);
void reel_close(struct reel *reel); // NULL is fine

enum reel_result { REEL_OK, REEL_BUSY };

// Appends one frame (REEL_MIN_FRAME <= len <= segment_size). source: the link it came from, REEL_LOCAL for a
// client's. origin, sequence: its name between Herald servers; with origin REEL_LOCAL the sequence is given
// here, counting from 1. BUSY: nothing has changed.
enum reel_result reel_append(struct reel *reel, struct str frame, uint32_t source, uint32_t origin,
                             uint64_t sequence);

reel_pos reel_head(const struct reel *reel);    // where the next frame will begin
uint64_t reel_count(const struct reel *reel);   // frames appended since the start
size_t reel_lag_limit(const struct reel *reel); // bytes a reader may be behind before it is lapped, about

// Begins a pass and returns the tail: positions below it are gone. `spare` segments (at most half the ring)
// are kept out of reach, so that readers given a stricter limit are lapped earlier than links are.
reel_pos reel_enter(struct reel *reel, unsigned participant, unsigned spare);
void reel_leave(struct reel *reel, unsigned participant);

// --- within a pass ---------------------------------------------------------------------------------------

// Whether what comes next at *pos is gone. Who stands at the end of the last segment that is gone has missed
// nothing: *pos is then moved to the tail, where the next one begins. To be asked before anything else is.
bool reel_lapped(const struct reel *reel, reel_pos *pos, reel_pos tail);

// The contiguous bytes from *pos up to `end` (a position not beyond the head seen in this pass), empty when
// there is none. Steps *pos into the next segment when it stands at the end of a sealed one.
struct str reel_span(const struct reel *reel, reel_pos *pos, reel_pos end);

struct reel_frame {
    struct str bytes;
    uint32_t source, origin;
    uint64_t sequence;
    reel_pos next;  // the position after it
    uint32_t place; // in its segment
};
// The frame at *pos (which must be a frame's beginning or the end of a segment). False when there is none
// before `end`.
bool reel_frame(const struct reel *reel, reel_pos pos, reel_pos end, struct reel_frame *frame);
// *frame becomes the one after it, as reel_frame finds it at its `next`, without a search.
bool reel_frame_next(const struct reel *reel, reel_pos end, struct reel_frame *frame);

// How many frames end in (from, to]: for counting deliveries by a search in the index, not by messages.
uint64_t reel_frames_between(const struct reel *reel, reel_pos from, reel_pos to);

// Lines out of a byte stream (protocol, "Framing and JSON"): `\n` ends one, a `\r` before it is dropped.
//
//   bytes from the socket ──► framer_next ──► lines, in place where a line lies whole in the input,
//                                             out of `held` where it came in pieces
//
// An idle connection holds no memory here. Bounded: a line never makes it hold more than `max` bytes and
// one read's worth of lines kept by framer_keep.
#pragma once

#include "base/buf.h"

#include <stddef.h>

struct framer {
    struct buf held; // bytes not yet given out
    size_t start;    // where in `held` the next line begins
    size_t scanned;  // how far in `held` was searched for a newline (absolute)
    size_t max;      // longest line accepted, newline not counted
};

enum frame_result {
    FRAME_LINE,     // *line is set; valid until the next call with this framer or the input changes
    FRAME_MORE,     // all input is taken; come back with more
    FRAME_TOO_LONG, // a line over `max`: close (what follows is not resynchronised)
    FRAME_MEMORY,   // memory is out; nothing was lost, but the line cannot be given: close
};

void framer_init(struct framer *framer, size_t max);
void framer_fini(struct framer *framer); // wipes: lines carry secrets

// Gives the next line. *input is what was read and not yet taken: advanced past what this call took.
enum frame_result framer_next(struct framer *framer, struct str *input, struct str *line);

// Takes all of *input without giving lines, for a connection that must not be served just now. The line
// given last becomes invalid. -1: memory is out. Lines kept come out of framer_next, also with no input.
int framer_keep(struct framer *framer, struct str *input);

// Bytes held and not yet given out.
size_t framer_held(const struct framer *framer);

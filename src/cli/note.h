// What is typed, as an activity.
#pragma once

#include "base/buf.h"
#include "herald.h"

#include <stdbool.h>
#include <stdint.h>

// Appends an Activity Streams 2.0 Create of a Note, plain text, by `user`. -1: memory is out.
int note_write(struct buf *out, struct str text, const char *user, int64_t now_ms);

// Publishes a line: as it is if it is a JSON object, else, if `notes`, as a note of `user` (NULL: anonymous).
// A line of white space is none. As herald_publish: 0, -1 (herald_error), -2: later.
int note_publish(herald *session, struct str line, const char *user, bool notes, struct buf *scratch);

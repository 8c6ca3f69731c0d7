// Activities as a client sees them: text of a program's on the way out, text for a program on the way in.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "wire/message.h"

// Appends one ACTIVITY_MESSAGE line around `activity`, which is read strictly and must be a JSON object; its
// white space between values goes, everything else stays as it is, the text of numbers included. `secret`
// with ptr NULL is left out. -1: `out` is as before; ERR_INVALID (the text says why, for a person) or
// ERR_MEMORY.
int activity_message(struct parser *parser, struct str username, struct str secret, struct str activity,
                     struct buf *out, struct err *err);

// Appends the activity of an ACTIVITY_BROADCAST as text: one line without its newline, the values as they
// came. -1: memory is out, `out` is as before.
int activity_text(struct parser *parser, const struct message *message, struct buf *out);

int logout_message(struct buf *out); // appends the LOGOUT line; -1: memory is out

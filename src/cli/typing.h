// The line that is being typed: libedit's editing and history, but nothing of its drawing. The door to
// libedit.
//
// typing_line is a loop of its own: it asks for each key when it needs one, and whoever gives it does all
// else that is to be done meanwhile.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

struct typing;

// Waits for a key: 1 with *character; 0: there will be none, typing_line ends.
typedef int typing_key(void *context, wchar_t *character);

// The terminal's line editing keys are taken over. NULL: `err` says why.
struct typing *typing_open(typing_key *key, void *context, struct err *err);
void typing_close(struct typing *typing); // wipes

// The next line, without its newline, as UTF-8 in `line`. False: Ctrl-D on an empty line, or no more keys.
bool typing_line(struct typing *typing, struct buf *line);

struct typed {
    const wchar_t *text;
    size_t len, cursor;
};
struct typed typing_now(const struct typing *typing); // while a key is waited for; until the next one
void typing_resize(struct typing *typing);

void typing_remember(struct typing *typing, struct str line); // in the history, not twice in a row

// One terminal window for `herald chat`.
//
//   row 1            ┌──────────────────────────┐
//                    │ activities, which scroll │  and go on into the terminal's own memory
//   rows - 2         │                          │
//   rows - 1         │ status (reverse)         │
//   rows             │ > what is typed          │  one row, which is moved sideways under the cursor
//                    └──────────────────────────┘
//
// A window of less than four rows has no status, and one of less than two only what is typed. Whatever is
// shown is plain already (cli/plain.h) or made so here. Writing never waits: a terminal that does not take
// what it is to show gets the latest later.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>
#include <wchar.h>

#define SCREEN_KEPT 300 // lines that are shown again when the window has another size

struct screen {
    int fd;
    struct termios before; // the terminal as it was found
    unsigned rows, columns;
    bool is_on; // the window is ours
    bool stale; // something was left out: it has to be drawn anew
    struct screen_line {
        struct buf text;
        size_t width;
    } kept[SCREEN_KEPT];
    size_t kept_count; // ever; the place is modulo SCREEN_KEPT
    struct buf status;
    struct buf typed;  // what is to be seen of it, before the cursor
    struct buf behind; // and from it on
    size_t left;       // how many characters are hidden at the left
    bool status_due, typed_due;
    struct buf out;
    size_t written; // of `out`
};

// Takes the window of standard output. -1: it cannot be used, `err` says why.
int screen_open(struct screen *screen, struct err *err);
// Gives the terminal back as it was, below what was shown last. Also when the process dies by a signal.
void screen_close(struct screen *screen);

void screen_leave(
    struct screen *screen); // before the process stops; as screen_close, but it can be taken again
void screen_enter(struct screen *screen); // draws all anew: after screen_leave, or when the size has changed

// line: plain but for colours; width: its columns.
void screen_print(struct screen *screen, struct str line, size_t width);
void screen_status(struct screen *screen, struct str plain);
void screen_typed(struct screen *screen, const wchar_t *text, size_t len, size_t cursor);

// Draws what is due and writes what the terminal takes. screen_waits: there is more, poll `fd` for output.
void screen_show(struct screen *screen);
bool screen_waits(const struct screen *screen);

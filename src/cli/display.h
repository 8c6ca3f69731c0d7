// Activities as a person reads them: one line each, for `herald follow`, `herald chat` and the course's form.
//
//   07:15:02 alice: The north gate opens at six
//   07:15:09 bo (Chen 陈): [Add] Image "The breakwater at dawn" to "Pictures of the coast"
//
// Rules, also in herald(1) and in the tests:
//   1. First stands who posted it, by the server's word (authenticated_user); in parentheses, if another, the
//      actor that the activity names.
//   2. Of a Note, or when one is created or posted, the text is shown.
//   3. Of all else its type or verb, in brackets, then what it is about: object, origin, location, target,
//      instrument, text, choices.
//   4. What says nothing of this is shown as its JSON.
//   5. When it was published is told if that was not lately.
//   6. Whatever is not plain text is made so (cli/plain.h).
#pragma once

#include "base/buf.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct display;

// language: as in the variable LANG ("de_DE.UTF-8"), NULL for none. NULL: memory is out.
struct display *display_open(const char *language);
void display_close(struct display *display);

struct shown {
    struct str who, what; // plain; until the next call
};

// 0, or -1: memory is out. json: the activity (if it is not JSON, it is shown as text). user: who posted it.
int display_activity(struct display *display, struct str json, struct str user, int64_t now_ms,
                     struct shown *shown);

// Appends the whole line, without its newline, the time that of the reader's zone. At most `columns` wide (0:
// as long as it is), so that no single activity floods a screen. colours: with the terminal's colours.
int display_line(const struct shown *shown, int64_t now_ms, size_t columns, bool colours, struct buf *out);

// What the environment says of the reader's language; NULL: nothing.
const char *display_language(void);
// True when colours are welcome: NO_COLOR is not set (or empty) and TERM is not dumb.
bool display_colours(void);

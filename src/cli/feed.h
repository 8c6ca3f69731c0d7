// Lines of standard input on their way to libherald, as fast as that takes them.
#pragma once

#include "cli/lines.h"
#include "cli/note.h"

struct feed {
    struct lines lines;
    struct buf scratch;
    struct str line; // read, and not taken yet
    bool has_line;
    bool reads;  // there may be more
    bool failed; // a line was refused, and it was said why: what came before it is given, the rest is not
};

void feed_init(struct feed *feed);
void feed_fini(struct feed *feed);
bool feed_wants(const struct feed *feed); // standard input is to be polled, then feed_read
void feed_read(struct feed *feed);
void feed_give(struct feed *feed, herald *session, const char *user, bool notes); // all that is taken now
void feed_stop(struct feed *feed);

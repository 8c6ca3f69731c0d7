// A list of the roll, page by page: asked for, and its rows written, until the last page.
#pragma once

#include "cli/api.h"

#define PAGES_LIMIT "limit=1000" // things on a page

struct pages {
    struct api *api;
    const char *path;   // with PAGES_LIMIT in its query
    struct str tail;    // percent-encoded, goes behind it
    const char *things; // the member of a page that holds them
    int fd;             // where the rows go, a page at a time
    const char *where;  // what that is called
    struct str heading; // goes before the first row, also when there is none
    bool patient;
    // Appends a row, with its end of line. Not 0: memory is out.
    int (*add)(void *context, struct buf *out, const struct value *thing);
    void *context;
};

// DONE: all is written. Otherwise it was said why not.
enum outcome pages_write(const struct pages *pages);

// One page: appends its rows to `out`, and makes `next` what the next one begins with (empty: it is the
// last). -1: it was said what is wrong.
int pages_add(const struct pages *pages, const struct value *page, struct buf *out, struct buf *next);

// How far something long has come: a line on the terminal, drawn anew. Writing it is pure.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct progress {
    uint64_t done, total; // bytes of what is read; total 0: not known
    uint64_t began_done;  // of `done`, where it began this time
    uint64_t count;       // things made this time
    const char *things;
    const char *note; // what else there is to know, or NULL
    uint64_t began_ms, shown_ms;
    bool visible; // standard error is a terminal
};

void progress_begin(struct progress *progress, const char *things, uint64_t now_ms);
void progress_show(struct progress *progress, uint64_t now_ms); // when it is time to
void progress_hide(struct progress *progress);

// "[=====>    ] 53%  431,000 accounts  9,812/s  58 s left", cut to `columns`.
int progress_write(const struct progress *progress, uint64_t now_ms, unsigned columns, struct buf *out);
int progress_number(struct buf *out, uint64_t number);                    // "431,000"
uint64_t progress_rate(const struct progress *progress, uint64_t now_ms); // things a second

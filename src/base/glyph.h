// Characters as a terminal shows them: how wide, and whether they are safe to be shown as they are.
#pragma once

#include "base/text.h"

#include <stdint.h>

enum glyph_kind {
    GLYPH_SHOWN,  // as it is
    GLYPH_SPACE,  // white space of any kind: a blank, a tab, a line's or paragraph's end
    GLYPH_HIDDEN, // controls, bidirectional overrides and whatever else acts without being seen
    GLYPH_BROKEN, // a byte that is not UTF-8
};

struct glyph {
    uint32_t character; // of GLYPH_BROKEN: the byte
    enum glyph_kind kind;
    unsigned len;   // bytes, at least 1
    unsigned width; // columns: 0 (a mark on the one before), 1 or 2
};

#define GLYPH_MAX_BYTES 4

struct glyph glyph_of(uint32_t character); // any value
struct glyph glyph_next(struct str text);  // the first of `text`, which is not empty
unsigned glyph_encode(uint32_t character,
                      char bytes[GLYPH_MAX_BYTES]); // of a character of Unicode; its bytes

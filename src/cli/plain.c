// Text of strangers, made fit for a terminal: character by character, by what base/glyph.h says of each.
#include "cli/plain.h"

#include "base/glyph.h"

static int append_spelled(struct buf *out, struct glyph glyph) {
    if (glyph.kind == GLYPH_BROKEN) return buf_printf(out, "\\x%02x", glyph.character);
    return buf_printf(out, glyph.character > 0xFFFF ? "\\u{%x}" : "\\u%04x", glyph.character);
}

int plain_append(struct buf *out, struct str text) {
    size_t start = out->len;
    unsigned marks = 0;
    bool blank = false; // one is due before the next character
    while (text.len > 0) {
        struct glyph glyph = glyph_next(text);
        struct str bytes = {text.ptr, glyph.len};
        text.ptr += glyph.len;
        text.len -= glyph.len;
        marks = glyph.kind == GLYPH_SHOWN && glyph.width == 0 ? marks + 1 : 0;
        if (glyph.kind == GLYPH_SPACE) {
            blank = out->len > start;
            continue;
        }
        if (marks > PLAIN_MARKS) continue;
        if (blank && buf_append(out, " ", 1)) return -1;
        blank = false;
        if (glyph.kind == GLYPH_SHOWN ? buf_append_str(out, bytes) : append_spelled(out, glyph)) return -1;
    }
    return 0;
}

size_t plain_width(struct str plain) {
    size_t columns = 0;
    for (size_t i = 0; i < plain.len;) {
        struct glyph glyph = glyph_next((struct str){plain.ptr + i, plain.len - i});
        columns += glyph.width;
        i += glyph.len;
    }
    return columns;
}

size_t plain_fit(struct str plain, size_t columns) {
    size_t i = 0;
    while (i < plain.len) {
        struct glyph glyph = glyph_next((struct str){plain.ptr + i, plain.len - i});
        if (glyph.width > columns) break;
        columns -= glyph.width;
        i += glyph.len;
    }
    return i;
}

int plain_append_after(struct buf *out, const char *before, struct str text) {
    return buf_append_text(out, before) || plain_append(out, text) ? -1 : 0;
}

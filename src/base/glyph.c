// Characters as a terminal shows them.
#include "base/glyph.h"

#include <assert.h>
#include <utf8proc.h>

#define REPLACEMENT 0xFFFD

// Format characters that belong to honest text: the joiners (emoji, Persian, Indic scripts) and the marks of
// direction, which turn nothing around but neutral characters beside them.
static bool is_welcome(uint32_t character) {
    return (character >= 0x200C && character <= 0x200F) || character == 0x061C;
}

static enum glyph_kind kind_of(uint32_t character, utf8proc_category_t category) {
    switch (category) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return GLYPH_SPACE;
    case UTF8PROC_CATEGORY_CC:
        return (character >= '\t' && character <= '\r') || character == 0x85 ? GLYPH_SPACE : GLYPH_HIDDEN;
    case UTF8PROC_CATEGORY_CF: return is_welcome(character) ? GLYPH_SHOWN : GLYPH_HIDDEN;
    case UTF8PROC_CATEGORY_CS: return GLYPH_HIDDEN;
    default: return GLYPH_SHOWN;
    }
}

struct glyph glyph_of(uint32_t character) {
    if (character > 0x10FFFF) character = REPLACEMENT;
    utf8proc_int32_t point = (utf8proc_int32_t)character;
    int width = utf8proc_charwidth(point);
    return (struct glyph){
        .character = character,
        .kind = kind_of(character, utf8proc_category(point)),
        .len = character < 0x80      ? 1
               : character < 0x800   ? 2
               : character < 0x10000 ? 3
                                     : 4,
        .width = width > 0 ? (unsigned)width : 0,
    };
}

struct glyph glyph_next(struct str text) {
    assert(text.len > 0);
    utf8proc_int32_t character;
    utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)text.ptr,
                                            text.len < 4 ? (utf8proc_ssize_t)text.len : 4, &character);
    if (len > 0) return glyph_of((uint32_t)character);
    return (struct glyph){
        .character = (unsigned char)text.ptr[0], .kind = GLYPH_BROKEN, .len = 1, .width = 1};
}

unsigned glyph_encode(uint32_t character, char bytes[GLYPH_MAX_BYTES]) {
    bool is_one = character <= 0x10FFFF && !(character >= 0xD800 && character <= 0xDFFF);
    utf8proc_uint8_t encoded[4];
    unsigned len =
        (unsigned)utf8proc_encode_char(is_one ? (utf8proc_int32_t)character : REPLACEMENT, encoded);
    for (unsigned i = 0; i < len; i++) bytes[i] = (char)encoded[i];
    return len;
}

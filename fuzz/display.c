// An activity, whatever it is, becomes one line of valid UTF-8 that acts on no terminal.
#include "cli/display.h"
#include "base/glyph.h"
#include "cli/plain.h"

#include <assert.h>
#include <stdlib.h>

static void assert_safe(struct str line) {
    while (line.len > 0) {
        struct glyph glyph = glyph_next(line);
        assert(glyph.kind == GLYPH_SHOWN || (glyph.kind == GLYPH_SPACE && glyph.character == ' '));
        assert(glyph.character >= 0x20 && !(glyph.character >= 0x7F && glyph.character <= 0x9F));
        assert(!(glyph.character >= 0x202A && glyph.character <= 0x202E));
        assert(!(glyph.character >= 0x2066 && glyph.character <= 0x2069));
        line.ptr += glyph.len;
        line.len -= glyph.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str json = {(const char *)data, size};
    struct display *display = display_open("de_DE.UTF-8");
    struct buf line = {0};
    struct shown shown;
    assert(display);
    for (size_t columns = 0; columns < 90; columns += 30) {
        line.len = 0;
        assert(display_activity(display, json, STR("alice"), 1772452800000, &shown) == 0);
        assert(display_line(&shown, 1772452800000, columns, false, &line) == 0);
        assert(columns == 0 || plain_width(buf_str(&line)) <= columns);
        assert_safe(buf_str(&line));
    }
    assert(display_activity(display, STR("{}"), json, 1772452800000, &shown) == 0);
    assert_safe(shown.who);
    buf_free(&line);
    display_close(display);
    return 0;
}

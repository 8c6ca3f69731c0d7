// Characters as a terminal shows them, and the word that a misspelt one was meant to be.
#include "base/glyph.h"

#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_glyph(uint32_t character, enum glyph_kind kind, unsigned width) {
    struct glyph glyph = glyph_of(character);
    assert_int_equal(glyph.kind, kind);
    if (kind == GLYPH_SHOWN) assert_int_equal(glyph.width, width);
}

static void characters_are_as_wide_as_a_terminal_shows_them(void **state) {
    (void)state;
    assert_glyph('a', GLYPH_SHOWN, 1);
    assert_glyph(0xE9, GLYPH_SHOWN, 1);
    assert_glyph(0x9580, GLYPH_SHOWN, 2);  // 門
    assert_glyph(0x1F6AA, GLYPH_SHOWN, 2); // a door
    assert_glyph(0x0301, GLYPH_SHOWN, 0);  // a combining accent
    assert_glyph(0x200D, GLYPH_SHOWN, 0);  // the joiner
    assert_glyph(0xFE0F, GLYPH_SHOWN, 0);  // a variation selector
}

static void what_acts_without_being_seen_is_hidden(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x20; c++)
        assert_glyph(c, c >= '\t' && c <= '\r' ? GLYPH_SPACE : GLYPH_HIDDEN, 0);
    for (uint32_t c = 0x7F; c < 0xA0; c++) assert_glyph(c, c == 0x85 ? GLYPH_SPACE : GLYPH_HIDDEN, 0);
    for (uint32_t c = 0x202A; c <= 0x202E; c++) assert_glyph(c, GLYPH_HIDDEN, 0);
    for (uint32_t c = 0x2066; c <= 0x2069; c++) assert_glyph(c, GLYPH_HIDDEN, 0);
    for (uint32_t c = 0xE0001; c < 0xE0080; c++) assert_int_not_equal(glyph_of(c).kind, GLYPH_SPACE);
    static const uint32_t hidden[] = {0xAD, 0xFEFF, 0x2060, 0xE0041, 0xD800};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) assert_glyph(hidden[i], GLYPH_HIDDEN, 0);
    static const uint32_t space[] = {' ', 0xA0, 0x2028, 0x2029, 0x3000};
    for (size_t i = 0; i < sizeof space / sizeof *space; i++) assert_glyph(space[i], GLYPH_SPACE, 0);
}

static void broken_bytes_come_one_by_one(void **state) {
    (void)state;
    static const char *const texts[] = {"\xff",     "\xc3",         "\xc3(",
                                        "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct glyph glyph = glyph_next(str_of(texts[i]));
        assert_int_equal(glyph.kind, GLYPH_BROKEN);
        assert_int_equal(glyph.len, 1);
        assert_int_equal(glyph.character, (unsigned char)texts[i][0]);
    }
}

static void every_character_survives_the_way_there_and_back(void **state) {
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char bytes[GLYPH_MAX_BYTES];
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        unsigned len = glyph_encode(c, bytes);
        struct glyph glyph = glyph_next((struct str){bytes, len});
        assert_int_equal(glyph.character, c);
        assert_int_equal(glyph.len, len);
    }
    char bytes[GLYPH_MAX_BYTES];
    assert_int_equal(glyph_encode(0xD800, bytes), 3); // what is none becomes the replacement character
    assert_memory_equal(bytes, "\xef\xbf\xbd", 3);
    assert_int_equal(glyph_encode(0x110000, bytes), 3);
}

static const char *nearest_of(const char *typed) {
    static const char *const words[] = {"--server", "--secret", "--secret-file", "--user", "--json"};
    struct nearest nearest = nearest_to(str_of(typed));
    const char *meant = NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (nearest_offer(&nearest, words[i])) meant = words[i];
    return meant;
}

static void a_misspelt_word_finds_the_one_that_was_meant(void **state) {
    (void)state;
    assert_string_equal(nearest_of("--sevrer"), "--server");
    assert_string_equal(nearest_of("secrte"), "--secret");
    assert_string_equal(nearest_of("--secret_flie"), "--secret-file"); // `_` is `-`
    assert_string_equal(nearest_of("-jsn"), "--json");
    assert_null(nearest_of("--xyzzy"));
    assert_null(nearest_of("--"));
    assert_null(nearest_of(""));
    char endless[500];
    memset(endless, 's', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    assert_null(nearest_of(endless));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_as_wide_as_a_terminal_shows_them),
        cmocka_unit_test(what_acts_without_being_seen_is_hidden),
        cmocka_unit_test(broken_bytes_come_one_by_one),
        cmocka_unit_test(every_character_survives_the_way_there_and_back),
        cmocka_unit_test(a_misspelt_word_finds_the_one_that_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

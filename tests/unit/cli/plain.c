// Text of strangers on one line, and the text of HTML.
#include "cli/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_plain(struct str text, const char *plain) {
    struct buf out = {0};
    assert_int_equal(plain_append(&out, text), 0);
    assert_int_equal(buf_append(&out, "", 1), 0);
    assert_string_equal(out.data, plain);
    buf_free(&out);
}

static void assert_html(const char *html, const char *text) {
    struct buf out = {0};
    assert_int_equal(plain_html(&out, str_of(html)), 0);
    assert_int_equal(buf_append(&out, "", 1), 0);
    assert_string_equal(out.data, text);
    buf_free(&out);
}

static void honest_text_stays_as_it_is(void **state) {
    (void)state;
    static const char *const texts[] = {
        "The north gate opens at six",
        "Éloïse, 陈, Сергей, שלום, مرحبا",
        "👩‍👩‍👧 👎🏽 🇨🇭 ⛴️", // with joiners, a skin, flags and a variation selector
        "می‌خواهم",                           // Persian, with a non-joiner
        "e\u0301 \u0e01\u0e49\u0e33",
        "back\\slash \"quotes\" <tags> & amp",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_plain(str_of(texts[i]), texts[i]);
}

static void white_space_is_one_blank_and_never_a_new_line(void **state) {
    (void)state;
    assert_plain(STR("a \t\r\n  b"), "a b");
    assert_plain(STR("  a  "), "a");
    assert_plain(STR("a\u2028b\u2029c\302\205d\u00a0e\u3000f\vg\fh"), "a b c d e f g h");
    assert_plain(STR(" \n\t"), "");
}

static void what_acts_on_a_terminal_is_spelled(void **state) {
    (void)state;
    assert_plain(STR("\033[2J\033]0;title\a"), "\\u001b[2J\\u001b]0;title\\u0007");
    assert_plain(STR("a\0b\x7f\b"), "a\\u0000b\\u007f\\u0008");
    assert_plain(STR("\302\23331m\302\235"), "\\u009b31m\\u009d"); // the eight-bit forms of the same
    assert_plain(STR("\u202etxt.exe\u202c \u2066x\u2069"), "\\u202etxt.exe\\u202c \\u2066x\\u2069");
    assert_plain(STR("a\u00adb\ufeffc\u2060d"), "a\\u00adb\\ufeffc\\u2060d");
    assert_plain(STR("\U000e0041\U000e0001"), "\\u{e0041}\\u{e0001}");
    assert_plain(STR("a\xff\xc3(\xed\xa0\x80"), "a\\xff\\xc3(\\xed\\xa0\\x80");
}

static void marks_do_not_pile_up(void **state) {
    (void)state;
    char piled[1 + 2 * 40 + 2] = "a", kept[1 + 2 * PLAIN_MARKS + 2] = "a";
    for (size_t i = 0; i < 40; i++) memcpy(piled + 1 + 2 * i, "\u0301", 2);
    for (size_t i = 0; i < PLAIN_MARKS; i++) memcpy(kept + 1 + 2 * i, "\u0301", 2);
    strcat(piled, "b");
    strcat(kept, "b");
    assert_plain(str_of(piled), kept);
}

static void columns_are_counted_as_a_terminal_does(void **state) {
    (void)state;
    assert_int_equal(plain_width(STR("abc")), 3);
    assert_int_equal(plain_width(STR("陈x")), 3);
    assert_int_equal(plain_width(STR("e\u0301")), 1);
    assert_int_equal(plain_width(STR("🪜")), 2);
    assert_int_equal(plain_fit(STR("a陈b"), 2), 1); // half of a wide one does not fit
    assert_int_equal(plain_fit(STR("a陈b"), 3), 4);
    assert_int_equal(plain_fit(STR("e\u0301f"), 1), 3); // a mark belongs to its character
    assert_int_equal(plain_fit(STR("abc"), 0), 0);
}

static void html_loses_its_tags_and_keeps_its_text(void **state) {
    (void)state;
    assert_html("<p>Cut it &lt; 5&nbsp;mm.</p>", " Cut it < 5\u00a0mm. ");
    assert_html("a<br/>b<BR>c", "a b c");
    assert_html("so <b>bold</b>, <a href=\"x\">linked</a>", "so bold, linked");
    assert_html("x<!-- a > b -->y<!DOCTYPE html>z", "xy z");
    assert_html("a<script>alert('<b>')</script>b<style>p{}</STYLE>c", "a b c");
    assert_html("&amp;&quot;&#65;&#x1F600;&hellip;", "&\"A😀…");
}

static void what_is_no_html_is_text(void **state) {
    (void)state;
    static const char *const texts[] = {
        "a < b and c > d", "<3", "R&D; A&B", "&nosuch;", "&#;", "&#xg;", "a <b", "<", "&", "<!-- x", "</ >"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_html(texts[i], texts[i]);
    assert_html("&#0;&#xD800;&#1114112;&#99999999;", "\ufffd\ufffd\ufffd\ufffd");
}

// Each of these would take minutes if every `<` looked for its end anew.
static void hostile_html_takes_no_time(void **state) {
    (void)state;
    static const char *const pieces[] = {"<a", "<!--", "&", "<script", "<a>"};
    const size_t size = 8u << 20;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buf html = {0}, out = {0};
        while (html.len < size) assert_int_equal(buf_append_text(&html, pieces[i]), 0);
        assert_int_equal(plain_html(&out, buf_str(&html)), 0);
        assert_true(out.len <= html.len);
        buf_free(&html);
        buf_free(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_text_stays_as_it_is),
        cmocka_unit_test(white_space_is_one_blank_and_never_a_new_line),
        cmocka_unit_test(what_acts_on_a_terminal_is_spelled),
        cmocka_unit_test(marks_do_not_pile_up),
        cmocka_unit_test(columns_are_counted_as_a_terminal_does),
        cmocka_unit_test(html_loses_its_tags_and_keeps_its_text),
        cmocka_unit_test(what_is_no_html_is_text),
        cmocka_unit_test(hostile_html_takes_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

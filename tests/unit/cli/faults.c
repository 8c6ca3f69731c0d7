// When memory is out: each allocation fails once, an activity is shown or it is said that it cannot be, and
// nothing is leaked.
#include "cli/display.h"

#include "cli/note.h"
#include "cli/pages.h"
#include "cli/wish.h"

#include "../fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOON 1772452800000 // 2026-03-02T12:00:00Z

static void each_allocation_fails(bool (*step)(void)) {
    for (long n = 1;; n++) {
        fault_after(n);
        bool succeeded = step();
        if (!fault_off()) {
            assert_true(succeeded);
            assert_true(n > 1); // it did allocate
            return;
        }
        assert_true(n < 10000);
    }
}

static const char activity[] =
    "{\"type\":\"Question\",\"actor\":{\"name\":\"Bo\"},\"object\":[{\"type\":\"Offer\",\"object\":{\"type\":"
    "\"Note\","
    "\"content\":\"<p>a long text of so many words that it does not fit where the short ones go &amp; "
    "more</p>\"}},"
    "\"https://herald.example/notes/77\"],\"target\":{\"name\":\"Coast\"},\"content\":\"<b>bold</b> and "
    "more\","
    "\"oneOf\":[{\"name\":\"Red\"},{\"name\":\"Green\"}],\"published\":\"2016-02-10T15:04:55Z\"}";

static bool show_an_activity(void) {
    struct display *display = display_open("de");
    struct buf line = {0};
    struct shown shown;
    bool done = display && display_activity(display, STR(activity), STR("alice"), NOON, &shown) == 0 &&
                display_line(&shown, NOON, 0, true, &line) == 0;
    if (done) assert_non_null(memmem(line.data, line.len, "(Red | Green)", strlen("(Red | Green)")));
    if (!done) assert_int_equal(line.len, 0);
    buf_free(&line);
    display_close(display);
    return done;
}

static bool show_json(void) {
    struct display *display = display_open(NULL);
    struct shown shown;
    bool done = display && display_activity(display, STR("{\"a\":[1,2,3],\"b\":\"\\u001b\"}"), STR("alice"),
                                            NOON, &shown) == 0;
    if (done) assert_true(str_equal_text(shown.what, "{\"a\":[1,2,3],\"b\":\"\\u001B\"}"));
    display_close(display);
    return done;
}

static bool write_a_note(void) {
    struct buf out = {0};
    bool done = note_write(&out, STR("a text that is longer than the smallest buffer that can be had"),
                           "alice", NOON) == 0;
    if (!done) assert_int_equal(out.len, 0);
    buf_free(&out);
    return done;
}

static bool read_the_command_line(void) {
    static struct wish wish;
    char words[][24] = {"herald", "login", "alice", "-s", "hush"};
    char *argv[] = {words[0], words[1], words[2], words[3], words[4], NULL};
    struct err err = {0};
    bool done = wish_parse(&wish, 5, argv, NULL, &err) == 0;
    if (!done) assert_true(err.text[0] != '\0');
    assert_string_equal(words[4], ""); // wiped, in any case
    wish_fini(&wish);
    return done;
}

static int add_key(void *context, struct buf *out, const struct value *thing) {
    (void)context;
    return buf_append_str(out, value_member_text(thing, "key")) || buf_append_text(out, "\n");
}

// A list that cannot be shown ends; it does not begin again.
static bool take_a_page(void) {
    static const char answer[] = "{\"settings\":[{\"key\":\"one\"},{\"key\":\"two\"}],\"next\":\"dHdv\"}";
    struct pages pages = {.things = "settings", .add = add_key};
    struct parser *parser = parser_open(4096, 8);
    struct buf out = {0}, next = {0};
    const struct value *page = parser ? value_read(parser, STR(answer), NULL) : NULL;
    bool done = page && pages_add(&pages, page, &out, &next) == 0;
    if (done) assert_true(str_equal_text(buf_str(&out), "one\ntwo\n"));
    if (done) assert_true(str_equal_text(buf_str(&next), "dHdv"));
    if (done) assert_int_equal(pages_add(&pages, page, &out, &next), -1); // where it has been before
    buf_free(&out);
    buf_free(&next);
    if (parser) parser_close(parser);
    return done;
}

static void an_activity_is_shown_or_not(void **state) {
    (void)state;
    each_allocation_fails(show_an_activity);
    each_allocation_fails(show_json);
}

static void a_note_is_written_or_not(void **state) {
    (void)state;
    each_allocation_fails(write_a_note);
}

static void a_page_is_taken_or_not(void **state) {
    (void)state;
    each_allocation_fails(take_a_page);
}

static void a_command_line_is_read_or_not(void **state) {
    (void)state;
    each_allocation_fails(read_the_command_line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_activity_is_shown_or_not),
        cmocka_unit_test(a_note_is_written_or_not),
        cmocka_unit_test(a_page_is_taken_or_not),
        cmocka_unit_test(a_command_line_is_read_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

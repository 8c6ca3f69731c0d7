// What is typed, as an activity: it comes back as it was typed.
#include "cli/note.h"

#include "cli/display.h"
#include "wire/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOON 1772452800000 // 2026-03-02T12:00:00Z

static void a_text_becomes_the_create_of_a_note(void **state) {
    (void)state;
    struct buf out = {0};
    assert_int_equal(note_write(&out, STR("1 < 2 & \"so\" on\\"), "alice", NOON), 0);
    assert_true(str_equal_text(
        buf_str(&out),
        "{\"@context\":\"https://www.w3.org/ns/"
        "activitystreams\",\"type\":\"Create\",\"actor\":{\"type\":\"Person\","
        "\"name\":\"alice\"},\"published\":\"2026-03-02T12:00:00.000Z\",\"object\":{\"type\":\"Note\","
        "\"mediaType\":\"text/plain\",\"content\":\"1 < 2 & \\\"so\\\" on\\\\\"}}"));
    buf_free(&out);
}

static void who_reads_it_sees_what_was_typed(void **state) {
    (void)state;
    static const char *const texts[] = {"hello", "a < b and c > d",        "<b>&amp;</b>",
                                        "{",     "👩‍👩‍👧 門", "\"\\"};
    struct display *display = display_open(NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf out = {0};
        struct shown shown;
        assert_int_equal(note_write(&out, str_of(texts[i]), NULL, NOON), 0);
        assert_int_equal(display_activity(display, buf_str(&out), STR("anonymous"), NOON, &shown), 0);
        assert_true(str_equal_text(shown.who, "anonymous"));
        assert_true(str_equal_text(shown.what, texts[i]));
        buf_free(&out);
    }
    display_close(display);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_becomes_the_create_of_a_note),
        cmocka_unit_test(who_reads_it_sees_what_was_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

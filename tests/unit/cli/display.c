// Activities as a person reads them: the rules of cli/display.h by their numbers.
#include "cli/display.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define NOON 1772452800000 // 2026-03-02T12:00:00Z

static const char *language; // of the reader, NULL: none

// What is shown of `json`, posted by `user` at noon: "WHO: WHAT".
static void assert_shown_of(const char *user, const char *json, const char *expected) {
    struct display *display = display_open(language);
    struct shown shown;
    assert_non_null(display);
    assert_int_equal(display_activity(display, str_of(json), str_of(user), NOON, &shown), 0);
    char *line = NULL;
    assert_true(asprintf(&line, "%.*s: %.*s", (int)shown.who.len, shown.who.ptr, (int)shown.what.len,
                         shown.what.ptr) >= 0);
    assert_string_equal(line, expected);
    free(line);
    display_close(display);
}

static void assert_shown(const char *json, const char *expected) {
    assert_shown_of("alice", json, expected);
}

static void rule_1_the_server_s_word_stands_first(void **state) {
    (void)state;
    const char *by_bo = "{\"type\":\"Note\",\"content\":\"hi\",\"actor\":{\"name\":\"Bo\"}}";
    assert_shown_of("alice", by_bo, "alice (Bo): hi");
    assert_shown_of("bo", by_bo, "bo: hi"); // the same name, in another case
    assert_shown_of("alice",
                    "{\"type\":\"Note\",\"content\":\"hi\",\"actor\":\"https://a.example/people/alice\"}",
                    "alice: hi");
    assert_shown_of("alice",
                    "{\"type\":\"Note\",\"content\":\"hi\",\"actor\":\"https://a.example/people/bo\"}",
                    "alice (https://a.example/people/bo): hi");
    assert_shown_of("alice", "{\"type\":\"Note\",\"content\":\"hi\",\"authenticated_user\":\"mallory\"}",
                    "alice: hi");
    assert_shown_of("alice",
                    "{\"type\":\"Note\",\"content\":\"hi\",\"actor\":{\"name\":\"x\\u001b[2J\\ny\"}}",
                    "alice (x\\u001b[2J y): hi");
}

static void rule_2_of_a_note_the_text_is_shown(void **state) {
    (void)state;
    static const char *const notes[] = {
        "{\"type\":\"Note\",\"content\":\"hi\"}",
        "{\"type\":[\"Note\",\"Thing\"],\"content\":[\"hi\"]}",
        "{\"type\":\"Create\",\"object\":{\"type\":\"Note\",\"content\":\"hi\"}}",
        ("{\"type\":\"https://www.w3.org/ns/activitystreams#Create\",\"object\":{\"type\":\"as:Note\","
         "\"contentMap\":{\"en\":\"hi\"}}}"),
        "{\"verb\":\"post\",\"object\":{\"objectType\":\"note\",\"content\":\"hi\"}}",
        "{\"verb\":\"http://activitystrea.ms/schema/1.0/post\",\"object\":{\"content\":\"<p>hi</p>\"}}",
        "{\"object\":{\"objectType\":\"note\",\"summary\":\"hi\"}}",
    };
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) assert_shown(notes[i], "alice: hi");
    assert_shown("{\"verb\":\"post\",\"object\":{\"objectType\":\"note\",\"content\":\"hi\"},"
                 "\"target\":{\"objectType\":\"blog\",\"displayName\":\"B\"}}",
                 "alice: hi to blog \"B\"");
    assert_shown("{\"type\":\"Note\",\"name\":\"Gate\",\"content\":\"opens\"}", "alice: Gate: opens");
}

static void content_is_html_unless_it_is_said_not_to_be(void **state) {
    (void)state;
    assert_shown("{\"type\":\"Note\",\"content\":\"1 <b>&lt;</b> 2\"}", "alice: 1 < 2");
    assert_shown("{\"type\":\"Note\",\"mediaType\":\"text/plain\",\"content\":\"1 <b>&lt;</b> 2\"}",
                 "alice: 1 <b>&lt;</b> 2");
    assert_shown("{\"type\":\"Note\",\"content\":\"&#27;[2J&#x202e;\"}", "alice: \\u001b[2J\\u202e");
}

static void rule_3_everything_else_begins_with_its_kind(void **state) {
    (void)state;
    assert_shown("{\"type\":\"Add\",\"object\":{\"type\":\"Image\",\"name\":\"Dawn\"},"
                 "\"target\":{\"type\":\"Collection\",\"name\":\"Coast\"}}",
                 "alice: [Add] Image \"Dawn\" to Collection \"Coast\"");
    assert_shown("{\"type\":\"Travel\",\"origin\":{\"type\":\"Place\",\"name\":\"A\"},\"target\":\"B\","
                 "\"instrument\":{\"name\":\"ferry\"}}",
                 "alice: [Travel] from \"A\" to B with \"ferry\"");
    assert_shown("{\"type\":\"Accept\",\"object\":{\"type\":\"Offer\",\"object\":{\"name\":\"coal\"}},"
                 "\"content\":\"Thanks\"}",
                 "alice: [Accept] Offer \"coal\": Thanks");
    assert_shown("{\"type\":\"Flag\",\"object\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}",
                 "alice: [Flag] a, b, c and 2 more");
    assert_shown(
        "{\"type\":\"Question\",\"name\":\"Lamp?\",\"oneOf\":[{\"name\":\"Red\"},{\"name\":\"Green\"}]}",
        "alice: [Question]: Lamp? (Red | Green)");
    assert_shown("{\"verb\":\"checkin\",\"object\":{\"objectType\":\"place\",\"displayName\":\"Old light\"}}",
                 "alice: [checkin] \"Old light\"");
    assert_shown("{\"type\":\"Like\",\"object\":{\"type\":\"Note\",\"content\":\"porridge\"}}",
                 "alice: [Like] porridge");
    assert_shown("{\"type\":\"Undo\",\"object\":{\"type\":\"Follow\",\"id\":\"urn:1\"}}",
                 "alice: [Undo] Follow urn:1");
    assert_shown("{\"type\":\"Arrive\",\"summary\":\"The mail coach is here.\"}",
                 "alice: [Arrive]: The mail coach is here.");
    assert_shown("{\"type\":\"Delete\",\"object\":{\"type\":\"Note\"}}", "alice: [Delete] Note");
    assert_shown("{\"type\":\"Leave\"}", "alice: [Leave]");
}

static void things_in_things_end_somewhere(void **state) {
    (void)state;
    struct buf json = {0};
    for (int i = 0; i < 200; i++) assert_int_equal(buf_append_text(&json, "{\"type\":\"A\",\"object\":"), 0);
    assert_int_equal(buf_append_text(&json, "1"), 0);
    for (int i = 0; i < 200; i++) assert_int_equal(buf_append_text(&json, "}"), 0);
    assert_int_equal(buf_append(&json, "", 1), 0);
    assert_shown(json.data, "alice: [A] A A A A …");
    buf_free(&json);
}

static void rule_4_what_says_nothing_of_this_is_shown_as_json(void **state) {
    (void)state;
    assert_shown("{ \"lamp\": \"on\", \"level\": 1.10, \"authenticated_user\":\"x\"}",
                 "alice: {\"lamp\":\"on\",\"level\":1.10}");
    assert_shown("{\"authenticated_user\":\"x\"}", "alice: {}");
    assert_shown("{\"name\":\"sensor\",\"value\":3}", "alice: {\"name\":\"sensor\",\"value\":3}");
    assert_shown("{\"type\":null,\"object\":{},\"x\":\"\\u202e\"}",
                 "alice: {\"type\":null,\"object\":{},\"x\":\"\\u202e\"}");
    assert_shown("not JSON\033[2J", "alice: not JSON\\u001b[2J");
    assert_shown("[1]", "alice: [1]");
    assert_shown("", "alice: ");
}

static void members_of_any_type_are_survived(void **state) {
    (void)state;
    static const char *const members[] = {
        "type",       "actor",     "object",  "target",    "content",
        "contentMap", "name",      "nameMap", "summary",   "summaryMap",
        "oneOf",      "published", "verb",    "mediaType", "authenticated_user"};
    static const char *const values[] = {"null",       "true",       "1",     "\"\"",  "\"x\"",
                                         "[]",         "[[]]",       "{}",    "[{}]",  "[null]",
                                         "{\"a\":{}}", "{\"en\":1}", "1e400", "[1,2]", "{\"type\":[]}"};
    struct display *display = display_open("en");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            char json[200];
            struct shown shown;
            snprintf(json, sizeof json, "{\"type\":\"Like\",\"object\":{\"%s\":%s},\"%s\":%s}", members[i],
                     values[j], members[i], values[j]);
            assert_int_equal(display_activity(display, str_of(json), STR("alice"), NOON, &shown), 0);
            assert_true(shown.what.len > 0);
        }
    }
    display_close(display);
}

static void rule_5_when_is_told_if_it_was_not_lately(void **state) {
    (void)state;
    assert_shown("{\"type\":\"Leave\",\"published\":\"2026-03-02T12:09:00Z\"}", "alice: [Leave]");
    assert_shown("{\"type\":\"Leave\",\"published\":\"2026-03-02T13:00:00.5+01:00\"}", "alice: [Leave]");
    assert_shown("{\"type\":\"Leave\",\"published\":\"2016-02-10T15:04:55Z\"}",
                 "alice: [Leave] (of 2016-02-10 15:04)");
    assert_shown("{\"type\":\"Leave\",\"published\":\"2026-03-02T12:00:00-05:00\"}",
                 "alice: [Leave] (of 2026-03-02 17:00)");
    assert_shown("{\"type\":\"Leave\",\"published\":\"yesterday\"}", "alice: [Leave]");
    assert_shown("{\"type\":\"Leave\",\"published\":\"99999999999999-01-01T00:00:00Z\"}", "alice: [Leave]");
}

static void the_reader_s_language_is_preferred(void **state) {
    (void)state;
    const char *json =
        "{\"type\":\"Note\",\"content\":\"gate\",\"contentMap\":{\"en\":\"gate\",\"de\":\"Tor\","
        "\"pt-BR\":\"portão\",\"pt\":\"porta\"}}";
    static const char *const spoken[][2] = {{"de_DE.UTF-8", "alice: Tor"},
                                            {"de", "alice: Tor"},
                                            {"pt_BR", "alice: portão"},
                                            {"pt_PT@euro", "alice: portão"},
                                            {"C.UTF-8", "alice: gate"},
                                            {"ja_JP", "alice: gate"},
                                            {"", "alice: gate"}};
    for (size_t i = 0; i < sizeof spoken / sizeof *spoken; i++) {
        language = spoken[i][0];
        assert_shown(json, spoken[i][1]);
    }
    language = NULL;
    assert_shown("{\"type\":\"Note\",\"contentMap\":{\"ja\":\"門\",\"de\":\"Tor\"}}", "alice: 門");
}

static void a_line_has_its_time_and_is_cut_by_columns(void **state) {
    (void)state;
    struct shown shown = {STR("alice"), STR("the 門 opens")};
    struct buf out = {0};
    assert_int_equal(display_line(&shown, NOON, 0, false, &out), 0);
    assert_true(str_equal_text(buf_str(&out), "12:00:00 alice: the 門 opens"));
    out.len = 0;
    assert_int_equal(display_line(&shown, NOON, 12 + 5 + 5, false, &out), 0); // half a gate does not fit
    assert_true(str_equal_text(buf_str(&out), "12:00:00 alice: the …"));
    out.len = 0;
    assert_int_equal(display_line(&shown, NOON, 0, true, &out), 0);
    assert_non_null(memmem(out.data, out.len, "\033[0m: the 門 opens", strlen("\033[0m: the 門 opens")));
    buf_free(&out);
}

static void every_kind_of_the_vocabulary_is_one_line(void **state) {
    (void)state;
    static const char *const names[] = {
        "accept", "add",      "announce", "arrive",  "block", "create_note", "delete", "dislike",   "flag",
        "follow", "ignore",   "invite",   "join",    "leave", "like",        "move",   "offer",     "listen",
        "reject", "question", "travel",   "v1_post", "undo",  "update",      "view",   "v1_checkin"};
    struct display *display = display_open(NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[400], json[16384];
        struct shown shown;
        snprintf(path, sizeof path, TEST_DATA "/activities/%s.json", names[i]);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        size_t len = fread(json, 1, sizeof json, file);
        fclose(file);
        assert_int_equal(display_activity(display, (struct str){json, len}, STR("alice"), NOON, &shown), 0);
        assert_true(shown.what.len > 0 && shown.what.ptr[0] != '{'); // understood, not rule 4
        assert_null(memchr(shown.what.ptr, '\n', shown.what.len));
    }
    display_close(display);
}

int main(void) {
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_1_the_server_s_word_stands_first),
        cmocka_unit_test(rule_2_of_a_note_the_text_is_shown),
        cmocka_unit_test(content_is_html_unless_it_is_said_not_to_be),
        cmocka_unit_test(rule_3_everything_else_begins_with_its_kind),
        cmocka_unit_test(things_in_things_end_somewhere),
        cmocka_unit_test(rule_4_what_says_nothing_of_this_is_shown_as_json),
        cmocka_unit_test(members_of_any_type_are_survived),
        cmocka_unit_test(rule_5_when_is_told_if_it_was_not_lately),
        cmocka_unit_test(the_reader_s_language_is_preferred),
        cmocka_unit_test(a_line_has_its_time_and_is_cut_by_columns),
        cmocka_unit_test(every_kind_of_the_vocabulary_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

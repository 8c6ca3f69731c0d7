// The decoder before what is no message: it is refused with a reason that gives nothing away, whatever it
// costs to find out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"
#include "parsing.h"

// --- what is no message ---------------------------------------------------------------------------------

static void a_message_must_be_an_object_with_a_known_command(void **state) {
    (void)state;
    static const char *const others[] = {"[]", "\"LOGOUT\"", "null", "7", "[{\"command\":\"LOGOUT\"}]"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        refuse(others[i], "the received message is not a JSON object");
    refuse("{}", "the received message did not contain a command");
    refuse("{\"Command\":\"LOGOUT\"}", "the received message did not contain a command");
    refuse("{\"command\":null}", "the received message did not contain a command");
    refuse("{\"command\":7}", "the field command must be a string");
    refuse("{\"command\":\"logout\"}", "unknown command");
    refuse("{\"command\":\"\"}", "unknown command");
    refuse("{\"command\":\"LOGOUT\\u0000\"}", "unknown command");
    refuse("{\"command\\u0000\":\"LOGOUT\"}", "the received message did not contain a command");
    accept("{\"\\u0063ommand\":\"\\u004cOGOUT\"}", COMMAND_LOGOUT);
}

static void json_is_read_strictly(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        " ",
        "{",
        "{\"command\":\"LOGOUT\"",
        "{\"command\":\"LOGOUT\"}}",
        "{\"command\":\"LOGOUT\"} x",
        "{\"command\":\"LOGOUT\",}",
        "{'command':'LOGOUT'}",
        "{command:\"LOGOUT\"}",
        "{\"command\":\"LOGOUT\"}//",
        "/**/{\"command\":\"LOGOUT\"}",
        "\xef\xbb\xbf{\"command\":\"LOGOUT\"}",
        "{\"command\":\"LOGOUT\",\"a\":01}",
        "{\"command\":\"LOGOUT\",\"a\":+1}",
        "{\"command\":\"LOGOUT\",\"a\":.5}",
        "{\"command\":\"LOGOUT\",\"a\":1.}",
        "{\"command\":\"LOGOUT\",\"a\":1e}",
        "{\"command\":\"LOGOUT\",\"a\":-}",
        "{\"command\":\"LOGOUT\",\"a\":NaN}",
        "{\"command\":\"LOGOUT\",\"a\":Infinity}",
        "{\"command\":\"LOGOUT\",\"a\":0x1}",
        "{\"command\":\"LOGOUT\",\"a\":\"\t\"}",
        "{\"command\":\"LOGOUT\",\"a\":\"\\x41\"}",
        "{\"command\":\"LOGOUT\",\"a\":\"\\ud800\"}",
        "{\"command\":\"LOGOUT\",\"a\":\"\\ud800\\u0041\"}",
        "{\"command\":\"LOGOUT\",\"a\":\"\\udc00\"}",
        "{\"command\":\"LOGOUT\",\"a\":\"\\u12\"}",
        "{\"command\":\"LOGOUT\",\"a\":\"\x80\"}",
        "{\"command\":\"LOGOUT\",\"a\":\"\xc0\x80\"}",
        "{\"command\":\"LOGOUT\",\"a\":\"\xed\xa0\x80\"}",
        "{\"command\":\"LOGOUT\",\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"command\":\"LOGOUT\",\"a\":\"\xe2\x82\"}",
        "{\"command\":\"LOGOUT\"\xc2\xa0}",
        "{\"command\":\"LOGOUT\",\"a\":True}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (parse(wrong[i]) == 0) fail_msg("%s was accepted", wrong[i]);
        if (strncmp(err.text, "JSON parse error: ", 18) != 0) fail_msg("%s: \"%s\"", wrong[i], err.text);
    }
    static const char nul[] = "{\"command\":\"LOGOUT\"}\0";
    assert_int_equal(message_parse(parser, (struct str){nul, sizeof nul - 1}, &message, &err), -1);
}

static void a_member_of_the_command_must_not_appear_twice_however_spelt(void **state) {
    (void)state;
    refuse("{\"command\":\"LOGIN\",\"command\":\"LOGOUT\"}", "a member appears twice");
    refuse("{\"command\":\"LOGOUT\",\"c\\u006fmmand\":\"LOGOUT\"}", "a member appears twice");
    refuse("{\"command\":\"LOGOUT\",\"unknown\":1,\"unknown\":1}", "a member appears twice");
    refuse("{\"a\":1,\"command\":\"LOGOUT\",\"\\u0061\":2}", "a member appears twice");
    refuse("{\"\":1,\"command\":\"LOGOUT\",\"\":2}", "a member appears twice");
    accept("{\"a\":1,\"a\\u0000\":2,\"A\":3,\"\":4,\"command\":\"LOGOUT\"}", COMMAND_LOGOUT);
    accept("{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\",\"activity\":{\"x\":1,\"x\":2}}",
           COMMAND_ACTIVITY_MESSAGE);
}

static void two_hundred_thousand_members_are_compared_without_pain(void **state) {
    (void)state;
    struct buf line = {0};
    assert_int_equal(buf_append_text(&line, "{\"command\":\"LOGOUT\""), 0);
    for (unsigned i = 0; line.len < MAX_LINE - 40; i++)
        assert_int_equal(buf_printf(&line, ",\"%x\":0", i), 0);
    size_t len = line.len;
    assert_int_equal(buf_append_text(&line, "}"), 0);
    assert_int_equal(message_parse(parser, buf_str(&line), &message, &err), 0);
    buf_truncate(&line, len);
    assert_int_equal(buf_append_text(&line, ",\"1f0\":0}"), 0);
    assert_int_equal(message_parse(parser, buf_str(&line), &message, &err), -1);
    assert_string_equal(err.text, "a member appears twice");
    buf_free(&line);
}

static void nesting_is_accepted_to_the_depth_and_no_deeper(void **state) {
    (void)state;
    // Brackets in strings do not count, and a quote behind a backslash ends no string.
    accept("{\"command\":\"LOGOUT\",\"a\":[[[[[[[]]]]]]],\"b\":\"[[[[[[[[[[\\\"[[[[[[[[[[\",\"c\":[[]]}",
           COMMAND_LOGOUT);
    refuse("{\"command\":\"LOGOUT\",\"a\":[[[[[[[[]]]]]]]]}",
           "JSON parse error: nested deeper than 8 levels");
    refuse("{\"command\":\"LOGOUT\",\"a\":{\"\":{\"\":{\"\":{\"\":{\"\":{\"\":{\"\":{}}}}}}}}}",
           "JSON parse error: nested deeper than 8 levels");
    refuse("[[[[[[[[[[[[[[[[[[[[[[[", "JSON parse error: nested deeper than 8 levels");
    accept("{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":\"{\\\"a\\\":[[[[[[]]]]]]}\"}",
           COMMAND_ACTIVITY_BROADCAST);
    refuse("{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":\"{\\\"a\\\":[[[[[[[]]]]]]]}\"}",
           "the field activity must be an object"); // would be too deep as an object
}

static void a_line_over_the_limit_is_refused(void **state) {
    (void)state;
    struct buf line = {0};
    assert_int_equal(buf_append_text(&line, "{\"command\":\"LOGOUT\"}"), 0);
    while (line.len < MAX_LINE) assert_int_equal(buf_append_text(&line, " "), 0);
    assert_int_equal(message_parse(parser, buf_str(&line), &message, &err), 0);
    assert_int_equal(buf_append_text(&line, " "), 0);
    assert_int_equal(message_parse(parser, buf_str(&line), &message, &err), -1);
    assert_string_equal(err.text, "the message is longer than 1048576 bytes");
    buf_free(&line);
}

// The densest line: as many values as its bytes allow, far beyond what the parser keeps memory for.
static void the_largest_and_densest_lines_are_decoded(void **state) {
    (void)state;
    struct buf line = {0};
    assert_int_equal(buf_append_text(&line, "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{\"a\":[0"), 0);
    while (line.len < MAX_LINE - 4) assert_int_equal(buf_append_text(&line, ",1"), 0);
    assert_int_equal(buf_append_text(&line, "]}}"), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(message_parse(parser, buf_str(&line), &message, &err), 0);
    buf_free(&line);
    accept("{\"command\":\"LOGOUT\"}", COMMAND_LOGOUT);
}

// --- what a fault must not do ---------------------------------------------------------------------------

static void no_sentence_repeats_a_value(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{\"command\":\"hunter2\"}",
        "{\"command\":\"LOGIN\",\"username\":\"a\",\"secret\":{\"hunter2\":\"hunter2\"}}",
        "{\"command\":\"LOGIN\",\"username\":[\"hunter2\"],\"secret\":\"hunter2\"}",
        "{\"command\":\"LOGIN\",\"hunter2\":1,\"hunter2\":1}",
        "{\"command\":\"LOGIN\",\"secret\":\"hunter2\"",
        "{\"command\":\"LOGIN\",\"secret\":\"hunter2\x80\"}",
        "hunter2",
        "{\"command\":\"LOGIN\",\"secret\":hunter2}",
        "{\"command\":\"REDIRECT\",\"hostname\":\"h\",\"port\":\"hunter2\"}",
        "{\"command\":[\"hunter2\"]}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(parse(lines[i]), -1);
        assert_null(strstr(err.text, "hunter2"));
        absent(message.secret);
    }
}

static void every_prefix_is_refused_without_a_look_beyond_its_end(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{\"command\":\"LOGIN\",\"username\":\"aaron\",\"secret\":\"fmm\\u00e9\"}",
        "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"n1\",\"load\":5.0,\"hostname\":\"h\",\"port\":3570}",
        ("{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":\"{\\\"a\\\":[1.10,true,null,{\\\"b\\\":"
         "\\\"\\\\ud83d\\\\ude00\\\"}]}\"}"),
        "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{\"\xf0\x9f\x8c\xbe\":[[[[[]]],{}]]},\"x\":-1e400}",
    };
    struct guard guard = guard_open(1000);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        size_t whole = strlen(lines[i]);
        for (size_t len = 0; len < whole; len++)
            assert_int_equal(message_parse(parser, guard_copy(&guard, lines[i], len), &message, &err), -1);
        assert_int_equal(message_parse(parser, guard_copy(&guard, lines[i], whole), &message, &err), 0);
    }
    guard_close(&guard);
}

static void a_message_leaves_nothing_behind_for_the_next(void **state) {
    (void)state;
    accept("{\"command\":\"HERALD\",\"version\":1,\"id\":\"n\",\"redirected\":[{\"id\":\"m\",\"count\":1}]}",
           COMMAND_HERALD);
    accept("{\"command\":\"LOGIN\",\"username\":\"a\",\"secret\":\"s\"}", COMMAND_LOGIN);
    assert_int_equal(message.hint_count, 0);
    assert_int_equal(message.herald_version, 0);
    absent(message.herald_id);
    assert_int_equal(parse("{\"command\":\"LOGIN\",\"username\":\"a\"}"), -1);
    absent(message.username);
    parser_forget(parser);
    parser_forget(parser);
    parser_close(NULL);
}

// The slice points into the parser's own memory, which is still there, and empty.
static void a_forgotten_secret_is_wiped(void **state) {
    (void)state;
    accept("{\"command\":\"LOGIN\",\"username\":\"a\",\"secret\":\"hunter2\"}", COMMAND_LOGIN);
    struct str secret = message.secret;
    is(secret, "hunter2");
    parser_forget(parser);
    assert_memory_equal(secret.ptr, "\0\0\0\0\0\0\0", secret.len);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_must_be_an_object_with_a_known_command),
        cmocka_unit_test(json_is_read_strictly),
        cmocka_unit_test(a_member_of_the_command_must_not_appear_twice_however_spelt),
        cmocka_unit_test(two_hundred_thousand_members_are_compared_without_pain),
        cmocka_unit_test(nesting_is_accepted_to_the_depth_and_no_deeper),
        cmocka_unit_test(a_line_over_the_limit_is_refused),
        cmocka_unit_test(the_largest_and_densest_lines_are_decoded),
        cmocka_unit_test(no_sentence_repeats_a_value),
        cmocka_unit_test(every_prefix_is_refused_without_a_look_beyond_its_end),
        cmocka_unit_test(a_message_leaves_nothing_behind_for_the_next),
        cmocka_unit_test(a_forgotten_secret_is_wiped),
    };
    return cmocka_run_group_tests(tests, open_parser, close_parser);
}

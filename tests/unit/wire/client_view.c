// Activities as a client sees them: out of a program's text, and into it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/client_view.h"

#include <stdlib.h>
#include <string.h>

static struct parser *parser;
static struct buf out;

static int set_up(void **state) {
    (void)state;
    parser = parser_open(1 << 20, 8);
    return parser ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    parser_close(parser);
    buf_free(&out);
    return 0;
}

static void becomes(const char *user, const char *secret, const char *activity, const char *line) {
    struct err err = {0};
    buf_truncate(&out, 0);
    assert_int_equal(activity_message(parser, str_of(user), str_of(secret), str_of(activity), &out, &err), 0);
    if (!str_equal_text(buf_str(&out), line)) fail_msg("%.*s where %s belongs", (int)out.len, out.data, line);
}

static void a_publication_is_one_line_that_keeps_every_value(void **state) {
    (void)state;
    becomes(
        "ann", "s\"1", "{}",
        "{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"ann\",\"secret\":\"s\\\"1\",\"activity\":{}}\n");
    becomes("anonymous", NULL, " {\n \"b\" : [ 1.10 , 1e400,\r\n -0 ],\t\"a\":\"x\\ny\",\"b\":null}\n",
            "{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"anonymous\",\"activity\":"
            "{\"b\":[1.10,1e400,-0],\"a\":\"x\\ny\",\"b\":null}}\n");
}

static void what_is_not_an_object_is_refused_and_leaves_nothing(void **state) {
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "empty"},
        {"7", "must be a JSON object"},
        {"[{}]", "must be a JSON object"},
        {"{} {}", "JSON parse error"},
        {"{\"a\":1,}", "JSON parse error"},
        {"{\"a\":\"\xff\"}", "JSON parse error"},
        {"{\"a\":\"\n\"}", "JSON parse error"},
        {"{\"a\":[[[[[[[]]]]]]]}", "nested"}, // one level is the message's
    };
    (void)state;
    buf_truncate(&out, 0);
    assert_int_equal(buf_append_text(&out, "before"), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = {0};
        struct str none = {0};
        assert_int_equal(activity_message(parser, STR("ann"), none, str_of(rows[i].text), &out, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        if (!strstr(err.text, rows[i].why)) fail_msg("`%s` is refused with `%s`", rows[i].text, err.text);
        assert_true(str_equal_text(buf_str(&out), "before"));
    }
    becomes("ann", NULL, "{\"a\":[[[[[[]]]]]]}",
            "{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"ann\",\"activity\":{\"a\":[[[[[[]]]]]]}}\n");
}

static void an_activity_that_arrives_is_given_as_it_came(void **state) {
    static const char *const rows[][2] = {
        {"{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{\"n\":1.10,\"authenticated_user\":\"a\\u006en\"}"
         "}",
         "{\"n\":1.10,\"authenticated_user\":\"ann\"}"},
        // As one peer sends it.
        {"{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":\"{\\\"n\\\":1,\\\"authenticated_user\\\":"
         "\\\"ann\\\"}\"}",
         "{\"n\":1,\"authenticated_user\":\"ann\"}"},
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct message message;
        struct err err;
        buf_truncate(&out, 0);
        assert_int_equal(message_parse(parser, str_of(rows[i][0]), &message, &err), 0);
        assert_int_equal(activity_text(parser, &message, &out), 0);
        assert_true(str_equal_text(buf_str(&out), rows[i][1]));
        assert_true(str_equal_text(activity_user(&message), "ann"));
    }
}

static void logout_is_one_line(void **state) {
    (void)state;
    buf_truncate(&out, 0);
    assert_int_equal(logout_message(&out), 0);
    assert_true(str_equal_text(buf_str(&out), "{\"command\":\"LOGOUT\"}\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publication_is_one_line_that_keeps_every_value),
        cmocka_unit_test(what_is_not_an_object_is_refused_and_leaves_nothing),
        cmocka_unit_test(an_activity_that_arrives_is_given_as_it_came),
        cmocka_unit_test(logout_is_one_line),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

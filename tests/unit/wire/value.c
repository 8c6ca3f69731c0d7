// A look into JSON.
#include "wire/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct parser *parser;

static const struct value *read_of(const char *json) {
    struct err err = {0};
    const struct value *value = value_read(parser, str_of(json), &err);
    if (!value) fail_msg("%s: %s", json, err.text);
    return value;
}

static void every_kind_is_told_from_the_others(void **state) {
    (void)state;
    static const struct {
        const char *json;
        enum value_kind kind;
        const char *text;
        size_t count;
    } rows[] = {
        {"null", VALUE_NULL, "", 0},
        {"true", VALUE_BOOL, "", 0},
        {"1.10", VALUE_NUMBER, "1.10", 0},
        {"1e400", VALUE_NUMBER, "1e400", 0},
        {"\"a\\u00e9\"", VALUE_TEXT, "aé", 0},
        {"[1,[2,3]]", VALUE_ARRAY, "", 2},
        {"{\"a\":1,\"b\":2,\"a\":3}", VALUE_OBJECT, "", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct value *value = read_of(rows[i].json);
        assert_int_equal(value_kind(value), rows[i].kind);
        assert_true(str_equal_text(value_text(value), rows[i].text));
        assert_int_equal(value_count(value), rows[i].count);
    }
}

static void none_is_an_answer(void **state) {
    (void)state;
    struct buf out = {0};
    struct value_walk walk = value_walk(NULL);
    assert_int_equal(value_kind(NULL), VALUE_NONE);
    assert_int_equal(value_text(NULL).len, 0);
    assert_int_equal(value_count(NULL), 0);
    assert_null(value_member(NULL, "a"));
    assert_null(value_next(&walk));
    assert_int_equal(value_write(parser, NULL, &out), 0);
    assert_int_equal(out.len, 0);
    assert_null(value_member(read_of("[1]"), "a"));
    assert_null(value_member(read_of("{\"b\":1}"), "a"));
}

static void the_first_member_of_a_name_counts(void **state) {
    (void)state;
    const struct value *object = read_of("{\"a\":\"first\",\"a\":\"second\"}");
    assert_true(str_equal_text(value_text(value_member(object, "a")), "first"));
}

static void a_walk_gives_all_in_order(void **state) {
    (void)state;
    const struct value *object = read_of("{\"a\":[],\"b\":{\"x\":[1,2]},\"\":\"end\"}");
    static const char *const names[] = {"a", "b", ""};
    static const enum value_kind kinds[] = {VALUE_ARRAY, VALUE_OBJECT, VALUE_TEXT};
    struct value_walk walk = value_walk(object);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(value_kind(value_next(&walk)), kinds[i]);
        assert_true(str_equal_text(walk.name, names[i]));
    }
    assert_null(value_next(&walk));
    walk = value_walk(read_of("[[1],{\"a\":2},3]"));
    assert_int_equal(value_kind(value_next(&walk)), VALUE_ARRAY);
    assert_int_equal(value_kind(value_next(&walk)), VALUE_OBJECT);
    assert_true(str_equal_text(value_text(value_next(&walk)), "3"));
    assert_null(value_next(&walk));
    walk = value_walk(read_of("\"text\""));
    assert_null(value_next(&walk));
}

static void what_is_written_is_what_was_read(void **state) {
    (void)state;
    struct buf out = {0};
    assert_int_equal(
        value_write(parser, read_of(" { \"n\" : 1.10 , \"t\" : \"\\u001b\" , \"l\" : [ 1e400 ] } "), &out),
        0);
    assert_true(str_equal_text(buf_str(&out), "{\"n\":1.10,\"t\":\"\\u001B\",\"l\":[1e400]}"));
    out.len = 0;
    assert_int_equal(value_write_text(&out, STR("a\"\n")), 0);
    assert_true(str_equal_text(buf_str(&out), "\"a\\\"\\n\""));
    buf_free(&out);
}

static void what_is_no_json_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"",         "{",   "{\"a\":1,}",         "[1] 2",
                                        "\"\xff\"", "nul", "[[[[[[[[[1]]]]]]]]]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct err err = {0};
        assert_null(value_read(parser, str_of(texts[i]), &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static int open_parser(void **state) {
    (void)state;
    parser = parser_open(0, 8);
    return parser ? 0 : -1;
}

static int close_parser(void **state) {
    (void)state;
    parser_close(parser);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_told_from_the_others), cmocka_unit_test(none_is_an_answer),
        cmocka_unit_test(the_first_member_of_a_name_counts),  cmocka_unit_test(a_walk_gives_all_in_order),
        cmocka_unit_test(what_is_written_is_what_was_read),   cmocka_unit_test(what_is_no_json_is_refused),
    };
    return cmocka_run_group_tests(tests, open_parser, close_parser);
}

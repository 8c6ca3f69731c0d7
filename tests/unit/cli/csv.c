// CSV, read and written.
#include "cli/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct csv_row row;

// The fields of a record, with | between them.
static void assert_fields(const char *record, const char *expected) {
    struct err err = {0};
    struct buf joined = {0};
    if (csv_parse(str_of(record), &row, &err)) fail_msg("%s: %s", record, err.text);
    for (size_t i = 0; i < row.count; i++) {
        assert_int_equal(buf_append_text(&joined, i > 0 ? "|" : ""), 0);
        assert_int_equal(buf_append_str(&joined, csv_field(&row, i)), 0);
    }
    assert_int_equal(buf_append(&joined, "", 1), 0);
    assert_string_equal(joined.data, expected);
    buf_free(&joined);
}

static void fields_stand_between_commas(void **state) {
    (void)state;
    assert_fields("a,b,c\n", "a|b|c");
    assert_fields("a,b,c\r\n", "a|b|c");
    assert_fields("a, b ,", "a| b |");
    assert_fields(",,", "||");
    assert_fields("", "");
}

static void quotes_hold_what_would_end_a_field(void **state) {
    (void)state;
    assert_fields("\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\"\r\n", "a,b|say \"hi\"|two\r\nlines");
    assert_fields("\"\",x", "|x");
    assert_fields("\"\"\"\"", "\"");
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    struct err err = {0};
    static const char *const wrong[] = {"\"open", "\"a\"b,c", "a\"b", "\"a\" ,b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err.text[0] = '\0';
        assert_int_equal(csv_parse(str_of(wrong[i]), &row, &err), -1);
        assert_true(err.text[0] != '\0');
    }
    char many[2 * CSV_FIELDS + 2];
    memset(many, ',', sizeof many);
    assert_int_equal(csv_parse((struct str){many, CSV_FIELDS}, &row, &err), -1);
    assert_int_equal(csv_parse((struct str){many, CSV_FIELDS - 1}, &row, &err), 0);
}

static void a_record_ends_with_its_line_but_not_within_quotes(void **state) {
    (void)state;
    assert_int_equal(csv_measure(STR("a,b\nc,d\n"), false), 4);
    assert_int_equal(csv_measure(STR("a,\"b\nc\"\nd"), false), 8);
    assert_int_equal(csv_measure(STR("a,\"\"\"\n\"\nd"), false), 8);
    assert_int_equal(csv_measure(STR("a,b"), false), 0);
    assert_int_equal(csv_measure(STR("a,b"), true), 3);
    assert_int_equal(csv_measure(STR("a,\"b\n"), true), 5);
}

// So it is refused alone, and not with all lines up to the next quote.
static void a_quote_that_no_field_begins_with_opens_nothing(void **state) {
    (void)state;
    assert_int_equal(csv_measure(STR("bob,Bob 5\" disk\ncid,Cid\n"), false), 16);
    assert_int_equal(csv_measure(STR("eve,Eve \"E X\nfay,Fay\n"), false), 13);
    assert_int_equal(csv_measure(STR("\"a\" \"b\nc\n"), false), 7);
    assert_int_equal(csv_measure(STR("a, \"b\nc\"\n"), false), 6);
    assert_int_equal(csv_measure(STR("a,\"b\"\"\nc,\"\nd\n"), false), 11); // this one begins a field
}

static void a_record_is_measured_from_the_bytes_that_are_there(void **state) {
    (void)state;
    static const char record[] = "a \"x,\"two \"\"\nlines\"\"\",\"\"\r\n";
    const size_t len = sizeof record - 1;
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(csv_measure((struct str){record, cut}, false), 0);
        assert_int_equal(csv_measure((struct str){record, cut}, true), cut);
    }
    assert_int_equal(csv_measure((struct str){record, len}, false), len);
}

static void what_is_written_is_read_again(void **state) {
    (void)state;
    static const char *const fields[] = {"plain", "with,comma", "with \"quotes\"", "two\nlines",
                                         "",      "\r",         " blank "};
    struct buf out = {0};
    struct err err = {0};
    size_t count = sizeof fields / sizeof *fields;
    for (size_t i = 0; i < count; i++) assert_int_equal(csv_write(&out, str_of(fields[i]), i == 0), 0);
    assert_int_equal(buf_append_text(&out, "\r\n"), 0);
    assert_int_equal(csv_measure(buf_str(&out), false), out.len);
    assert_int_equal(csv_parse(buf_str(&out), &row, &err), 0);
    assert_int_equal(row.count, count);
    for (size_t i = 0; i < count; i++) assert_true(str_equal_text(csv_field(&row, i), fields[i]));
    buf_free(&out);
}

static int finish(void **state) {
    (void)state;
    csv_fini(&row);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_stand_between_commas),
        cmocka_unit_test(quotes_hold_what_would_end_a_field),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_record_ends_with_its_line_but_not_within_quotes),
        cmocka_unit_test(a_quote_that_no_field_begins_with_opens_nothing),
        cmocka_unit_test(a_record_is_measured_from_the_bytes_that_are_there),
        cmocka_unit_test(what_is_written_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}

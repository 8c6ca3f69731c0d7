// The small encodings: base 64, cursors, tokens, problems.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base64.h"
#include "gateway/cursor.h"
#include "gateway/problem.h"
#include "gateway/token.h"

#include <string.h>

static void base64_is_taken_in_its_one_spelling(void **state) {
    (void)state;
    static const char *const right[][2] = {{"", ""},
                                           {"Zg==", "f"},
                                           {"Zm8=", "fo"},
                                           {"Zm9v", "foo"},
                                           {"Zm9vYg==", "foob"},
                                           {"YWxpY2U6aMOp", "alice:h\xc3\xa9"},
                                           {"+/+/", "\xfb\xff\xbf"}};
    static const char *const wrong[] = {"Z",        "Zg",   "Zg=",    "Zh==", "Zm9=",  "Z===", "====",
                                        "Zg==Zg==", "Zm 9", "Zm9v\n", "-_-_", "Zm9v=", "=Zm9"};
    struct buf out = {0};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        buf_truncate(&out, 0);
        assert_int_equal(base64_decode(str_of(right[i][0]), &out), 0);
        assert_true(str_equal_text(buf_str(&out), right[i][1]));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        buf_truncate(&out, 0);
        if (base64_decode(str_of(wrong[i]), &out) == 0) fail_msg("taken: %s", wrong[i]);
        assert_int_equal(out.len, 0);
    }
    buf_free(&out);
}

static struct str unquoted(const struct buf *text) {
    return (struct str){text->data + 1, text->len - 2};
}

static void cursors_lead_back_to_what_they_hold(void **state) {
    (void)state;
    static const uint64_t clocks[] = {0, 1, 255, INT64_MAX};
    struct buf out = {0};
    uint64_t at;
    char key[256];
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        buf_truncate(&out, 0);
        assert_int_equal(cursor_write(&out, clocks[i]), 0);
        assert_true(cursor_parse(unquoted(&out), &at));
        assert_int_equal(at, clocks[i]);
    }
    buf_truncate(&out, 0);
    assert_int_equal(cursor_write_key(&out, "app/theme~"), 0);
    assert_true(cursor_parse_key(unquoted(&out), key, sizeof key));
    assert_string_equal(key, "app/theme~");
    assert_false(cursor_parse_key(unquoted(&out), key, 10)); // would not fit
    static const char *const wrong[] = {
        "", "c", "c1", "k6", "kzz", "k00", "c000000000000000g", "cffffffffffffffff", "x0000000000000001"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(cursor_parse(str_of(wrong[i]), &at));
        assert_false(cursor_parse_key(str_of(wrong[i]), key, sizeof key));
    }
    buf_free(&out);
}

static void tokens_differ_and_so_do_their_digests(void **state) {
    (void)state;
    char one[TOKEN_TEXT_SIZE], other[TOKEN_TEXT_SIZE];
    struct secret_digest a, b, again;
    assert_int_equal(secret_init(NULL), 0);
    token_make(one);
    token_make(other);
    assert_int_equal(strlen(one), TOKEN_TEXT_SIZE - 1);
    token_digest(str_of(one), &a);
    token_digest(str_of(one), &again);
    token_digest(str_of(other), &b);
    assert_memory_equal(&a, &again, sizeof a);
    assert_memory_not_equal(&a, &b, sizeof a);
}

static void a_problem_names_the_field_and_the_cure(void **state) {
    (void)state;
    struct buf out = {0};
    assert_int_equal(problem_write(&out, PROBLEM_TAKEN, "choose \"another\"", "login"), 0);
    assert_true(str_equal_text(
        buf_str(&out), "{\"type\":\"urn:herald:problem:login_taken\",\"title\":\"The login is taken\","
                       "\"status\":409,\"code\":\"login_taken\",\"detail\":\"choose \\\"another\\\"\","
                       "\"field\":\"login\"}\n"));
    assert_int_equal(problem_of_status(431), PROBLEM_HEADERS_TOO_LARGE);
    assert_int_equal(problem_of_status(418), PROBLEM_INTERNAL);
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_taken_in_its_one_spelling),
        cmocka_unit_test(cursors_lead_back_to_what_they_hold),
        cmocka_unit_test(tokens_differ_and_so_do_their_digests),
        cmocka_unit_test(a_problem_names_the_field_and_the_cure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Activities keep their meaning: every value, every number text and every duplicate arrives as it was sent,
// and who sent it is said once, at the end, by us (design, decision 6).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/message.h"

#include "seed.h"
#include "tiny.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

#define MAX_LINE    ((size_t)1 << 20)
#define FRAME_START ACTIVITY_FRAME_PREFIX "\"activity\":"

static struct parser *parser;
static struct message message;
static struct err err;

static int open_parser(void **state) {
    (void)state;
    parser = parser_open(MAX_LINE, 64);
    return parser ? 0 : -1;
}

static int close_parser(void **state) {
    (void)state;
    parser_close(parser);
    return 0;
}

static void publish(struct str line, struct str user, struct buf *out) {
    if (message_parse(parser, line, &message, &err)) fail_msg("%.*s: %s", (int)line.len, line.ptr, err.text);
    size_t before = out->len;
    assert_int_equal(activity_encode(parser, &message, user, out), 0);
    assert_true(out->len - before <= line.len + ACTIVITY_FRAME_SLACK);
    parser_forget(parser);
}

static struct buf message_with(struct str activity) {
    struct buf line = {0};
    assert_int_equal(
        buf_append_text(&line, "{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"u\",\"activity\":"), 0);
    assert_int_equal(buf_append_str(&line, activity), 0);
    assert_int_equal(buf_append_text(&line, "}"), 0);
    return line;
}

static void becomes(const char *activity, const char *user, const char *expected) {
    struct buf line = message_with(str_of(activity)), out = {0}, whole = {0};
    publish(buf_str(&line), str_of(user), &out);
    assert_int_equal(buf_printf(&whole, "%s%s}\n", FRAME_START, expected), 0);
    if (!str_equal(buf_str(&out), buf_str(&whole)))
        fail_msg("%.*s where %.*s belongs", (int)out.len, out.data, (int)whole.len, whole.data);
    buf_free(&line);
    buf_free(&out);
    buf_free(&whole);
}

// --- stories --------------------------------------------------------------------------------------------

static void the_user_is_written_once_as_the_last_member(void **state) {
    (void)state;
    becomes("{}", "alice", "{\"authenticated_user\":\"alice\"}");
    becomes("{\"type\":\"Like\"}", "alice", "{\"type\":\"Like\",\"authenticated_user\":\"alice\"}");
    becomes("{\"a\":1,\"authenticated_user\":\"mallory\",\"b\":2}", "alice",
            "{\"a\":1,\"b\":2,\"authenticated_user\":\"alice\"}");
    becomes("{\"authenticated_user\":\"m\"}", "alice", "{\"authenticated_user\":\"alice\"}");
    becomes("{\"authenticated_user\":\"m\",\"authenticated_user\":[{}],\"a\":1,\"authenticated_user\":null}",
            "alice", "{\"a\":1,\"authenticated_user\":\"alice\"}");
}

static void no_spelling_slips_through(void **state) {
    (void)state;
    becomes("{\"authenticated\\u005fuser\":\"m\",\"\\u0061uthenticated_user\":\"m\",\"authenticated_"
            "use\\u0072\":1}",
            "alice", "{\"authenticated_user\":\"alice\"}");
    becomes("{\"\\u0061\\u0075\\u0074\\u0068\\u0065\\u006e\\u0074\\u0069\\u0063\\u0061\\u0074\\u0065\\u0064\\"
            "u005F\\u0075\\u0073"
            "\\u0065\\u0072\":\"m\"}",
            "alice", "{\"authenticated_user\":\"alice\"}");
}

static void other_members_like_it_stay(void **state) {
    (void)state;
    becomes("{\"Authenticated_user\":1,\"authenticated_user\\u0000\":2,\"authenticated_user "
            "\":3,\"authenticated\":4}",
            "a",
            "{\"Authenticated_user\":1,\"authenticated_user\\u0000\":2,\"authenticated_user "
            "\":3,\"authenticated\":4,"
            "\"authenticated_user\":\"a\"}");
    becomes("{\"object\":{\"authenticated_user\":\"bob\"},\"list\":[{\"authenticated_user\":1}]}", "a",
            "{\"object\":{\"authenticated_user\":\"bob\"},\"list\":[{\"authenticated_user\":1}],"
            "\"authenticated_user\":\"a\"}");
    becomes("{\"authenticated_user\":0,\"object\":{\"authenticated_user\":\"bob\"}}", "a",
            "{\"object\":{\"authenticated_user\":\"bob\"},\"authenticated_user\":\"a\"}");
}

static void number_texts_duplicates_and_order_are_kept(void **state) {
    (void)state;
#define NUMBERS                                                                                              \
    "\"n\":[1.10,-0,0.0,-0.0,1e400,-1E+400,1e-400,123456789012345678901234567890,48.137154000000001,1.0e0]"
    becomes("{" NUMBERS "}", "a", "{" NUMBERS ",\"authenticated_user\":\"a\"}");
    becomes("{\"authenticated_user\":1," NUMBERS ",\"top\":1.10}", "a",
            "{" NUMBERS ",\"top\":1.10,\"authenticated_user\":\"a\"}");
    becomes("{\"b\":1,\"a\":2,\"b\":3,\"o\":{\"x\":1,\"x\":1}}", "a",
            "{\"b\":1,\"a\":2,\"b\":3,\"o\":{\"x\":1,\"x\":1},\"authenticated_user\":\"a\"}");
}

static void strings_are_escaped_no_more_than_json_demands(void **state) {
    (void)state;
    becomes("{ \"t\" : \"\\u00fc\\/\\u003d\\ud83d\\ude00\\u2028\\u007f\\u0000\\u001f\\n\\\"\\\\\" }", "a",
            "{\"t\":\"\xc3\xbc/"
            "=\xf0\x9f\x98\x80\xe2\x80\xa8\x7f\\u0000\\u001F\\n\\\"\\\\\",\"authenticated_user\":\"a\"}");
    becomes("{\"\\u0000k\\\"\":1,\"authenticated_user\":1}", "a",
            "{\"\\u0000k\\\"\":1,\"authenticated_user\":\"a\"}");
}

static void the_user_name_is_escaped(void **state) {
    (void)state;
    becomes("{}", "a\"b\\c\n\x01\x7f/\xc3\xa9",
            "{\"authenticated_user\":\"a\\\"b\\\\c\\n\\u0001\x7f/\xc3\xa9\"}");
}

static void frames_follow_each_other_in_the_buffer(void **state) {
    (void)state;
    struct buf out = {0}, line = message_with(STR("{\"n\":1}"));
    publish(buf_str(&line), STR("a"), &out);
    publish(buf_str(&line), STR("b"), &out);
    assert_true(str_equal_text(buf_str(&out),
                               FRAME_START "{\"n\":1,\"authenticated_user\":\"a\"}}\n" FRAME_START
                                           "{\"n\":1,\"authenticated_user\":\"b\"}}\n"));
    buf_free(&out);
    buf_free(&line);
}

static struct str user_of(const char *activity) {
    static struct buf line;
    buf_free(&line);
    assert_int_equal(buf_printf(&line, "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":%s}", activity), 0);
    assert_int_equal(message_parse(parser, buf_str(&line), &message, &err), 0);
    buf_free(&line);
    return activity_user(&message);
}

static void of_a_broadcast_the_first_string_is_the_user(void **state) {
    (void)state;
    assert_true(str_equal_text(user_of("{\"authenticated_user\":\"bob\"}"), "bob"));
    assert_true(str_equal_text(
        user_of("{\"authenticated_user\":1,\"authenticated\\u005fuser\":\"b\\u00e9\"}"), "b\xc3\xa9"));
    assert_true(
        str_equal_text(user_of("{\"authenticated_user\":\"bob\",\"authenticated_user\":\"eve\"}"), "bob"));
    assert_true(str_equal_text(user_of("{\"authenticated_user\":\"\"}"), ""));
    assert_true(str_equal_text(user_of("{}"), "anonymous"));
    assert_true(str_equal_text(user_of("{\"authenticated_user\":null}"), "anonymous"));
    assert_true(str_equal_text(user_of("{\"object\":{\"authenticated_user\":\"bob\"}}"), "anonymous"));
}

static void a_broadcast_is_stamped_with_its_own_user_even_a_very_long_one(void **state) {
    (void)state;
    struct buf line = {0}, out = {0};
    assert_int_equal(
        buf_append_text(&line, "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{\"authenticated_user\":\""),
        0);
    while (line.len < 100000) assert_int_equal(buf_append_text(&line, "\\u0001\\\""), 0);
    assert_int_equal(buf_append_text(&line, "\",\"n\":1}}"), 0);
    assert_int_equal(message_parse(parser, buf_str(&line), &message, &err), 0);
    assert_int_equal(activity_encode(parser, &message, activity_user(&message), &out), 0);
    assert_true(out.len <= line.len + ACTIVITY_FRAME_SLACK);
    buf_free(&line);
    buf_free(&out);
}

static void the_longest_growth_stays_within_the_slack(void **state) {
    (void)state;
    char user[LOGIN_MAX_BYTES];
    memset(user, 1, sizeof user); // escapes to six bytes each, worse than any login
    struct buf out = {0}, line = {0};
    assert_int_equal(buf_append_text(&line, "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{}}"), 0);
    publish(buf_str(&line), (struct str){user, sizeof user}, &out);
    buf_free(&out);
    buf_free(&line);
}

static void the_envelope_takes_the_place_of_the_prefix(void **state) {
    (void)state;
    struct buf out = {0}, line = {0};
    assert_int_equal(activity_envelope(&line, STR("n\"1"), UINT64_MAX), 0);
    assert_true(str_equal_text(buf_str(&line), "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"n\\\"1\","
                                               "\"sequence\":18446744073709551615,"));
    assert_int_equal(buf_append_text(&line, "\"activity\":{\"n\":1}}"), 0);
    assert_int_equal(message_parse(parser, buf_str(&line), &message, &err), 0);
    assert_true(str_equal_text(message.origin, "n\"1"));
    assert_true(message.sequence == UINT64_MAX);
    assert_int_equal(activity_encode(parser, &message, STR("a"), &out), 0);
    assert_true(str_equal_text(buf_str(&out), FRAME_START "{\"n\":1,\"authenticated_user\":\"a\"}}\n"));
    buf_free(&out);
    buf_free(&line);
}

#define SENT      "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"n1\",\"sequence\":12,"
#define BY_ALICE  "\"authenticated_user\":\"alice\""
#define A_ESCAPED "\"t\":\"\\u0041\""
#define A_PLAIN   "\"t\":\"A\""

static void a_broadcast_becomes(const char *text, const char *user, const char *expected) {
    struct buf out = {0};
    publish(str_of(text), str_of(user), &out);
    if (!str_equal_text(buf_str(&out), expected))
        fail_msg("%s\nbecame\n%.*swhere\n%sbelongs", text, (int)out.len, out.data, expected);
    buf_free(&out);
}

static void what_a_herald_encoded_goes_on_as_it_is(void **state) {
    (void)state;
    a_broadcast_becomes(SENT "\"activity\":{" A_ESCAPED "," BY_ALICE "}}", "alice",
                        FRAME_START "{" A_ESCAPED "," BY_ALICE "}}\n");
    a_broadcast_becomes(SENT "\"activity\":{" BY_ALICE "}}", "alice", FRAME_START "{" BY_ALICE "}}\n");
}

static void what_looks_otherwise_is_encoded_anew(void **state) {
    (void)state;
    const char *const once = FRAME_START "{" A_PLAIN "," BY_ALICE "}}\n";
    const char *const others[] = {
        SENT "\"activity\":{" BY_ALICE "," A_ESCAPED "}}",              // not its last word
        SENT "\"activity\":{" BY_ALICE "," A_ESCAPED "," BY_ALICE "}}", // not its only one
        SENT "\"activity\":{\"authenticated_use\\u0072\":1," A_ESCAPED "," BY_ALICE "}}",
        SENT "\"activity\":{" A_ESCAPED ",\"authenticated_user\":\"mallory\"}}", // not the one it is from
        SENT "\"activity\":{" A_ESCAPED ",\"authenticated_user\":[]}}",
        SENT "\"activity\":{" A_ESCAPED "}}",
        SENT "\"activity\":{" A_ESCAPED "," BY_ALICE "},\"command2\":\"REDIRECT\"}", // more than that
        SENT "\"more\":1,\"activity\":{" A_ESCAPED "," BY_ALICE "}}",
        SENT "\"activity\" :{" A_ESCAPED "," BY_ALICE "}}", // otherwise written, or in another order
        SENT " \"activity\":{" A_ESCAPED "," BY_ALICE "}}",
        SENT "\"activity\":\"{\\\"t\\\":\\\"A\\\",\\\"authenticated_user\\\":\\\"alice\\\"}\"}",
        "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"\\u006e1\",\"sequence\":12,\"activity\":{" A_ESCAPED
        "," BY_ALICE "}}",
        "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"n1\",\"sequence\":1.2e1,\"activity\":{" A_ESCAPED
        "," BY_ALICE "}}",
        "{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"n1\",\"sequence\":0,\"activity\":{" A_ESCAPED
        "," BY_ALICE "}}",
        "{\"command\":\"ACTIVITY_BROADCAST\",\"sequence\":12,\"origin\":\"n1\",\"activity\":{" A_ESCAPED
        "," BY_ALICE "}}",
        "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{" A_ESCAPED "," BY_ALICE
        "},\"origin\":\"n1\",\"sequence\":12}",
        "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{" A_ESCAPED "," BY_ALICE "}}",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) a_broadcast_becomes(others[i], "alice", once);
}

// --- any activity ---------------------------------------------------------------------------------------

// What the activity must become, written by the tiny reader: every other member, then the user.
static void keep_unless_user(void *context, struct str name, struct str value) {
    struct buf *expected = context;
    if (str_equal_text(name, "18:authenticated_user")) return;
    assert_int_equal(buf_printf(expected, "%.*s=%.*s\n", (int)name.len, name.ptr, (int)value.len, value.ptr),
                     0);
}

static void keep(void *context, struct str name, struct str value) {
    assert_int_equal(buf_printf(context, "%.*s=%.*s\n", (int)name.len, name.ptr, (int)value.len, value.ptr),
                     0);
}

// From one Herald to the next and on: to the byte.
static void expect_passed_on(struct str frame, struct str user) {
    const size_t before = sizeof ACTIVITY_FRAME_PREFIX - 1;
    struct buf line = {0}, out = {0};
    assert_int_equal(activity_envelope(&line, STR("n1"), frame.len), 0);
    assert_int_equal(buf_append(&line, frame.ptr + before, frame.len - before - 1), 0);
    publish(buf_str(&line), user, &out);
    if (!str_equal(buf_str(&out), frame))
        fail_msg("%.*s\nbecame\n%.*s", (int)line.len, line.data, (int)out.len, out.data);
    buf_free(&line);
    buf_free(&out);
}

static void expect_meaning_kept(struct str activity, struct str user) {
    struct buf line = message_with(activity), out = {0}, expected = {0}, found = {0};
    publish(buf_str(&line), user, &out);
    expect_passed_on(buf_str(&out), user);
    const size_t before = sizeof FRAME_START - 1;
    assert_true(out.len > before + 2);
    assert_memory_equal(out.data, FRAME_START, before);
    assert_memory_equal(out.data + out.len - 2, "}\n", 2);
    assert_null(memchr(out.data, '\n', out.len - 1)); // one line
    tiny_members(activity, keep_unless_user, &expected);
    assert_int_equal(
        buf_printf(&expected, "18:authenticated_user=%zu:%.*s\n", user.len, (int)user.len, user.ptr), 0);
    tiny_members((struct str){out.data + before, out.len - before - 2}, keep, &found);
    if (!str_equal(buf_str(&found), buf_str(&expected)))
        fail_msg("%.*s\nbecame\n%.*s", (int)activity.len, activity.ptr, (int)out.len, out.data);
    buf_free(&line);
    buf_free(&out);
    buf_free(&expected);
    buf_free(&found);
}

static const char *pick(struct dice *dice, const char *const *from, size_t count) {
    return from[dice_below(dice, count)];
}
#define PICK(dice, from) pick(dice, from, sizeof(from) / sizeof *(from))

static const char *blank(struct dice *dice) {
    static const char *const blanks[] = {"", "", "", " ", "\t", "  ", "\r"};
    return PICK(dice, blanks);
}

static void put(struct buf *out, const char *text) {
    assert_int_equal(buf_append_text(out, text), 0);
}

static void put_random_text(struct dice *dice, struct buf *out) {
    // clang-format off
    static const char *const pieces[] = {
        "a", "Z", " ", "{", "]", ",", ":", "\\\"", "\\\\", "\\/", "/", "\\b", "\\f", "\\n", "\\r", "\\t",
        "\\u0000", "\\u001f", "\\u0041", "\\u003d", "\\u00e9", "\\u20AC", "\\ud83d\\uDE00", "\x7f",
        "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x8c\xbe", "\xe2\x80\xa8", "authenticated_user",
    };
    // clang-format on
    put(out, "\"");
    for (uint64_t n = dice_below(dice, 8); n > 0; n--) put(out, PICK(dice, pieces));
    put(out, "\"");
}

static void put_random_value(struct dice *dice, struct buf *out, unsigned depth);

static void put_random_key(struct dice *dice, struct buf *out) {
    static const char *const keys[] = {"\"authenticated_user\"",
                                       "\"\\u0061uthenticated_user\"",
                                       "\"authenticated\\u005Fuser\"",
                                       "\"authenticated\\u005fuse\\u0072\"",
                                       "\"authenticated_user\\u0000\"",
                                       "\"authenticated_users\"",
                                       "\"Authenticated_user\"",
                                       "\"type\"",
                                       "\"type\"",
                                       "\"\""};
    if (dice_below(dice, 2) == 0)
        put_random_text(dice, out);
    else
        put(out, PICK(dice, keys));
}

static void put_random_object(struct dice *dice, struct buf *out, unsigned depth) {
    put(out, "{");
    put(out, blank(dice));
    for (uint64_t i = 0, n = dice_below(dice, 6); i < n; i++) {
        if (i > 0) put(out, ",");
        put(out, blank(dice));
        put_random_key(dice, out);
        put(out, blank(dice));
        put(out, ":");
        put_random_value(dice, out, depth);
    }
    put(out, "}");
    put(out, blank(dice));
}

static void put_random_value(struct dice *dice, struct buf *out, unsigned depth) {
    static const char *const scalars[] = {"null",
                                          "true",
                                          "false",
                                          "0",
                                          "-0",
                                          "1.10",
                                          "-1.0E+2",
                                          "1e400",
                                          "48.137154000000001",
                                          "123456789012345678901234567890",
                                          "1e-7",
                                          "9007199254740993"};
    put(out, blank(dice));
    uint64_t kind = dice_below(dice, depth < 5 ? 5 : 3);
    if (kind == 0) {
        put_random_text(dice, out);
    } else if (kind < 3) {
        put(out, PICK(dice, scalars));
    } else if (kind == 3) {
        put_random_object(dice, out, depth + 1);
    } else {
        put(out, "[");
        for (uint64_t i = 0, n = dice_below(dice, 4); i < n; i++) {
            if (i > 0) put(out, ",");
            put_random_value(dice, out, depth + 1);
        }
        put(out, "]");
    }
    put(out, blank(dice));
}

static void whatever_is_sent_arrives_with_its_meaning_and_one_user(void **state) {
    (void)state;
    static const char *const users[] = {
        "alice", "anonymous", "b\"o\\b", "\xc3\xa9lo\xc3\xafse", "\xf0\x9f\x8c\xbe", ""};
    struct dice dice = seeded_dice("activity");
    for (int round = 0; round < 20000; round++) {
        struct buf activity = {0};
        put_random_object(&dice, &activity, 0);
        expect_meaning_kept(buf_str(&activity), str_of(PICK(&dice, users)));
        buf_free(&activity);
    }
}

// --- real ones ------------------------------------------------------------------------------------------

static struct buf file_text(const char *path) {
    struct buf text = {0};
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(buf_reserve(&text, 1 << 16), 0);
    text.len = fread(text.data, 1, text.cap, file);
    assert_true(feof(file));
    (void)fclose(file);
    return text;
}

static void every_sample_activity_arrives_with_its_meaning(void **state) {
    (void)state;
    glob_t found;
    assert_int_equal(glob(TEST_DATA "/activities/*.json", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 24);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct buf text = file_text(found.gl_pathv[i]);
        assert_true(text.len > 0 && text.data[text.len - 1] == '\n');
        expect_meaning_kept((struct str){text.data, text.len - 1}, STR("alice"));
        buf_free(&text);
    }
    globfree(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_user_is_written_once_as_the_last_member),
        cmocka_unit_test(no_spelling_slips_through),
        cmocka_unit_test(other_members_like_it_stay),
        cmocka_unit_test(number_texts_duplicates_and_order_are_kept),
        cmocka_unit_test(strings_are_escaped_no_more_than_json_demands),
        cmocka_unit_test(the_user_name_is_escaped),
        cmocka_unit_test(frames_follow_each_other_in_the_buffer),
        cmocka_unit_test(of_a_broadcast_the_first_string_is_the_user),
        cmocka_unit_test(a_broadcast_is_stamped_with_its_own_user_even_a_very_long_one),
        cmocka_unit_test(the_longest_growth_stays_within_the_slack),
        cmocka_unit_test(the_envelope_takes_the_place_of_the_prefix),
        cmocka_unit_test(what_a_herald_encoded_goes_on_as_it_is),
        cmocka_unit_test(what_looks_otherwise_is_encoded_anew),
        cmocka_unit_test(whatever_is_sent_arrives_with_its_meaning_and_one_user),
        cmocka_unit_test(every_sample_activity_arrives_with_its_meaning),
    };
    return cmocka_run_group_tests(tests, open_parser, close_parser);
}

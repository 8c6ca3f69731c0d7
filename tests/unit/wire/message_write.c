// The encoders: the lines that leave, byte for byte, and read back as what was meant.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/message.h"

#include <string.h>

static struct buf out;

static int reset(void **state) {
    (void)state;
    buf_free(&out);
    return 0;
}

static void wrote(int status, const char *expected) {
    assert_int_equal(status, 0);
    if (!str_equal_text(buf_str(&out), expected))
        fail_msg("%.*s where %s belongs", (int)out.len, out.data, expected);
    buf_free(&out);
}

static void info(void **state) {
    (void)state;
    wrote(message_write_info(&out, COMMAND_INVALID_MESSAGE, "unknown command"),
          "{\"command\":\"INVALID_MESSAGE\",\"info\":\"unknown command\"}\n");
    wrote(message_write_info(&out, COMMAND_LOGIN_SUCCESS, "logged in as user \"\xc3\xa9lo\xc3\xafse\""),
          "{\"command\":\"LOGIN_SUCCESS\",\"info\":\"logged in as user \\\"\xc3\xa9lo\xc3\xafse\\\"\"}\n");
}

static void redirect(void **state) {
    (void)state;
    wrote(message_write_redirect(&out, STR("10.0.0.1"), 65535),
          "{\"command\":\"REDIRECT\",\"hostname\":\"10.0.0.1\",\"port\":65535}\n");
}

static void authenticate_is_plain_or_declares_herald(void **state) {
    (void)state;
    wrote(message_write_authenticate(&out, STR("gate"), (struct str){0}),
          "{\"command\":\"AUTHENTICATE\",\"secret\":\"gate\"}\n");
    wrote(message_write_authenticate(&out, STR("gate"), STR("n1")),
          "{\"command\":\"AUTHENTICATE\",\"secret\":\"gate\",\"herald\":{\"version\":1,\"id\":\"n1\"}}\n");
}

static void herald_and_hints(void **state) {
    (void)state;
    wrote(message_write_herald(&out, STR("n1")), "{\"command\":\"HERALD\",\"version\":1,\"id\":\"n1\"}\n");
    const struct message_hint hints[] = {{STR("n1"), 1}, {STR("n\"2"), UINT32_MAX}};
    wrote(message_write_hints(&out, hints, 2, STR("n0"), 7),
          "{\"command\":\"HERALD\",\"redirected\":[{\"id\":\"n1\",\"count\":1},"
          "{\"id\":\"n\\\"2\",\"count\":4294967295}],\"by\":\"n0\",\"round\":7}\n");
    wrote(message_write_hints(&out, hints, 0, STR("n0"), UINT64_MAX),
          "{\"command\":\"HERALD\",\"redirected\":[],\"by\":\"n0\",\"round\":18446744073709551615}\n");
    wrote(message_write_goodbye(&out, STR("n1")), "{\"command\":\"HERALD\",\"goodbye\":\"n1\"}\n");
    wrote(message_write_expected(&out, STR("n1"), STR("n0"), 7),
          "{\"command\":\"HERALD\",\"expected\":\"n1\",\"by\":\"n0\",\"round\":7}\n");
}

static void announce(void **state) {
    (void)state;
    wrote(message_write_announce(&out, STR("n1"), 5, STR("::1"), 3780),
          "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"n1\",\"load\":5,\"hostname\":\"::1\",\"port\":3780}\n");
}

static void locks_leave_out_what_is_absent(void **state) {
    (void)state;
    const struct str none = {0};
    wrote(message_write_lock(&out, COMMAND_LOCK_REQUEST, STR("a"), STR("s"), none),
          "{\"command\":\"LOCK_REQUEST\",\"username\":\"a\",\"secret\":\"s\"}\n");
    wrote(message_write_lock(&out, COMMAND_LOCK_DENIED, STR("a"), none, none),
          "{\"command\":\"LOCK_DENIED\",\"username\":\"a\"}\n");
    wrote(message_write_lock(&out, COMMAND_LOCK_ALLOWED, STR("a"), STR(""), STR("n1")),
          "{\"command\":\"LOCK_ALLOWED\",\"username\":\"a\",\"secret\":\"\",\"server\":\"n1\"}\n");
}

static void login_and_register(void **state) {
    (void)state;
    wrote(message_write_login(&out, COMMAND_LOGIN, STR("a"), STR("s")),
          "{\"command\":\"LOGIN\",\"username\":\"a\",\"secret\":\"s\"}\n");
    wrote(message_write_login(&out, COMMAND_LOGIN, STR("anonymous"), (struct str){0}),
          "{\"command\":\"LOGIN\",\"username\":\"anonymous\"}\n");
    wrote(message_write_login(&out, COMMAND_REGISTER, STR("a"), STR("s")),
          "{\"command\":\"REGISTER\",\"username\":\"a\",\"secret\":\"s\"}\n");
}

static void lines_follow_each_other_in_the_buffer(void **state) {
    (void)state;
    assert_int_equal(message_write_redirect(&out, STR("h"), 1), 0);
    wrote(message_write_redirect(&out, STR("i"), 2),
          "{\"command\":\"REDIRECT\",\"hostname\":\"h\",\"port\":1}\n"
          "{\"command\":\"REDIRECT\",\"hostname\":\"i\",\"port\":2}\n");
}

// Every character of the first plane and beyond, in a name and in a secret.
static void any_text_survives_encoder_and_decoder(void **state) {
    (void)state;
    struct parser *parser = parser_open(1 << 20, 8);
    assert_non_null(parser);
    struct message message;
    struct err err;
    for (uint32_t code = 0; code <= 0x10ffff; code += code < 0x3000 ? 1 : 0xfb) {
        if (code >= 0xd800 && code < 0xe000) continue;
        char text[6] = "<";
        size_t len = 1;
        if (code < 0x80) {
            text[len++] = (char)code;
        } else {
            unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
            text[len++] = (char)((0xff00u >> (more + 1)) | (code >> (6 * more)));
            while (more-- > 0) text[len++] = (char)(0x80 | ((code >> (6 * more)) & 0x3f));
        }
        struct str value = {text, len};
        buf_truncate(&out, 0);
        assert_int_equal(message_write_login(&out, COMMAND_REGISTER, value, value), 0);
        if (message_parse(parser, (struct str){out.data, out.len - 1}, &message, &err))
            fail_msg("U+%04X: %s", code, err.text);
        assert_true(str_equal(message.username, value));
        assert_true(str_equal(message.secret, value));
    }
    parser_close(parser);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(info, reset),
        cmocka_unit_test_teardown(redirect, reset),
        cmocka_unit_test_teardown(authenticate_is_plain_or_declares_herald, reset),
        cmocka_unit_test_teardown(herald_and_hints, reset),
        cmocka_unit_test_teardown(announce, reset),
        cmocka_unit_test_teardown(locks_leave_out_what_is_absent, reset),
        cmocka_unit_test_teardown(login_and_register, reset),
        cmocka_unit_test_teardown(lines_follow_each_other_in_the_buffer, reset),
        cmocka_unit_test_teardown(any_text_survives_encoder_and_decoder, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

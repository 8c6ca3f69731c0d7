// The decoder: what each command must and may carry, and what is said when it does not (protocol, "Framing
// and JSON").
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parsing.h"

#include <stdio.h>

// --- the table ------------------------------------------------------------------------------------------

static void commands_are_named_as_in_seed_004_and_know_who_sends_them(void **state) {
    (void)state;
    assert_string_equal(command_name(COMMAND_AUTHENTICATE), "AUTHENTICATE");
    assert_string_equal(command_name(COMMAND_HERALD), "HERALD");
    assert_int_equal(command_from(COMMAND_LOGIN), FROM_CLIENT);
    assert_int_equal(command_from(COMMAND_SERVER_ANNOUNCE), FROM_SERVER);
    assert_int_equal(command_from(COMMAND_INVALID_MESSAGE), FROM_CLIENT | FROM_SERVER);
    assert_int_equal(command_from(COMMAND_REDIRECT), 0);
}

// --- each command ---------------------------------------------------------------------------------------

static void authenticate(void **state) {
    (void)state;
    accept("{\"command\":\"AUTHENTICATE\",\"secret\":\"gate\"}", COMMAND_AUTHENTICATE);
    is(message.secret, "gate");
    absent(message.herald_id);
    assert_int_equal(message.herald_version, 0);
    accept(
        "{\"command\":\"AUTHENTICATE\",\"secret\":\"\",\"herald\":{\"version\":1,\"id\":\"n1\",\"more\":[]}}",
        COMMAND_AUTHENTICATE);
    is(message.secret, "");
    is(message.herald_id, "n1");
    assert_int_equal(message.herald_version, 1);
    refuse("{\"command\":\"AUTHENTICATE\"}", "the field secret is missing");
    refuse("{\"command\":\"AUTHENTICATE\",\"secret\":null}", "the field secret is missing");
    refuse("{\"command\":\"AUTHENTICATE\",\"secret\":5}", "the field secret must be a string");
}

static void a_malformed_herald_member_makes_a_plain_peer(void **state) {
    (void)state;
    static const char *const forms[] = {
        "null",
        "true",
        "\"yes\"",
        "[]",
        "{}",
        "{\"id\":\"n1\"}",
        "{\"version\":1}",
        "{\"version\":0,\"id\":\"n1\"}",
        "{\"version\":-1,\"id\":\"n1\"}",
        "{\"version\":1,\"id\":1}",
        "{\"version\":4294967296,\"id\":\"n1\"}",
        "{\"version\":null,\"id\":\"n1\"}",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char line[200];
        (void)snprintf(line, sizeof line, "{\"herald\":%s,\"command\":\"AUTHENTICATE\",\"secret\":\"s\"}",
                       forms[i]);
        accept(line, COMMAND_AUTHENTICATE);
        absent(message.herald_id);
        assert_int_equal(message.herald_version, 0);
    }
}

static void replies_may_carry_info(void **state) {
    (void)state;
    static const enum command replies[] = {COMMAND_INVALID_MESSAGE,  COMMAND_AUTHENTICATION_FAIL,
                                           COMMAND_LOGIN_SUCCESS,    COMMAND_LOGIN_FAILED,
                                           COMMAND_REGISTER_SUCCESS, COMMAND_REGISTER_FAILED};
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        char line[200];
        (void)snprintf(line, sizeof line, "{\"command\":\"%s\",\"info\":\"why\"}", command_name(replies[i]));
        accept(line, replies[i]);
        is(message.info, "why");
        (void)snprintf(line, sizeof line, "{\"command\":\"%s\"}", command_name(replies[i]));
        accept(line, replies[i]);
        absent(message.info);
        (void)snprintf(line, sizeof line, "{\"command\":\"%s\",\"info\":[]}", command_name(replies[i]));
        refuse(line, "the field info must be a string");
    }
    accept("{\"command\":\"AUTHTENTICATION_FAIL\",\"info\":\"peer's spelling\"}",
           COMMAND_AUTHENTICATION_FAIL);
    is(message.info, "peer's spelling");
}

static void login_needs_a_username_and_unless_anonymous_a_secret(void **state) {
    (void)state;
    accept("{\"command\":\"LOGIN\",\"username\":\"aaron\",\"secret\":\"fmm\"}", COMMAND_LOGIN);
    is(message.username, "aaron");
    is(message.secret, "fmm");
    accept("{\"command\":\"LOGIN\",\"username\":\"aaron\",\"secret\":\"\"}", COMMAND_LOGIN);
    is(message.secret, "");
    refuse("{\"command\":\"LOGIN\"}", "the field username is missing");
    refuse("{\"command\":\"LOGIN\",\"username\":null,\"secret\":\"x\"}", "the field username is missing");
    refuse("{\"command\":\"LOGIN\",\"username\":1,\"secret\":\"x\"}", "the field username must be a string");
    refuse("{\"command\":\"LOGIN\",\"username\":\"aaron\"}", "the field secret is missing");
    refuse("{\"command\":\"LOGIN\",\"username\":\"aaron\",\"secret\":null}", "the field secret is missing");
    refuse("{\"command\":\"LOGIN\",\"username\":\"aaron\",\"secret\":{}}",
           "the field secret must be a string");
    accept("{\"command\":\"LOGIN\",\"username\":\"anonymous\"}", COMMAND_LOGIN);
    absent(message.secret);
    accept("{\"command\":\"LOGIN\",\"username\":\"anonymous\",\"secret\":null}", COMMAND_LOGIN);
    absent(message.secret);
    accept("{\"command\":\"LOGIN\",\"username\":\"anonymous\",\"secret\":\"\"}", COMMAND_LOGIN);
    accept("{\"command\":\"LOGIN\",\"username\":\"anonymous\",\"secret\":\"any\"}", COMMAND_LOGIN);
    accept("{\"command\":\"LOGIN\",\"username\":\"Anonymous\"}",
           COMMAND_LOGIN); // the same name: case does not count
    refuse("{\"command\":\"LOGIN\",\"username\":\"anonymous\",\"secret\":7}",
           "the field secret must be a string");
}

static void logout_needs_nothing(void **state) {
    (void)state;
    accept("{\"command\":\"LOGOUT\"}", COMMAND_LOGOUT);
    accept(" { \"command\" : \"LOGOUT\" , \"username\" : 7 } ", COMMAND_LOGOUT);
}

static void register_needs_username_and_secret(void **state) {
    (void)state;
    accept("{\"command\":\"REGISTER\",\"username\":\"aaron\",\"secret\":\"fmm\"}", COMMAND_REGISTER);
    is(message.username, "aaron");
    is(message.secret, "fmm");
    refuse("{\"command\":\"REGISTER\",\"secret\":\"fmm\"}", "the field username is missing");
    refuse("{\"command\":\"REGISTER\",\"username\":\"aaron\"}", "the field secret is missing");
    refuse("{\"command\":\"REGISTER\",\"username\":\"anonymous\",\"secret\":null}",
           "the field secret is missing");
}

static void activity_message_needs_username_and_activity(void **state) {
    (void)state;
    accept("{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\",\"secret\":\"s\",\"activity\":{\"type\":"
           "\"Like\"}}",
           COMMAND_ACTIVITY_MESSAGE);
    is(message.username, "a");
    is(message.secret, "s");
    assert_non_null(message.activity);
    accept("{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\",\"secret\":null,\"activity\":{}}",
           COMMAND_ACTIVITY_MESSAGE);
    absent(message.secret);
    refuse("{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\"}", "the field activity is missing");
    refuse("{\"command\":\"ACTIVITY_MESSAGE\",\"activity\":{}}", "the field username is missing");
    refuse("{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\",\"activity\":[]}",
           "the field activity must be an object");
    refuse("{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\",\"activity\":\"{}\"}",
           "the field activity must be an object");
    refuse("{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\",\"secret\":1,\"activity\":{}}",
           "the field secret must be a string");
}

static void activity_broadcast_takes_an_object_or_a_string_that_holds_one(void **state) {
    (void)state;
    accept("{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{}}", COMMAND_ACTIVITY_BROADCAST);
    accept("{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":\" {\\\"authenticated_user\\\":\\\"bob\\\"} \"}",
           COMMAND_ACTIVITY_BROADCAST);
    is(activity_user(&message), "bob");
    refuse("{\"command\":\"ACTIVITY_BROADCAST\"}", "the field activity is missing");
    static const char *const wrong[] = {"1",        "true",   "[]",    "\"\"",
                                        "\"text\"", "\"[]\"", "\"{\"", "\"\\\"{}\\\"\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char line[200];
        (void)snprintf(line, sizeof line, "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":%s}", wrong[i]);
        refuse(line, "the field activity must be an object");
    }
}

static void origin_and_sequence_come_as_a_pair_or_not_at_all(void **state) {
    (void)state;
    accept("{\"command\":\"ACTIVITY_BROADCAST\",\"origin\":\"n1\",\"sequence\":18446744073709551615,"
           "\"activity\":{}}",
           COMMAND_ACTIVITY_BROADCAST);
    is(message.origin, "n1");
    assert_true(message.sequence == UINT64_MAX);
    static const char *const wrong[] = {
        "\"origin\":\"n1\"",
        "\"sequence\":1",
        "\"origin\":1,\"sequence\":1",
        "\"origin\":\"\",\"sequence\":1",
        "\"origin\":\"n1\",\"sequence\":0",
        "\"origin\":\"n1\",\"sequence\":-1",
        "\"origin\":\"n1\",\"sequence\":1.5",
        "\"origin\":\"n1\",\"sequence\":18446744073709551616",
        "\"origin\":\"n1\",\"sequence\":null",
        "\"origin\":{},\"sequence\":[]",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char line[200];
        (void)snprintf(line, sizeof line, "{\"command\":\"ACTIVITY_BROADCAST\",%s,\"activity\":{}}",
                       wrong[i]);
        accept(line, COMMAND_ACTIVITY_BROADCAST);
        absent(message.origin);
        assert_true(message.sequence == 0);
    }
}

static void server_announce_needs_id_load_hostname_and_port(void **state) {
    (void)state;
    accept(
        "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"n1\",\"load\":5,\"hostname\":\"10.0.0.1\",\"port\":3570}",
        COMMAND_SERVER_ANNOUNCE);
    is(message.id, "n1");
    is(message.hostname, "10.0.0.1");
    assert_true(message.load == 5);
    assert_int_equal(message.port, 3570);
    refuse("{\"command\":\"SERVER_ANNOUNCE\",\"load\":5,\"hostname\":\"h\",\"port\":1}",
           "the field id is missing");
    refuse("{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"n\",\"hostname\":\"h\",\"port\":1}",
           "the field load is missing");
    refuse("{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"n\",\"load\":5,\"port\":1}",
           "the field hostname is missing");
    refuse("{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"n\",\"load\":5,\"hostname\":\"h\"}",
           "the field port is missing");
}

static void redirect_needs_hostname_and_port(void **state) {
    (void)state;
    accept("{\"command\":\"REDIRECT\",\"hostname\":\"h\",\"port\":\"1234\"}", COMMAND_REDIRECT);
    is(message.hostname, "h");
    assert_int_equal(message.port, 1234);
    refuse("{\"command\":\"REDIRECT\",\"port\":1234}", "the field hostname is missing");
}

static void lock_messages_need_a_username_only(void **state) {
    (void)state;
    accept("{\"command\":\"LOCK_REQUEST\",\"username\":\"a\",\"secret\":\"s\"}", COMMAND_LOCK_REQUEST);
    is(message.secret, "s");
    accept("{\"command\":\"LOCK_REQUEST\",\"username\":\"a\"}", COMMAND_LOCK_REQUEST);
    absent(message.secret);
    accept("{\"command\":\"LOCK_DENIED\",\"username\":\"a\",\"server\":\"n1\"}", COMMAND_LOCK_DENIED);
    absent(message.server); // only LOCK_ALLOWED has one
    accept("{\"command\":\"LOCK_ALLOWED\",\"username\":\"a\",\"secret\":\"s\",\"server\":\"n1\"}",
           COMMAND_LOCK_ALLOWED);
    is(message.server, "n1");
    accept("{\"command\":\"LOCK_ALLOWED\",\"username\":\"a\",\"secret\":\"s\",\"server\":null}",
           COMMAND_LOCK_ALLOWED);
    absent(message.server);
    refuse("{\"command\":\"LOCK_ALLOWED\",\"secret\":\"s\"}", "the field username is missing");
}

static void herald_answers_or_tells_of_clients_sent_away(void **state) {
    (void)state;
    accept("{\"command\":\"HERALD\",\"version\":1,\"id\":\"n2\"}", COMMAND_HERALD);
    is(message.herald_id, "n2");
    assert_int_equal(message.herald_version, 1);
    assert_int_equal(message.hint_count, 0);
    accept(
        "{\"command\":\"HERALD\",\"redirected\":[{\"id\":\"n1\",\"count\":3},{\"id\":\"n3\",\"count\":0}]}",
        COMMAND_HERALD);
    assert_int_equal(message.herald_version, 0);
    assert_int_equal(message.hint_count, 2);
    is(message.hints[0].id, "n1");
    assert_int_equal(message.hints[0].count, 3);
    is(message.hints[1].id, "n3");
    refuse("{\"command\":\"HERALD\"}",
           "HERALD must carry the fields version and id, or redirected, expected or goodbye");
    refuse("{\"command\":\"HERALD\",\"version\":1}",
           "HERALD must carry the fields version and id, or redirected, expected or goodbye");
    refuse("{\"command\":\"HERALD\",\"version\":0,\"id\":\"n\"}",
           "the field version must be a whole number from 1 to 4294967295");
    refuse("{\"command\":\"HERALD\",\"redirected\":{}}",
           "the field redirected must be an array of objects with id and count");
    refuse("{\"command\":\"HERALD\",\"redirected\":[{\"id\":\"n1\",\"count\":3},{\"id\":\"n3\"}]}",
           "the field redirected must be an array of objects with id and count");
}

static void hints_beyond_the_most_are_ignored(void **state) {
    (void)state;
    struct buf line = {0};
    assert_int_equal(buf_append_text(&line, "{\"command\":\"HERALD\",\"redirected\":["), 0);
    for (unsigned i = 0; i < MESSAGE_MAX_HINTS + 3; i++)
        assert_int_equal(buf_printf(&line, "%s{\"id\":\"n%u\",\"count\":%u}", i ? "," : "", i, i), 0);
    assert_int_equal(buf_append_text(&line, "]}"), 0);
    assert_int_equal(message_parse(parser, buf_str(&line), &message, &err), 0);
    assert_int_equal(message.hint_count, MESSAGE_MAX_HINTS);
    assert_int_equal(message.hints[MESSAGE_MAX_HINTS - 1].count, MESSAGE_MAX_HINTS - 1);
    buf_free(&line);
}

// --- numbers --------------------------------------------------------------------------------------------

static void ports_are_compared_as_values(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int port; // 0: refused
    } cases[] = {
        {"1", 1},
        {"65535", 65535},
        {"4001", 4001},
        {"\"4001\"", 4001},
        {"1.0", 1},
        {"4001.000", 4001},
        {"1e3", 1000},
        {"1E+3", 1000},
        {"1.5e1", 15},
        {"40010e-1", 4001},
        {"4.001e3", 4001},
        {"0.4001e4", 4001},
        {"0.05e2", 5},
        {"65535.0000000000000000000000000000", 65535},
        {"1000000000000000000000000e-24", 1},
        {"\"007\"", 7},
        {"0", 0},
        {"-0", 0},
        {"0.0", 0},
        {"65536", 0},
        {"-1", 0},
        {"1.5", 0},
        {"1e-1", 0},
        {"65535.1", 0},
        {"1e5", 0},
        {"1e400", 0},
        {"1e99999999999999999999", 0},
        {"1e-99999999999999999999", 0},
        {"0e99999999999999999999", 0},
        {"18446744073709551617", 0},
        {"123456789012345678901234567890", 0},
        {"\"\"", 0},
        {"\"1.0\"", 0},
        {"\"-1\"", 0},
        {"\"+1\"", 0},
        {"\" 1\"", 0},
        {"\"65536\"", 0},
        {"\"18446744073709551617\"", 0},
        {"true", 0},
        {"[1]", 0},
        {"{}", 0},
        {"0.00000000000000000000000000000000000000000000000001", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[300];
        (void)snprintf(line, sizeof line, "{\"command\":\"REDIRECT\",\"hostname\":\"h\",\"port\":%s}",
                       cases[i].text);
        if (cases[i].port == 0) {
            refuse(line, "the field port must be a number from 1 to 65535");
        } else {
            accept(line, COMMAND_REDIRECT);
            assert_int_equal(message.port, cases[i].port);
        }
    }
}

static void loads_reach_from_0_to_two_to_the_31st(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t load; // -1: refused
    } cases[] = {
        {"0", 0},
        {"0.0", 0},
        {"0e5", 0},
        {"0.000e-7", 0},
        {"\"0\"", 0},
        {"2147483648", INT64_C(2147483648)},
        {"2.147483648e9", INT64_C(2147483648)},
        {"2147483649", -1},
        {"-0", -1},
        {"-5", -1},
        {"0.5", -1},
        {"1e10", -1},
        {"false", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[300];
        (void)snprintf(
            line, sizeof line,
            "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"n\",\"load\":%s,\"hostname\":\"h\",\"port\":1}",
            cases[i].text);
        if (cases[i].load < 0) {
            refuse(line, "the field load must be a whole number from 0 to 2147483648");
        } else {
            accept(line, COMMAND_SERVER_ANNOUNCE);
            assert_true(message.load == (uint64_t)cases[i].load);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_named_as_in_seed_004_and_know_who_sends_them),
        cmocka_unit_test(authenticate),
        cmocka_unit_test(a_malformed_herald_member_makes_a_plain_peer),
        cmocka_unit_test(replies_may_carry_info),
        cmocka_unit_test(login_needs_a_username_and_unless_anonymous_a_secret),
        cmocka_unit_test(logout_needs_nothing),
        cmocka_unit_test(register_needs_username_and_secret),
        cmocka_unit_test(activity_message_needs_username_and_activity),
        cmocka_unit_test(activity_broadcast_takes_an_object_or_a_string_that_holds_one),
        cmocka_unit_test(origin_and_sequence_come_as_a_pair_or_not_at_all),
        cmocka_unit_test(server_announce_needs_id_load_hostname_and_port),
        cmocka_unit_test(redirect_needs_hostname_and_port),
        cmocka_unit_test(lock_messages_need_a_username_only),
        cmocka_unit_test(herald_answers_or_tells_of_clients_sent_away),
        cmocka_unit_test(hints_beyond_the_most_are_ignored),
        cmocka_unit_test(ports_are_compared_as_values),
        cmocka_unit_test(loads_reach_from_0_to_two_to_the_31st),
    };
    return cmocka_run_group_tests(tests, open_parser, close_parser);
}

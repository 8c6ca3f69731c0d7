// The command line, read.
#include "wishing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void options_stand_before_and_behind_the_command(void **state) {
    (void)state;
    static const char *const lines[] = {
        "herald -u alice --server h:1 post hello world",
        "herald post -u alice hello --server h:1 world",
        "herald post hello world --user=alice --server=h:1",
        "herald post --server h:1 -u alice -- hello world",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        parse(lines[i]);
        assert_int_equal(wish.command, CLI_post);
        assert_string_equal(wish.user, "alice");
        assert_string_equal(wish.servers[0], "h:1");
        assert_int_equal(wish.word_count, 2);
        assert_string_equal(wish.words[0], "hello");
        assert_string_equal(wish.words[1], "world");
    }
}

static void after_two_dashes_all_is_text(void **state) {
    (void)state;
    parse("herald post -- -5 degrees --json");
    assert_int_equal(wish.word_count, 3);
    assert_string_equal(wish.words[0], "-5");
    assert_false(wish.json);
    parse("herald post -");
    assert_string_equal(wish.words[0], "-");
}

static void the_course_s_flags_make_a_server(void **state) {
    (void)state;
    parse("herald -u alice -s hush -rh h -rp 4711");
    assert_int_equal(wish.command, CLI_course);
    assert_string_equal(wish.servers[0], "h:4711");
    parse("herald -rp 4711");
    assert_string_equal(wish.servers[0], "localhost:4711");
    parse("herald -rh ::1");
    assert_string_equal(wish.servers[0], "[::1]:3780");
}

static void servers_come_from_options_else_the_environment_else_here(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(parse_in("herald follow --server a:1,b:2 --server c:3", "d:4", &err), 0);
    assert_int_equal(wish.server_count, 3);
    assert_string_equal(wish.servers[2], "c:3");
    assert_int_equal(parse_in("herald follow", "d:4,e:5", &err), 0);
    assert_int_equal(wish.server_count, 2);
    assert_string_equal(wish.servers[1], "e:5");
    assert_int_equal(parse_in("herald follow", "", &err), 0);
    assert_string_equal(wish.servers[0], "127.0.0.1:3780");
}

static void a_secret_is_taken_out_of_argv(void **state) {
    (void)state;
    parse("herald login alice -s hush");
    assert_string_equal(wish.secret.data, "hush");
    assert_memory_equal(copies[4], "\0\0\0\0", 4);
    parse("herald login alice --secret=hush");
    assert_string_equal(wish.secret.data, "hush");
    assert_string_equal(copies[3], "--secret=");
}

static void a_secret_left_out_is_asked_for(void **state) {
    (void)state;
    parse("herald login alice -s");
    assert_true(wish.ask_secret && !wish.has_secret);
    parse("herald login --secret --timeout 3s alice");
    assert_true(wish.ask_secret && !wish.has_secret);
    assert_int_equal(wish.timeout_ms, 3000);
}

static void a_name_is_the_user(void **state) {
    (void)state;
    parse("herald register alice");
    assert_string_equal(wish.user, "alice");
    parse("herald register -u alice");
    assert_string_equal(wish.user, "alice");
    assert_wrong("herald register alice -u alice", "--user: is given twice");
    parse("herald login -u Anonymous");
    assert_true(wish_is_anonymous(&wish));
}

static void help_is_given_whatever_else_is_wrong(void **state) {
    (void)state;
    parse("herald --help");
    assert_true(wish.help && wish.command == CLI_course);
    parse("herald post -h");
    assert_true(wish.help && wish.command == CLI_post);
    parse("herald follow surplus --raw --help");
    assert_true(wish.help && wish.command == CLI_follow);
    parse("herald --version");
    assert_true(wish.version);
}

static void a_mistake_names_what_was_meant(void **state) {
    (void)state;
    assert_wrong("herald folow", "folow: unknown command; did you mean follow?");
    assert_wrong("herald xyzzy", "xyzzy: unknown command; herald --help lists them");
    assert_wrong("herald follow --cuont 3", "--cuont: unknown option; did you mean --count?");
    assert_wrong("herald follow --nonsense", "--nonsense: unknown option; herald --help lists them");
    assert_wrong("herald post -5 degrees", "-5: unknown option; write -- before a text that begins with -");
    assert_wrong("herald follow -n", "--count: needs a value: --count N");
    assert_wrong("herald follow -n 0", "--count: needs a number from 1 on, such as 10");
    assert_wrong("herald follow --json=yes", "--json: takes no value");
    assert_wrong("herald post x --count 3", "--count: is not for post; see herald post --help");
    assert_wrong("herald --count 3", "--count: needs a command; herald --help lists them");
    assert_wrong("herald login a b", "b: is too much; use: herald login [USER]");
    assert_wrong("herald login a --timeout soon", "--timeout: needs a time, such as 500ms, 30s or 5m");
    assert_wrong("herald -rp 0", "-rp: needs a port, 1 to 65535");
    assert_wrong("herald --server ,", "--server: needs a server, such as 127.0.0.1:3780");
    assert_wrong("herald follow \033[2J", "\\u001b[2J: is too much; use: herald follow ");
}

static void no_mistake_gives_a_secret_away(void **state) {
    (void)state;
    struct err err = {0};
    static const char *const lines[] = {"herald -s my hush", "herald login -s my hush hush",
                                        "herald -s my -hush login", "herald login a -s my hush",
                                        "herald --secret=my hush more"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(parse_in(lines[i], NULL, &err), -1);
        assert_null(strstr(err.text, "hush"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_before_and_behind_the_command),
        cmocka_unit_test(after_two_dashes_all_is_text),
        cmocka_unit_test(the_course_s_flags_make_a_server),
        cmocka_unit_test(servers_come_from_options_else_the_environment_else_here),
        cmocka_unit_test(a_secret_is_taken_out_of_argv),
        cmocka_unit_test(a_secret_left_out_is_asked_for),
        cmocka_unit_test(a_name_is_the_user),
        cmocka_unit_test(help_is_given_whatever_else_is_wrong),
        cmocka_unit_test(a_mistake_names_what_was_meant),
        cmocka_unit_test(no_mistake_gives_a_secret_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

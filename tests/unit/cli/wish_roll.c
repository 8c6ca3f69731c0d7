// The command line of the commands for identities: the course's forms, servers as URLs, passwords.
#include "wishing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_server(const char *given, const char *url) {
    char line[400];
    (void)snprintf(line, sizeof line, "herald lookup alice --server %s", given);
    parse(line);
    assert_string_equal(wish.servers[0], url);
}

static void assert_environment(const char *line, const char *servers, const char *first, size_t count) {
    struct err err = {0};
    if (parse_in(line, servers, &err)) fail_msg("%s: %s", servers, err.text);
    assert_string_equal(wish.servers[0], first);
    assert_int_equal(wish.server_count, count);
}

static void the_course_s_forms_are_the_commands(void **state) {
    (void)state;
    static const struct {
        const char *line;
        enum cli_command command;
    } forms[] = {
        {"herald --create alice", CLI_create},
        {"herald -c alice", CLI_create},
        {"herald --lookup alice", CLI_lookup},
        {"herald -l alice", CLI_lookup},
        {"herald --delete alice", CLI_delete},
        {"herald -d alice", CLI_delete},
        {"herald --modify alice bo", CLI_modify},
        {"herald -m alice bo", CLI_modify},
        {"herald --reverse-lookup 7c9e", CLI_reverse_lookup},
        {"herald -r 7c9e", CLI_reverse_lookup},
        {"herald --get users", CLI_list},
        {"herald -g all", CLI_list},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        parse(forms[i].line);
        assert_int_equal(wish.command, forms[i].command);
        assert_int_equal(wish.word_count, forms[i].command == CLI_modify ? 2 : 1);
    }
}

static void the_course_s_command_line_is_understood(void **state) {
    (void)state;
    parse("herald --server host --numport 5555 --create alice Alice Liddell --password hush");
    assert_int_equal(wish.command, CLI_create);
    assert_string_equal(wish.servers[0], "https://host:5555");
    assert_int_equal(wish.word_count, 3);
    assert_string_equal(wish.words[2], "Liddell");
    assert_string_equal(wish.password.text.data, "hush");
    parse("herald -s 127.0.0.1 -n 5555 -m alice bo -p hush");
    assert_string_equal(wish.servers[0], "http://127.0.0.1:5555");
    assert_string_equal(wish.login, "bo");
    assert_string_equal(wish.password.text.data, "hush");
}

static void short_forms_mean_what_the_command_has_them_mean(void **state) {
    (void)state;
    parse("herald -u alice -s hush follow -n 3"); // the stream's
    assert_string_equal(wish.secret.data, "hush");
    assert_int_equal(wish.count, 3);
    parse("herald -s localhost -n 3 lookup alice"); // HTTP's
    assert_string_equal(wish.servers[0], "http://localhost:3");
    assert_false(wish.has_secret);
}

static void a_form_of_another_command_is_no_option(void **state) {
    (void)state;
    assert_wrong("herald post -d text", "-d: unknown option; write -- before a text that begins with -");
    assert_wrong("herald lookup --create alice", "--create: unknown option; herald --help lists them");
    assert_wrong("herald lookup alice --new-password x",
                 "--new-password: is not for lookup; see herald lookup --help");
    assert_wrong("herald lookup alice --secret x", "--secret: is not for lookup; see herald lookup --help");
    assert_wrong("herald lookup", "lookup: something is missing; use: herald lookup LOGIN");
    assert_wrong("herald list users uuids", "uuids: is too much; use: herald list users | uuids | all");
    assert_wrong("herald modify a b --login c", "--login: is given twice");
}

static void a_server_becomes_a_url(void **state) {
    (void)state;
    assert_server("127.0.0.1", "http://127.0.0.1:3781"); // this machine
    assert_server("localhost:80", "http://localhost:80");
    assert_server("::1", "http://[::1]:3781");
    assert_server("[::1]:99", "http://[::1]:99");
    assert_server("herald.example", "https://herald.example:3781"); // others: encrypted
    assert_server("10.1.2.3:99", "https://10.1.2.3:99");
    assert_server("http://10.1.2.3:99/", "http://10.1.2.3:99"); // as it is said
    assert_server("HTTPS://herald.example", "https://herald.example");
    parse("herald lookup alice --server https://herald.example -n 99");
    assert_string_equal(wish.servers[0], "https://herald.example:99");
}

static void what_is_no_server_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "http://",       "http://h:0", "http://h:99999", "http://h:x", "http://u:p@h:1",
        "http://h/path", "ftp://h",    "[::1",           "h\"",        ":3781"};
    char line[200];
    struct err err = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        (void)snprintf(line, sizeof line, "herald lookup alice --server %s", wrong[i]);
        if (parse_in(line, NULL, &err) == 0) fail_msg("%s: %s", wrong[i], wish.servers[0]);
    }
}

static void the_environment_names_servers_for_both(void **state) {
    (void)state;
    static const char both[] = "a:3780,https://b:1,c:3780 http://d:2";
    assert_environment("herald lookup alice", both, "https://b:1", 2);
    assert_environment("herald follow", both, "a:3780", 2);
    assert_environment("herald lookup alice", "localhost:3780", "http://localhost:3781", 1); // the host alone
    assert_environment("herald follow", "http://localhost:3781", "localhost", 1);
    assert_environment("herald lookup alice", "", "http://127.0.0.1:3781", 1);
}

static void a_password_is_taken_out_of_argv(void **state) {
    (void)state;
    parse("herald create alice --password hush");
    assert_string_equal(wish.password.text.data, "hush");
    assert_memory_equal(copies[4], "\0\0\0\0", 4);
    parse("herald modify alice --new-password=hush -p old");
    assert_string_equal(wish.new_password.text.data, "hush");
    assert_string_equal(wish.password.text.data, "old");
    assert_string_equal(copies[3], "--new-password=");
    assert_string_equal(copies[5], "");
}

static void a_password_left_out_is_asked_for(void **state) {
    (void)state;
    parse("herald create alice -p");
    assert_true(wish.password.ask && !wish.password.given);
    parse("herald modify alice --password --new-password -");
    assert_true(wish.password.ask && wish.new_password.line);
    parse("herald create alice --password-file f");
    assert_string_equal(wish.password.file, "f");
    assert_wrong("herald create alice -p --password-file f",
                 "--password-file: there can be one password only");
    assert_wrong("herald create alice -p x -p y", "--password: there can be one only");
    assert_wrong("herald create alice --password=",
                 "--password: must not be empty; leave it out to be asked for it");
}

static void no_mistake_gives_a_password_away(void **state) {
    (void)state;
    struct err err = {0};
    static const char *const lines[] = {"herald lookup alice -p my hush", "herald -p my hush -c alice",
                                        "herald delete alice --password my -hush"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(parse_in(lines[i], NULL, &err), -1);
        assert_null(strstr(err.text, "hush"));
    }
}

static int finish(void **state) {
    (void)state;
    wish_fini(&wish);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_course_s_forms_are_the_commands),
        cmocka_unit_test(the_course_s_command_line_is_understood),
        cmocka_unit_test(short_forms_mean_what_the_command_has_them_mean),
        cmocka_unit_test(a_form_of_another_command_is_no_option),
        cmocka_unit_test(a_server_becomes_a_url),
        cmocka_unit_test(what_is_no_server_is_refused),
        cmocka_unit_test(the_environment_names_servers_for_both),
        cmocka_unit_test(a_password_is_taken_out_of_argv),
        cmocka_unit_test(a_password_left_out_is_asked_for),
        cmocka_unit_test(no_mistake_gives_a_password_away),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}

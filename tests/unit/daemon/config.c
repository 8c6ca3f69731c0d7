// The whole of it: flags over the file over the defaults, and what heraldd says when something is wrong.
#include "told.h"

#include <sys/resource.h>

// --- precedence -----------------------------------------------------------------------------------------

static void flags_win_over_the_file_and_the_file_over_defaults(void **state) {
    (void)state;
    struct told told;
    write_file("herald.conf", "max_depth = 10\nhash_queue = 11\nconnect = a:1, b:2\nsecret = x\n", 0600);
    tell(&told, "--max-depth", "20", "-c", "herald.conf", "--connect", "c:3", NULL);
    assert_complaints(&told, "");
    assert_int_equal(told.config.stream.max_depth, 20);
    assert_int_equal(told.config.stream.hash_queue, 11);
    assert_int_equal(told.config.stream.reel_segments, 64);
    assert_prints(&told.config, OPTION_connect, "c:3"); // a list is replaced as a whole
    told_free(&told);
}

static void the_last_of_two_flags_wins(void **state) {
    (void)state;
    struct told told;
    tell(&told, "--max-depth=20", "--max-depth", "30", NULL);
    assert_int_equal(told.config.stream.max_depth, 30);
    told_free(&told);
}

static void a_mistake_in_the_file_is_one_even_where_a_flag_wins(void **state) {
    (void)state;
    struct told told;
    write_file("herald.conf", "max_depth = 3\n", 0600);
    tell(&told, "--max-depth", "20", "-c", "herald.conf", NULL);
    assert_complaints(
        &told, "herald.conf:1: max_depth: \"3\" is not permitted; permitted: a whole number, 4 to 1000\n");
    told_free(&told);
}

// --- the file -------------------------------------------------------------------------------------------

static void sections_are_decoration_but_must_be_right(void **state) {
    (void)state;
    struct told told;
    write_file("herald.conf", "max_depth = 5\n[limits]\nmax_message = 2KiB\r\n[log]\n  log_level: debug\n",
               0600);
    tell(&told, "--config", "herald.conf", NULL);
    assert_complaints(&told, "");
    assert_int_equal(told.config.stream.max_message, 2048);
    assert_int_equal(told.config.log_level, LOG_DEBUG);
    told_free(&told);
    write_file("herald.conf", "[limits]\nlog_level = debug\n[limit]\nmax_depth = 5\n", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaints(&told,
                      "herald.conf:2: log_level belongs to section [log], or before the first section\n"
                      "herald.conf:4: max_depth belongs to section [limits], or before the first section\n");
    told_free(&told);
}

static void everything_wrong_is_told_at_once_with_its_line(void **state) {
    (void)state;
    struct told told;
    write_file("herald.conf",
               "max_mesage = 2MiB\n" // 1
               "max_depth = 3\n"
               "max_depth = 30\n" // 3
               "colour = red\n"
               "; fine\n" // 5
               "nothing here\n",
               0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaints(
        &told,
        "herald.conf:1: unknown option \"max_mesage\"; did you mean max_message?\n"
        "herald.conf:2: max_depth: \"3\" is not permitted; permitted: a whole number, 4 to 1000\n"
        "herald.conf:3: max_depth is given twice, first in line 2\n"
        "herald.conf:4: unknown option \"colour\"; heraldd --print-config prints a file with all of them\n"
        "herald.conf:6: is neither `key = value` nor `[section]` nor a comment\n");
    told_free(&told);
}

static void a_list_in_the_file_may_be_repeated(void **state) {
    (void)state;
    struct told told;
    write_file("herald.conf", "secret = x\nconnect = a:1\nconnect = b:2, c:3\n", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaints(&told, "");
    assert_prints(&told.config, OPTION_connect, "a:1, b:2, c:3");
    told_free(&told);
}

static void a_value_goes_to_the_end_of_its_line(void **state) {
    (void)state;
    struct told told;
    write_file("herald.conf", "name = North ; South # both\n", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_string_equal(told.config.name, "North ; South # both");
    told_free(&told);
}

static void files_that_cannot_be_read_say_why(void **state) {
    (void)state;
    struct told told;
    char *line = malloc(10001);
    tell(&told, "-c", "absent.conf", NULL);
    assert_complaints(&told, "absent.conf: cannot open absent.conf: No such file or directory\n");
    told_free(&told);
    tell(&told, "-c", ".", NULL);
    assert_complaint_has(&told, ".: . is not a regular file\n");
    told_free(&told);
    write_file("herald.conf", "name = \xff\xfe\n", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaints(&told, "herald.conf: is not UTF-8 text\n");
    told_free(&told);
    snprintf(line, 10001, "name = %09990d", 1);
    write_file("herald.conf", line, 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaints(&told, "herald.conf:1: the line is too long\n");
    told_free(&told);
    free(line);
}

// --- flags ----------------------------------------------------------------------------------------------

static void unknown_flags_ask_what_was_meant_and_hide_what_follows(void **state) {
    (void)state;
    struct told told;
    tell(&told, "--max-mesage", "2MiB", "--secrte", "hunter2", "--secrte=hunter3", "-x", "--colour", NULL);
    assert_complaints(&told, "\"--max-mesage\": unknown option; did you mean --max-message?\n"
                             "\"--secrte\": unknown option; did you mean --secret?\n"
                             "\"--secrte\": unknown option; did you mean --secret?\n"
                             "\"-x\": unknown option; heraldd --help lists them\n"
                             "\"--colour\": unknown option; heraldd --help lists them\n");
    told_free(&told);
}

static void stray_words_and_missing_values_are_told(void **state) {
    (void)state;
    struct told told;
    tell(&told, "start", "--check=yes", "--listen", "--max-depth", NULL);
    assert_complaints(&told, "\"start\": is no option; options begin with - (see heraldd --help)\n"
                             "--check: takes no value\n"
                             "--listen: needs a value: --listen HOST:PORT\n"
                             "--max-depth: needs a value: --max-depth N\n");
    told_free(&told);
    tell(&told, "--secret", "two", "words", NULL);
    assert_complaints(&told,
                      "the word after the secret: is no option; options begin with - (see heraldd --help)\n");
    told_free(&told);
}

static void what_was_typed_is_shown_without_doing_harm(void **state) {
    (void)state;
    struct told told;
    tell(&told, "--max-depth", "\x1b[2J\n\xff", NULL);
    assert_complaint_has(&told, "--max-depth: \"\\x1b[2J\\x0a\\xff\" is not");
    told_free(&told);
}

static void the_wishes_are_understood(void **state) {
    (void)state;
    static const struct {
        const char *flag;
        enum config_wish wish;
    } wishes[] = {{"--check", CONFIG_CHECK},
                  {"--print-config", CONFIG_PRINT},
                  {"-h", CONFIG_HELP},
                  {"--help", CONFIG_HELP},
                  {"--version", CONFIG_VERSION}};
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        struct told told;
        tell(&told, wishes[i].flag, NULL);
        assert_int_equal(told.config.wish, wishes[i].wish);
        told_free(&told);
    }
}

static void the_course_flags_mean_what_they_meant(void **state) {
    (void)state;
    struct told told;
    tell(&told, "-lp", "4000", "-lh", "10.1.2.3", "-rp", "4001", "-rh", "other.example", "-s", "abc", "-a",
         "2500", "--plaintext", NULL);
    assert_complaints(&told, "");
    assert_prints(&told.config, OPTION_listen, "10.1.2.3:4000");
    assert_prints(&told.config, OPTION_advertise, "10.1.2.3");
    assert_prints(&told.config, OPTION_connect, "other.example:4001");
    assert_prints(&told.config, OPTION_announce_interval, "2500ms");
    assert_string_equal(told.config.stream.secret, "abc");
    told_free(&told);
}

static void halves_of_course_flags_go_over_what_is_there(void **state) {
    (void)state;
    struct told told;
    write_file("herald.conf", "listen = 10.9.9.9:1\n", 0600);
    tell(&told, "-c", "herald.conf", "-lp", "4000", "-rp", "4001", "-s", "abc", NULL);
    assert_prints(&told.config, OPTION_listen, "10.9.9.9:4000");
    assert_prints(&told.config, OPTION_advertise, "");
    assert_prints(&told.config, OPTION_connect, "localhost:4001");
    told_free(&told);
    tell(&told, "-lh", "herald.example", "-rh", "other", "-s", "abc", NULL);
    assert_prints(&told.config, OPTION_listen, "127.0.0.1:3780"); // a name is told to others, not listened on
    assert_prints(&told.config, OPTION_advertise, "herald.example");
    assert_prints(&told.config, OPTION_connect, "other:3780");
    told_free(&told);
    tell(&told, "-lh", "localhost", "-lp", "0", NULL);
    assert_prints(&told.config, OPTION_listen, "127.0.0.1:0");
    assert_prints(&told.config, OPTION_advertise, "localhost");
    told_free(&told);
    tell(&told, "-lh", "0.0.0.0", NULL);
    assert_prints(&told.config, OPTION_listen, "0.0.0.0:3780");
    assert_prints(&told.config, OPTION_advertise, ""); // never a wildcard
    told_free(&told);
    tell(&told, "--advertise", "herald.example", "-lh", "10.1.2.3", NULL);
    assert_prints(&told.config, OPTION_advertise, "herald.example");
    told_free(&told);
}

static void a_switch_may_stand_alone(void **state) {
    (void)state;
    static const struct {
        const char *words[3];
        enum config_plaintext means;
    } cases[] = {
        {{"--plaintext", NULL}, PLAINTEXT_YES},          {{"--plaintext", "yes", NULL}, PLAINTEXT_YES},
        {{"--plaintext", "no", NULL}, PLAINTEXT_NO},     {{"--plaintext=no", NULL}, PLAINTEXT_NO},
        {{"--plaintext=yes", NULL}, PLAINTEXT_YES},      {{"--plaintext", "--check", NULL}, PLAINTEXT_YES},
        {{"--plaintext", "-a9999", NULL}, PLAINTEXT_YES}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct told told;
        tell(&told, cases[i].words[0], cases[i].words[1], NULL);
        assert_int_equal(told.config.plaintext, cases[i].means);
        told_free(&told);
    }
    struct told told;
    tell(&told, "--plaintext=perhaps", NULL);
    assert_complaints(&told, "--plaintext: \"perhaps\" is not permitted; permitted: no or yes\n");
    told_free(&told);
    write_file("herald.conf", "plaintext = yes\n", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_int_equal(told.config.plaintext, PLAINTEXT_YES);
    told_free(&told);
}

static void other_machines_need_tls_or_a_word(void **state) {
    (void)state;
    static const struct {
        const char *listen, *flag, *value;
        bool fine;
    } cases[] = {{"127.0.0.1:0", NULL, NULL, true},
                 {"[::1]:0", NULL, NULL, true},
                 {"127.9.9.9:0", NULL, NULL, true},
                 {"0.0.0.0:0", NULL, NULL, false},
                 {"[::]:0", NULL, NULL, false},
                 {"10.1.2.3:0", NULL, NULL, false},
                 {"[::ffff:10.1.2.3]:0", NULL, NULL, false},
                 {"10.1.2.3:0", "--plaintext", "no", false},
                 {"10.1.2.3:0", "--plaintext", NULL, true},
                 {"10.1.2.3:0", "--tls", "auto", true},
                 {"10.1.2.3:0", "--tls", "off", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct told told;
        tell(&told, "--listen", cases[i].listen, cases[i].flag, cases[i].value, NULL);
        if (!cases[i].fine) assert_complaint_has(&told, "--listen: other machines reach ");
        assert_int_equal(told.rc, cases[i].fine ? 0 : -1);
        told_free(&told);
    }
}

static void tls_of_files_needs_both_and_nothing_else_takes_them(void **state) {
    (void)state;
    struct told told;
    tell(&told, "--tls", "file", NULL);
    assert_complaints(&told, "--tls: tls = file needs tls_certificate\n--tls: tls = file needs tls_key\n");
    told_free(&told);
    tell(&told, "--tls", "auto", "--tls-certificate", "a", "--tls-key", "b", NULL);
    assert_complaints(
        &told, "--tls-certificate: tls_certificate is for tls = file: give that, too, or leave it out\n"
               "--tls-key: tls_key is for tls = file: give that, too, or leave it out\n");
    told_free(&told);
    write_file("herald.conf", "tls = file\ntls_certificate = nowhere.crt\ntls_key = nowhere.key\n", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaints(&told, "herald.conf:2: there is no file nowhere.crt\n");
    told_free(&told);
}

static void wrong_course_flags_are_told_as_typed(void **state) {
    (void)state;
    struct told told;
    tell(&told, "-lp", "65536", "-rp", "0", "-rh", "a b", "-a", "99", NULL);
    assert_complaints(&told,
                      "-lp: \"65536\" is not permitted; permitted: a port, 0 to 65535\n"
                      "-rp: \"0\" is not permitted; permitted: a port, 1 to 65535\n"
                      "-rh: \"a b\" is not permitted; permitted: a host name or numeric address\n"
                      "-a: \"99\" is not permitted; permitted: 100ms to 1h, such as 250ms, 5s or 2m\n");
    told_free(&told);
    tell(&told, "-s", "abc", "-rp", "4001", "--connect", "a:1", NULL);
    assert_complaints(&told, "--connect: give either --connect or -rh and -rp, not both\n");
    told_free(&told);
}

// --- secrets --------------------------------------------------------------------------------------------

static void a_secret_does_not_stay_where_ps_shows_it(void **state) {
    (void)state;
    const char *forms[][3] = {{"--secret", "hunter2", "hunter2"},
                              {"--secret=hunter2", NULL, "hunter2"},
                              {"-s", "hunter2", "hunter2"}};
    for (size_t i = 0; i < 3; i++) {
        struct told told;
        tell(&told, forms[i][0], forms[i][1], NULL);
        assert_string_equal(told.config.stream.secret, "hunter2");
        for (int j = 1; j < told.argc; j++) assert_null(memmem(told.argv[j], told.len[j], "unter", 5));
        told_free(&told);
    }
}

static void a_secret_that_is_refused_is_not_shown(void **state) {
    (void)state;
    char *line = malloc(300);
    struct told told;
    tell(&told, "--secret", " hunter2", NULL);
    assert_complaints(
        &told, "--secret: the value (not shown) is not permitted; permitted: 1 to 256 bytes of UTF-8 on one "
               "line, no blanks at the ends\n");
    told_free(&told);
    snprintf(line, 300, "secret = %0257d\n", 7);
    write_file("herald.conf", line, 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaint_has(&told, "herald.conf:1: secret: the value (not shown) is not permitted");
    told_free(&told);
    snprintf(line, 300, "secret = %0256d\n", 7);
    write_file("herald.conf", line, 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaints(&told, "");
    assert_int_equal(strlen(told.config.stream.secret), 256);
    told_free(&told);
    free(line);
}

static void a_secret_file_is_read_without_its_newline(void **state) {
    (void)state;
    const char *texts[] = {"hunter 2", "hunter 2\n", "hunter 2\r\n"};
    for (size_t i = 0; i < 3; i++) {
        struct told told;
        write_file("secret", texts[i], i == 0 ? 0400 : 0600);
        tell(&told, "--secret-file", "secret", NULL);
        assert_complaints(&told, "");
        assert_string_equal(told.config.stream.secret, "hunter 2");
        told_free(&told);
    }
}

static void a_secret_file_that_others_may_read_is_refused(void **state) {
    (void)state;
    const mode_t modes[] = {0604, 0640, 0644, 0602, 0666};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct told told;
        write_file("secret", "hunter2\n", modes[i]);
        tell(&told, "--secret-file", "secret", NULL);
        assert_complaints(&told, "--secret-file: others may read the secret in secret: chmod 600 secret\n");
        told_free(&told);
    }
}

static void a_secret_file_that_holds_no_secret_is_refused(void **state) {
    (void)state;
    const char *texts[] = {"", "\n", "two\nlines\n", "\xff\n", " blank\n"};
    struct told told;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file("secret", texts[i], 0600);
        tell(&told, "--secret-file", "secret", NULL);
        assert_complaints(&told, "--secret-file: secret must hold one line of UTF-8, 1 to 256 bytes\n");
        told_free(&told);
    }
    write_file("herald.conf", "\nsecret_file = absent\n", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaints(&told, "herald.conf:2: cannot open absent: No such file or directory\n");
    told_free(&told);
}

static void a_secret_is_told_in_one_way(void **state) {
    (void)state;
    struct told told;
    write_file("secret", "from the file\n", 0600);
    tell(&told, "--secret-file", "secret", "--secret", "plain", NULL);
    assert_complaints(&told, "--secret-file: give either secret or secret_file, not both\n");
    told_free(&told);
    write_file("herald.conf", "secret_file = secret\n", 0600);
    tell(&told, "-c", "herald.conf", "--secret", "plain", NULL); // the flag wins
    assert_complaints(&told, "");
    assert_string_equal(told.config.stream.secret, "plain");
    told_free(&told);
    write_file("herald.conf", "secret = plain\n", 0600);
    tell(&told, "-c", "herald.conf", "--secret-file", "secret", NULL);
    assert_complaints(&told, "");
    assert_string_equal(told.config.stream.secret, "from the file");
    told_free(&told);
}

static void a_secret_in_a_file_for_all_eyes_is_warned_of(void **state) {
    (void)state;
    struct told told;
    write_file("herald.conf", "\nsecret = plain\n", 0644);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaints(&told, "");
    assert_string_equal(
        words(&told.complaints.warnings),
        "herald.conf:2: the secret stands in a file that others may read: chmod 600 herald.conf\n");
    told_free(&told);
}

static void who_connects_needs_the_secret(void **state) {
    (void)state;
    struct told told;
    tell(&told, "--connect", "a:1", NULL);
    assert_complaint_has(
        &told, "--connect: connecting to another server needs the server secret: give --secret-file");
    told_free(&told);
    tell(&told, "-rp", "4001", NULL);
    assert_complaint_has(&told, "-rh, -rp: connecting to another server needs the server secret");
    told_free(&told);
    write_file("herald.conf", "connect = a:1\n", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    assert_complaint_has(&told, "herald.conf:1: connecting to another server needs the server secret");
    told_free(&told);
}

// --- options that go together -----------------------------------------------------------------------------

static void a_segment_holds_the_longest_message(void **state) {
    (void)state;
    struct told told;
    tell(&told, "--reel-segment-size", "1MiB", NULL);
    assert_complaints(
        &told, "--reel-segment-size: reel_segment_size (1MiB) must hold the longest message: max_message "
               "(1MiB) and 2048 bytes of envelope; permitted: 1050624 or more, or a lower max_message\n");
    told_free(&told);
    tell(&told, "--reel-segment-size", "4KiB", "--max-message", "2KiB", NULL);
    assert_complaints(&told, "");
    told_free(&told);
}

static void delays_grow(void **state) {
    (void)state;
    struct told told;
    tell(&told, "--login-delay", "31s", NULL);
    assert_complaints(&told, "login_delay_max: login_delay_max must be at least login_delay\n");
    told_free(&told);
}

// --- defaults that depend on the machine ------------------------------------------------------------------

static void the_directory_is_where_such_things_lie(void **state) {
    (void)state;
    struct told told;
    tell(&told, "--data", "here", "--name", "north", NULL);
    assert_string_equal(told.config.data, "here");
    assert_string_equal(told.config.name, "north");
    told_free(&told);
    tell(&told, "--data", "", NULL);
    assert_complaint_has(&told, "--data: \"\" is not permitted; permitted: a path of at most 4000 bytes");
    told_free(&told);
    setenv("HOME", "/home/alice", 1);
    unsetenv("XDG_STATE_HOME");
    tell(&told, NULL);
    assert_string_equal(told.config.data,
                        geteuid() == 0 ? "/var/lib/herald" : "/home/alice/.local/state/herald");
    assert_true(strlen(told.config.name) > 0);
    told_free(&told);
    setenv("XDG_STATE_HOME", "/home/alice/state", 1);
    tell(&told, NULL);
    assert_string_equal(told.config.data, geteuid() == 0 ? "/var/lib/herald" : "/home/alice/state/herald");
    told_free(&told);
    if (geteuid() != 0) return;
    assert_int_equal(seteuid(65534), 0); // a user without a home of his own, but for what is said here
    tell(&told, NULL);
    assert_int_equal(seteuid(0), 0);
    assert_string_equal(told.config.data, "/home/alice/state/herald");
    told_free(&told);
}

// --- what it prints
// -----------------------------------------------------------------------------------------

static void the_printed_file_read_again_says_the_same(void **state) {
    (void)state;
    struct told told, again;
    struct buf text = {0};
    tell(&told, "--data", "/srv/a b", "--name", "x ; y = z", "-lp", "0", "--listen", "[::1]:5", "--advertise",
         "::1", "-s", "hunter2", "--connect", "a:1,[::2]:2", "--max-message", "1500", "--announce-interval",
         "90s", "--lock-allowed-server", "no", "--log-format", "json", "--reel-segment-size", "5000",
         "--drain-timeout", "0", "--shards", "3", NULL);
    assert_complaints(&told, "");
    config_print(&told.config, &text);
    assert_null(strstr(words(&text), "hunter2"));
    assert_non_null(strstr(words(&text), "\n# secret = (set)\n"));
    assert_non_null(strstr(words(&text), "\nannounce_interval = 90s\n"));
    write_file("herald.conf", words(&text), 0600);
    tell(&again, "-c", "herald.conf", "-s", "hunter2", NULL);
    assert_complaints(&again, "");
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (!option_same(&told.config, &again.config, (enum option_id)i))
            fail_msg("%s has changed", option_of((enum option_id)i)->key);
    }
    buf_free(&text);
    told_free(&told);
    told_free(&again);
}

static void help_names_every_flag_and_fits_a_terminal(void **state) {
    (void)state;
    struct buf text = {0};
    char flag[OPTION_KEY_SIZE + 4];
    config_help(&text);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        memcpy(flag, "\n  ", 3);
        option_flag((enum option_id)i, flag + 3);
        assert_non_null(strstr(words(&text), flag));
    }
#define NAMED(name, word, meaning, help)                                                                     \
    assert_true(strstr(words(&text), "\n  " name) != NULL || strstr(words(&text), ", " name " ") != NULL);
    FLAGS(NAMED)
#undef NAMED
    for (const char *line = words(&text); *line; line = strchr(line, '\n') + 1)
        if (strcspn(line, "\n") > 110) fail_msg("too wide: %.*s", (int)strcspn(line, "\n"), line);
    buf_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_win_over_the_file_and_the_file_over_defaults),
        cmocka_unit_test(the_last_of_two_flags_wins),
        cmocka_unit_test(a_mistake_in_the_file_is_one_even_where_a_flag_wins),
        cmocka_unit_test(sections_are_decoration_but_must_be_right),
        cmocka_unit_test(everything_wrong_is_told_at_once_with_its_line),
        cmocka_unit_test(a_list_in_the_file_may_be_repeated),
        cmocka_unit_test(a_value_goes_to_the_end_of_its_line),
        cmocka_unit_test(files_that_cannot_be_read_say_why),
        cmocka_unit_test(unknown_flags_ask_what_was_meant_and_hide_what_follows),
        cmocka_unit_test(stray_words_and_missing_values_are_told),
        cmocka_unit_test(what_was_typed_is_shown_without_doing_harm),
        cmocka_unit_test(the_wishes_are_understood),
        cmocka_unit_test(the_course_flags_mean_what_they_meant),
        cmocka_unit_test(halves_of_course_flags_go_over_what_is_there),
        cmocka_unit_test(a_switch_may_stand_alone),
        cmocka_unit_test(other_machines_need_tls_or_a_word),
        cmocka_unit_test(tls_of_files_needs_both_and_nothing_else_takes_them),
        cmocka_unit_test(wrong_course_flags_are_told_as_typed),
        cmocka_unit_test(a_secret_does_not_stay_where_ps_shows_it),
        cmocka_unit_test(a_secret_that_is_refused_is_not_shown),
        cmocka_unit_test(a_secret_file_is_read_without_its_newline),
        cmocka_unit_test(a_secret_file_that_others_may_read_is_refused),
        cmocka_unit_test(a_secret_file_that_holds_no_secret_is_refused),
        cmocka_unit_test(a_secret_is_told_in_one_way),
        cmocka_unit_test(a_secret_in_a_file_for_all_eyes_is_warned_of),
        cmocka_unit_test(who_connects_needs_the_secret),
        cmocka_unit_test(a_segment_holds_the_longest_message),
        cmocka_unit_test(delays_grow),
        cmocka_unit_test(the_directory_is_where_such_things_lie),
        cmocka_unit_test(the_printed_file_read_again_says_the_same),
        cmocka_unit_test(help_names_every_flag_and_fits_a_terminal),
    };
    return cmocka_run_group_tests(tests, own_folder, own_folder_gone);
}

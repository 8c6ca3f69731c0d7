// What becomes of a configuration: read again at SIGHUP, and given to the stream with every 0 decided.
#include "told.h"

struct changes {
    char applied[512], restart[512]; // keys, a blank after each
};

static void note_change(void *context, const char *key, bool applied) {
    struct changes *changes = context;
    char *to = applied ? changes->applied : changes->restart;
    snprintf(to + strlen(to), 512 - strlen(to), "%s ", key);
}

// SIGHUP: `fresh` is what is in force afterwards.
static int hang_up(struct told *told, struct config *fresh, struct changes *changes) {
    memset(changes, 0, sizeof *changes);
    int rc = config_reload(&told->config, fresh, &told->complaints);
    if (rc == 0) config_diff(&told->config, fresh, note_change, changes);
    return rc;
}

static void what_can_change_changes_and_the_rest_waits_for_a_restart(void **state) {
    (void)state;
    struct told told;
    struct config fresh;
    struct changes changes;
    write_file("herald.conf", "max_depth = 10\nlogin_failures = 3\n", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    write_file("herald.conf", "max_depth = 11\nlogin_failures = 4\nlog_level = debug\nlisten = 127.0.0.1:1\n",
               0600);
    assert_int_equal(hang_up(&told, &fresh, &changes), 0);
    assert_string_equal(changes.applied, "login_failures log_level ");
    assert_string_equal(changes.restart, "listen max_depth ");
    assert_int_equal(fresh.stream.login_failures, 4);
    assert_int_equal(fresh.stream.max_depth, 10); // still what is in force
    assert_prints(&fresh, OPTION_listen, "127.0.0.1:3780");
    told_free(&told);
}

static void nothing_changed_is_nothing_to_say(void **state) {
    (void)state;
    struct told told;
    struct config fresh;
    struct changes changes;
    write_file("herald.conf", "max_depth = 10\nconnect = a:1\n", 0600);
    tell(&told, "-c", "herald.conf", "-lp", "4000", "-lh", "localhost", "-s", "hunter2", "--shards", "3",
         NULL);
    assert_int_equal(hang_up(&told, &fresh, &changes), 0);
    assert_string_equal(changes.applied, "");
    assert_string_equal(changes.restart, "");
    assert_string_equal(fresh.stream.secret, "hunter2"); // though argv no longer has it
    told_free(&told);
}

static void flags_stay_above_the_file(void **state) {
    (void)state;
    struct told told;
    struct config fresh;
    struct changes changes;
    write_file("herald.conf", "", 0600);
    tell(&told, "-c", "herald.conf", "--login-failures", "7", "-rp", "4000", "-s", "x", NULL);
    write_file("herald.conf", "login_failures = 3\nlogin_delay = 2s\nconnect = a:1\n", 0600);
    assert_int_equal(hang_up(&told, &fresh, &changes), 0);
    assert_string_equal(changes.applied, "login_delay ");
    assert_int_equal(fresh.stream.login_failures, 7);
    assert_prints(&fresh, OPTION_connect, "localhost:4000");
    told_free(&told);
}

static void a_mistake_is_told_with_its_line(void **state) {
    (void)state;
    struct told told;
    struct config fresh;
    struct changes changes;
    write_file("herald.conf", "", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    write_file("herald.conf", "\nlogin_failures = none\n", 0600);
    assert_int_equal(hang_up(&told, &fresh, &changes), -1);
    assert_complaint_has(&told, "herald.conf:2: login_failures: \"none\" is not permitted");
    told_free(&told);
}

static void a_secret_that_was_made_is_kept_until_one_is_given(void **state) {
    (void)state;
    struct told told;
    struct config fresh;
    struct changes changes;
    write_file("herald.conf", "", 0600);
    tell(&told, "-c", "herald.conf", NULL);
    config_make_secret(&told.config);
    assert_int_equal(strlen(told.config.stream.secret), 26);
    write_file("herald.conf", "login_failures = 3\n", 0600);
    assert_int_equal(hang_up(&told, &fresh, &changes), 0);
    assert_string_equal(changes.applied, "login_failures ");
    assert_string_equal(fresh.stream.secret, told.config.stream.secret);
    write_file("herald.conf", "secret = given\n", 0600);
    assert_int_equal(hang_up(&told, &fresh, &changes), 0);
    assert_string_equal(changes.applied, "secret ");
    assert_string_equal(fresh.stream.secret, "given");
    told_free(&told);
}

static void a_secret_file_is_read_again_even_when_a_flag_names_it(void **state) {
    (void)state;
    struct told told;
    struct config fresh;
    struct changes changes;
    write_file("secret", "old\n", 0600);
    tell(&told, "--secret-file", "secret", NULL);
    write_file("secret", "new\n", 0600);
    assert_int_equal(hang_up(&told, &fresh, &changes), 0);
    assert_string_equal(changes.applied, "secret ");
    assert_string_equal(fresh.stream.secret, "new");
    told_free(&told);
}

// Every option that says so in the table is taken over; every other is put back.
static void every_option_obeys_its_column(void **state) {
    (void)state;
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        struct config old, fresh;
        struct changes changes = {0};
        config_defaults(&old);
        config_defaults(&fresh);
        const char *tries[] = {"127.0.0.1:9", "json", "warn",  "no", "yes",  "auto",
                               "7",           "9999", "70KiB", "7s", "admin"};
        for (size_t j = 0; j < sizeof tries / sizeof *tries; j++)
            if (option_same(&old, &fresh, id)) option_set(&fresh, id, str_of(tries[j]));
        assert_false(option_same(&old, &fresh, id));
        config_diff(&old, &fresh, note_change, &changes);
        assert_true(strlen(option_of(id)->reloads ? changes.applied : changes.restart) > 0);
        assert_int_equal(option_same(&old, &fresh, id), !option_of(id)->reloads);
    }
}

// --- settings
// -----------------------------------------------------------------------------------------------

static void the_machine_decides_every_zero(void **state) {
    (void)state;
    struct told told;
    struct stream_settings settings;
    tell(&told, NULL);
    assert_int_equal(config_settings(&told.config, &(struct machine){8, 1024}, &settings, &told.complaints),
                     0);
    assert_int_equal(settings.shards, 7);
    assert_int_equal(settings.hash_threads, 4);
    assert_int_equal(settings.max_connections, 1024 - 64 - 7 * 4);
    assert_int_equal(settings.reel_segment_size, (1 << 20) + (64 << 10));
    assert_int_equal(config_settings(&told.config, &(struct machine){1, 1}, &settings, &told.complaints), 0);
    assert_int_equal(settings.shards, 1);
    assert_int_equal(settings.hash_threads, 1);
    assert_int_equal(settings.max_connections, 1);
    assert_int_equal(config_settings(&told.config, &(struct machine){2, 1024}, &settings, &told.complaints),
                     0);
    assert_int_equal(settings.shards, 1);
    assert_int_equal(
        config_settings(&told.config, &(struct machine){10000, UINT64_MAX}, &settings, &told.complaints), 0);
    assert_int_equal(settings.shards, 256);
    assert_int_equal(settings.max_connections, 10000000);
    told_free(&told);
    tell(&told, "--max-message", "1KiB", NULL);
    assert_int_equal(config_settings(&told.config, &(struct machine){1, 1024}, &settings, &told.complaints),
                     0);
    assert_int_equal(settings.reel_segment_size, 1 << 20);
    told_free(&told);
}

static void what_is_given_is_not_decided_again(void **state) {
    (void)state;
    struct told told;
    struct stream_settings settings;
    tell(&told, "--shards", "3", "--hash-threads", "5", "--max-connections", "948", "--reel-segment-size",
         "2MiB", "--verified-ttl", "7s", "-s", "x", "--connect", "a:1", NULL);
    assert_int_equal(config_settings(&told.config, &(struct machine){8, 1024}, &settings, &told.complaints),
                     0);
    assert_int_equal(settings.shards, 3);
    assert_int_equal(settings.hash_threads, 5);
    assert_int_equal(settings.max_connections, 948);
    assert_int_equal(settings.reel_segment_size, 2 << 20);
    assert_int_equal(settings.verified_ms, 7000);
    assert_string_equal(settings.connect[0].host, "a");
    assert_string_equal(settings.secret, "x");
    told_free(&told);
}

static void more_connections_than_open_files_are_refused_with_the_limit(void **state) {
    (void)state;
    struct told told;
    struct stream_settings settings;
    tell(&told, "--max-connections", "933", NULL);
    assert_int_equal(config_settings(&told.config, &(struct machine){8, 1024}, &settings, &told.complaints),
                     -1);
    assert_complaint_has(
        &told, "--max-connections: max_connections = 933 needs more open files than the limit of 1024 "
               "allows; permitted: at most 932");
    told_free(&told);
}

static void the_api_is_beside_the_stream_unless_told_otherwise(void **state) {
    (void)state;
    static const struct {
        const char *listen, *http, *where;
    } cases[] = {{"127.0.0.1:4000", NULL, "127.0.0.1:4001"},
                 {"127.0.0.1:0", NULL, "127.0.0.1:0"},
                 {"127.0.0.1:65535", NULL, NULL},
                 {"127.0.0.1:4000", "off", NULL},
                 {"127.0.0.1:4000", "auto", "127.0.0.1:4001"},
                 {"127.0.0.1:4000", "[::1]:80", "[::1]:80"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct told told;
        struct stream_settings stream;
        struct gateway_settings gateway;
        char text[ADDRESS_TEXT_SIZE];
        tell(&told, "--listen", cases[i].listen, cases[i].http ? "--http" : NULL, cases[i].http, NULL);
        assert_int_equal(config_settings(&told.config, &(struct machine){1, 1024}, &stream, &told.complaints),
                         0);
        assert_int_equal(config_gateway(&told.config, &stream, &gateway), cases[i].where != NULL);
        if (cases[i].where) {
            address_format(&gateway.listen, text);
            assert_string_equal(text, cases[i].where);
        }
        told_free(&told);
    }
}

static void others_are_never_told_a_wildcard(void **state) {
    (void)state;
    struct told told;
    struct stream_settings settings;
    struct address address;
    tell(&told, "--listen", "0.0.0.0:3780", NULL);
    assert_int_equal(config_settings(&told.config, &(struct machine){8, 1024}, &settings, &told.complaints),
                     0);
    assert_true(strlen(settings.advertise) > 0);
    if (address_parse(settings.advertise, 1, &address)) assert_false(address_is_wildcard(&address));
    told_free(&told);
    tell(&told, NULL);
    assert_int_equal(config_settings(&told.config, &(struct machine){8, 1024}, &settings, &told.complaints),
                     0);
    assert_string_equal(settings.advertise, ""); // the stream says the address it listens on
    told_free(&told);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_change_changes_and_the_rest_waits_for_a_restart),
        cmocka_unit_test(nothing_changed_is_nothing_to_say),
        cmocka_unit_test(flags_stay_above_the_file),
        cmocka_unit_test(a_mistake_is_told_with_its_line),
        cmocka_unit_test(a_secret_that_was_made_is_kept_until_one_is_given),
        cmocka_unit_test(a_secret_file_is_read_again_even_when_a_flag_names_it),
        cmocka_unit_test(every_option_obeys_its_column),
        cmocka_unit_test(the_machine_decides_every_zero),
        cmocka_unit_test(what_is_given_is_not_decided_again),
        cmocka_unit_test(more_connections_than_open_files_are_refused_with_the_limit),
        cmocka_unit_test(the_api_is_beside_the_stream_unless_told_otherwise),
        cmocka_unit_test(others_are_never_told_a_wildcard),
    };
    return cmocka_run_group_tests(tests, own_folder, own_folder_gone);
}

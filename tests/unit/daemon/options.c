// Each option by itself: its default, its least, its most, what lies beyond, what is no value at all.
#include "told.h"

// What a person is promised (the manual): written by hand, so that a slip in the table is seen.
static const struct {
    const char *key, *value, *least, *most, *below, *above, *wrong, *permitted;
} promised[] = {
    {"listen", "127.0.0.1:3780", "0.0.0.0:0", "[::1]:65535", "herald.example:3780", "127.0.0.1:65536", "3780",
     "a numeric address and a port, such as 127.0.0.1:3780 or [::]:3780"},
    {"http", "auto", "127.0.0.1:0", "off", "herald.example:3781", "127.0.0.1:65536", "on",
     "a numeric address and a port, such as 127.0.0.1:3780 or [::]:3780, or auto or off"},
    {"registration", "open", "open", "admin", "closed", "OPEN", "", "open or admin"},
    {"directory", "public", "public", "admin", "private", "Public", "", "public, authenticated or admin"},
    {"advertise", "", "h", "herald.example.org", "0.0.0.0", "a.example:3780", "two words",
     "a host name or numeric address without a port, not a wildcard"},
    {"connect", "", "localhost:1", "[::1]:65535", "localhost:0", "localhost:65536", "localhost",
     "HOST:PORT, at most 16 of them"},
    {"tls", "off", "off", "auto", "on", "OFF", "", "off, auto or file"},
    {"announce_interval", "5s", "100ms", "1h", "99", "61m", "soon", "100ms to 1h, such as 250ms, 5s or 2m"},
    {"register_timeout", "10s", "100ms", "10m", "99ms", "601s", "10 s",
     "100ms to 10m, such as 250ms, 5s or 2m"},
    {"lock_window", "1m", "1s", "1h", "999ms", "3601s", "", "1s to 1h, such as 250ms, 5s or 2m"},
    {"lock_allowed_server", "auto", "yes", "no", "maybe", "YES", "", "auto, yes or no"},
    {"drain_timeout", "5s", "0", "10m", "-1", "601s", "5 minutes", "0 to 10m, such as 250ms, 5s or 2m"},
    {"shards", "0", "1", "256", "-1", "257", "all", "a whole number, 1 to 256, or 0"},
    {"max_message", "1MiB", "1KiB", "64MiB", "1023", "65MiB", "1 MiB",
     "1KiB to 64MiB, such as 4096, 64KiB or 1MiB"},
    {"max_depth", "64", "4", "1000", "3", "1001", "deep", "a whole number, 4 to 1000"},
    {"max_connections", "0", "1", "10000000", "-1", "10000001", "1k", "a whole number, 1 to 10000000, or 0"},
    {"connections_per_address", "4096", "0", "10000000", "-1", "10000001", "",
     "a whole number, 0 to 10000000"},
    {"first_message_timeout", "10s", "100ms", "1h", "0", "61m", "x", "100ms to 1h, such as 250ms, 5s or 2m"},
    {"http_request_timeout", "30s", "100ms", "1h", "0", "61m", "x", "100ms to 1h, such as 250ms, 5s or 2m"},
    {"http_idle_timeout", "1m", "100ms", "1h", "0", "61m", "x", "100ms to 1h, such as 250ms, 5s or 2m"},
    {"publish_limit", "0", "64KiB", "1GiB", "65535", "2GiB", "1 MiB",
     "64KiB to 1GiB, or 0, such as 4096, 64KiB or 1MiB"},
    {"registers_per_minute", "60", "0", "1000000", "-1", "1000001", "1.5", "a whole number, 0 to 1000000"},
    {"login_failures", "5", "1", "1000000", "0", "1000001", "five", "a whole number, 1 to 1000000"},
    {"login_delay", "1s", "0", "30s", "-1", "61m", "1d", "0 to 1h, such as 250ms, 5s or 2m"},
    {"login_delay_max", "30s", "1s", "1h", "-1", "61m", "1d", "0 to 1h, such as 250ms, 5s or 2m"},
    {"reel_segments", "64", "4", "65536", "3", "65537", "0x40", "a whole number, 4 to 65536"},
    {"reel_segment_size", "0", "1050624", "1GiB", "4095", "1073741825", "1MB",
     "4KiB to 1GiB, or 0, such as 4096, 64KiB or 1MiB"},
    {"account_cache", "256MiB", "64KiB", "1024GiB", "65535", "1025GiB", "256MB",
     "64KiB to 1024GiB, or 0, such as 4096, 64KiB or 1MiB"},
    {"hash_threads", "0", "1", "256", "-1", "257", "+1", "a whole number, 1 to 256, or 0"},
    {"hash_queue", "4096", "1", "1000000", "0", "1000001", "", "a whole number, 1 to 1000000"},
    {"verified_ttl", "1m", "0", "1h", "-1", "61m", "never", "0 to 1h, such as 250ms, 5s or 2m"},
    {"verified_entries", "4096", "0", "1000000", "-1", "1000001", "", "a whole number, 0 to 1000000"},
    {"log_level", "info", "error", "debug", "trace", "INFO", "", "error, warn, info or debug"},
    {"log_format", "text", "text", "json", "xml", "Text", "", "text or json"},
};
#define PROMISED (sizeof promised / sizeof *promised)

static enum option_id id_of(const char *key) {
    enum option_id id;
    assert_true(option_find(str_of(key), &id));
    return id;
}

static void every_option_is_promised_or_told_by_hand(void **state) {
    (void)state;
    static const char *const by_hand[] = {"data",    "name",     "secret", "secret_file", "tls_certificate",
                                          "tls_key", "plaintext"}; // config.c
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const char *key = option_of((enum option_id)i)->key;
        unsigned found = 0;
        for (size_t j = 0; j < PROMISED; j++) found += strcmp(promised[j].key, key) == 0;
        for (size_t j = 0; j < sizeof by_hand / sizeof *by_hand; j++) found += strcmp(by_hand[j], key) == 0;
        if (found != 1) fail_msg("%s is promised %u times", key, found);
    }
}

static void every_default_is_the_promised_one(void **state) {
    (void)state;
    struct told told;
    tell(&told, NULL);
    assert_int_equal(told.rc, 0);
    for (size_t i = 0; i < PROMISED; i++)
        assert_prints(&told.config, id_of(promised[i].key), promised[i].value);
    told_free(&told);
}

static void told_one(struct told *told, enum option_id id, const char *value) {
    char flag[OPTION_KEY_SIZE];
    option_flag(id, flag);
    if (id == OPTION_connect)
        tell(told, flag, value, "--secret", "s3cret", NULL);
    else if (id == OPTION_listen)
        tell(told, flag, value, "--plaintext", NULL);
    else
        tell(told, flag, value, NULL);
}

static void the_least_and_the_most_are_taken_by_flag_and_by_file(void **state) {
    (void)state;
    for (size_t i = 0; i < PROMISED; i++) {
        const char *ends[] = {promised[i].least, promised[i].most};
        for (size_t j = 0; j < 2; j++) {
            enum option_id id = id_of(promised[i].key);
            struct told by_flag, by_file;
            char text[512];
            told_one(&by_flag, id, ends[j]);
            snprintf(text, sizeof text, "secret=s3cret\nplaintext=yes\n%s = %s\n", promised[i].key, ends[j]);
            write_file("herald.conf", text, 0600);
            tell(&by_file, "-c", "herald.conf", NULL);
            assert_complaints(&by_flag, "");
            assert_complaints(&by_file, "");
            assert_true(option_same(&by_flag.config, &by_file.config, id));
            told_free(&by_flag);
            told_free(&by_file);
        }
    }
}

static void what_lies_beyond_is_refused_with_what_is_permitted(void **state) {
    (void)state;
    for (size_t i = 0; i < PROMISED; i++) {
        const char *bad[] = {promised[i].below, promised[i].above, promised[i].wrong};
        enum option_id id = id_of(promised[i].key);
        for (size_t j = 0; j < 3; j++) {
            if (!bad[j][0] && option_of(id)->type == TYPE_TARGETS) continue;
            struct told told;
            char flag[OPTION_KEY_SIZE], line[512];
            option_flag(id, flag);
            told_one(&told, id, bad[j]);
            snprintf(line, sizeof line, "%s: \"%s\" is not permitted; permitted: %s\n", flag, bad[j],
                     promised[i].permitted);
            assert_complaints(&told, line);
            told_free(&told);
        }
    }
}

static void a_refused_value_in_a_file_is_told_with_file_and_line(void **state) {
    (void)state;
    for (size_t i = 0; i < PROMISED; i++) {
        struct told told;
        char text[512], line[512];
        snprintf(text, sizeof text, "# a comment\n\n  %s = %s\n", promised[i].key, promised[i].above);
        write_file("herald.conf", text, 0600);
        tell(&told, "-c", "herald.conf", NULL);
        snprintf(line, sizeof line, "herald.conf:3: %s: \"%s\" is not permitted; permitted: %s\n",
                 promised[i].key, promised[i].above, promised[i].permitted);
        assert_complaints(&told, line);
        told_free(&told);
    }
}

static void every_option_but_a_secret_is_shown_as_it_can_be_typed(void **state) {
    (void)state;
    struct told told;
    tell(&told, "--connect", "a:1,b:2", "--secret", "x", NULL);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        struct config copy;
        struct buf shown = {0};
        if (option_of(id)->type == TYPE_SECRET) continue;
        config_defaults(&copy);
        assert_int_equal(option_print(&told.config, id, &shown), 0);
        if (shown.len > 0) assert_int_equal(option_set(&copy, id, buf_str(&shown)), 0);
        assert_true(option_same(&copy, &told.config, id));
        buf_free(&shown);
    }
    told_free(&told);
}

static void any_one_letter_wrong_is_understood(void **state) {
    (void)state;
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const char *key = option_of((enum option_id)i)->key;
        for (size_t at = 0; at < strlen(key); at++) {
            char wrong[OPTION_KEY_SIZE];
            enum option_id near;
            snprintf(wrong, sizeof wrong, "%s", key);
            wrong[at] = 'q';
            assert_true(option_nearest(str_of(wrong), &near));
            assert_int_equal(near, i);
        }
    }
}

static void flags_are_keys_with_dashes(void **state) {
    (void)state;
    char flag[OPTION_KEY_SIZE];
    enum option_id id;
    option_flag(OPTION_connections_per_address, flag);
    assert_string_equal(flag, "--connections-per-address");
    assert_true(option_find_flag(STR("--connections-per-address"), &id));
    assert_int_equal(id, OPTION_connections_per_address);
    assert_false(option_find_flag(STR("--connections_per_address"), &id));
    assert_false(option_find(STR("connections-per-address"), &id));
}

static void a_list_is_limited_and_may_be_repeated(void **state) {
    (void)state;
    struct told told;
    tell(&told, "-s", "x", "--connect", "a:1, b:2 ,[::1]:3", "--connect=:4", NULL);
    assert_complaints(&told, "");
    assert_prints(&told.config, OPTION_connect, "a:1, b:2, [::1]:3, 127.0.0.1:4");
    told_free(&told);
    tell(&told, "-s", "x", "--connect",
         "a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9,a:10,a:11,a:12,a:13,a:14,a:15,a:16", NULL);
    assert_complaints(&told, "");
    assert_int_equal(told.config.stream.connect_count, SETTINGS_MAX_CONNECT);
    assert_int_equal(option_set(&told.config, OPTION_connect, STR("a:17")), -1);
    assert_int_equal(told.config.stream.connect_count, SETTINGS_MAX_CONNECT);
    told_free(&told);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_promised_or_told_by_hand),
        cmocka_unit_test(every_default_is_the_promised_one),
        cmocka_unit_test(the_least_and_the_most_are_taken_by_flag_and_by_file),
        cmocka_unit_test(what_lies_beyond_is_refused_with_what_is_permitted),
        cmocka_unit_test(a_refused_value_in_a_file_is_told_with_file_and_line),
        cmocka_unit_test(every_option_but_a_secret_is_shown_as_it_can_be_typed),
        cmocka_unit_test(any_one_letter_wrong_is_understood),
        cmocka_unit_test(flags_are_keys_with_dashes),
        cmocka_unit_test(a_list_is_limited_and_may_be_repeated),
    };
    return cmocka_run_group_tests(tests, own_folder, own_folder_gone);
}

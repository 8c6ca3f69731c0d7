// Addresses as people write them, as machines hold them, and as limits count them.
#include "net/sock.h"
#include "until.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void host_and_port_are_split_by_the_rules(void **state) {
    (void)state;
    static const struct {
        const char *text, *host; // host NULL: malformed
        uint16_t port;
    } rows[] = {
        {"127.0.0.1:3780", "127.0.0.1", 3780},
        {"example.org:80", "example.org", 80},
        {"my_host-2:0", "my_host-2", 0},
        {":3780", "127.0.0.1", 3780},
        {"0.0.0.0:65535", "0.0.0.0", 65535},
        {"[::1]:3780", "::1", 3780},
        {"[::]:1", "::", 1},
        {"[2001:db8::7]:443", "2001:db8::7", 443},
        {"[::ffff:10.0.0.1]:9", "::ffff:10.0.0.1", 9},
        {"[fe80::1%1]:9", "fe80::1%1", 9},
        {"host:00080", "host", 80},
        {"", NULL, 0},
        {":", NULL, 0},
        {"host", NULL, 0},
        {"host:", NULL, 0},
        {"host:65536", NULL, 0},
        {"host:99999999999999999999", NULL, 0},
        {"host:000080", NULL, 0},
        {"host:-1", NULL, 0},
        {"host:+1", NULL, 0},
        {"host: 80", NULL, 0},
        {"host:80 ", NULL, 0},
        {"host:http", NULL, 0},
        {"ho st:80", NULL, 0},
        {"host/x:80", NULL, 0},
        {"user@host:80", NULL, 0},
        {"*:80", NULL, 0},
        {"::1:3780", NULL, 0},
        {"[::1]", NULL, 0},
        {"[::1]3780", NULL, 0},
        {"[::1:3780", NULL, 0},
        {"::1]:3780", NULL, 0},
        {"[]:80", NULL, 0},
        {"[:80", NULL, 0},
        {"[127.0.0.1]:80", NULL, 0},
        {"[host]:80", NULL, 0},
        {"[::g]:80", NULL, 0},
        {"[fe80::1%]:80", NULL, 0},
        {"[fe80::1%no such zone]:80", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char host[ADDRESS_HOST_MAX + 1] = "before";
        uint16_t port = 4711;
        bool split = address_split(str_of(rows[i].text), host, &port);
        if (split != (rows[i].host != NULL))
            fail_msg("\"%s\" was %s", rows[i].text, split ? "taken" : "refused");
        assert_string_equal(host, split ? rows[i].host : "before");
        assert_int_equal(port, split ? rows[i].port : 4711);
    }
}

static void a_host_has_at_most_255_characters(void **state) {
    (void)state;
    char text[ADDRESS_HOST_MAX + 8], host[ADDRESS_HOST_MAX + 1];
    uint16_t port;
    memset(text, 'a', sizeof text);
    strcpy(text + ADDRESS_HOST_MAX, ":80");
    assert_true(address_split(str_of(text), host, &port));
    assert_int_equal(strlen(host), ADDRESS_HOST_MAX);
    strcpy(text + ADDRESS_HOST_MAX, "a:80");
    assert_false(address_split(str_of(text), host, &port));
}

static void a_slice_is_not_read_beyond_its_end_nor_cut_at_a_nul(void **state) {
    (void)state;
    char host[ADDRESS_HOST_MAX + 1];
    uint16_t port;
    assert_true(address_split((struct str){.ptr = "host:8099", .len = 7}, host, &port));
    assert_int_equal(port, 80);
    assert_false(address_split((struct str){.ptr = "ho\0st:80", .len = 8}, host, &port));
    assert_false(address_split((struct str){.ptr = "[::1\0]:80", .len = 9}, host, &port));
    assert_false(address_split((struct str){0}, host, &port));
}

static void numeric_hosts_are_parsed_and_written_alike(void **state) {
    (void)state;
    static const struct {
        const char *host, *text, *host_text; // text NULL: not numeric
    } rows[] = {
        {"127.0.0.1", "127.0.0.1:80", "127.0.0.1"},
        {"255.255.255.255", "255.255.255.255:80", "255.255.255.255"},
        {"::", "[::]:80", "::"},
        {"2001:DB8:0:0::7", "[2001:db8::7]:80", "2001:db8::7"},
        {"::ffff:1.2.3.4", "[::ffff:1.2.3.4]:80", "::ffff:1.2.3.4"},
        {"fe80::1%4294967295", "[fe80::1%4294967295]:80", "fe80::1%4294967295"},
        {"localhost", NULL, NULL},
        {"", NULL, NULL},
        {"1.2.3", NULL, NULL},
        {"127.1", NULL, NULL},
        {"0x7f000001", NULL, NULL},
        {"1.2.3.4 ", NULL, NULL},
        {"[::1]", NULL, NULL},
        {"1.2.3.4%1", NULL, NULL},
        {"::1%0", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address address;
        char text[ADDRESS_TEXT_SIZE];
        bool parsed = address_parse(rows[i].host, 80, &address);
        if (parsed != (rows[i].text != NULL)) fail_msg("\"%s\": %d", rows[i].host, parsed);
        if (!parsed) continue;
        address_format(&address, text);
        assert_string_equal(text, rows[i].text);
        address_format_host(&address, text);
        assert_string_equal(text, rows[i].host_text);
        assert_int_equal(address_port(&address), 80);
    }
}

static void the_longest_address_fits_its_text(void **state) {
    (void)state;
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    assert_true(address_parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295", 65535, &address));
    address_format(&address, text);
    assert_string_equal(text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

static void an_address_of_another_family_has_a_text_too(void **state) {
    (void)state;
    struct address address = {.len = sizeof(sa_family_t)};
    char text[ADDRESS_TEXT_SIZE];
    address.storage.any.sa_family = AF_UNIX;
    address_format(&address, text);
    assert_string_equal(text, "unknown:0");
    assert_false(address_is_loopback(&address));
    assert_false(address_is_wildcard(&address));
}

static void wildcards_and_loopbacks_are_known(void **state) {
    (void)state;
    static const struct {
        const char *host;
        bool wildcard, loopback;
    } rows[] = {
        {"0.0.0.0", true, false},          {"::", true, false},          {"::ffff:0.0.0.0", true, false},
        {"127.0.0.1", false, true},        {"127.255.0.9", false, true}, {"::1", false, true},
        {"::ffff:127.0.0.1", false, true}, {"128.0.0.1", false, false},  {"10.0.0.1", false, false},
        {"2001:db8::1", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address address;
        assert_true(address_parse(rows[i].host, 1, &address));
        if (address_is_wildcard(&address) != rows[i].wildcard) fail_msg("wildcard: %s", rows[i].host);
        if (address_is_loopback(&address) != rows[i].loopback) fail_msg("loopback: %s", rows[i].host);
    }
}

static bool counted_as_one(const char *a, const char *b) {
    struct address first, second;
    assert_true(address_parse(a, 1, &first));
    assert_true(address_parse(b, 2, &second));
    struct address_key x = address_key(&first), y = address_key(&second);
    return memcmp(&x, &y, sizeof x) == 0;
}

static void limits_count_ipv4_whole_and_ipv6_by_its_64(void **state) {
    (void)state;
    assert_true(counted_as_one("10.0.0.1", "10.0.0.1"));
    assert_true(counted_as_one("10.0.0.1", "::ffff:10.0.0.1"));
    assert_false(counted_as_one("10.0.0.1", "10.0.0.2"));
    assert_false(counted_as_one("::ffff:10.0.0.1", "::ffff:10.0.0.2"));
    assert_true(counted_as_one("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
    assert_false(counted_as_one("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert_false(counted_as_one("a00:1::", "10.0.0.1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_and_port_are_split_by_the_rules),
        cmocka_unit_test(a_host_has_at_most_255_characters),
        cmocka_unit_test(a_slice_is_not_read_beyond_its_end_nor_cut_at_a_nul),
        cmocka_unit_test(numeric_hosts_are_parsed_and_written_alike),
        cmocka_unit_test(the_longest_address_fits_its_text),
        cmocka_unit_test(an_address_of_another_family_has_a_text_too),
        cmocka_unit_test(wildcards_and_loopbacks_are_known),
        cmocka_unit_test(limits_count_ipv4_whole_and_ipv6_by_its_64),
    };
    return cmocka_run_group_tests_name("net address", tests, NULL, NULL);
}

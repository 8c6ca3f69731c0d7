// Where a server is: what is understood, and what is not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/where.h"

#include <stdio.h>
#include <string.h>

static void hosts_and_ports_are_told_apart(void **state) {
    static const struct {
        const char *text, *host, *shown;
        uint16_t port;
    } rows[] = {
        {"example.org", "example.org", "example.org:3780", 3780},
        {"example.org:1", "example.org", "example.org:1", 1},
        {"10.0.0.1:65535", "10.0.0.1", "10.0.0.1:65535", 65535},
        {"[::1]:80", "::1", "[::1]:80", 80},
        {"[::1]", "::1", "[::1]:3780", 3780},
        {"::1", "::1", "[::1]:3780", 3780},
        {"2001:db8::7:80", "2001:db8::7:80", "[2001:db8::7:80]:3780", 3780},
        {"[fe80::1%lo]:80", "fe80::1%lo", "[fe80::1%lo]:80", 80},
        {"[fe80::1%1]:80", "fe80::1%1", "[fe80::1%1]:80", 80},
        {"a_b-c.d:7", "a_b-c.d", "a_b-c.d:7", 7},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct where where;
        if (!where_parse(str_of(rows[i].text), &where)) fail_msg("`%s` was not understood", rows[i].text);
        assert_string_equal(where.host, rows[i].host);
        assert_string_equal(where.text, rows[i].shown);
        assert_int_equal(where.port, rows[i].port);
    }
}

static void what_is_not_a_server_is_refused(void **state) {
    static const char *const texts[] = {
        "",
        ":",
        ":80",
        "a:",
        "a:0",
        "a:65536",
        "a:-1",
        "a:1x",
        "a b:1",
        "-a:1",
        "a/b",
        "[::1",
        "::1]",
        "[]:1",
        "[a]:1",
        "[::1]x:1",
        "[::g]:1",
        "1:2:3",
        "a:1:2",
        "[::1]:0",
        "a\n:1",
        "\xc3\xa9",
        "[fe80::1%nowhere]:1",
        "[fe80::1%0]:1",
        "[fe80::1%4294967296]:1",
        "a:000080",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct where where;
        if (where_parse(str_of(texts[i]), &where)) fail_msg("`%s` was taken for %s", texts[i], where.text);
    }
    struct where where;
    assert_false(where_parse((struct str){"a\0b", 3}, &where));
    char longest[WHERE_HOST_MAX + 3];
    memset(longest, 'a', sizeof longest);
    assert_true(where_parse((struct str){longest, WHERE_HOST_MAX}, &where));
    assert_false(where_parse((struct str){longest, WHERE_HOST_MAX + 1}, &where));
}

static void a_redirect_gives_host_and_port_apart(void **state) {
    struct where where;
    (void)state;
    assert_true(where_set(STR("::1"), 80, &where));
    assert_string_equal(where.text, "[::1]:80");
    assert_true(where_set(STR("[::1]"), 80, &where));
    assert_string_equal(where.text, "[::1]:80");
    assert_false(where_set(STR("a"), 0, &where));
    assert_false(where_set(STR("a:1"), 80, &where));
    assert_false(where_set((struct str){0}, 80, &where));
}

static void numeric_hosts_need_no_looking_up(void **state) {
    struct where where;
    struct spot spot;
    (void)state;
    assert_true(where_parse(STR("127.0.0.1:258"), &where) && where_is_numeric(&where, &spot));
    assert_int_equal(spot.addr.v4.sin_family, AF_INET);
    assert_int_equal(ntohs(spot.addr.v4.sin_port), 258);
    assert_true(where_parse(STR("[::1]:258"), &where) && where_is_numeric(&where, &spot));
    assert_int_equal(spot.addr.v6.sin6_family, AF_INET6);
    assert_int_equal(ntohs(spot.addr.v6.sin6_port), 258);
    assert_true(where_parse(STR("localhost"), &where) && !where_is_numeric(&where, &spot));
    assert_true(where_parse(STR("1.2.3"), &where) && !where_is_numeric(&where, &spot));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_and_ports_are_told_apart),
        cmocka_unit_test(what_is_not_a_server_is_refused),
        cmocka_unit_test(a_redirect_gives_host_and_port_apart),
        cmocka_unit_test(numeric_hosts_need_no_looking_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

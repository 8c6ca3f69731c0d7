// One connection: the addresses of a name one after the other, each its share of the time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/conn.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct place {
    int listener, epoll;
    struct spot open, shut; // one that accepts, one that refuses
    struct conn conn;
};

static int listen_at(struct spot *spot) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *spot = (struct spot){.len = sizeof spot->addr.v4};
    spot->addr.v4.sin_family = AF_INET;
    spot->addr.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, &spot->addr.any, spot->len), 0);
    assert_int_equal(listen(fd, 16), 0);
    socklen_t len = sizeof spot->addr;
    assert_int_equal(getsockname(fd, &spot->addr.any, &len), 0);
    return fd;
}

static int set_up(void **state) {
    static struct place place;
    place.epoll = epoll_create1(EPOLL_CLOEXEC);
    close(listen_at(&place.shut));
    place.listener = listen_at(&place.open);
    conn_init(&place.conn, place.epoll, 3);
    *state = &place;
    return 0;
}

static int tear_down(void **state) {
    struct place *place = *state;
    conn_close(&place->conn);
    close(place->listener);
    close(place->epoll);
    return 0;
}

// Until it is open or failed; the clock stands still.
static void settle(struct place *place, uint64_t now) {
    struct epoll_event event;
    while (place->conn.state == CONN_DIALLING && epoll_wait(place->epoll, &event, 1, 10000) == 1) {
        assert_true(event.data.u64 == place->conn.tag);
        conn_dial_step(&place->conn, true, now);
    }
}

static void addresses_that_refuse_are_passed_over(void **state) {
    struct place *place = *state;
    struct spot spots[] = {place->shut, place->shut, place->open};
    conn_begin(&place->conn, 1000, 5000);
    conn_found(&place->conn, spots, 3, "", 0);
    settle(place, 0);
    assert_int_equal(place->conn.state, CONN_OPEN);
}

static void when_all_refuse_the_last_ones_reason_is_given(void **state) {
    struct place *place = *state;
    struct spot spots[] = {place->shut, place->shut};
    conn_begin(&place->conn, 1000, 5000);
    conn_found(&place->conn, spots, 2, "", 0);
    settle(place, 0);
    assert_int_equal(place->conn.state, CONN_FAILED);
    assert_string_equal(place->conn.why, "Connection refused");
    conn_close(&place->conn);
    conn_begin(&place->conn, 1000, 5000);
    conn_found(&place->conn, NULL, 0, "nobody of that name", 0);
    assert_string_equal(place->conn.why, "nobody of that name");
}

static void an_address_that_is_silent_gets_its_share_of_the_time(void **state) {
    struct place *place = *state;
    // Documentation addresses (RFC 5737): whether there is silence or no route, the last one is reached.
    struct spot silent = place->open;
    silent.addr.v4.sin_addr.s_addr = inet_addr("192.0.2.1");
    struct spot spots[] = {silent, place->open};
    conn_begin(&place->conn, 1000, 5000);
    conn_found(&place->conn, spots, 2, "", 0);
    if (place->conn.spot_next == 1 && place->conn.state == CONN_DIALLING) {
        assert_int_equal(place->conn.deadline, 2500);
        conn_dial_step(&place->conn, false, 2499);
        if (place->conn.spot_next == 1) conn_dial_step(&place->conn, false, 2500);
    }
    settle(place, 2500);
    assert_int_equal(place->conn.state, CONN_OPEN);
}

static void bytes_come_and_go_and_the_end_is_told_in_order_or_not(void **state) {
    struct place *place = *state;
    char input[16];
    size_t got;
    bool ended; // in order
    for (int in_order = 0; in_order < 2; in_order++) {
        conn_begin(&place->conn, 1000, 5000);
        conn_found(&place->conn, &place->open, 1, "", 0);
        settle(place, 0);
        int other = accept(place->listener, NULL, NULL);
        assert_int_equal(conn_receive(&place->conn, input, sizeof input, &got, &ended), CONN_BLOCKED);
        assert_int_equal(buf_append_text(&place->conn.out, "hello\n"), 0);
        assert_int_equal(conn_flush(&place->conn), CONN_DONE);
        assert_int_equal(place->conn.out.len, 0);
        assert_int_equal(read(other, input, sizeof input), 6);
        assert_int_equal(write(other, "you\n", 4), 4);
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        assert_int_equal(poll(&(struct pollfd){.fd = place->conn.fd, .events = POLLIN}, 1, 10000), 1);
        assert_int_equal(conn_receive(&place->conn, input, sizeof input, &got, &ended), CONN_DONE);
        assert_int_equal(got, 4);
        if (!in_order)
            assert_int_equal(setsockopt(other, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        close(other);
        assert_int_equal(poll(&(struct pollfd){.fd = place->conn.fd, .events = POLLIN}, 1, 10000), 1);
        assert_int_equal(conn_receive(&place->conn, input, sizeof input, &got, &ended), CONN_OVER);
        assert_int_equal(ended, in_order);
        assert_string_equal(place->conn.why, in_order ? "closed the connection" : "Connection reset by peer");
        conn_close(&place->conn);
    }
}

static void a_connection_used_again_has_another_tag(void **state) {
    struct place *place = *state;
    uint64_t before = place->conn.tag;
    conn_close(&place->conn);
    assert_true(place->conn.tag != before);
    assert_int_equal(place->conn.tag & CONN_SLOT, 3);
}

static void what_wants_nothing_wakes_nobody(void **state) {
    struct place *place = *state;
    struct epoll_event event;
    conn_begin(&place->conn, 1000, 5000);
    conn_found(&place->conn, &place->open, 1, "", 0);
    settle(place, 0);
    int other = accept(place->listener, NULL, NULL);
    conn_want(&place->conn, false, false);
    close(other);
    assert_int_equal(epoll_wait(place->epoll, &event, 1, 0), 0);
    conn_want(&place->conn, true, false);
    assert_int_equal(epoll_wait(place->epoll, &event, 1, 10000), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(addresses_that_refuse_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(when_all_refuse_the_last_ones_reason_is_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_address_that_is_silent_gets_its_share_of_the_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(bytes_come_and_go_and_the_end_is_told_in_order_or_not, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_connection_used_again_has_another_tag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_wants_nothing_wakes_nobody, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Readiness of sockets: what is wanted is told, nothing else, on one loop or on the next.
#include "net/sock.h"
#include "net/loop_private.h"
#include "until.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct peer {
    struct sock *sock;
    int calls;
    unsigned events; // of the last call
    int detached;    // what sock_detach gave
};

static void on_ready(void *context, unsigned events) {
    struct peer *peer = context;
    peer->calls++;
    peer->events = events;
}

static void on_ready_close(void *context, unsigned events) {
    struct peer *peer = context;
    on_ready(context, events);
    sock_close(peer->sock);
}

static void on_ready_detach(void *context, unsigned events) {
    struct peer *peer = context;
    on_ready(context, events);
    peer->detached = sock_detach(peer->sock);
}

static void open_pair(int pair[2]) {
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
}

// A connected TCP pair on loopback.
static void open_tcp_pair(int pair[2]) {
    struct address here = {0};
    assert_true(address_parse("127.0.0.1", 0, &here));
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listening, &here.storage.any, here.len), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, &here.storage.any, &here.len), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair[0], &here.storage.any, here.len), 0);
    pair[1] = accept(listening, NULL, NULL);
    assert_true(pair[1] >= 0);
    close(listening);
}

// Whether the loop's epoll set has the descriptor: the kernel's own list.
static bool is_polled(struct loop *loop, int fd) {
    char path[64], line[128];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", loop->socks_epoll);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    bool found = false;
    int polled;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "tfd: %d", &polled) == 1 && polled == fd) found = true;
    fclose(file);
    return found;
}

static void only_what_is_wanted_is_told(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    struct peer peer = {0};
    int pair[2];
    open_pair(pair);
    peer.sock = sock_open(loop, pair[0], 0, on_ready, &peer, NULL);
    assert_int_equal(sock_fd(peer.sock), pair[0]);
    assert_int_equal(sock_wanted(peer.sock), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    loop_turn(loop, false);
    assert_int_equal(peer.calls, 0);

    sock_want(peer.sock, SOCK_WANT_READ);
    sock_want(peer.sock, SOCK_WANT_READ);
    assert_int_equal(sock_wanted(peer.sock), SOCK_WANT_READ);
    loop_turn(loop, false);
    assert_int_equal(peer.calls, 1);
    assert_int_equal(peer.events, SOCK_WANT_READ);

    sock_want(peer.sock, SOCK_WANT_READ | SOCK_WANT_WRITE);
    loop_turn(loop, false);
    assert_int_equal(peer.calls, 2);
    assert_int_equal(peer.events, SOCK_WANT_READ | SOCK_WANT_WRITE);

    sock_want(peer.sock, 0);
    loop_turn(loop, false);
    assert_int_equal(peer.calls, 2);

    sock_close(peer.sock);
    assert_int_equal(fcntl(pair[0], F_GETFD), -1);
    close(pair[1]);
    loop_close(loop);
}

static void a_tcp_socket_is_made_prompt_and_watchful(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    struct peer peer = {0};
    int pair[2], value = 0;
    socklen_t len = sizeof value;
    open_tcp_pair(pair);
    sock_tune(pair[0]);
    peer.sock = sock_open(loop, pair[0], 0, on_ready, &peer, NULL);
    assert_int_equal(getsockopt(pair[0], IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_true(value);
    assert_int_equal(getsockopt(pair[0], SOL_SOCKET, SO_KEEPALIVE, &value, &len), 0);
    assert_true(value);
    assert_int_equal(getsockopt(pair[0], IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &len), 0);
    assert_int_equal(value, SOCK_DEAD_MS);
    sock_close(peer.sock);
    close(pair[1]);
    loop_close(loop);
}

static void what_cannot_be_polled_stays_with_the_caller(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    struct err err = {0};
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_null(sock_open(loop, fileno(file), 0, on_ready, NULL, &err));
    assert_int_equal(err.code, ERR_SYSTEM);
    assert_int_equal(fclose(file), 0);
    loop_close(loop);
}

static void a_hang_up_counts_as_what_was_wanted(void **state) {
    (void)state;
    const unsigned wants[] = {SOCK_WANT_READ, SOCK_WANT_WRITE, SOCK_WANT_READ | SOCK_WANT_WRITE};
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        struct loop *loop = open_loop();
        struct peer peer = {0};
        int pair[2];
        open_pair(pair);
        peer.sock = sock_open(loop, pair[0], 0, on_ready, &peer, NULL);
        close(pair[1]);
        loop_turn(loop, false);
        assert_int_equal(peer.calls, 0);
        sock_want(peer.sock, wants[i]);
        assert_true(until(loop, &peer.calls, 1));
        assert_int_equal(peer.events, wants[i]);
        sock_close(peer.sock);
        loop_close(loop);
    }
}

static void an_error_is_told_until_the_owner_acts(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    struct peer peer = {0};
    int pair[2];
    char byte;
    open_tcp_pair(pair);
    peer.sock = sock_open(loop, pair[0], 0, on_ready, &peer, NULL);
    sock_want(peer.sock, SOCK_WANT_READ);
    // The other end breaks off: a reset, not an orderly end.
    assert_int_equal(
        setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)), 0);
    close(pair[1]);
    assert_true(until(loop, &peer.calls, 3));
    assert_int_equal(peer.events, SOCK_WANT_READ);
    assert_int_equal(recv(pair[0], &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    sock_close(peer.sock);
    loop_close(loop);
}

static void a_sock_may_close_or_leave_in_its_own_callback(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    struct peer closer = {0}, leaver = {0};
    int first[2], second[2];
    open_pair(first);
    open_pair(second);
    closer.sock = sock_open(loop, first[0], 0, on_ready_close, &closer, NULL);
    leaver.sock = sock_open(loop, second[0], 0, on_ready_detach, &leaver, NULL);
    sock_want(closer.sock, SOCK_WANT_WRITE);
    sock_want(leaver.sock, SOCK_WANT_WRITE);
    assert_true(until(loop, &closer.calls, 1));
    assert_true(until(loop, &leaver.calls, 1));
    loop_turn(loop, false);
    assert_int_equal(closer.calls, 1);
    assert_int_equal(leaver.calls, 1);
    assert_int_equal(leaver.detached, second[0]);
    assert_int_equal(fcntl(first[0], F_GETFD), -1);
    assert_true(fcntl(second[0], F_GETFD) >= 0);
    close(first[1]);
    close(second[0]);
    close(second[1]);
    loop_close(loop);
}

// Three are ready at once; whoever comes first closes the others, whose turn was about to come.
static struct peer trio[3];

static void on_ready_close_others(void *context, unsigned events) {
    on_ready(context, events);
    for (size_t i = 0; i < 3; i++) {
        if (&trio[i] == context) continue;
        if (i == 0)
            trio[i].detached = sock_detach(trio[i].sock);
        else
            sock_close(trio[i].sock);
        trio[i].sock = NULL;
    }
}

static void a_sock_that_is_closed_by_another_is_not_told(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    int pairs[3][2];
    for (size_t i = 0; i < 3; i++) {
        open_pair(pairs[i]);
        trio[i] = (struct peer){.detached = -1};
        trio[i].sock = sock_open(loop, pairs[i][0], SOCK_WANT_WRITE, on_ready_close_others, &trio[i], NULL);
    }
    loop_turn(loop, true);
    assert_int_equal(trio[0].calls + trio[1].calls + trio[2].calls, 1);
    for (size_t i = 0; i < 3; i++) {
        sock_close(trio[i].sock);
        if (trio[i].detached >= 0) close(trio[i].detached);
        close(pairs[i][1]);
    }
    loop_close(loop);
}

static void a_detached_descriptor_lives_on_on_another_loop_at_once(void **state) {
    (void)state;
    struct loop *old_loop = open_loop();
    struct loop *new_loop = open_loop();
    struct peer before = {0}, after = {0};
    int pair[2];
    open_tcp_pair(pair);
    before.sock = sock_open(old_loop, pair[0], 0, on_ready, &before, NULL);
    sock_want(before.sock, SOCK_WANT_READ | SOCK_WANT_WRITE);
    assert_true(until(old_loop, &before.calls, 1));
    assert_true(is_polled(old_loop, pair[0]));

    int calls = before.calls;
    int fd = sock_detach(before.sock);
    assert_int_equal(fd, pair[0]);
    assert_false(is_polled(old_loop, fd));

    after.sock = sock_open(new_loop, fd, 0, on_ready, &after, NULL);
    assert_non_null(after.sock);
    sock_want(after.sock, SOCK_WANT_READ);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_true(until(new_loop, &after.calls, 1));
    loop_turn(old_loop, false);
    assert_int_equal(before.calls, calls);

    sock_close(after.sock);
    close(pair[1]);
    loop_close(old_loop);
    loop_close(new_loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_wanted_is_told),
        cmocka_unit_test(a_tcp_socket_is_made_prompt_and_watchful),
        cmocka_unit_test(what_cannot_be_polled_stays_with_the_caller),
        cmocka_unit_test(a_hang_up_counts_as_what_was_wanted),
        cmocka_unit_test(an_error_is_told_until_the_owner_acts),
        cmocka_unit_test(a_sock_may_close_or_leave_in_its_own_callback),
        cmocka_unit_test(a_sock_that_is_closed_by_another_is_not_told),
        cmocka_unit_test(a_detached_descriptor_lives_on_on_another_loop_at_once),
    };
    return cmocka_run_group_tests_name("net sock", tests, NULL, NULL);
}

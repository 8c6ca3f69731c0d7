// Calls that are answered, refused, never answered, or given up, at every stage of the way.
//
// libuv asks getaddrinfo() of this file instead of the C library's, so names mean what the test says:
//     one.test   127.0.0.1
//     two.test   127.0.0.2, where nobody ever answers, then 127.0.0.1
//     slow.test  no answer before let_resolver_go()
//     none.test  no such name
#include "net/sock.h"
#include "until.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sem_t resolver_gate;

static struct addrinfo *answer(const char *host, struct addrinfo *next) {
    struct address address;
    struct addrinfo *info = calloc(1, sizeof *info + sizeof address.storage);
    if (info == NULL || !address_parse(host, 0, &address)) abort();
    info->ai_family = address.storage.any.sa_family;
    info->ai_socktype = SOCK_STREAM;
    info->ai_addrlen = address.len;
    info->ai_addr = (struct sockaddr *)(info + 1);
    info->ai_next = next;
    memcpy(info->ai_addr, &address.storage, address.len);
    return info;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    (void)service;
    (void)hints;
    if (strcmp(name, "slow.test") == 0) {
        while (sem_wait(&resolver_gate) < 0) continue;
        *found = answer("127.0.0.1", NULL);
    } else if (strcmp(name, "one.test") == 0) {
        *found = answer("127.0.0.1", NULL);
    } else if (strcmp(name, "two.test") == 0) {
        *found = answer("127.0.0.2", answer("127.0.0.1", NULL));
    } else {
        return EAI_NONAME;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *info) {
    while (info != NULL) {
        struct addrinfo *next = info->ai_next;
        free(info);
        info = next;
    }
}

static void let_resolver_go(void) {
    sem_post(&resolver_gate);
}

struct call {
    int ended;
    int fd;
    struct address to;
    char why[512];
};

static void on_done(void *context, int fd, const struct address *to, const char *why) {
    struct call *call = context;
    call->ended++;
    call->fd = fd;
    if (fd >= 0) {
        assert_null(why);
        call->to = *to;
    } else {
        strncpy(call->why, why, sizeof call->why - 1);
    }
}

// A listening socket that accepts by itself, as the system does; its port.
static int open_ear(const char *host, uint16_t *port, int backlog) {
    struct address here;
    assert_true(address_parse(host, *port, &here));
    int fd = socket(here.storage.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    if (bind(fd, &here.storage.any, here.len) < 0) {
        close(fd);
        return -1;
    }
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, &here.storage.any, &here.len), 0);
    *port = address_port(&here);
    return fd;
}

// An address where nobody ever answers: its queue of one is full, and further calls are dropped unheard.
struct silence {
    int fds[3];
};

static struct silence open_silence(const char *host, uint16_t *port) {
    struct silence silence;
    struct address to;
    silence.fds[0] = open_ear(host, port, 0);
    assert_true(silence.fds[0] >= 0);
    assert_true(address_parse(host, *port, &to));
    for (int i = 1; i < 3; i++) {
        silence.fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(silence.fds[i], &to.storage.any, to.len);
    }
    return silence;
}

static void close_silence(struct silence silence) {
    for (int i = 0; i < 3; i++) close(silence.fds[i]);
}

static struct dial *dial(struct loop *loop, struct call *call, const char *host, uint16_t port,
                         uint64_t timeout_ms) {
    struct err err = {0};
    *call = (struct call){.fd = -1};
    struct dial *opened = dial_open(loop, host, port, timeout_ms, on_done, call, &err);
    if (opened == NULL) fail_msg("%s", err.text);
    assert_int_equal(call->ended, 0);
    return opened;
}

static void check_connected(struct call *call, uint16_t port) {
    struct address peer = {.len = sizeof peer.storage};
    assert_true(call->fd >= 0);
    assert_int_equal(getpeername(call->fd, &peer.storage.any, &peer.len), 0);
    assert_int_equal(address_port(&peer), port);
    assert_int_equal(address_port(&call->to), port);
    assert_true(fcntl(call->fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(call->fd, F_GETFD) & FD_CLOEXEC);
    close(call->fd);
}

static void check_reaches(const char *host, const char *dialled) {
    struct call call;
    uint16_t port = 0;
    struct loop *loop = open_loop();
    int ear = open_ear(host, &port, 8);
    if (ear < 0) {
        loop_close(loop);
        skip();
    }
    dial(loop, &call, dialled, port, DEADLINE_MS);
    assert_true(until(loop, &call.ended, 1));
    check_connected(&call, port);
    let_pass(loop, 5);
    assert_int_equal(call.ended, 1);
    close(ear);
    loop_close(loop);
}

static void a_numeric_address_is_reached(void **state) {
    (void)state;
    check_reaches("127.0.0.1", "127.0.0.1");
}

static void a_numeric_ipv6_address_is_reached(void **state) {
    (void)state;
    check_reaches("::1", "::1");
}

static void a_name_is_resolved_and_reached(void **state) {
    (void)state;
    check_reaches("127.0.0.1", "one.test");
}

static uint16_t closed_port(void) {
    uint16_t port = 0;
    int ear = open_ear("127.0.0.1", &port, 1);
    assert_true(ear >= 0);
    close(ear);
    return port;
}

static void a_closed_port_refuses_and_the_sentence_says_who(void **state) {
    (void)state;
    struct call call;
    char expected[128];
    uint16_t port = closed_port();
    struct loop *loop = open_loop();
    dial(loop, &call, "127.0.0.1", port, DEADLINE_MS);
    assert_true(until(loop, &call.ended, 1));
    assert_int_equal(call.fd, -1);
    snprintf(expected, sizeof expected, "cannot connect to 127.0.0.1:%u: Connection refused", port);
    assert_string_equal(call.why, expected);

    dial(loop, &call, "one.test", port, DEADLINE_MS);
    assert_true(until(loop, &call.ended, 1));
    snprintf(expected, sizeof expected, "cannot connect to one.test at 127.0.0.1:%u: Connection refused",
             port);
    assert_string_equal(call.why, expected);
    loop_close(loop);
}

static void what_fails_at_once_is_told_later_all_the_same(void **state) {
    (void)state;
    struct call call;
    struct loop *loop = open_loop();
    dial(loop, &call, "255.255.255.255", 80, DEADLINE_MS); // nobody can connect to everybody
    assert_true(until(loop, &call.ended, 1));
    assert_int_equal(call.fd, -1);
    assert_non_null(strstr(call.why, "cannot connect to 255.255.255.255:80: "));
    loop_close(loop);
}

static void an_unknown_name_says_so(void **state) {
    (void)state;
    struct call call;
    struct loop *loop = open_loop();
    dial(loop, &call, "none.test", 80, DEADLINE_MS);
    assert_true(until(loop, &call.ended, 1));
    assert_int_equal(call.fd, -1);
    assert_non_null(strstr(call.why, "cannot resolve none.test: "));
    loop_close(loop);
}

static void a_name_that_cannot_be_asked_for_starts_nothing(void **state) {
    (void)state;
    struct err err = {0};
    struct call call = {0};
    char host[600];
    struct loop *loop = open_loop();
    memset(host, 'a', sizeof host);
    host[sizeof host - 1] = '\0';
    assert_null(dial_open(loop, host, 80, DEADLINE_MS, on_done, &call, &err));
    assert_int_equal(err.code, ERR_INVALID);
    err = (struct err){0};
    assert_null(dial_open(loop, "", 80, DEADLINE_MS, on_done, &call, &err));
    assert_int_equal(err.code, ERR_INVALID);
    let_pass(loop, 5);
    assert_int_equal(call.ended, 0);
    loop_close(loop);
}

static void silence_ends_with_the_timeout(void **state) {
    (void)state;
    struct call call;
    uint16_t port = 0;
    struct silence silence = open_silence("127.0.0.1", &port);
    struct loop *loop = open_loop();
    uint64_t start = clock_monotonic_ms();
    dial(loop, &call, "127.0.0.1", port, 150);
    assert_true(until(loop, &call.ended, 1));
    assert_int_equal(call.fd, -1);
    assert_true(clock_monotonic_ms() - start >= 149);
    assert_non_null(strstr(call.why, "no answer in time"));
    close_silence(silence);
    loop_close(loop);
}

static void a_silent_address_does_not_keep_the_next_from_being_tried(void **state) {
    (void)state;
    struct call call;
    char text[ADDRESS_TEXT_SIZE];
    uint16_t port = 0;
    struct silence silence = open_silence("127.0.0.2", &port);
    int ear = open_ear("127.0.0.1", &port, 8);
    assert_true(ear >= 0);
    struct loop *loop = open_loop();
    dial(loop, &call, "two.test", port, 1000);
    assert_true(until(loop, &call.ended, 1));
    address_format_host(&call.to, text);
    assert_string_equal(text, "127.0.0.1");
    check_connected(&call, port);
    close(ear);
    close_silence(silence);
    loop_close(loop);
}

static void a_slow_resolver_ends_with_the_timeout(void **state) {
    (void)state;
    struct call call;
    struct loop *loop = open_loop();
    dial(loop, &call, "slow.test", 80, 30);
    assert_true(until(loop, &call.ended, 1));
    assert_int_equal(call.fd, -1);
    assert_string_equal(call.why, "cannot resolve slow.test: no answer within 30 ms");
    // The answer comes when nobody waits for it any more.
    let_resolver_go();
    let_pass(loop, 20);
    assert_int_equal(call.ended, 1);
    loop_close(loop);
}

static void a_call_can_be_given_up_before_it_began(void **state) {
    (void)state;
    struct call call;
    struct loop *loop = open_loop();
    dial_cancel(dial(loop, &call, "127.0.0.1", closed_port(), DEADLINE_MS));
    let_pass(loop, 10);
    assert_int_equal(call.ended, 0);
    dial_cancel(NULL);
    loop_close(loop);
}

static void a_call_can_be_given_up_while_the_name_is_resolved(void **state) {
    (void)state;
    struct call call;
    struct loop *loop = open_loop();
    struct dial *early = dial(loop, &call, "slow.test", 80, DEADLINE_MS);
    let_pass(loop, 20); // the resolver has taken the question
    dial_cancel(early);
    let_pass(loop, 10);
    let_resolver_go();
    let_pass(loop, 20);
    assert_int_equal(call.ended, 0);
    // And right before the loop closes, which then waits for the resolver.
    dial_cancel(dial(loop, &call, "slow.test", 80, DEADLINE_MS));
    let_resolver_go();
    loop_close(loop);
    assert_int_equal(call.ended, 0);
    while (sem_trywait(&resolver_gate) == 0) continue;
}

static void a_call_can_be_given_up_while_it_connects(void **state) {
    (void)state;
    struct call call;
    uint16_t port = 0;
    struct silence silence = open_silence("127.0.0.1", &port);
    struct loop *loop = open_loop();
    struct dial *silent = dial(loop, &call, "127.0.0.1", port, DEADLINE_MS);
    let_pass(loop, 20);
    assert_int_equal(call.ended, 0);
    dial_cancel(silent);
    let_pass(loop, 10);
    assert_int_equal(call.ended, 0);
    close_silence(silence);
    loop_close(loop);
}

struct redial {
    struct call call; // first: on_done's context
    struct loop *loop;
    uint16_t port;
    int tries;
};

static void on_done_redial(void *context, int fd, const struct address *to, const char *why) {
    struct redial *redial = context;
    on_done(context, fd, to, why);
    if (redial->tries++ < 3)
        assert_non_null(
            dial_open(redial->loop, "127.0.0.1", redial->port, 1000, on_done_redial, redial, NULL));
}

static void a_refused_call_may_dial_again_at_once(void **state) {
    (void)state;
    struct redial redial = {.loop = open_loop(), .port = closed_port()};
    assert_non_null(dial_open(redial.loop, "127.0.0.1", redial.port, 1000, on_done_redial, &redial, NULL));
    assert_true(until(redial.loop, &redial.call.ended, 4));
    loop_close(redial.loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_numeric_address_is_reached),
        cmocka_unit_test(a_numeric_ipv6_address_is_reached),
        cmocka_unit_test(a_name_is_resolved_and_reached),
        cmocka_unit_test(a_closed_port_refuses_and_the_sentence_says_who),
        cmocka_unit_test(what_fails_at_once_is_told_later_all_the_same),
        cmocka_unit_test(an_unknown_name_says_so),
        cmocka_unit_test(a_name_that_cannot_be_asked_for_starts_nothing),
        cmocka_unit_test(silence_ends_with_the_timeout),
        cmocka_unit_test(a_silent_address_does_not_keep_the_next_from_being_tried),
        cmocka_unit_test(a_slow_resolver_ends_with_the_timeout),
        cmocka_unit_test(a_call_can_be_given_up_before_it_began),
        cmocka_unit_test(a_call_can_be_given_up_while_the_name_is_resolved),
        cmocka_unit_test(a_call_can_be_given_up_while_it_connects),
        cmocka_unit_test(a_refused_call_may_dial_again_at_once),
    };
    sem_init(&resolver_gate, 0, 0);
    return cmocka_run_group_tests_name("net dial", tests, NULL, NULL);
}

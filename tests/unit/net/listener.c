// A door: who comes in, what happens when there is no room, and that the house says so once.
#include "net/sock.h"
#include "until.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define CROWD 500

struct door {
    struct listener *listener;
    int accepted;
    int turns;
    int fds[CROWD];
    struct address from[CROWD];
};

static void on_accepted(void *context, int fd, const struct address *from) {
    struct door *door = context;
    assert_true(door->accepted < CROWD);
    door->fds[door->accepted] = fd;
    door->from[door->accepted++] = *from;
}

static void on_accepted_close(void *context, int fd, const struct address *from) {
    struct door *door = context;
    on_accepted(context, fd, from);
    listener_close(door->listener);
}

static void on_turn(void *context) {
    ((struct door *)context)->turns++;
}

static struct listener *open_door(struct loop *loop, struct door *door, const char *host) {
    struct address address;
    struct err err = {0};
    *door = (struct door){0};
    assert_true(address_parse(host, 0, &address));
    door->listener = listener_open(loop, &address, on_accepted, door, &err);
    if (door->listener == NULL) print_message("%s\n", err.text);
    return door->listener;
}

static int knock(const struct listener *listener) {
    struct address to;
    listener_address(listener, &to);
    int fd = socket(to.storage.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &to.storage.any, to.len), 0);
    return fd;
}

static void close_all(const int *fds, int count) {
    for (int i = 0; i < count; i++) close(fds[i]);
}

static void a_crowd_is_let_in_and_others_get_their_turn_meanwhile(void **state) {
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);

    static struct door door;
    int guests[CROWD];
    struct loop *loop = open_loop();
    assert_non_null(open_door(loop, &door, "127.0.0.1"));
    for (int i = 0; i < CROWD; i++) guests[i] = knock(door.listener);
    loop_turn(loop, true);
    assert_true(door.accepted > 0 && door.accepted < CROWD);
    assert_true(until(loop, &door.accepted, CROWD));

    struct address guest = {.len = sizeof guest.storage};
    assert_int_equal(getsockname(guests[0], &guest.storage.any, &guest.len), 0);
    assert_int_equal(address_port(&door.from[0]), address_port(&guest));
    assert_true(address_is_loopback(&door.from[0]));
    assert_true(fcntl(door.fds[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(door.fds[0], F_GETFD) & FD_CLOEXEC);

    close_all(guests, CROWD);
    close_all(door.fds, CROWD);
    listener_close(door.listener);
    loop_close(loop);
    limit.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

// No descriptor is left after this; give_room() takes the returned limit back.
static rlim_t take_room(void) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    int lowest_free = dup(0);
    assert_true(lowest_free >= 0);
    close(lowest_free);
    limit.rlim_cur = (rlim_t)lowest_free;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void give_room(rlim_t before) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

// What is written to stderr goes to a file in memory until listen_up() counts the lines with `words`.
static int hush(int *memory) {
    int kept = dup(STDERR_FILENO);
    *memory = memfd_create("log", MFD_CLOEXEC);
    assert_true(kept >= 0 && *memory >= 0);
    assert_true(dup2(*memory, STDERR_FILENO) >= 0);
    return kept;
}

static int listen_up(int kept, int memory, const char *words) {
    static char text[65536];
    int count = 0;
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    ssize_t len = pread(memory, text, sizeof text - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++) count++;
    close(kept);
    close(memory);
    return count;
}

static void a_full_house_pauses_says_so_once_and_goes_on_by_itself(void **state) {
    (void)state;
    static struct door door;
    int guests[3], memory;
    struct loop *loop = open_loop();
    assert_non_null(open_door(loop, &door, "127.0.0.1"));
    loop_on_turn(loop, on_turn, &door);
    for (int i = 0; i < 3; i++) guests[i] = knock(door.listener);

    int kept = hush(&memory);
    rlim_t before = take_room();
    let_pass(loop, 350);
    give_room(before);
    int said = listen_up(kept, memory, "not accepting connections");
    assert_int_equal(door.accepted, 0);
    assert_int_equal(said, 1);
    assert_true(door.turns < 20); // it waited, it did not spin

    assert_true(until(loop, &door.accepted, 3));
    // And the pause is over: the next guest needs no timer.
    int late_guest = knock(door.listener);
    loop_turn(loop, true);
    assert_int_equal(door.accepted, 4);

    close_all(guests, 3);
    close(late_guest);
    close_all(door.fds, 4);
    listener_close(door.listener);
    loop_close(loop);
}

static void a_freed_descriptor_ends_the_pause_early_but_not_inside_the_call(void **state) {
    (void)state;
    static struct door door;
    int memory;
    struct loop *loop = open_loop();
    assert_non_null(open_door(loop, &door, "127.0.0.1"));
    int guest = knock(door.listener);
    int kept = hush(&memory);
    rlim_t before = take_room();
    loop_turn(loop, true);
    give_room(before);
    assert_int_equal(listen_up(kept, memory, "not accepting connections"), 1);
    assert_int_equal(door.accepted, 0);

    listener_retry(door.listener);
    assert_int_equal(door.accepted, 0);
    loop_turn(loop, false);
    assert_int_equal(door.accepted, 1);
    listener_retry(door.listener); // nothing is paused: nothing happens
    loop_turn(loop, false);

    close(guest);
    close_all(door.fds, 1);
    listener_close(door.listener);
    loop_close(loop);
}

static void a_paused_listener_can_be_closed(void **state) {
    (void)state;
    static struct door door;
    int memory;
    struct loop *loop = open_loop();
    assert_non_null(open_door(loop, &door, "127.0.0.1"));
    int guest = knock(door.listener);
    int kept = hush(&memory);
    rlim_t before = take_room();
    loop_turn(loop, true);
    give_room(before);
    listen_up(kept, memory, "not accepting connections");
    listener_retry(door.listener);
    listener_close(door.listener);
    let_pass(loop, 10);
    assert_int_equal(door.accepted, 0);
    close(guest);
    loop_close(loop);
}

static void the_first_guest_may_close_the_door_behind_itself(void **state) {
    (void)state;
    static struct door door;
    int guests[3];
    struct address address;
    struct loop *loop = open_loop();
    door = (struct door){0};
    assert_true(address_parse("127.0.0.1", 0, &address));
    door.listener = listener_open(loop, &address, on_accepted_close, &door, NULL);
    assert_non_null(door.listener);
    for (int i = 0; i < 3; i++) guests[i] = knock(door.listener);
    assert_true(until(loop, &door.accepted, 1));
    loop_turn(loop, false);
    assert_int_equal(door.accepted, 1);
    close_all(guests, 3);
    close_all(door.fds, 1);
    listener_close(NULL);
    loop_close(loop);
}

static void a_taken_port_is_named_with_its_cause_and_cure(void **state) {
    (void)state;
    static struct door door;
    struct err err = {0};
    struct address taken;
    char text[ADDRESS_TEXT_SIZE], expected[128];
    struct loop *loop = open_loop();
    assert_non_null(open_door(loop, &door, "127.0.0.1"));
    listener_address(door.listener, &taken);
    assert_int_not_equal(address_port(&taken), 0);
    assert_null(listener_open(loop, &taken, on_accepted, &door, &err));
    assert_int_equal(err.code, ERR_SYSTEM);
    address_format(&taken, text);
    snprintf(expected, sizeof expected, "cannot listen on %s: Address already in use; ", text);
    assert_memory_equal(err.text, expected, strlen(expected));
    listener_close(door.listener);
    loop_close(loop);
}

static void an_address_of_another_machine_is_refused(void **state) {
    (void)state;
    struct err err = {0};
    struct address elsewhere;
    struct loop *loop = open_loop();
    assert_true(address_parse("192.0.2.1", 0, &elsewhere)); // reserved for documentation
    assert_null(listener_open(loop, &elsewhere, on_accepted, NULL, &err));
    assert_non_null(strstr(err.text, "cannot listen on 192.0.2.1:0: "));
    loop_close(loop);
}

static void ipv6_and_ipv4_share_a_port(void **state) {
    (void)state;
    static struct door wide, old;
    struct address address;
    struct err err;
    struct loop *loop = open_loop();
    if (open_door(loop, &wide, "::") == NULL) {
        loop_close(loop);
        skip();
    }
    listener_address(wide.listener, &address);
    assert_true(address_is_wildcard(&address));
    assert_true(address_parse("0.0.0.0", address_port(&address), &address));
    old = (struct door){0};
    old.listener = listener_open(loop, &address, on_accepted, &old, &err);
    assert_non_null(old.listener);
    listener_close(wide.listener);
    listener_close(old.listener);
    loop_close(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_is_let_in_and_others_get_their_turn_meanwhile),
        cmocka_unit_test(a_full_house_pauses_says_so_once_and_goes_on_by_itself),
        cmocka_unit_test(a_freed_descriptor_ends_the_pause_early_but_not_inside_the_call),
        cmocka_unit_test(a_paused_listener_can_be_closed),
        cmocka_unit_test(the_first_guest_may_close_the_door_behind_itself),
        cmocka_unit_test(a_taken_port_is_named_with_its_cause_and_cure),
        cmocka_unit_test(an_address_of_another_machine_is_refused),
        cmocka_unit_test(ipv6_and_ipv4_share_a_port),
    };
    return cmocka_run_group_tests_name("net listener", tests, NULL, NULL);
}

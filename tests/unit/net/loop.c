// The story of a loop's turns: events first, timers among them, then the flush pass, and nothing after a
// close.
#include "net/loop.h"
#include "net/sock.h"
#include "until.h"

#include "base/clock.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// What happened, one letter each.
struct story {
    char text[64];
    int length;
    struct loop *loop;
    struct timer *timer;
};

static void tell(struct story *story, char letter) {
    assert_true(story->length + 1 < (int)sizeof story->text);
    story->text[story->length++] = letter;
    story->text[story->length] = '\0';
}

static void on_fired(void *context) {
    tell(context, 't');
}

static void on_turn(void *context) {
    tell(context, 'F');
}

static void on_ready(void *context, unsigned events) {
    (void)events;
    tell(context, 'r');
}

static void on_mail(struct mail *mail, void *context) {
    (void)mail;
    tell(context, 'm');
}

static void on_woken(void *context) {
    tell(context, 'w');
}

static void the_flush_pass_follows_reads_mails_wakes_and_timers(void **state) {
    (void)state;
    struct story story = {0};
    struct loop *loop = open_loop();
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct sock *sock = sock_open(loop, pair[0], 0, on_ready, &story, NULL);
    struct mailbox *mailbox = mailbox_open(loop, &story, NULL);
    struct wake *wake = wake_open(loop, on_woken, &story, NULL);
    struct timer *timer = timer_open(loop, on_fired, &story, NULL);
    loop_on_turn(loop, on_turn, &story);

    struct mail mail = {.deliver = on_mail};
    sock_want(sock, SOCK_WANT_READ);
    assert_int_equal(write(pair[1], "x", 1), 1);
    mailbox_post(mailbox, &mail);
    wake_send(wake);
    timer_start(timer, 0, 0);
    loop_turn(loop, true);

    assert_int_equal(story.length, 5);
    assert_int_equal(story.text[4], 'F');
    for (const char *one = "rmwt"; *one != '\0'; one++) assert_non_null(strchr(story.text, *one));

    timer_close(timer);
    wake_close(wake);
    mailbox_close(mailbox);
    sock_close(sock);
    close(pair[1]);
    loop_close(loop);
}

static void what_a_timer_did_is_flushed_without_another_event(void **state) {
    (void)state;
    struct story story = {0};
    struct loop *loop = open_loop();
    struct timer *timer = timer_open(loop, on_fired, &story, NULL);
    loop_on_turn(loop, on_turn, &story);
    timer_start(timer, 5, 0);
    while (strchr(story.text, 't') == NULL) loop_turn(loop, true);
    assert_string_equal(strchr(story.text, 't'), "tF");
    timer_close(timer);
    loop_close(loop);
}

static void on_fired_stop(void *context) {
    struct story *story = context;
    tell(story, 't');
    loop_stop(story->loop);
}

static void run_ends_with_the_turn_in_which_stop_was_called(void **state) {
    (void)state;
    struct story story = {.loop = open_loop()};
    struct timer *timer = timer_open(story.loop, on_fired_stop, &story, NULL);
    loop_on_turn(story.loop, on_turn, &story);
    timer_start(timer, 5, 5);
    loop_run(story.loop);
    assert_string_equal(strchr(story.text, 't'), "tF");
    // And it can run again; a stop that comes first is not lost.
    story.length = 0;
    story.text[0] = '\0';
    loop_run(story.loop);
    assert_string_equal(strchr(story.text, 't'), "tF");
    loop_stop(story.loop);
    loop_run(story.loop);
    timer_close(timer);
    loop_close(story.loop);
}

static void a_turn_that_does_not_wait_returns_at_once(void **state) {
    (void)state;
    struct story story = {0};
    struct loop *loop = open_loop();
    loop_on_turn(loop, on_turn, &story);
    loop_turn(loop, false);
    loop_turn(loop, false);
    assert_string_equal(story.text, "FF");
    loop_close(loop);
}

static void a_timer_fires_once_and_not_early(void **state) {
    (void)state;
    int fired = 0;
    struct loop *loop = open_loop();
    struct timer *timer = timer_open(loop, until_count, &fired, NULL);
    // The loop's clock has not moved since it was opened; the timer counts from its start all the same.
    uint64_t busy_until = clock_monotonic_ms() + 40;
    while (clock_monotonic_ms() < busy_until) continue;
    uint64_t start = clock_monotonic_ms();
    timer_start(timer, 30, 0);
    assert_true(until(loop, &fired, 1));
    assert_true(clock_monotonic_ms() - start >= 29);
    let_pass(loop, 50);
    assert_int_equal(fired, 1);
    timer_close(timer);
    loop_close(loop);
}

static void a_timer_repeats_until_it_is_stopped(void **state) {
    (void)state;
    int fired = 0;
    struct loop *loop = open_loop();
    struct timer *timer = timer_open(loop, until_count, &fired, NULL);
    timer_start(timer, 1, 2);
    assert_true(until(loop, &fired, 5));
    timer_stop(timer);
    int before = fired;
    let_pass(loop, 20);
    assert_int_equal(fired, before);
    timer_close(timer);
    loop_close(loop);
}

static void a_second_start_replaces_the_first(void **state) {
    (void)state;
    int fired = 0;
    struct loop *loop = open_loop();
    struct timer *timer = timer_open(loop, until_count, &fired, NULL);
    timer_start(timer, 1, 1);
    timer_start(timer, 60000, 0);
    let_pass(loop, 20);
    assert_int_equal(fired, 0);
    timer_start(timer, 1, 0);
    assert_true(until(loop, &fired, 1));
    timer_close(timer);
    loop_close(loop);
}

static void on_fired_close(void *context) {
    struct story *story = context;
    tell(story, 't');
    timer_close(story->timer);
}

static void a_timer_may_close_itself(void **state) {
    (void)state;
    struct story story = {0};
    struct loop *loop = open_loop();
    story.timer = timer_open(loop, on_fired_close, &story, NULL);
    timer_start(story.timer, 0, 1);
    assert_true(until(loop, &story.length, 1));
    let_pass(loop, 10);
    assert_string_equal(story.text, "t");
    loop_close(loop);
}

static void nothing_follows_a_close(void **state) {
    (void)state;
    struct story story = {0};
    struct loop *loop = open_loop();
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct sock *sock = sock_open(loop, pair[0], 0, on_ready, &story, NULL);
    struct wake *wake = wake_open(loop, on_woken, &story, NULL);
    struct timer *timer = timer_open(loop, on_fired, &story, NULL);
    sock_want(sock, SOCK_WANT_READ | SOCK_WANT_WRITE);
    assert_int_equal(write(pair[1], "x", 1), 1);
    wake_send(wake);
    timer_start(timer, 0, 0);
    timer_close(timer);
    wake_close(wake);
    sock_close(sock);
    let_pass(loop, 10);
    assert_string_equal(story.text, "");
    timer_close(NULL);
    wake_close(NULL);
    mailbox_close(NULL);
    sock_close(NULL);
    signal_close(NULL);
    close(pair[1]);
    loop_close(loop);
}

static void many_wakes_before_a_turn_are_one_call(void **state) {
    (void)state;
    struct story story = {0};
    struct loop *loop = open_loop();
    struct wake *wake = wake_open(loop, on_woken, &story, NULL);
    for (int i = 0; i < 100; i++) wake_send(wake);
    loop_turn(loop, true);
    assert_string_equal(story.text, "w");
    wake_send(wake);
    loop_turn(loop, true);
    assert_string_equal(story.text, "ww");
    wake_close(wake);
    loop_close(loop);
}

static void on_caught(void *context, int number) {
    tell(context, number == SIGUSR1 ? '1' : '2');
}

static void a_signal_is_an_event_like_any_other(void **state) {
    (void)state;
    struct story story = {0};
    struct loop *loop = open_loop();
    struct signal_watch *one = signal_open(loop, SIGUSR1, on_caught, &story, NULL);
    struct signal_watch *two = signal_open(loop, SIGUSR2, on_caught, &story, NULL);
    assert_non_null(one);
    assert_non_null(two);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_string_equal(story.text, "");
    assert_true(until(loop, &story.length, 1));
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    assert_true(until(loop, &story.length, 2));
    assert_string_equal(story.text, "12");
    signal_close(one);
    signal_close(two);
    loop_close(loop);
}

static void a_signal_that_cannot_be_caught_is_refused(void **state) {
    (void)state;
    struct err err = {0};
    struct loop *loop = open_loop();
    assert_null(signal_open(loop, SIGKILL, on_caught, NULL, &err));
    assert_int_equal(err.code, ERR_SYSTEM);
    assert_non_null(strstr(err.text, "signal"));
    loop_close(loop);
}

static void a_loop_leaves_sigpipe_alone(void **state) {
    (void)state;
    struct sigaction before, after;
    assert_int_equal(sigaction(SIGPIPE, NULL, &before), 0);
    struct loop *loop = open_loop();
    loop_turn(loop, false);
    assert_int_equal(sigaction(SIGPIPE, NULL, &after), 0);
    assert_ptr_equal(before.sa_handler, after.sa_handler);
    loop_close(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_flush_pass_follows_reads_mails_wakes_and_timers),
        cmocka_unit_test(what_a_timer_did_is_flushed_without_another_event),
        cmocka_unit_test(run_ends_with_the_turn_in_which_stop_was_called),
        cmocka_unit_test(a_turn_that_does_not_wait_returns_at_once),
        cmocka_unit_test(a_timer_fires_once_and_not_early),
        cmocka_unit_test(a_timer_repeats_until_it_is_stopped),
        cmocka_unit_test(a_second_start_replaces_the_first),
        cmocka_unit_test(a_timer_may_close_itself),
        cmocka_unit_test(nothing_follows_a_close),
        cmocka_unit_test(many_wakes_before_a_turn_are_one_call),
        cmocka_unit_test(a_signal_is_an_event_like_any_other),
        cmocka_unit_test(a_signal_that_cannot_be_caught_is_refused),
        cmocka_unit_test(a_loop_leaves_sigpipe_alone),
    };
    return cmocka_run_group_tests_name("net loop", tests, NULL, NULL);
}

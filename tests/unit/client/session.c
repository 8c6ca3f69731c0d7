// A whole session over socket pairs: bounds, what goes out when, and how it ends.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pair.h"

#include <poll.h>
#include <stdio.h>

#define WELCOME "{\"command\":\"LOGIN_SUCCESS\",\"info\":\"welcome\"}\n"

static void send_text(struct pair *pair, const char *text) {
    assert_true(pair_send(pair, 0, text, strlen(text)));
}

static void sent_is(struct pair *pair, const char *text) {
    char bytes[4096];
    size_t got = pair_received(pair, 0, bytes, sizeof bytes - 1);
    bytes[got] = '\0';
    assert_string_equal(bytes, text);
}

static void next_is(struct pair *pair, enum herald_kind kind) {
    struct herald_event event;
    assert_int_equal(herald_next(pair->session, &event), 1);
    assert_int_equal(event.kind, kind);
}

static enum herald_status end_of(struct pair *pair) {
    struct herald_event event = {.kind = HERALD_LOST};
    for (int i = 0; i < 5; i++) herald_step(pair->session);
    while (herald_next(pair->session, &event)) continue;
    assert_int_equal(event.kind, HERALD_ENDED);
    return event.status;
}

static bool is_ready(const struct pair *pair) {
    struct pollfd wait = {.fd = herald_fd(pair->session), .events = POLLIN};
    assert_int_equal(herald_events(pair->session), HERALD_READ);
    return poll(&wait, 1, 0) == 1;
}

static void open_and_enter(struct pair *pair, struct herald_options options) {
    assert_true(pair_open(pair, options));
    herald_step(pair->session);
    send_text(pair, WELCOME);
    herald_step(pair->session);
    next_is(pair, HERALD_CONNECTED);
    next_is(pair, HERALD_LOGGED_IN);
    sent_is(pair, "{\"command\":\"LOGIN\",\"username\":\"anonymous\"}\n");
}

// 1,000 lines come with one read and wait in the framer; of 5,000 most wait in the socket.
static void what_the_program_does_not_take_is_not_read(void **state) {
    static char lines[5000 * 80];
    static const int counts[] = {1000, 5000};
    (void)state;
    for (int round = 0; round < 2; round++) {
        struct pair pair;
        size_t len = 0;
        int size = 1 << 20, taken = 0;
        open_and_enter(&pair, (struct herald_options){0});
        for (int i = 0; i < counts[round]; i++)
            len += (size_t)snprintf(lines + len, sizeof lines - len,
                                    "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{\"n\":%d}}\n", i);
        (void)setsockopt(pair.others[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        assert_true(pair_send(&pair, 0, lines, len));
        while (taken < counts[round]) {
            assert_true(herald_timeout(pair.session) == 0 || is_ready(&pair));
            while (herald_timeout(pair.session) == 0 || is_ready(&pair)) herald_step(pair.session);
            assert_true(pair.session->events.count <= EVENTS_MOST);
            if (pair.session->events.count == EVENTS_MOST) // it waits for the program, and for nothing else
                assert_int_equal(herald_timeout(pair.session), -1);
            struct herald_event event;
            char json[32];
            while (herald_next(pair.session, &event)) {
                (void)snprintf(json, sizeof json, "{\"n\":%d}", taken++);
                assert_string_equal(event.json, json);
                assert_string_equal(event.user, "anonymous");
            }
        }
        send_text(&pair, "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{}}\n");
        assert_true(is_ready(&pair));
        pair_close(&pair);
    }
}

static void room_for_events_is_room_for_answers(void **state) {
    struct pair pair;
    struct herald_event event = {.kind = HERALD_LOST};
    (void)state;
    assert_true(pair_open(&pair, (struct herald_options){0}));
    herald_step(pair.session); // asked
    while (!events_full(&pair.session->events))
        assert_int_equal(events_add(&pair.session->events, &event, (struct str){0}), 0);
    herald_step(pair.session);
    send_text(&pair, WELCOME);
    assert_false(is_ready(&pair));
    while (herald_next(pair.session, &event)) continue;
    assert_true(is_ready(&pair));
    herald_step(pair.session);
    next_is(&pair, HERALD_LOGGED_IN);
    pair_close(&pair);
}

static void nothing_is_published_before_a_redirect_that_comes_with_the_login(void **state) {
    struct pair pair;
    (void)state;
    assert_true(pair_open(&pair, (struct herald_options){0}));
    assert_int_equal(herald_publish(pair.session, "{}", 2), 0);
    herald_step(pair.session);
    int first = dup(pair.others[0]);
    // What follows a REDIRECT is of nobody; least of all of the next server.
    send_text(&pair, WELCOME "{\"command\":\"REDIRECT\",\"hostname\":\"b\",\"port\":1}\n" WELCOME "junk\n");
    herald_step(pair.session);
    char bytes[256];
    ssize_t got = recv(first, bytes, sizeof bytes, 0);
    assert_int_equal(got, sizeof "{\"command\":\"LOGIN\",\"username\":\"anonymous\"}\n" - 1);
    assert_int_equal(recv(first, bytes, sizeof bytes, 0), 0);
    close(first);
    herald_step(pair.session);
    send_text(&pair, WELCOME);
    herald_step(pair.session);
    sent_is(&pair, "{\"command\":\"LOGIN\",\"username\":\"anonymous\"}\n"
                   "{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"anonymous\",\"activity\":{}}\n");
    pair_close(&pair);
}

// How the server ends it after a LOGOUT, and what that means for what was published.
static void only_a_close_after_everything_has_arrived_is_in_order(void **state) {
    static const struct {
        bool reads;
        const char *says;
        enum herald_status status;
    } rows[] = {
        {true, "", HERALD_DONE},
        {true, "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{}}\n", HERALD_DONE},
        {true, "{\"command\":\"ACTIVITY_BROAD", HERALD_UNKNOWN},
        {false, "", HERALD_UNKNOWN},
        {true, "{\"command\":\"INVALID_MESSAGE\",\"info\":\"no\"}\n", HERALD_REFUSED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair pair;
        open_and_enter(&pair, (struct herald_options){0});
        assert_int_equal(herald_publish(pair.session, "{}", 2), 0);
        herald_logout(pair.session);
        assert_int_equal(herald_publish(pair.session, "{}", 2), -1);
        herald_step(pair.session);
        if (rows[i].reads)
            sent_is(&pair, "{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"anonymous\",\"activity\":{}}\n"
                           "{\"command\":\"LOGOUT\"}\n");
        send_text(&pair, rows[i].says);
        shutdown(pair.others[0], SHUT_WR);
        enum herald_status status = end_of(&pair);
        if (status != rows[i].status) fail_msg("row %zu ends with %d", i, (int)status);
        pair_close(&pair);
    }
}

static void waiting_ends_when_there_is_something_to_take(void **state) {
    struct pair pair;
    (void)state;
    assert_true(pair_open(&pair, (struct herald_options){0}));
    herald_wait(pair.session, -1); // connected
    herald_wait(pair.session, -1); // that was not taken yet
    next_is(&pair, HERALD_CONNECTED);
    send_text(&pair, WELCOME);
    herald_wait(pair.session, -1);
    next_is(&pair, HERALD_LOGGED_IN);
    uint64_t begun = clock_monotonic_ms();
    herald_wait(pair.session, 30);
    assert_true(clock_monotonic_ms() - begun >= 29);
    herald_logout(pair.session);
    shutdown(pair.others[0], SHUT_RDWR);
    herald_wait(pair.session, -1);
    herald_wait(pair.session, -1);
    next_is(&pair, HERALD_ENDED);
    herald_wait(pair.session, -1); // at once: nothing will ever happen
    assert_int_equal(herald_timeout(pair.session), -1);
    pair_close(&pair);
}

static void options_of_other_versions_are_understood(void **state) {
    static const char *const servers[] = {"127.0.0.1:1"};
    struct {
        struct herald_options options;
        char later[64];
    } newer = {.options = {.size = sizeof newer, .servers = servers, .server_count = 1},
               .later = "members to come"};
    char error[256];
    (void)state;
    herald *session = herald_open(&newer.options, error, sizeof error);
    assert_non_null(session);
    herald_close(session);
    // Of one who knows no `once` and nothing behind it, that is not looked at.
    memset(&newer.options.once, 0xFF, sizeof newer.options - offsetof(struct herald_options, once));
    newer.options.size = offsetof(struct herald_options, once);
    session = herald_open(&newer.options, error, sizeof error);
    assert_non_null(session);
    assert_false(session->plan.settings.once);
    assert_int_equal(session->plan.settings.connect_timeout_ms, 5000);
    herald_close(session);
    newer.options.size = 0;
    assert_null(herald_open(&newer.options, error, sizeof error));
    assert_non_null(strstr(error, "size"));
    assert_null(herald_open(NULL, NULL, 0));
    herald_close(NULL);
}

static void errors_are_told_and_do_not_overflow(void **state) {
    struct pair pair;
    char small[8];
    struct herald_options wrong = {.size = sizeof wrong};
    (void)state;
    assert_null(herald_open(&wrong, small, sizeof small));
    assert_string_equal(small, "name 1 ");
    assert_true(pair_open(&pair, (struct herald_options){.max_unsent = 200}));
    assert_string_equal(herald_error(pair.session), "no call has failed");
    assert_int_equal(herald_publish(pair.session, "[]", 2), -1);
    assert_string_equal(herald_error(pair.session), "an activity must be a JSON object");
    assert_int_equal(herald_publish(pair.session, "{}", 2), 0);
    assert_int_equal(herald_publish(pair.session, "{}", 2), 0);
    size_t before = herald_unsent(pair.session);
    assert_int_equal(herald_publish(pair.session, "{}", 2), -2);
    assert_int_equal(herald_unsent(pair.session), before);
    assert_string_equal(herald_version(), HERALD_VERSION);
    pair_close(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_program_does_not_take_is_not_read),
        cmocka_unit_test(room_for_events_is_room_for_answers),
        cmocka_unit_test(nothing_is_published_before_a_redirect_that_comes_with_the_login),
        cmocka_unit_test(only_a_close_after_everything_has_arrived_is_in_order),
        cmocka_unit_test(waiting_ends_when_there_is_something_to_take),
        cmocka_unit_test(options_of_other_versions_are_understood),
        cmocka_unit_test(errors_are_told_and_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

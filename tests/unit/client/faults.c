// Memory that runs out, at each allocation in turn: opening says so and leaves nothing behind; a session that
// goes on ends with HERALD_NO_MEMORY, once, and what was told before stays told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pair.h"

#include "fault.h"

#include <stdio.h>

static const char LETS_IN[] = "{\"command\":\"REGISTER_SUCCESS\",\"info\":\"done\"}\n"
                              "{\"command\":\"LOGIN_SUCCESS\",\"info\":\"welcome\"}\n";
static const char SPEAKS[] = "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{\"n\":1.10}}\n"
                             "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":{\"n\":2}}\n"
                             "{\"command\":\"ACTIVITY_BROADCAST\",\"acti";

static const struct herald_options OPTIONS = {.user = "ann", .do_register = 1, .server_count = 2};

static void opening_is_all_or_nothing(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        struct pair pair;
        fault_after(n);
        bool open = pair_open(&pair, OPTIONS);
        bool failed = fault_off();
        if (open)
            pair_close(&pair);
        else
            assert_string_equal(pair.error, "memory is out");
        assert_int_equal(open, !failed);
        if (!failed) break;
    }
}

struct tale {
    bool in, ended;
    enum herald_status status;
    int activities;
};

static void listen_to(struct pair *pair, struct tale *tale) {
    struct herald_event event;
    while (herald_next(pair->session, &event)) {
        assert_false(tale->ended);
        assert_non_null(event.server && event.user && event.text && event.json ? &event : NULL);
        if (event.kind == HERALD_LOGGED_IN) tale->in = true;
        if (event.kind == HERALD_ACTIVITY) tale->activities++;
        if (event.kind == HERALD_ENDED) tale->ended = true, tale->status = event.status;
    }
}

static void a_day(struct pair *pair, struct tale *tale) {
    char sent[4096];
    herald_step(pair->session);
    (void)pair_send(pair, 0, LETS_IN, sizeof LETS_IN - 1);
    herald_step(pair->session);
    listen_to(pair, tale);
    int published = herald_publish(pair->session, "{\"a\":1}", 7);
    assert_true(published == 0 || herald_error(pair->session)[0] != '\0');
    (void)pair_send(pair, 0, SPEAKS, sizeof SPEAKS - 1);
    herald_step(pair->session);
    listen_to(pair, tale);
    herald_logout(pair->session);
    herald_step(pair->session);
    listen_to(pair, tale);
    (void)pair_received(pair, 0, sent, sizeof sent);
    if (pair->others[0] >= 0) shutdown(pair->others[0], SHUT_WR);
    herald_step(pair->session);
    herald_step(pair->session);
    listen_to(pair, tale);
}

static void a_session_that_goes_on_says_once_that_memory_is_out(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        struct pair pair;
        struct tale tale = {0};
        assert_true(pair_open(&pair, OPTIONS));
        fault_after(n);
        a_day(&pair, &tale);
        bool failed = fault_off();
        listen_to(&pair, &tale);
        // A publication that found no memory was refused, or an answer that was only a courtesy was not sent:
        // then the day went on.
        assert_true(tale.ended);
        if (tale.status != HERALD_NO_MEMORY) assert_true(tale.in && tale.activities == 2);
        if (!failed) assert_true(tale.status == HERALD_UNKNOWN || tale.status == HERALD_DONE);
        assert_int_equal(herald_timeout(pair.session), -1);
        herald_step(pair.session); // harmless
        struct herald_event event;
        assert_int_equal(herald_next(pair.session, &event), 0);
        assert_int_equal(herald_publish(pair.session, "{}", 2), -1);
        pair_close(&pair);
        if (!failed) break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_is_all_or_nothing),
        cmocka_unit_test(a_session_that_goes_on_says_once_that_memory_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

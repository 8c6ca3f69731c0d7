// Waiting for events in the tests of net/: a loop turns until a counter says enough, or ten seconds are over.
#pragma once

#include "net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DEADLINE_MS 10000

static void until_late(void *context) {
    *(bool *)context = true;
}

// False: the counter did not get there.
static inline bool until(struct loop *loop, const int *count, int enough) {
    bool late = false;
    struct timer *deadline = timer_open(loop, until_late, &late, NULL);
    assert_non_null(deadline);
    timer_start(deadline, DEADLINE_MS, 0);
    while (*count < enough && !late) loop_turn(loop, true);
    timer_close(deadline);
    return *count >= enough;
}

static void until_count(void *context) {
    (*(int *)context)++;
}

// Lets the loop live for a while, for what must not happen in it.
static inline void let_pass(struct loop *loop, uint64_t ms) {
    int over = 0;
    struct timer *timer = timer_open(loop, until_count, &over, NULL);
    assert_non_null(timer);
    timer_start(timer, ms, 0);
    assert_true(until(loop, &over, 1));
    timer_close(timer);
}

static inline struct loop *open_loop(void) {
    struct err err;
    struct loop *loop = loop_open(&err);
    assert_non_null(loop);
    return loop;
}

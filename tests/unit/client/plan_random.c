// Servers that do whatever the dice say, for thousands of sessions: what always holds, holds. The seed is
// printed and taken back as the first argument.
#include "world.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed;

static const enum command WORDS[] = {
    COMMAND_LOGIN_SUCCESS, COMMAND_LOGIN_SUCCESS,   COMMAND_LOGIN_SUCCESS,       COMMAND_REGISTER_SUCCESS,
    COMMAND_LOGIN_FAILED,  COMMAND_REGISTER_FAILED, COMMAND_AUTHENTICATION_FAIL, COMMAND_REDIRECT,
    COMMAND_REDIRECT,      COMMAND_INVALID_MESSAGE, COMMAND_SERVER_ANNOUNCE,
};

static void check(const struct world *w) {
    unsigned asked = 0, chosen = 0;
    for (unsigned i = 0; i < PLAN_SLOTS; i++) {
        enum slot_state slot = w->plan.slots[i].state;
        assert_int_equal(slot == SLOT_FREE, w->at[i][0] == '\0');
        asked += slot == SLOT_ASKED;
        chosen += slot == SLOT_CHOSEN;
        if (slot == SLOT_ASKED)
            assert_true(w->plan.slots[i].deadline >= w->now || plan_due(&w->plan) <= w->now);
    }
    bool home = w->plan.phase == PLAN_IN || w->plan.phase == PLAN_LEAVING;
    assert_true(asked <= 1);
    assert_int_equal(chosen, home ? 1 : 0);
    assert_int_equal(plan_home(&w->plan) < PLAN_SLOTS, home);
    assert_int_equal(w->plan.phase == PLAN_ENDED, w->ended);
    // Somebody is always awaited: an event of the network, a moment in time, or the program.
    if (w->plan.phase == PLAN_ROUND || w->plan.phase == PLAN_PAUSE)
        assert_true(plan_due(&w->plan) < UINT64_MAX);
    if (w->plan.phase == PLAN_PAUSE) assert_true(plan_due(&w->plan) <= w->now + PLAN_PAUSE_MOST);
    if (w->ended) {
        assert_int_equal(plan_due(&w->plan), UINT64_MAX);
        assert_true(w->status != HERALD_DONE || w->plan.leaving);
    }
    // Each server stands in the order once.
    bool seen[WORLD_SERVERS] = {false};
    for (size_t i = 0; i < w->plan.count; i++) {
        assert_true(w->plan.order[i] < w->plan.count && !seen[w->plan.order[i]]);
        seen[w->plan.order[i]] = true;
    }
}

static void network(struct world *w, struct dice *dice) {
    unsigned slot = (unsigned)dice_below(dice, PLAN_SLOTS);
    for (unsigned i = 0; i < PLAN_SLOTS && w->at[slot][0] == '\0'; i++) slot = (slot + 1) % PLAN_SLOTS;
    if (w->at[slot][0] == '\0') return;
    unsigned what = (unsigned)dice_below(dice, 4);
    if (w->plan.slots[slot].state == SLOT_DIALLING) {
        if (what < 2)
            plan_accepted(&w->plan, slot, w->now);
        else
            plan_closed(&w->plan, slot, "Connection refused", false, w->now);
    } else if (what == 0) {
        plan_closed(&w->plan, slot, "closed the connection", dice_below(dice, 2) == 0, w->now);
    } else {
        char host[2] = {(char)('a' + dice_below(dice, 6)), '\0'};
        struct message message = {.command = WORDS[dice_below(dice, sizeof WORDS / sizeof *WORDS)],
                                  .info = STR("so"),
                                  .hostname = {host, 1},
                                  .port = 3780};
        if (!plan_message(&w->plan, slot, &message, w->now))
            plan_closed(&w->plan, slot, "sent a wrong message", false, w->now);
    }
}

static void something_happens(struct world *w, struct dice *dice) {
    switch (dice_below(dice, 8)) {
    case 0: until_due(w); break;
    case 1: pass(w, dice_below(dice, 7000)); break;
    case 2:
        if (!w->plan.leaving && !w->ended) waits_to_be_sent(w, 1);
        break;
    case 3:
        if (w->plan.phase == PLAN_IN) sends_all(w);
        break;
    case 4:
        if (dice_below(dice, 20) == 0 && !w->ended) plan_logout(&w->plan, w->now);
        break;
    default: network(w, dice); break;
    }
    w->log[0] = '\0';
}

static void whatever_servers_do_the_plan_keeps_its_promises(void **state) {
    unsigned ends[8] = {0};
    (void)state;
    for (uint64_t run = 0; run < 3000; run++) {
        struct dice dice;
        struct world w;
        dice_seed(&dice, seed + run);
        world_begin(&w, run % 3 ? "a b c" : "a",
                    (struct setting){.once = dice_below(&dice, 3) == 0,
                                     .registers = dice_below(&dice, 3) == 0,
                                     .give_up_ms = dice_below(&dice, 3) ? 0 : 20000,
                                     .max_redirects = (uint32_t)dice_between(&dice, 1, 40),
                                     .seed = run});
        for (int step = 0; step < 400 && !w.ended; step++) {
            something_happens(&w, &dice);
            check(&w);
        }
        ends[w.ended ? (unsigned)w.status : 7]++;
        world_end(&w);
    }
    // The dice have seen it all.
    assert_true(ends[HERALD_DONE] && ends[HERALD_REFUSED] && ends[HERALD_UNREACHABLE] &&
                ends[HERALD_UNKNOWN]);
}

int main(int argc, char **argv) {
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)clock_wall_ms();
    printf("seed %" PRIu64 "\n", seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_servers_do_the_plan_keeps_its_promises)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

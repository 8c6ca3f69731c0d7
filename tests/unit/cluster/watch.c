// Watching: what is durable is told in order, before whoever proposed it is answered, wherever one lives.
#include "cluster/propose.h"

#include "../fault.h"
#include "../store/scratch.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PATIENCE_MS 30000

struct world {
    struct scratch scratch;
    struct loop *loop;
    struct mailbox *home;
    struct timer *deadline;
    struct proposer *proposer;
    struct watch *watch;
    uint64_t told;     // the clock
    uint64_t heard;    // the clock of the last whose sessions must end
    char ended[8][64]; // first byte of the uuid and the clock, in order
    size_t ended_count, answers, calls;
    bool leave, late;
};

struct asked {
    struct proposal proposal;
    uint64_t told_before; // what was known when it was answered
    pthread_t answered_on;
    bool answered;
};

static void too_late(void *context) {
    ((struct world *)context)->late = true;
}

static void told(uint64_t clock, const struct ended *ended, void *context) {
    struct world *world = context;
    assert_true(clock > world->told);
    assert_true(proposer_ended(world->proposer) >= world->heard); // it does not go back
    world->told = clock;
    world->calls++;
    for (; ended; ended = ended->next) {
        assert_true(ended->clock <= clock);
        assert_true(ended->clock <= proposer_ended(world->proposer));
        world->heard = ended->clock;
        snprintf(world->ended[world->ended_count++], sizeof world->ended[0], "%u %" PRIu64,
                 (unsigned)ended->uuid.bytes[0], ended->clock);
    }
    if (!world->leave) return;
    proposer_unwatch(world->proposer, world->watch);
    world->watch = NULL;
}

static int setup(void **state) {
    static struct world world;
    struct err err = {0};
    world = (struct world){0};
    *state = &world;
    assert_int_equal(scratch_make(&world.scratch), 0);
    world.loop = loop_open(NULL);
    world.home = mailbox_open(world.loop, &world, NULL);
    world.deadline = timer_open(world.loop, too_late, &world, NULL);
    world.proposer = proposer_open(world.scratch.directory, NULL, world.home, &err);
    if (!world.proposer) fail_msg("%s", err.text);
    world.watch = proposer_watch(world.proposer, world.home, told, &world);
    assert_non_null(world.watch);
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
    proposer_unwatch(world->proposer, world->watch);
    proposer_close(world->proposer);
    mailbox_close(world->home);
    timer_close(world->deadline);
    loop_close(world->loop);
    scratch_remove(&world->scratch);
    return 0;
}

static void answered(struct proposal *proposal, void *context) {
    struct world *world = context;
    struct asked *asked = (struct asked *)((char *)proposal - offsetof(struct asked, proposal));
    asked->told_before = world->told;
    world->answers++;
}

static void ask(struct world *world, struct asked *asked, struct change change) {
    asked->proposal = (struct proposal){.change = change, .done = answered};
    propose(world->proposer, &asked->proposal);
}

static void wait_for(struct world *world, size_t answers) {
    timer_start(world->deadline, PATIENCE_MS, 0);
    while (world->answers < answers && !world->late) loop_turn(world->loop, true);
    timer_stop(world->deadline);
    if (world->late) fail_msg("%zu of %zu answers", world->answers, answers);
}

static void who_watches_is_told_before_who_proposed_is_answered(void **state) {
    enum { MANY = 300 };
    struct world *world = *state;
    static struct asked asked[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        char login[16];
        snprintf(login, sizeof login, "user%u", i);
        ask(world, &asked[i], change_creating(login, i));
    }
    wait_for(world, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(asked[i].proposal.answer.outcome, OUTCOME_DONE);
        assert_true(asked[i].told_before >= asked[i].proposal.answer.clock);
    }
    assert_int_equal(world->told, MANY);
    assert_int_equal(proposer_clock(world->proposer), MANY);
    assert_int_equal(proposer_epoch(world->proposer), 1);
    assert_int_equal(proposer_ended(world->proposer), 0); // nobody waits for those who have just come
    assert_int_equal(world->ended_count, 0);
    assert_in_range(world->calls, 1, MANY);
}

static void what_changes_nothing_is_not_told(void **state) {
    struct world *world = *state;
    struct asked gone = {0};
    ask(world, &gone, change_of(CHANGE_DELETE, 1));
    wait_for(world, 1);
    assert_int_equal(gone.proposal.answer.outcome, OUTCOME_ABSENT);
    assert_int_equal(world->calls, 0);
}

static void whose_sessions_must_end_is_told_in_order(void **state) {
    struct world *world = *state;
    struct asked asked[7] = {0};
    ask(world, &asked[0], change_creating("alice", 1));
    ask(world, &asked[1], change_renaming(1, "Bob"));
    ask(world, &asked[2], change_calling(1, "not told"));
    ask(world, &asked[3], change_renaming(9, "nobody"));
    ask(world, &asked[4], change_securing(1, "$new"));
    ask(world, &asked[5], change_creating("carol", 2));
    ask(world, &asked[6], change_of(CHANGE_DELETE, 1));
    wait_for(world, 7);
    assert_int_equal(world->ended_count, 3);
    assert_string_equal(world->ended[0], "1 2");
    assert_string_equal(world->ended[1], "1 4");
    assert_string_equal(world->ended[2], "1 6");
    assert_int_equal(world->told, 6);
    assert_int_equal(proposer_ended(world->proposer), 6);
}

static void one_may_leave_in_the_middle_of_being_told(void **state) {
    struct world *world = *state;
    struct asked asked[20] = {0};
    world->leave = true;
    for (unsigned i = 0; i < 20; i++) {
        char login[16];
        snprintf(login, sizeof login, "user%u", i);
        ask(world, &asked[i], change_creating(login, i));
        if (i == 10) wait_for(world, 1);
    }
    wait_for(world, 20);
    assert_int_equal(world->calls, 1);
}

static void leaving_with_news_under_way_is_clean(void **state) {
    struct world *world = *state;
    struct asked asked[2] = {0};
    ask(world, &asked[0], change_creating("alice", 1));
    ask(world, &asked[1], change_of(CHANGE_DELETE, 1));
    while (proposer_clock(world->proposer) < 2) sched_yield(); // both lie in the mailbox, or will
    proposer_unwatch(world->proposer, world->watch);
    proposer_close(world->proposer);
    mailbox_drain(world->home);
    assert_int_equal(world->answers, 2);
    assert_int_equal(world->calls, 0);
    world->proposer = proposer_open(world->scratch.directory, NULL, world->home, NULL);
    assert_non_null(world->proposer);
    world->watch = proposer_watch(world->proposer, world->home, told, world);
    ask(world, &asked[0], change_creating("bob", 3));
    while (proposer_clock(world->proposer) < 3) sched_yield();
    proposer_unwatch(world->proposer, world->watch); // its mail may be under way
    world->watch = NULL;
    size_t calls = world->calls;
    wait_for(world, 3);
    assert_int_equal(world->calls, calls);
}

// --- homes ------------------------------------------------------------------------------------------------

struct elsewhere {
    struct world *world;
    struct loop *loop;
    struct mailbox *home;
    struct asked asked[50];
    unsigned number, answers;
    bool late;
};

static void too_late_elsewhere(void *context) {
    ((struct elsewhere *)context)->late = true;
}

static void answered_elsewhere(struct proposal *proposal, void *context) {
    struct asked *asked = (struct asked *)((char *)proposal - offsetof(struct asked, proposal));
    asked->answered_on = pthread_self();
    asked->answered = true;
    ((struct elsewhere *)context)->answers++;
}

static void *live_elsewhere(void *context) {
    struct elsewhere *elsewhere = context;
    for (unsigned i = 0; i < 50; i++) {
        char login[16];
        snprintf(login, sizeof login, "u%u-%u", elsewhere->number, i);
        elsewhere->asked[i].proposal =
            (struct proposal){.change = change_creating(login, elsewhere->number * 50 + i),
                              .done = answered_elsewhere,
                              .home = elsewhere->home};
        propose(elsewhere->world->proposer, &elsewhere->asked[i].proposal);
    }
    struct timer *deadline = timer_open(elsewhere->loop, too_late_elsewhere, elsewhere, NULL);
    timer_start(deadline, PATIENCE_MS, 0);
    while (elsewhere->answers < 50 && !elsewhere->late) loop_turn(elsewhere->loop, true);
    timer_close(deadline);
    return NULL;
}

static void answers_come_home_wherever_that_is(void **state) {
    struct world *world = *state;
    static struct elsewhere places[3];
    pthread_t threads[3];
    memset(places, 0, sizeof places);
    for (unsigned i = 0; i < 3; i++) {
        places[i].world = world;
        places[i].number = i;
        places[i].loop = loop_open(NULL);
        places[i].home = mailbox_open(places[i].loop, &places[i], NULL);
        assert_int_equal(pthread_create(&threads[i], NULL, live_elsewhere, &places[i]), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        for (unsigned at = 0; at < 50; at++) {
            assert_true(places[i].asked[at].answered);
            assert_true(pthread_equal(places[i].asked[at].answered_on, threads[i]));
            assert_int_equal(places[i].asked[at].proposal.answer.outcome, OUTCOME_DONE);
        }
        mailbox_close(places[i].home);
        loop_close(places[i].loop);
    }
    struct proposer_counts counts;
    proposer_counts(world->proposer, &counts);
    assert_int_equal(counts.outcomes[OUTCOME_DONE], 150);
    assert_int_equal(counts.waiting, 0);
    assert_in_range(counts.batches, 1, 150);
}

// --- memory -----------------------------------------------------------------------------------------------

static void told_too(uint64_t clock, const struct ended *ended, void *context) {
    (void)clock, (void)context;
    if (ended) assert_null(ended->next);
}

static void without_memory_to_tell_it_a_change_does_not_happen(void **state) {
    struct world *world = *state;
    struct asked asked[3] = {0};
    ask(world, &asked[0], change_creating("alice", 1));
    wait_for(world, 1);
    // The only allocations of ours on the way: the name of whose sessions end, for each who watches.
    struct watch *other = proposer_watch(world->proposer, world->home, told_too, world);
    assert_non_null(other);
    fault_after(2);
    ask(world, &asked[1], change_of(CHANGE_DELETE, 1));
    wait_for(world, 2);
    assert_true(fault_off());
    assert_int_equal(asked[1].proposal.answer.outcome, OUTCOME_FAILED);
    assert_int_equal(asked[1].proposal.err.code, ERR_MEMORY);
    assert_int_equal(world->ended_count, 0);
    ask(world, &asked[2], change_of(CHANGE_DELETE, 1));
    wait_for(world, 3);
    assert_int_equal(asked[2].proposal.answer.outcome, OUTCOME_DONE);
    assert_int_equal(world->ended_count, 1);
    proposer_unwatch(world->proposer, other);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        STORY(who_watches_is_told_before_who_proposed_is_answered),
        STORY(what_changes_nothing_is_not_told),
        STORY(whose_sessions_must_end_is_told_in_order),
        STORY(one_may_leave_in_the_middle_of_being_told),
        STORY(leaving_with_news_under_way_is_clean),
        STORY(answers_come_home_wherever_that_is),
        STORY(without_memory_to_tell_it_a_change_does_not_happen),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}

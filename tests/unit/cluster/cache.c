// Accounts in memory while they change: nobody who was told of a change sees what was before it, and nobody's
// view goes back.
#include "store/cache.h"

#include "../store/scratch.h"
#include "base/clock.h"
#include "cluster/propose.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define PLENTY      (16u << 20)

struct world {
    struct scratch scratch;
    struct loop *loop;
    struct mailbox *home;
    struct cache *cache;
    struct proposer *proposer;
    enum outcome outcome; // of the latest answer
    uint64_t clock;
    unsigned answers;
    _Atomic uint64_t told[3]; // the clock of the latest change of each account that was answered
    atomic_bool over;
};

static void open_proposer(struct world *world) {
    struct err err = {0};
    world->cache = cache_open(PLENTY, &err);
    world->proposer = proposer_open(world->scratch.directory, world->cache, world->home, &err);
    if (!world->proposer) fail_msg("%s", err.text);
}

static void close_proposer(struct world *world) {
    proposer_close(world->proposer);
    cache_close(world->cache);
}

static int setup(void **state) {
    static struct world world;
    world = (struct world){0};
    *state = &world;
    assert_int_equal(scratch_make(&world.scratch), 0);
    world.loop = loop_open(NULL);
    world.home = mailbox_open(world.loop, &world, NULL);
    assert_non_null(world.home);
    open_proposer(&world);
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
    close_proposer(world);
    mailbox_close(world->home);
    loop_close(world->loop);
    scratch_remove(&world->scratch);
    return 0;
}

static void on_answered(struct proposal *proposal, void *context) {
    struct world *world = context;
    world->outcome = proposal->answer.outcome;
    world->clock = proposal->answer.clock;
    world->answers++;
}

static void make(struct world *world, struct change change) {
    struct proposal proposal = {.change = change, .done = on_answered};
    unsigned before = world->answers;
    propose(world->proposer, &proposal);
    while (world->answers == before) loop_turn(world->loop, true);
    assert_int_equal(world->outcome, OUTCOME_DONE);
    world->told[change.uuid.bytes[0]] = world->clock;
}

// --- while it changes -------------------------------------------------------------------------------------

struct onlooker {
    struct world *world;
    struct store *reader;
    pthread_t thread;
    uint64_t looks;
    const char *wrong;
};

static const char *const names[] = {"alice", "bob", "carol"};

static void look(struct onlooker *onlooker, int number, uint64_t *seen) {
    struct account account;
    struct err err;
    uint64_t told = onlooker->world->told[number]; // before the view begins
    if (store_hold(onlooker->reader, proposer_clock(onlooker->world->proposer), &err) != 0) return;
    int found = store_find(onlooker->reader, names[number], &account, NULL, &err);
    store_release(onlooker->reader);
    onlooker->looks++;
    if (found < 0) onlooker->wrong = "the roll cannot be read";
    if (found <= 0) return;
    if (account.version < *seen) onlooker->wrong = "an older one than was seen before";
    if (account.version < told) onlooker->wrong = "one from before a change that was answered";
    *seen = account.version;
}

static void *look_on(void *context) {
    struct onlooker *onlooker = context;
    uint64_t seen[3] = {0};
    while (!onlooker->world->over && !onlooker->wrong)
        for (int i = 0; i < 3; i++) look(onlooker, i, &seen[i]);
    return NULL;
}

// Alice is called anew, Bob goes by another login now and then, Carol is deleted and made anew.
static struct change next_change(unsigned number) {
    switch (number % 6) {
    case 0:
    case 3: return change_calling(0, number % 2 ? "Alice" : "Alice Liddell");
    case 1: return change_renaming(1, "robert");
    case 4: return change_renaming(1, "bob");
    case 2: return change_of(CHANGE_DELETE, 2);
    default: return change_creating("carol", 2);
    }
}

static void nobody_sees_what_was_before_a_change_that_was_answered(void **state) {
    enum { CHANGES = 3000, ONLOOKERS = 2 };
    struct world *world = *state;
    struct onlooker onlookers[ONLOOKERS];
    struct cache_counts counts;
    for (unsigned i = 0; i < 3; i++) make(world, change_creating(names[i], i));
    for (int i = 0; i < ONLOOKERS; i++) {
        onlookers[i] = (struct onlooker){.world = world};
        onlookers[i].reader = store_open_reader(world->scratch.directory, NULL);
        assert_non_null(onlookers[i].reader);
        store_use(onlookers[i].reader, world->cache);
        assert_int_equal(pthread_create(&onlookers[i].thread, NULL, look_on, &onlookers[i]), 0);
    }
    for (unsigned i = 0; i < CHANGES; i++) make(world, next_change(i));
    world->over = true;
    for (int i = 0; i < ONLOOKERS; i++) {
        pthread_join(onlookers[i].thread, NULL);
        if (onlookers[i].wrong) fail_msg("%s", onlookers[i].wrong);
        assert_true(onlookers[i].looks > 0);
        store_close(onlookers[i].reader);
    }
    cache_counts(world->cache, &counts);
    assert_true(counts.hits > 0);
    assert_true(counts.misses > 0);
}

// --- while nothing changes --------------------------------------------------------------------------------

static void wait_for(struct world *world, uint64_t accounts) {
    struct cache_counts counts = {0};
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (counts.accounts != accounts) {
        if (clock_monotonic_ms() > end_ms) fail_msg("%u accounts are in memory", (unsigned)counts.accounts);
        sched_yield();
        cache_counts(world->cache, &counts);
    }
}

static void the_roll_is_read_into_memory(void **state) {
    enum { MANY = 700 }; // more than a page or two
    struct world *world = *state;
    char login[16];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(login, sizeof login, "user%u", i);
        struct change change = change_creating(login, i);
        change.uuid.bytes[0] = 0;
        change.uuid.bytes[4] = (uint8_t)i;
        make(world, change);
        if (i == 0) wait_for(world, 1);
    }
    wait_for(world, MANY); // those who are new
    close_proposer(world);
    open_proposer(world);
    wait_for(world, MANY); // those who were there
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_sees_what_was_before_a_change_that_was_answered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_roll_is_read_into_memory, setup, teardown),
    };
    return cmocka_run_group_tests_name("accounts in memory while they change", tests, NULL, NULL);
}

// Proposing: every proposal has one answer, on its home's thread, in order, and it is the truth.
#include "cluster/propose.h"

#include "../fault.h"
#include "../store/scratch.h"
#include "base/log.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <cmocka.h>

#define PATIENCE_MS 30000

struct world {
    struct scratch scratch;
    struct loop *loop;
    struct mailbox *home;
    struct timer *deadline;
    struct proposer *proposer;
    sqlite3 *holder; // while it holds the database, the storage thread waits
    pthread_t thread;
    size_t answers;
    bool late;
};

// One proposal and what is known of its answer.
struct asked {
    struct proposal proposal;
    int answers;
    size_t place; // among all answers, from 1
    bool again;   // propose it anew when answered, until `answers` is 10
};

static void too_late(void *context) {
    ((struct world *)context)->late = true;
}

static void start(struct world *world) {
    struct err err = {0};
    world->proposer = proposer_open(world->scratch.directory, NULL, world->home, &err);
    if (!world->proposer) fail_msg("%s", err.text);
}

static int setup(void **state) {
    static struct world world;
    world = (struct world){.thread = pthread_self()};
    *state = &world;
    assert_int_equal(scratch_make(&world.scratch), 0);
    world.loop = loop_open(NULL);
    assert_non_null(world.loop);
    world.home = mailbox_open(world.loop, &world, NULL);
    world.deadline = timer_open(world.loop, too_late, &world, NULL);
    assert_non_null(world.home);
    assert_non_null(world.deadline);
    start(&world);
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
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
    assert_true(pthread_equal(pthread_self(), world->thread));
    asked->answers++;
    asked->place = ++world->answers;
    if (asked->again && asked->answers < 10) propose(world->proposer, proposal);
}

static void ask(struct world *world, struct asked *asked, const char *login, unsigned number) {
    asked->proposal.change = change_creating(login, number);
    asked->proposal.done = answered;
    propose(world->proposer, &asked->proposal);
}

static void wait_for(struct world *world, size_t answers) {
    timer_start(world->deadline, PATIENCE_MS, 0);
    while (world->answers < answers && !world->late) loop_turn(world->loop, true);
    timer_stop(world->deadline);
    if (world->late) fail_msg("%zu of %zu answers after %d ms", world->answers, answers, PATIENCE_MS);
    assert_int_equal(world->answers, answers);
}

// Keeps the storage thread from committing, so that what is proposed meanwhile gathers.
static void hold(struct world *world) {
    char path[128];
    assert_int_equal(sqlite3_open(scratch_file(&world->scratch, STORE_FILE, path), &world->holder),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(world->holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
}

static void release(struct world *world) {
    assert_int_equal(sqlite3_exec(world->holder, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(world->holder), SQLITE_OK);
}

// How many transactions the write-ahead log has: frames that say how large the database is after them
// (SQLite's file format, "The WAL file").
static size_t commits(const struct scratch *scratch) {
    uint8_t head[32], frame[24];
    char path[128];
    size_t count = 0;
    int fd = open(scratch_file(scratch, STORE_FILE "-wal", path), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, head, sizeof head), sizeof head);
    for (off_t at = sizeof head; pread(fd, frame, sizeof frame, at) == sizeof frame; at += 24 + 4096) {
        if (memcmp(frame + 8, head + 16, 8) != 0) break; // of an earlier round
        count += frame[4] || frame[5] || frame[6] || frame[7];
    }
    close(fd);
    return count;
}

// --- stories ----------------------------------------------------------------------------------------------

static void a_proposal_is_answered_once_and_is_then_in_the_store(void **state) {
    struct world *world = *state;
    struct asked alice = {0};
    struct account account;
    ask(world, &alice, "Alice", 1);
    wait_for(world, 1);
    assert_int_equal(alice.proposal.answer.outcome, OUTCOME_DONE);
    assert_int_equal(alice.proposal.answer.clock, 1);
    struct store *reader = store_open_reader(world->scratch.directory, NULL);
    assert_non_null(reader);
    assert_int_equal(store_find(reader, "alice", &account, NULL, NULL), 1);
    assert_string_equal(account.login, "Alice");
    store_close(reader);
}

static void what_waits_together_is_committed_together(void **state) {
    enum { MANY = 500 };
    struct world *world = *state;
    static struct asked asked[MANY];
    memset(asked, 0, sizeof asked);
    size_t before = commits(&world->scratch);
    hold(world);
    for (unsigned i = 0; i < MANY; i++) {
        char login[32];
        snprintf(login, sizeof login, "user%u", i);
        ask(world, &asked[i], login, i);
    }
    release(world);
    wait_for(world, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(asked[i].proposal.answer.outcome, OUTCOME_DONE);
        assert_int_equal(asked[i].proposal.answer.clock, i + 1);
    }
    // One for what the thread found when it first looked, one for all that came while it waited.
    assert_in_range(commits(&world->scratch) - before, 1, 2);
}

// They are waited for, but not without end.
static void who_was_together_may_come_alone_again(void **state) {
    struct world *world = *state;
    struct asked asked[3] = {0}, alone[2] = {0};
    char login[16];
    hold(world);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(login, sizeof login, "user%u", i);
        ask(world, &asked[i], login, i);
    }
    release(world);
    wait_for(world, 3);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(login, sizeof login, "alone%u", i);
        ask(world, &alone[i], login, 10 + i);
        wait_for(world, 4 + i);
        assert_int_equal(alone[i].proposal.answer.outcome, OUTCOME_DONE);
    }
}

static void a_batch_has_a_limit(void **state) {
    enum { MANY = 1200 };
    struct world *world = *state;
    static struct asked asked[MANY];
    memset(asked, 0, sizeof asked);
    size_t before = commits(&world->scratch);
    hold(world);
    for (unsigned i = 0; i < MANY; i++) {
        char login[32];
        snprintf(login, sizeof login, "user%u", i);
        ask(world, &asked[i], login, i);
    }
    release(world);
    wait_for(world, MANY);
    assert_in_range(commits(&world->scratch) - before, 3, 4); // of at most 512
}

static void a_refused_change_does_not_hurt_its_neighbours(void **state) {
    struct world *world = *state;
    struct asked first = {0}, alice = {0}, taken = {0}, bob = {0}, also_taken = {0}, carol = {0};
    hold(world);
    ask(world, &first, "first", 1); // the thread takes this one; the others gather behind it
    ask(world, &alice, "alice", 2);
    ask(world, &taken, "ALICE", 3);
    ask(world, &bob, "bob", 4);
    ask(world, &also_taken, "bob", 5);
    ask(world, &carol, "carol", 6);
    release(world);
    wait_for(world, 6);
    assert_int_equal(alice.proposal.answer.outcome, OUTCOME_DONE);
    assert_int_equal(taken.proposal.answer.outcome, OUTCOME_TAKEN);
    assert_int_equal(bob.proposal.answer.outcome, OUTCOME_DONE);
    assert_int_equal(also_taken.proposal.answer.outcome, OUTCOME_TAKEN);
    assert_int_equal(carol.proposal.answer.outcome, OUTCOME_DONE);
    assert_int_equal(carol.proposal.answer.clock, 4);
}

static void a_proposal_may_be_proposed_again_in_its_answer(void **state) {
    struct world *world = *state;
    struct asked alice = {.again = true};
    ask(world, &alice, "alice", 1);
    wait_for(world, 10);
    assert_int_equal(alice.answers, 10);
    assert_int_equal(alice.proposal.answer.outcome, OUTCOME_TAKEN); // by itself
}

// --- several threads --------------------------------------------------------------------------------------

#define THREADS 4
#define EACH    100

struct crowd {
    struct world *world;
    unsigned number;
    struct asked asked[EACH];
};

// Everyone wants the same logins.
static void *compete(void *context) {
    struct crowd *crowd = context;
    for (unsigned i = 0; i < EACH; i++) {
        char login[32];
        snprintf(login, sizeof login, (crowd->number + i) % 2 ? "user%u" : "USER%u", i);
        ask(crowd->world, &crowd->asked[i], login, crowd->number * EACH + i);
    }
    return NULL;
}

static void a_login_that_many_want_goes_to_one(void **state) {
    struct world *world = *state;
    static struct crowd crowds[THREADS];
    pthread_t threads[THREADS];
    memset(crowds, 0, sizeof crowds);
    for (unsigned i = 0; i < THREADS; i++) {
        crowds[i].world = world;
        crowds[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, compete, &crowds[i]), 0);
    }
    wait_for(world, THREADS * EACH);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);

    for (unsigned at = 0; at < EACH; at++) {
        int done = 0, taken = 0;
        for (unsigned i = 0; i < THREADS; i++) {
            assert_int_equal(crowds[i].asked[at].answers, 1);
            done += crowds[i].asked[at].proposal.answer.outcome == OUTCOME_DONE;
            taken += crowds[i].asked[at].proposal.answer.outcome == OUTCOME_TAKEN;
        }
        assert_int_equal(done, 1);
        assert_int_equal(taken, THREADS - 1);
    }
    // And each of them had its answers in the order of its questions.
    for (unsigned i = 0; i < THREADS; i++)
        for (unsigned at = 1; at < EACH; at++)
            assert_true(crowds[i].asked[at].place > crowds[i].asked[at - 1].place);
}

// --- closing and failing ----------------------------------------------------------------------------------

static void closing_answers_everything(void **state) {
    enum { MANY = 700 };
    struct world *world = *state;
    static struct asked asked[MANY];
    memset(asked, 0, sizeof asked);
    for (unsigned i = 0; i < MANY; i++) {
        char login[32];
        snprintf(login, sizeof login, "user%u", i);
        ask(world, &asked[i], login, i);
    }
    proposer_close(world->proposer);
    world->proposer = NULL;
    mailbox_drain(world->home);
    assert_int_equal(world->answers, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(asked[i].answers, 1);
        assert_int_equal(asked[i].proposal.answer.outcome, OUTCOME_DONE);
    }
    start(world); // the directory is free again, and all of it is there
    struct store *reader = store_open_reader(world->scratch.directory, NULL);
    uint64_t count;
    assert_int_equal(store_count(reader, &count, NULL), 0);
    assert_int_equal(count, MANY);
    store_close(reader);
    proposer_close(NULL);
}

static void a_directory_has_one_proposer(void **state) {
    struct world *world = *state;
    struct err err = {0};
    assert_null(proposer_open(world->scratch.directory, NULL, world->home, &err));
    assert_int_equal(err.code, ERR_BUSY);
}

static off_t wal_size(const struct world *world) {
    char path[128];
    struct stat stat_of;
    assert_int_equal(stat(scratch_file(&world->scratch, STORE_FILE "-wal", path), &stat_of), 0);
    return stat_of.st_size;
}

static void a_full_disk_fails_the_batch_and_the_next_one_works_when_there_is_room(void **state) {
    struct world *world = *state;
    struct asked alice = {0}, refused[3] = {0}, later[3] = {0};
    static const char *const logins[] = {"bob", "alice", "carol"};
    struct rlimit before, small;
    ask(world, &alice, "alice", 1);
    wait_for(world, 1);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = (rlim_t)wal_size(world) + 1000; // not a whole page more
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    hold(world);
    for (unsigned i = 0; i < 3; i++) ask(world, &refused[i], logins[i], 10 + i);
    release(world);
    wait_for(world, 4);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    for (unsigned i = 0; i < 3; i++) {
        // "alice" alone in a batch would be a refusal that needs no disk: it may be the one or the other.
        if (i == 1 && refused[i].proposal.answer.outcome == OUTCOME_TAKEN) continue;
        assert_int_equal(refused[i].proposal.answer.outcome, OUTCOME_FAILED);
        assert_int_equal(refused[i].proposal.err.code, ERR_STORAGE);
        assert_int_equal(refused[i].proposal.answer.clock, 0);
        assert_non_null(strstr(refused[i].proposal.err.text, "the disk is full"));
    }
    for (unsigned i = 0; i < 3; i++) ask(world, &later[i], logins[i], 10 + i);
    wait_for(world, 7);
    assert_int_equal(later[0].proposal.answer.outcome, OUTCOME_DONE);
    assert_int_equal(later[1].proposal.answer.outcome, OUTCOME_TAKEN);
    assert_int_equal(later[2].proposal.answer.outcome, OUTCOME_DONE);
    assert_int_equal(later[2].proposal.answer.clock, 3);
    assert_int_equal(later[2].proposal.err.code, ERR_NONE);
}

static void out_of_memory_it_does_not_open_and_opens_the_next_time(void **state) {
    struct world *world = *state;
    proposer_close(world->proposer);
    world->proposer = NULL;
    long failures = 0;
    for (long n = 1; !world->proposer; n++) {
        struct err err = {0};
        fault_after(n);
        world->proposer = proposer_open(world->scratch.directory, NULL, world->home, &err);
        bool failed = fault_off();
        assert_int_equal(world->proposer == NULL, failed);
        if (failed) assert_int_equal(err.code, ERR_MEMORY);
        failures += failed;
    }
    assert_true(failures >= 2);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        STORY(a_proposal_is_answered_once_and_is_then_in_the_store),
        STORY(what_waits_together_is_committed_together),
        STORY(who_was_together_may_come_alone_again),
        STORY(a_batch_has_a_limit),
        STORY(a_refused_change_does_not_hurt_its_neighbours),
        STORY(a_proposal_may_be_proposed_again_in_its_answer),
        STORY(a_login_that_many_want_goes_to_one),
        STORY(closing_answers_everything),
        STORY(a_directory_has_one_proposer),
        STORY(a_full_disk_fails_the_batch_and_the_next_one_works_when_there_is_room),
        STORY(out_of_memory_it_does_not_open_and_opens_the_next_time),
    };
    return cmocka_run_group_tests_name("propose", tests, NULL, NULL);
}

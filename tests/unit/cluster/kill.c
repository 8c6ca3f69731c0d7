// kill -9 at any moment: what was acknowledged is there afterwards, nothing is half there, and the clock
// never goes back.
//
//   child:  proposes without end ──► each answer, as (number, outcome, clock) into a pipe
//   parent: kills it at a random moment, reads what was acknowledged, opens the store, looks
#include "cluster/propose.h"

#include "../store/scratch.h"
#include "../wire/seed.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#define ROUNDS 40
#define WINDOW 32      // proposals under way at a time
#define MOST   2000000 // changes in all rounds

// What change number n is: every account is made, renamed and called; every third is deleted; and settings.
static struct change nth(unsigned n) {
    unsigned number = n / 4;
    char text[32];
    struct change change;
    switch (n % 4) {
    case 0:
        snprintf(text, sizeof text, "user%u", number);
        change = change_creating(text, number);
        break;
    case 1:
        snprintf(text, sizeof text, "renamed%u", number);
        change = change_renaming(number, text);
        break;
    case 2:
        snprintf(text, sizeof text, "setting%u", number % 100);
        change = change_setting(CHANGE_SETTING_PUT, text, "");
        break;
    default: change = number % 3 ? change_calling(number, "Called") : change_of(CHANGE_DELETE, number); break;
    }
    change.at_ms = 1700000000000 + n;
    snprintf(change.request.key, sizeof change.request.key, "%u", n); // sent again after a restart
    return change;
}

struct note {
    uint32_t number, outcome;
    uint64_t clock;
};

struct sender {
    struct proposer *proposer;
    struct proposal proposals[WINDOW];
    unsigned next;
    int pipe;
};

static void answered(struct proposal *proposal, void *context) {
    struct sender *sender = context;
    struct note note = {(uint32_t)strtoul(proposal->change.request.key, NULL, 10), proposal->answer.outcome,
                        proposal->answer.clock};
    if (write(sender->pipe, &note, sizeof note) != sizeof note) _exit(5);
    proposal->change = nth(sender->next++);
    propose(sender->proposer, proposal);
}

static void child(const struct scratch *scratch, unsigned first, int pipe) {
    static struct sender sender;
    struct loop *loop = loop_open(NULL);
    struct mailbox *home = mailbox_open(loop, &sender, NULL);
    sender.pipe = pipe;
    sender.next = first;
    sender.proposer = proposer_open(scratch->directory, NULL, home, NULL);
    if (!sender.proposer) _exit(4);
    for (unsigned i = 0; i < WINDOW; i++) {
        sender.proposals[i].change = nth(sender.next++);
        sender.proposals[i].done = answered;
        propose(sender.proposer, &sender.proposals[i]);
    }
    loop_run(loop);
}

static uint64_t *acknowledged; // the clock of each change, 0: not known to be done

// Reads notes until the child is gone, which is killed `after_us` after its first one; or, `early`, whatever
// it is just doing: making the directory, opening. Returns how many notes there were.
static unsigned read_notes(int pipe, pid_t pid, unsigned after_us, bool early, unsigned *next) {
    struct timespec pause = {.tv_nsec = (long)after_us * 1000}; // a random moment: this is what is tested
    struct note note;
    unsigned count = 0;
    if (early) {
        (void)ppoll(NULL, 0, &pause, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
    }
    for (; read(pipe, &note, sizeof note) == sizeof note; count++) {
        if (!early && count == 0) {
            (void)ppoll(NULL, 0, &pause, NULL);
            assert_int_equal(kill(pid, SIGKILL), 0);
        }
        assert_true(note.number < MOST);
        assert_true(note.outcome == OUTCOME_DONE || note.outcome == OUTCOME_REPEATED);
        if (acknowledged[note.number]) assert_int_equal(acknowledged[note.number], note.clock);
        acknowledged[note.number] = note.clock;
        if (note.number >= *next) *next = note.number + 1;
    }
    return count;
}

struct seen {
    uint64_t clock;
    unsigned next;
};

static bool see(const struct logged *logged, void *context) {
    struct seen *seen = context;
    struct change change = nth((unsigned)(logged->at_ms - 1700000000000));
    assert_int_equal(logged->clock, seen->clock + 1);
    assert_int_equal(logged->kind, change.kind);
    seen->clock = logged->clock;
    seen->next = (unsigned)(logged->at_ms - 1700000000000) + 1;
    uint64_t known = acknowledged[seen->next - 1];
    if (known) assert_int_equal(known, logged->clock);
    acknowledged[seen->next - 1] = logged->clock;
    return true;
}

// Everything up to some change, and nothing after it. Returns how many changes that is.
static unsigned check(const struct scratch *scratch) {
    struct err err = {0};
    struct store *store = store_open_writer(scratch->directory, &err);
    if (!store) fail_msg("%s", err.text);
    struct store_meta meta;
    struct seen seen = {0};
    assert_int_equal(store_meta(store, &meta, NULL), 0);
    assert_true(store_changes(store, 0, MOST, see, &seen, NULL) >= 0);
    assert_int_equal(seen.clock, meta.clock);
    assert_int_equal(seen.next, meta.clock); // proposed one after the other, so done one after the other
    unsigned accounts = 0;
    for (unsigned number = 0; number * 4 < seen.next; number++) {
        struct account account;
        unsigned done = seen.next - number * 4;
        struct change create = nth(number * 4);
        int found = store_find_uuid(store, &create.uuid, &account, NULL, NULL);
        assert_int_equal(found, done >= 4 && number % 3 == 0 ? 0 : 1);
        if (found == 0) continue;
        accounts++;
        assert_memory_equal(account.login, done >= 2 ? "renamed" : "user", 4);
        assert_string_equal(account.name, done >= 4 ? "Called" : create.name);
    }
    assert_int_equal(meta.accounts, accounts);
    store_close(store);
    return seen.next;
}

static void nothing_acknowledged_is_lost_and_nothing_is_half_done(void **state) {
    (void)state;
    struct dice dice = seeded_dice("kill");
    struct scratch scratch;
    const char *given = getenv("HERALD_ROUNDS");
    unsigned rounds = given ? (unsigned)strtoul(given, NULL, 10) : ROUNDS, first = 0, told = 0;
    acknowledged = calloc(MOST, sizeof *acknowledged);
    assert_non_null(acknowledged);
    assert_int_equal(scratch_make(&scratch), 0);
    for (unsigned round = 0; round < rounds; round++) {
        int ends[2];
        unsigned next = 0;
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(ends[0]);
            child(&scratch, first, ends[1]);
            _exit(6);
        }
        close(ends[1]);
        told +=
            read_notes(ends[0], pid, (unsigned)dice_below(&dice, 30000), dice_below(&dice, 4) == 0, &next);
        close(ends[0]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
        unsigned done = check(&scratch);
        assert_true(done >= next); // what was acknowledged; and perhaps what was about to be
        assert_true(done >= first);
        first = done > WINDOW ? done - WINDOW : 0; // as clients that do not know: the last ones once more
    }
    print_message("%u rounds, %u answers, %u changes\n", rounds, told, first + WINDOW);
    assert_true(told > rounds);
    free(acknowledged);
    scratch_remove(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_and_nothing_is_half_done),
    };
    return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}

// What a gate looks at: one view of the roll for a turn, and never an older one than somebody was told of.
#include "gateway/gate.h"

#include "../store/scratch.h"
#include "cluster/propose.h"
#include "gateway/gateway_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void answered(struct proposal *proposal, void *context) {
    assert_int_equal(proposal->answer.outcome, OUTCOME_DONE);
    *(bool *)context = true;
}

static bool knows(struct gate *gate, const char *login) {
    struct account account;
    struct err err;
    int found = store_find(gate_store(gate), login, &account, NULL, &err);
    assert_true(found >= 0);
    return found == 1;
}

static void whoever_was_answered_sees_what_was_answered(void **state) {
    (void)state;
    struct scratch scratch;
    struct err err;
    bool done = false;
    assert_int_equal(scratch_make(&scratch), 0);
    struct loop *loop = loop_open(NULL);
    struct mailbox *home = mailbox_open(loop, &done, NULL);
    struct proposer *proposer = proposer_open(scratch.directory, NULL, home, &err);
    struct gate gate = {.proposer = proposer, .store = store_open_reader(scratch.directory, &err)};
    assert_non_null(gate.store);
    assert_false(knows(&gate, "alice"));
    assert_true(gate.holds);
    struct proposal proposal = {.change = change_creating("alice", 1), .done = answered};
    propose(proposer, &proposal);
    while (!done) loop_turn(loop, true);
    assert_true(knows(&gate, "alice")); // in the same turn of the gate's
    assert_true(gate.holds);
    store_release(gate.store);
    store_close(gate.store);
    proposer_close(proposer);
    mailbox_close(home);
    loop_close(loop);
    scratch_remove(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_was_answered_sees_what_was_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

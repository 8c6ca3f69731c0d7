// Accounts that have changed lately.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream/former.h"

static struct uuid number(uint8_t n) {
    return (struct uuid){.bytes = {n}};
}

static void who_was_looked_up_before_the_change_must_ask_again(void **state) {
    (void)state;
    struct former former = {0};
    struct uuid alice = number(1), bob = number(2);
    assert_false(former_since(&former, &alice, 0));
    former_add(&former, &alice, 10);
    assert_true(former_since(&former, &alice, 9));
    assert_false(former_since(&former, &alice, 10)); // looked up as it is after the change
    assert_false(former_since(&former, &bob, 0));
    former_add(&former, &bob, 11);
    assert_true(former_since(&former, &alice, 9));
    assert_true(former_since(&former, &bob, 10));
    assert_false(former_since(&former, &alice, 11));
    former_add(&former, &alice, 12); // again
    assert_true(former_since(&former, &alice, 11));
}

static void what_is_forgotten_is_held_against_nobody_but_the_old(void **state) {
    (void)state;
    struct former former = {0};
    struct uuid alice = number(1), bob = number(2);
    former_add(&former, &alice, 1);
    for (unsigned i = 0; i < FORMER_MAX; i++) former_add(&former, &bob, 2 + i);
    uint64_t newest = 1 + FORMER_MAX;
    assert_true(former_since(&former, &alice, 0));  // truly
    assert_true(former_since(&former, &alice, 1));  // nobody knows any more
    assert_false(former_since(&former, &alice, 2)); // all after it are remembered, and are bob's
    assert_false(former_since(&former, &bob, newest));
    assert_true(former_since(&former, &bob, newest - 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_looked_up_before_the_change_must_ask_again),
        cmocka_unit_test(what_is_forgotten_is_held_against_nobody_but_the_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

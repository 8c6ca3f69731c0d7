// Publications on their way out: what is sent, what is heard back, what goes out again, what is in doubt. A
// line here is `say {...}`: its activity begins behind HEAD bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/outbox.h"

#include "base/dice.h"

#include <stdio.h>
#include <string.h>

#define HEAD 4

static enum outbox_result put(struct outbox *outbox, const char *activity) {
    char line[64];
    size_t before = outbox->bytes.len;
    (void)snprintf(line, sizeof line, "say %s}\n", activity);
    assert_int_equal(buf_append_text(&outbox->bytes, line), 0);
    return outbox_added(outbox, before);
}

static void next_is(const struct outbox *outbox, const char *bytes) {
    struct str next = outbox_next(outbox);
    if (!str_equal_text(next, bytes)) fail_msg("`%.*s` is next, not `%s`", (int)next.len, next.ptr, bytes);
}

static void send_all(struct outbox *outbox) {
    outbox_sent(outbox, outbox_unsent(outbox));
}

static void hear(struct outbox *outbox, const char *activity) {
    outbox_heard(outbox, str_of(activity), true);
}

static void lines_go_out_in_order_in_any_pieces(void **state) {
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, 1000, HEAD);
    next_is(&outbox, "");
    put(&outbox, "{1}");
    put(&outbox, "{2}");
    next_is(&outbox, "say {1}}\nsay {2}}\n");
    outbox_sent(&outbox, 2);
    next_is(&outbox, "y {1}}\nsay {2}}\n");
    assert_int_equal(outbox.count, 1);
    outbox_sent(&outbox, 0);
    outbox_sent(&outbox, 1);
    assert_int_equal(outbox.count, 1);
    outbox_sent(&outbox, 7);
    assert_int_equal(outbox.count, 2);
    outbox_sent(&outbox, 8);
    assert_int_equal(outbox.count, 2);
    assert_int_equal(outbox_unsent(&outbox), 0);
    outbox_fini(&outbox);
}

static void a_line_that_was_begun_is_not_begun_again(void **state) {
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, 1000, HEAD);
    put(&outbox, "{1}");
    put(&outbox, "{2}");
    put(&outbox, "{3}");
    outbox_sent(&outbox, 11);
    assert_int_equal(outbox_over(&outbox, false), 2);
    next_is(&outbox, "say {3}}\n");
    assert_int_equal(outbox_over(&outbox, false), 0); // of the new connection nothing yet
    next_is(&outbox, "say {3}}\n");
    outbox_fini(&outbox);
}

static void what_is_heard_back_is_not_in_doubt_nor_what_came_before(void **state) {
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, 1000, HEAD);
    for (int i = 0; i < 5; i++) put(&outbox, (const char *[]){"{1}", "{2}", "{3}", "{}", "{5}"}[i]);
    send_all(&outbox);
    assert_int_equal(outbox_doubtful(&outbox), 5);
    outbox_heard(&outbox, STR("{1}"), false); // somebody else's
    assert_int_equal(outbox_doubtful(&outbox), 5);
    hear(&outbox, "{1,\"authenticated_user\":\"ann\"}");
    assert_int_equal(outbox_doubtful(&outbox), 4);
    hear(&outbox, "{3}"); // a server that does not stamp; it takes them in order
    assert_int_equal(outbox_doubtful(&outbox), 2);
    hear(&outbox, "{\"authenticated_user\":\"a\\\"n\"}");
    assert_int_equal(outbox_doubtful(&outbox), 1);
    assert_int_equal(outbox_over(&outbox, false), 1);
    outbox_fini(&outbox);
}

static void only_what_we_said_is_what_we_said(void **state) {
    static const char *const others[] = {
        "{7}",
        "{1",
        "{12}",
        "{1,2}",
        "{1,\"authenticated_user\":\"ann\",\"more\":1}",
        "{1,\"authenticated_user\":\"ann\"}}",
        "{1,\"authenticated_user\":\"ann}",
        "{1,\"authenticated_user\":\"ann\\\"}",
        "{1,\"authenticated_user\":7}",
        "{1\"authenticated_user\"}",
        "{1,}",
        "",
    };
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, 1000, HEAD);
    put(&outbox, "{1}");
    outbox_sent(&outbox, 7);
    hear(&outbox, "{1}"); // not wholly sent: it cannot be ours
    assert_int_equal(outbox_doubtful(&outbox), 1);
    send_all(&outbox);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        hear(&outbox, others[i]);
        if (outbox_doubtful(&outbox) != 1) fail_msg("`%s` was taken for ours", others[i]);
    }
    hear(&outbox, "{1}");
    assert_int_equal(outbox_doubtful(&outbox), 0);
    outbox_fini(&outbox);
}

static void a_redirect_at_login_takes_back_what_was_sent(void **state) {
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, 1000, HEAD);
    put(&outbox, "{1}");
    put(&outbox, "{2}");
    outbox_sent(&outbox, 11);
    assert_int_equal(outbox_over(&outbox, true), 0);
    next_is(&outbox, "say {1}}\nsay {2}}\n");
    send_all(&outbox);
    assert_int_equal(outbox_over(&outbox, true), 0);
    next_is(&outbox, "say {1}}\nsay {2}}\n");
    outbox_fini(&outbox);
}

static void a_later_redirect_takes_back_what_was_not_heard_back_by_one_who_says_such_things(void **state) {
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, 1000, HEAD);
    put(&outbox, "{1}");
    put(&outbox, "{2}");
    put(&outbox, "{3}");
    outbox_sent(&outbox, 20);
    hear(&outbox, "{1}");
    assert_int_equal(outbox_over(&outbox, true), 0);
    next_is(&outbox, "say {2}}\nsay {3}}\n");
    // One who says other things only may have changed what we said.
    outbox_sent(&outbox, 11);
    hear(&outbox, "{9}");
    assert_int_equal(outbox_over(&outbox, true), 2);
    next_is(&outbox, "");
    outbox_fini(&outbox);
}

static void the_queue_is_bounded_and_a_line_over_the_bound_never_fits(void **state) {
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, 20, HEAD);
    assert_int_equal(put(&outbox, "{0123456789012}"), OUTBOX_TOO_LONG);
    assert_int_equal(put(&outbox, "{1}"), OUTBOX_TAKEN);
    assert_int_equal(put(&outbox, "{2}"), OUTBOX_TAKEN);
    assert_int_equal(put(&outbox, "{3}"), OUTBOX_FULL);
    next_is(&outbox, "say {1}}\nsay {2}}\n");
    // What is kept to be taken back makes room when room is needed.
    outbox_sent(&outbox, 10);
    assert_int_equal(put(&outbox, "{3}"), OUTBOX_TAKEN);
    assert_int_equal(outbox.first, 1);
    outbox_sent(&outbox, 9);
    assert_int_equal(put(&outbox, "{4}"), OUTBOX_TAKEN);
    next_is(&outbox, "ay {3}}\nsay {4}}\n");
    assert_int_equal(outbox_over(&outbox, true), 2); // 1 and 2 were let go
    next_is(&outbox, "say {3}}\nsay {4}}\n");
    outbox_fini(&outbox);
}

// Against a plain list of lines: on the wire of each connection are the next ones, and none is lost that is
// not in doubt.
static void whatever_happens_no_line_is_lost_or_sent_twice(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct outbox outbox;
        struct dice dice;
        struct buf wire = {0};                     // of this connection
        unsigned put_in = 0, begin = 0, taken = 0; // taken by the server and heard back
        char text[64];
        dice_seed(&dice, seed);
        outbox_init(&outbox, 400, HEAD);
        for (int step = 0; step < 500; step++) {
            unsigned what = (unsigned)dice_below(&dice, 12), begun = 0, whole = 0;
            for (size_t at = 0; at < wire.len; begun++) {
                (void)snprintf(text, sizeof text, "say {%u}}\n", begin + begun);
                size_t len = strlen(text), left = wire.len - at;
                assert_memory_equal(wire.data + at, text, len < left ? len : left);
                whole += len <= left;
                at += len < left ? len : left;
            }
            if (what < 4) {
                (void)snprintf(text, sizeof text, "{%u}", put_in);
                if (put(&outbox, text) == OUTBOX_TAKEN) put_in++;
            } else if (what < 8) {
                size_t len = dice_between(&dice, 0, outbox_unsent(&outbox));
                assert_int_equal(buf_append(&wire, outbox_next(&outbox).ptr, len), 0);
                outbox_sent(&outbox, len);
            } else if (what < 11) {
                if (taken < whole && dice_below(&dice, 2) == 0)
                    taken += (unsigned)dice_between(&dice, 1, whole - taken);
                else
                    continue;
                (void)snprintf(text, sizeof text, "{%u}", begin + taken - 1);
                hear(&outbox, text);
                // One that was let go for want of room cannot be told.
                assert_true(outbox.taken == taken || outbox.first >= taken);
            } else {
                uint64_t known = outbox.taken, doubtful = outbox_doubtful(&outbox);
                bool heard = outbox.heard, redirected = dice_below(&dice, 2) == 0;
                uint64_t first = outbox.first, result = outbox_over(&outbox, redirected);
                bool back = redirected && (!heard || known > 0);
                assert_int_equal(result, back ? first - known : doubtful);
                begin += back ? (unsigned)first : begun;
                taken = 0;
                buf_truncate(&wire, 0);
            }
            assert_true(outbox.bytes.len <= 900);
        }
        buf_free(&wire);
        outbox_fini(&outbox);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_out_in_order_in_any_pieces),
        cmocka_unit_test(a_line_that_was_begun_is_not_begun_again),
        cmocka_unit_test(what_is_heard_back_is_not_in_doubt_nor_what_came_before),
        cmocka_unit_test(only_what_we_said_is_what_we_said),
        cmocka_unit_test(a_redirect_at_login_takes_back_what_was_sent),
        cmocka_unit_test(a_later_redirect_takes_back_what_was_not_heard_back_by_one_who_says_such_things),
        cmocka_unit_test(the_queue_is_bounded_and_a_line_over_the_bound_never_fits),
        cmocka_unit_test(whatever_happens_no_line_is_lost_or_sent_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Any sequence of changes, whatever its batches, failures and restarts: the state is what a person would have
// written down, and whoever applies the same log holds the same bytes.
#include "model.h"

#include "../wire/seed.h"
#include "place.h"

#define ROUNDS  6
#define CHANGES 1200

static void keep_few(struct store *store) {
    store->requests_kept = MODEL_REQUESTS;
    store->changes_kept = 100;
}

// One batch: applied, and abandoned and applied anew now and then, as after a failure.
static unsigned apply_batch(struct place *place, struct model *model, struct dice *dice, unsigned most,
                            struct buf log[CHANGES], unsigned outcomes[]) {
    unsigned size = (unsigned)dice_between(dice, 1, most < 30 ? most : 30);
    static struct change changes[30];
    static char values[30][24];
    assert_int_equal(store_begin(place->store, NULL), 0);
    for (unsigned i = 0; i < size; i++) {
        struct answer answer;
        uint64_t clock, version;
        changes[i] = model_random(model, dice, values[i]);
        enum outcome expected = model_apply(model, &changes[i], &clock, &version);
        assert_int_equal(store_apply(place->store, &changes[i], &answer, NULL), expected);
        assert_int_equal(answer.clock, clock);
        if (expected == OUTCOME_DONE || expected == OUTCOME_VERSION)
            assert_int_equal(answer.version, version);
        outcomes[expected]++;
        assert_int_equal(change_encode(&changes[i], &log[i]), 0);
    }
    if (dice_below(dice, 5) == 0) {
        store_rollback(place->store);
        assert_int_equal(store_begin(place->store, NULL), 0);
        for (unsigned i = 0; i < size; i++) {
            struct answer answer;
            assert_int_not_equal(store_apply(place->store, &changes[i], &answer, NULL), OUTCOME_FAILED);
        }
    }
    assert_int_equal(store_commit(place->store, NULL), 0);
    return size;
}

// Applies the encoded log anew, in batches of its own.
static struct secret_digest replay(const struct buf *log, unsigned count, struct dice *dice) {
    struct place place;
    struct change change;
    struct answer answer;
    place_open(&place);
    keep_few(place.store);
    for (unsigned i = 0; i < count;) {
        unsigned end = i + (unsigned)dice_between(dice, 1, 60);
        assert_int_equal(store_begin(place.store, NULL), 0);
        for (; i < end && i < count; i++) {
            assert_int_equal(change_decode(buf_str(&log[i]), &change), 0);
            assert_int_not_equal(store_apply(place.store, &change, &answer, NULL), OUTCOME_FAILED);
        }
        assert_int_equal(store_commit(place.store, NULL), 0);
    }
    struct secret_digest digest = digest_of(place.store);
    place_close(&place);
    return digest;
}

static void the_same_changes_make_the_same_state(void **state) {
    (void)state;
    struct dice dice = seeded_dice("random");
    static struct model model;
    static struct buf log[CHANGES];
    unsigned outcomes[OUTCOME_FAILED + 1] = {0};
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct place place;
        memset(&model, 0, sizeof model);
        memset(log, 0, sizeof log);
        place_open(&place);
        keep_few(place.store);
        for (unsigned done = 0; done < CHANGES;) {
            done += apply_batch(&place, &model, &dice, CHANGES - done, log + done, outcomes);
            if (dice_below(&dice, 10) == 0) place_reopen(&place);
            if (dice_below(&dice, 10) == 0) assert_int_equal(store_checkpoint(place.store, 0, NULL), 0);
            if (dice_below(&dice, 5) == 0) model_check(&model, place.store);
        }
        model_check(&model, place.store);
        struct secret_digest digest = digest_of(place.store), again = replay(log, CHANGES, &dice);
        assert_memory_equal(&digest, &again, sizeof digest);
        for (unsigned i = 0; i < CHANGES; i++) buf_free(&log[i]);
        place_close(&place);
    }
    for (int i = 0; i < OUTCOME_FAILED; i++) // or this has shown less than it says
        if (outcomes[i] < 20) fail_msg("%s: only %u of them", outcome_name((enum outcome)i), outcomes[i]);
}

static void any_difference_is_another_digest(void **state) {
    (void)state;
    struct place place;
    struct change alice = change_creating("alice", 1);
    struct change put = change_setting(CHANGE_SETTING_PUT, "key", "value");
    struct change add = change_token(CHANGE_TOKEN_ADD, 1);
    request(&alice, 1, "key", 1);
    place_open(&place);
    assert_done(place.store, &alice, NULL);
    assert_done(place.store, &put, NULL);
    assert_done(place.store, &add, NULL);
    static const char *const differences[] = {
        "UPDATE meta SET epoch = epoch + 1",
        "UPDATE meta SET at_ms = at_ms + 1",
        "UPDATE accounts SET secret_hash = secret_hash || 'x'",
        "UPDATE accounts SET name = ''",
        "UPDATE settings SET value = x'00'",
        "UPDATE tokens SET label = label || ' '",
        "UPDATE changes SET at_ms = at_ms + 1 WHERE clock = 2",
        "UPDATE requests SET kind = 2",
        "DELETE FROM changes WHERE clock = 1",
    };
    enum { MANY = sizeof differences / sizeof *differences };
    struct secret_digest digests[MANY + 1] = {digest_of(place.store)};
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(store_exec(place.store, differences[i], NULL), 0);
        digests[i + 1] = digest_of(place.store);
        for (unsigned j = 0; j <= i; j++)
            assert_memory_not_equal(&digests[i + 1], &digests[j], sizeof digests[j]);
    }
    place_reopen(&place);
    struct secret_digest again = digest_of(place.store);
    assert_memory_equal(&again, &digests[MANY], sizeof again);
    place_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_changes_make_the_same_state),
        cmocka_unit_test(any_difference_is_another_digest),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}

// A store in a directory of its own, and the ways in which tests change it.
#pragma once

#include "store/internal.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct place {
    struct scratch scratch;
    struct store *store;
};

static inline struct store *place_writer(const struct scratch *scratch) {
    struct err err = {0};
    struct store *store = store_open_writer(scratch->directory, &err);
    if (!store) fail_msg("%s", err.text);
    return store;
}

static inline void place_open(struct place *place) {
    assert_int_equal(scratch_make(&place->scratch), 0);
    place->store = place_writer(&place->scratch);
}

static inline void place_close(struct place *place) {
    store_close(place->store);
    scratch_remove(&place->scratch);
}

static inline void place_reopen(struct place *place) {
    uint64_t changes = place->store->changes_kept, requests = place->store->requests_kept;
    store_close(place->store);
    place->store = place_writer(&place->scratch);
    place->store->changes_kept = changes;
    place->store->requests_kept = requests;
}

static inline int place_setup(void **state) {
    static struct place place;
    place_open(&place);
    *state = &place;
    return 0;
}

static inline int place_teardown(void **state) {
    place_close(*state);
    return 0;
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

static inline struct store_meta meta_of(struct store *store) {
    struct store_meta meta;
    struct err err = {0};
    if (store_meta(store, &meta, &err) != 0) fail_msg("%s", err.text);
    return meta;
}

static inline uint64_t clock_of(struct store *store) {
    return meta_of(store).clock;
}

static inline uint64_t count_of(struct store *store) {
    return meta_of(store).accounts;
}

static inline struct secret_digest digest_of(struct store *store) {
    struct secret_digest digest;
    struct err err = {0};
    if (store_digest(store, &digest, &err) != 0) fail_msg("%s", err.text);
    return digest;
}

// In a transaction of its own.
static inline enum outcome apply_to(struct store *store, const struct change *change, struct answer *answer) {
    struct answer ignored;
    struct err err = {0};
    if (!answer) answer = &ignored;
    assert_int_equal(store_begin(store, NULL), 0);
    enum outcome outcome = store_apply(store, change, answer, &err);
    if (outcome == OUTCOME_FAILED) fail_msg("%s", err.text);
    assert_int_equal(answer->outcome, outcome);
    assert_int_equal(store_commit(store, NULL), 0);
    return outcome;
}

// One that must not be done, and leaves everything as it was.
static inline void assert_refused(struct store *store, const struct change *change, struct answer *answer,
                                  enum outcome expected) {
    struct secret_digest before = digest_of(store);
    assert_int_equal(apply_to(store, change, answer), expected);
    struct secret_digest after = digest_of(store);
    assert_memory_equal(&before, &after, sizeof before);
}

static inline void assert_done(struct store *store, const struct change *change, struct answer *answer) {
    struct answer ignored;
    if (!answer) answer = &ignored;
    struct store_meta before = meta_of(store);
    assert_int_equal(apply_to(store, change, answer), OUTCOME_DONE);
    assert_int_equal(answer->clock, before.clock + 1);
    assert_int_equal(answer->at_ms, change->at_ms);
    assert_int_equal(answer->kind, change->kind);
    assert_int_equal(answer->version, change_deletes(change->kind) ? 0 : answer->clock);
    assert_int_equal(clock_of(store), answer->clock);
}

static inline void request(struct change *change, unsigned scope, const char *key, unsigned fingerprint) {
    memset(&change->request.scope, (int)scope, sizeof change->request.scope);
    memset(&change->request.fingerprint, (int)fingerprint, sizeof change->request.fingerprint);
    snprintf(change->request.key, sizeof change->request.key, "%s", key);
}

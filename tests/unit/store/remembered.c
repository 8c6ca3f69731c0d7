// What is remembered of changes: the requests, so that a repeat is answered alike, and the change log.
#include "place.h"

#define HOUR_MS (3600 * 1000L)

static void a_repeat_gets_the_answer_of_the_request(void **state) {
    struct place *place = *state;
    struct answer first, again;
    struct change alice = change_creating("alice", 1), renaming = change_renaming(1, "bob");
    request(&alice, 1, "create-1", 7);
    assert_done(place->store, &alice, &first);
    assert_done(place->store, &renaming, NULL);         // what has happened since makes no difference
    struct change repeat = change_creating("alice", 2); // another uuid, time, hash: a client that tries again
    request(&repeat, 1, "create-1", 7);
    memset(&again, 0xff, sizeof again);
    assert_int_equal(store_repeat(place->store, &repeat.request, &again, NULL), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(again.outcome, OUTCOME_REPEATED);
        again.outcome = first.outcome;
        assert_memory_equal(&again, &first, sizeof again); // in all else
        if (i == 0) assert_refused(place->store, &repeat, &again, OUTCOME_REPEATED);
    }
    assert_string_equal(again.account.login, "alice");
    assert_int_equal(again.clock, 1);
}

static void another_request_under_a_key_is_refused(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change alice = change_creating("alice", 1), bob = change_creating("bob", 2);
    request(&alice, 1, "key", 7);
    request(&bob, 1, "key", 8);
    assert_done(place->store, &alice, NULL);
    assert_int_equal(store_repeat(place->store, &bob.request, &answer, NULL), 1);
    assert_int_equal(answer.outcome, OUTCOME_KEY_REUSED);
    assert_refused(place->store, &bob, &answer, OUTCOME_KEY_REUSED);
    assert_string_equal(answer.account.login, ""); // of the other request nothing is told
    assert_int_equal(answer.clock, 0);
    request(&bob, 1, "Key", 8); // bytes count
    assert_int_equal(store_repeat(place->store, &bob.request, &answer, NULL), 0);
    assert_done(place->store, &bob, NULL);
}

static void keys_of_one_do_not_meet_those_of_another(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change alice = change_creating("alice", 1), bob = change_creating("bob", 2);
    request(&alice, 1, "key", 7);
    request(&bob, 2, "key", 7);
    assert_done(place->store, &alice, NULL);
    assert_int_equal(store_repeat(place->store, &bob.request, &answer, NULL), 0);
    assert_done(place->store, &bob, NULL);
}

static void a_refusal_is_not_remembered(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change alice = change_creating("alice", 1), second = change_creating("alice", 2);
    struct change gone = change_of(CHANGE_DELETE, 1);
    request(&second, 1, "key", 7);
    assert_done(place->store, &alice, NULL);
    assert_refused(place->store, &second, NULL, OUTCOME_TAKEN);
    assert_int_equal(store_repeat(place->store, &second.request, &answer, NULL), 0);
    assert_done(place->store, &gone, NULL);
    assert_done(place->store, &second, NULL);
}

static void every_kind_can_be_repeated(void **state) {
    struct place *place = *state;
    struct change changes[] = {
        change_creating("alice", 1),
        change_calling(1, "Al"),
        change_of(CHANGE_DELETE, 1),
        change_setting(CHANGE_SETTING_PUT, "k", "v"),
        change_setting(CHANGE_SETTING_DELETE, "k", ""),
        change_token(CHANGE_TOKEN_ADD, 1),
        change_token(CHANGE_TOKEN_REVOKE, 1),
    };
    enum { MANY = sizeof changes / sizeof *changes };
    struct answer firsts[MANY], again;
    for (unsigned i = 0; i < MANY; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", i);
        request(&changes[i], 1, key, i);
        assert_done(place->store, &changes[i], &firsts[i]);
    }
    place_reopen(place);
    for (unsigned i = 0; i < MANY; i++) {
        assert_refused(place->store, &changes[i], &again, OUTCOME_REPEATED);
        assert_int_equal(again.clock, firsts[i].clock);
        assert_int_equal(again.version, firsts[i].version);
        assert_int_equal(again.at_ms, firsts[i].at_ms);
        assert_int_equal(again.kind, firsts[i].kind);
        assert_false(again.ended); // once is enough
        assert_memory_equal(&again.account, &firsts[i].account, sizeof again.account);
    }
}

static void requests_are_forgotten_by_number(void **state) {
    struct place *place = *state;
    struct answer answer;
    place->store->requests_kept = 3;
    struct change puts[6];
    for (unsigned i = 0; i < 6; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", i);
        puts[i] = change_setting(CHANGE_SETTING_PUT, key, "v");
        request(&puts[i], 1, key, i);
    }
    assert_int_equal(store_begin(place->store, NULL), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(store_apply(place->store, &puts[i], &answer, NULL), OUTCOME_DONE);
    // Also before it is swept away: when that happens depends on batches, what counts must not.
    assert_int_equal(store_apply(place->store, &puts[0], &answer, NULL), OUTCOME_DONE);
    assert_int_equal(store_apply(place->store, &puts[1], &answer, NULL), OUTCOME_DONE);
    assert_int_equal(store_apply(place->store, &puts[3], &answer, NULL), OUTCOME_REPEATED);
    assert_int_equal(store_commit(place->store, NULL), 0);
    assert_int_equal(store_repeat(place->store, &puts[2].request, &answer, NULL), 0);
    assert_int_equal(store_repeat(place->store, &puts[3].request, &answer, NULL), 1);
    assert_int_equal(store_repeat(place->store, &puts[0].request, &answer, NULL), 1);
    assert_int_equal(answer.clock, 5);
    int64_t rows;
    assert_int_equal(store_ask(place->store, "SELECT count(*) FROM requests", &rows, NULL), 0);
    assert_int_equal(rows, 3);
}

static void requests_are_forgotten_by_age_in_replicated_time(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change first = change_setting(CHANGE_SETTING_PUT, "a", "v");
    struct change later = change_setting(CHANGE_SETTING_PUT, "b", "v");
    struct change early = change_setting(CHANGE_SETTING_PUT, "c", "v");
    int64_t start = first.at_ms, rows;
    request(&first, 1, "first", 1);
    request(&early, 1, "early", 2);
    assert_done(place->store, &first, NULL);
    later.at_ms = start + 24 * HOUR_MS - 1;
    assert_done(place->store, &later, NULL);
    assert_int_equal(meta_of(place->store).at_ms, later.at_ms);
    early.at_ms = start - HOUR_MS; // a clock that is behind does not turn time back, nor is it old at once
    assert_done(place->store, &early, NULL);
    assert_int_equal(meta_of(place->store).at_ms, later.at_ms);
    assert_int_equal(store_repeat(place->store, &first.request, &answer, NULL), 1);
    later.at_ms++;
    assert_done(place->store, &later, NULL);
    assert_int_equal(store_repeat(place->store, &first.request, &answer, NULL), 0);
    assert_int_equal(store_repeat(place->store, &early.request, &answer, NULL), 1);
    assert_int_equal(store_ask(place->store, "SELECT count(*) FROM requests", &rows, NULL), 0);
    assert_int_equal(rows, 1);
    later.at_ms += 48 * HOUR_MS;
    assert_done(place->store, &later, NULL);
    assert_int_equal(store_ask(place->store, "SELECT count(*) FROM requests", &rows, NULL), 0);
    assert_int_equal(rows, 0);
}

static void a_key_may_be_used_again_when_it_is_forgotten_within_one_batch(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change first = change_setting(CHANGE_SETTING_PUT, "a", "v");
    struct change later = change_setting(CHANGE_SETTING_PUT, "b", "v");
    later.at_ms += 24 * HOUR_MS;
    request(&first, 1, "key", 1);
    assert_int_equal(store_begin(place->store, NULL), 0);
    assert_int_equal(store_apply(place->store, &first, &answer, NULL), OUTCOME_DONE);
    assert_int_equal(store_apply(place->store, &later, &answer, NULL), OUTCOME_DONE);
    request(&first, 1, "key", 2);
    assert_int_equal(store_apply(place->store, &first, &answer, NULL), OUTCOME_DONE);
    assert_int_equal(store_commit(place->store, NULL), 0);
    assert_int_equal(store_repeat(place->store, &first.request, &answer, NULL), 1);
    assert_int_equal(answer.clock, 3);
}

// --- the change log ---------------------------------------------------------------------------------------

struct told {
    char text[4096];
    size_t len;
    unsigned stop_after;
};

static bool tell(const struct logged *logged, void *context) {
    struct told *told = context;
    told->len += (size_t)snprintf(told->text + told->len, sizeof told->text - told->len,
                                  "%u %s %u %02x %.*s|%.*s; ", (unsigned)logged->clock,
                                  change_kind_name(logged->kind), logged->sets, logged->uuid.bytes[0],
                                  (int)logged->login.len, logged->login.len ? logged->login.ptr : "",
                                  (int)logged->name.len, logged->name.len ? logged->name.ptr : "");
    return told->stop_after == 0 || --told->stop_after > 0;
}

static int changes(struct store *store, uint64_t since, unsigned limit, const char *expected) {
    struct told told = {0};
    int count = store_changes(store, since, limit, tell, &told, NULL);
    assert_string_equal(told.text, expected);
    return count;
}

static void the_log_tells_what_was_done_in_order(void **state) {
    struct place *place = *state;
    struct change done[] = {
        change_creating("alice", 1),
        change_renaming(1, "bob"),
        change_securing(1, "$never-shown"),
        change_setting(CHANGE_SETTING_PUT, "motd", "never shown"),
        change_token(CHANGE_TOKEN_ADD, 5),
        change_of(CHANGE_DELETE, 1),
        change_setting(CHANGE_SETTING_DELETE, "motd", ""),
        change_token(CHANGE_TOKEN_REVOKE, 5),
    };
    struct change refused = change_of(CHANGE_DELETE, 9);
    done[1].sets |= CHANGE_SETS_NAME;
    strcpy(done[1].name, "Bob");
    assert_int_equal(changes(place->store, 0, 10, ""), 0);
    for (size_t i = 0; i < sizeof done / sizeof *done; i++) {
        assert_done(place->store, &done[i], NULL);
        assert_int_equal(apply_to(place->store, &refused, NULL), OUTCOME_ABSENT); // is not in it
    }
    assert_int_equal(changes(place->store, 0, 10,
                             "1 create 0 01 alice|Number 1; 2 modify 3 01 bob|Bob; 3 modify 4 01 bob|Bob; "
                             "4 setting_put 0 00 |motd; 5 token_add 0 05 |token 5; 6 delete 0 01 bob|Bob; "
                             "7 setting_delete 0 00 |motd; 8 token_revoke 0 05 |; "),
                     8);
    assert_int_equal(changes(place->store, 3, 2, "4 setting_put 0 00 |motd; 5 token_add 0 05 |token 5; "), 2);
    assert_int_equal(changes(place->store, 8, 10, ""), 0);
    assert_int_equal(changes(place->store, 9, 10, ""), STORE_CHANGES_GONE); // the future
    struct told told = {.stop_after = 1};
    assert_int_equal(store_changes(place->store, 0, 10, tell, &told, NULL), 1);
}

static void the_log_keeps_the_latest_and_says_when_it_no_longer_has_what_is_asked_for(void **state) {
    struct place *place = *state;
    int64_t rows;
    place->store->changes_kept = 3;
    for (unsigned i = 1; i <= 7; i++) {
        char login[8];
        snprintf(login, sizeof login, "u%u", i);
        struct change create = change_creating(login, i);
        assert_done(place->store, &create, NULL);
    }
    assert_int_equal(store_ask(place->store, "SELECT count(*) FROM changes", &rows, NULL), 0);
    assert_int_equal(rows, 3);
    assert_int_equal(meta_of(place->store).changes_after, 4);
    assert_int_equal(changes(place->store, 3, 10, ""), STORE_CHANGES_GONE);
    assert_int_equal(changes(place->store, 0, 10, ""), STORE_CHANGES_GONE);
    assert_int_equal(changes(place->store, 4, 1, "5 create 0 05 u5|Number 5; "), 1);
    place_reopen(place);
    assert_int_equal(changes(place->store, 3, 10, ""), STORE_CHANGES_GONE);
    assert_int_equal(changes(place->store, 6, 10, "7 create 0 07 u7|Number 7; "), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORY(a_repeat_gets_the_answer_of_the_request),
        STORY(another_request_under_a_key_is_refused),
        STORY(keys_of_one_do_not_meet_those_of_another),
        STORY(a_refusal_is_not_remembered),
        STORY(every_kind_can_be_repeated),
        STORY(requests_are_forgotten_by_number),
        STORY(requests_are_forgotten_by_age_in_replicated_time),
        STORY(a_key_may_be_used_again_when_it_is_forgotten_within_one_batch),
        STORY(the_log_tells_what_was_done_in_order),
        STORY(the_log_keeps_the_latest_and_says_when_it_no_longer_has_what_is_asked_for),
    };
    return cmocka_run_group_tests_name("remembered", tests, NULL, NULL);
}

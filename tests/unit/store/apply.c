// Applying changes of accounts: each outcome, and what it leaves behind. A login has one owner.
#include "place.h"

static void what_is_created_is_found_with_all_it_has(void **state) {
    struct place *place = *state;
    struct account account, by_uuid;
    struct credential credential;
    struct answer answer;
    struct change change = change_creating("Ren\xc3\xa9", 7);
    assert_int_equal(store_find(place->store, "ren\xc3\xa9", &account, NULL, NULL), 0);
    assert_done(place->store, &change, &answer);
    assert_int_equal(answer.clock, 1);
    memset(&account, 0, sizeof account); // as the answer's was, for comparing
    assert_int_equal(store_find(place->store, "ren\xc3\xa9", &account, &credential, NULL), 1);
    assert_memory_equal(&account.uuid, &change.uuid, sizeof account.uuid);
    assert_string_equal(account.login, "Ren\xc3\xa9");
    assert_string_equal(account.name, "Number 7");
    assert_string_equal(account.created_from, "192.0.2.7");
    assert_int_equal(account.created_ms, change.at_ms);
    assert_int_equal(account.modified_ms, change.at_ms);
    assert_int_equal(account.created, 1);
    assert_int_equal(account.version, 1);
    assert_int_equal(account.credential_version, 1);
    assert_true(account.has_secret);
    assert_memory_equal(&credential.key, &change.secret_key, sizeof credential.key);
    assert_string_equal(credential.hash, "$hash$7");
    assert_int_equal(count_of(place->store), 1);
    memset(&by_uuid, 0, sizeof by_uuid);
    assert_int_equal(store_find_uuid(place->store, &change.uuid, &by_uuid, NULL, NULL), 1);
    assert_memory_equal(&by_uuid, &account, sizeof account);
    assert_memory_equal(&answer.account, &account, sizeof account); // nobody has to read it again
    assert_false(answer.ended);
}

static void an_account_may_have_no_password_and_no_name(void **state) {
    struct place *place = *state;
    struct account account;
    struct credential credential;
    struct change change = change_creating("bare", 1);
    change.name[0] = change.created_from[0] = change.secret_hash[0] = '\0';
    assert_done(place->store, &change, NULL);
    memset(&credential, 0xff, sizeof credential);
    assert_int_equal(store_find(place->store, "bare", &account, &credential, NULL), 1);
    assert_string_equal(account.name, "");
    assert_string_equal(account.created_from, "");
    assert_false(account.has_secret);
    assert_string_equal(credential.hash, "");
    assert_memory_equal(&credential.key, &(struct secret_key){{0}}, sizeof credential.key); // not stored
}

static void the_longest_of_everything_fits(void **state) {
    struct place *place = *state;
    struct account account;
    struct credential credential;
    struct answer answer;
    struct change change = change_creating("x", 1);
    memset(change.login.name, 'N', sizeof change.login.name - 1);
    memset(change.login.fold, 'n', sizeof change.login.fold - 1);
    memset(change.name, 'R', sizeof change.name - 1);
    memset(change.created_from, 'A', sizeof change.created_from - 1);
    memset(change.secret_hash, 'H', sizeof change.secret_hash - 1);
    memset(change.request.key, 'K', sizeof change.request.key - 1);
    assert_done(place->store, &change, NULL);
    assert_int_equal(store_find(place->store, change.login.fold, &account, &credential, NULL), 1);
    assert_string_equal(account.login, change.login.name);
    assert_string_equal(account.name, change.name);
    assert_string_equal(account.created_from, change.created_from);
    assert_string_equal(credential.hash, change.secret_hash);
    assert_refused(place->store, &change, &answer, OUTCOME_REPEATED);
    assert_string_equal(answer.account.login, change.login.name);
    struct change gone = change_of(CHANGE_DELETE, 1);
    assert_done(place->store, &gone, &answer);
    assert_true(answer.ended);
}

static void a_login_has_one_owner_whatever_its_case(void **state) {
    struct place *place = *state;
    struct account account;
    struct answer answer;
    struct change alice = change_creating("alice", 1), loud = change_creating("ALICE", 2);
    struct change strasse = change_creating("stra\xc3\x9f"
                                            "e",
                                            3),
                  other = change_creating("STRASSE", 4);
    assert_done(place->store, &alice, NULL);
    assert_refused(place->store, &loud, &answer, OUTCOME_TAKEN);
    assert_int_equal(answer.clock, 0); // a refusal has no clock
    assert_done(place->store, &strasse, &answer);
    assert_int_equal(answer.clock, 2);
    assert_refused(place->store, &other, NULL, OUTCOME_TAKEN);
    assert_int_equal(store_find(place->store, "alice", &account, NULL, NULL), 1);
    assert_string_equal(account.login, "alice"); // the first one's
    assert_string_equal(account.name, "Number 1");
    assert_int_equal(count_of(place->store), 2);
}

static void an_identifier_has_one_owner(void **state) {
    struct place *place = *state;
    struct change alice = change_creating("alice", 1), bob = change_creating("bob", 1);
    assert_done(place->store, &alice, NULL);
    assert_refused(place->store, &bob, NULL, OUTCOME_TAKEN);
    assert_int_equal(count_of(place->store), 1);
}

static void within_a_transaction_the_first_one_wins(void **state) {
    struct place *place = *state;
    struct change first = change_creating("alice", 1), second = change_creating("Alice", 2);
    struct change third = change_creating("bob", 3);
    struct answer answer;
    assert_int_equal(store_begin(place->store, NULL), 0);
    assert_int_equal(store_apply(place->store, &first, &answer, NULL), OUTCOME_DONE);
    assert_int_equal(store_apply(place->store, &second, &answer, NULL), OUTCOME_TAKEN);
    assert_int_equal(store_apply(place->store, &third, &answer, NULL), OUTCOME_DONE);
    assert_int_equal(answer.clock, 2);
    assert_int_equal(clock_of(place->store), 2); // also before the commit
    assert_int_equal(store_commit(place->store, NULL), 0);
    assert_int_equal(count_of(place->store), 2);
    assert_int_equal(clock_of(place->store), 2);
}

static void what_is_rolled_back_leaves_nothing(void **state) {
    struct place *place = *state;
    struct change alice = change_creating("alice", 1), gone = change_of(CHANGE_DELETE, 1);
    struct change setting = change_setting(CHANGE_SETTING_PUT, "motd", "welcome");
    struct answer answer;
    request(&setting, 1, "key", 1);
    assert_done(place->store, &alice, NULL);
    struct secret_digest before = digest_of(place->store), after;
    assert_int_equal(store_begin(place->store, NULL), 0);
    assert_int_equal(store_apply(place->store, &gone, &answer, NULL), OUTCOME_DONE);
    assert_int_equal(store_apply(place->store, &setting, &answer, NULL), OUTCOME_DONE);
    assert_int_equal(count_of(place->store), 0);
    store_rollback(place->store);
    after = digest_of(place->store);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(count_of(place->store), 1);
    assert_done(place->store, &setting, &answer);
    assert_int_equal(answer.clock, 2);
}

static void a_change_of_an_unknown_kind_fails_and_says_so(void **state) {
    struct place *place = *state;
    struct change change = change_creating("alice", 1);
    struct err err = {0};
    struct answer answer;
    change.kind = (enum change_kind)77;
    assert_int_equal(store_begin(place->store, NULL), 0);
    assert_int_equal(store_apply(place->store, &change, &answer, &err), OUTCOME_FAILED);
    assert_int_equal(err.code, ERR_VERSION);
    store_rollback(place->store);
    assert_int_equal(clock_of(place->store), 0);
}

// --- modifying --------------------------------------------------------------------------------------------

static void a_renamed_account_is_found_by_its_new_login_only(void **state) {
    struct place *place = *state;
    struct account account;
    struct answer answer;
    struct change alice = change_creating("alice", 1), renaming = change_renaming(1, "\xc3\x84lice");
    struct change another = change_creating("ALICE", 2);
    assert_done(place->store, &alice, NULL);
    assert_done(place->store, &renaming, &answer);
    assert_int_equal(store_find(place->store, "alice", &account, NULL, NULL), 0);
    memset(&account, 0, sizeof account);
    assert_int_equal(store_find(place->store, "\xc3\xa4lice", &account, NULL, NULL), 1);
    assert_string_equal(account.login, "\xc3\x84lice");
    assert_string_equal(account.name, "Number 1");
    assert_int_equal(account.created, 1);
    assert_int_equal(account.version, 2);
    assert_int_equal(account.created_ms, alice.at_ms);
    assert_int_equal(account.modified_ms, renaming.at_ms);
    assert_int_equal(account.credential_version, 1);
    assert_memory_equal(&answer.account, &account, sizeof account);
    assert_done(place->store, &another, NULL); // the old one is free
    assert_int_equal(count_of(place->store), 2);
}

static void a_login_of_another_cannot_be_taken_by_renaming(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change alice = change_creating("alice", 1), bob = change_creating("bob", 2);
    struct change renaming = change_renaming(2, "Alice");
    renaming.sets |= CHANGE_SETS_NAME | CHANGE_SETS_SECRET; // the rest must not happen either
    assert_done(place->store, &alice, NULL);
    assert_done(place->store, &bob, NULL);
    assert_refused(place->store, &renaming, &answer, OUTCOME_TAKEN);
    assert_false(answer.ended);
}

static void a_login_may_change_its_case(void **state) {
    struct place *place = *state;
    struct account account;
    struct answer answer;
    struct change alice = change_creating("alice", 1), renaming = change_renaming(1, "ALICE");
    assert_done(place->store, &alice, NULL);
    assert_done(place->store, &renaming, &answer);
    assert_true(answer.ended); // who is logged in speaks as "alice"
    assert_memory_equal(&answer.whose, &alice.uuid, sizeof alice.uuid);
    assert_int_equal(store_find(place->store, "alice", &account, NULL, NULL), 1);
    assert_string_equal(account.login, "ALICE");
}

static void a_new_secret_is_a_new_credential_version(void **state) {
    struct place *place = *state;
    struct credential credential;
    struct answer answer;
    struct account account;
    struct change alice = change_creating("alice", 1), securing = change_securing(1, "$new");
    assert_done(place->store, &alice, NULL);
    assert_done(place->store, &securing, &answer);
    assert_int_equal(answer.account.credential_version, 2);
    assert_int_equal(store_find(place->store, "alice", &account, &credential, NULL), 1);
    assert_string_equal(credential.hash, "$new");
    assert_memory_equal(&credential.key, &securing.secret_key, sizeof credential.key);
    securing = change_securing(1, ""); // takes it away
    assert_done(place->store, &securing, &answer);
    assert_int_equal(answer.account.credential_version, 3);
    assert_false(answer.account.has_secret);
    assert_int_equal(store_find(place->store, "alice", &account, &credential, NULL), 1);
    assert_string_equal(credential.hash, "");
    struct change calling = change_calling(1, "Al"); // and what sets no secret keeps what there is
    securing = change_securing(1, "$again");
    assert_done(place->store, &securing, NULL);
    assert_done(place->store, &calling, &answer);
    assert_int_equal(answer.account.credential_version, 4);
    assert_int_equal(store_find(place->store, "alice", &account, &credential, NULL), 1);
    assert_string_equal(credential.hash, "$again");
}

static void sessions_end_when_the_login_or_the_secret_is_another(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change alice = change_creating("alice", 1), same = change_renaming(1, "alice");
    struct change calling = change_calling(1, "Al"), renaming = change_renaming(1, "bob");
    struct change securing = change_securing(1, "$new"), gone = change_of(CHANGE_DELETE, 1);
    assert_done(place->store, &alice, &answer);
    assert_false(answer.ended);
    assert_done(place->store, &calling, &answer);
    assert_false(answer.ended);
    assert_done(place->store, &same, &answer);
    assert_false(answer.ended);
    assert_done(place->store, &renaming, &answer);
    assert_true(answer.ended);
    assert_memory_equal(&answer.whose, &alice.uuid, sizeof alice.uuid);
    assert_done(place->store, &securing, &answer);
    assert_true(answer.ended);
    assert_memory_equal(&answer.whose, &alice.uuid, sizeof alice.uuid);
    assert_done(place->store, &gone, &answer);
    assert_true(answer.ended);
    assert_memory_equal(&answer.whose, &alice.uuid, sizeof alice.uuid);
    assert_memory_equal(&answer.account.uuid, &alice.uuid, sizeof alice.uuid);
    assert_string_equal(answer.account.login, "bob"); // as it last was
    assert_string_equal(answer.account.name, "Al");
}

static void a_deleted_account_is_gone_and_its_login_free(void **state) {
    struct place *place = *state;
    struct account account;
    struct answer answer;
    struct change alice = change_creating("alice", 1), gone = change_of(CHANGE_DELETE, 1);
    struct change calling = change_calling(1, "Al"), again = change_creating("alice", 2);
    assert_done(place->store, &alice, NULL);
    assert_done(place->store, &gone, NULL);
    assert_int_equal(store_find(place->store, "alice", &account, NULL, NULL), 0);
    assert_int_equal(store_find_uuid(place->store, &alice.uuid, &account, NULL, NULL), 0);
    assert_int_equal(count_of(place->store), 0);
    assert_refused(place->store, &gone, NULL, OUTCOME_ABSENT);
    assert_refused(place->store, &calling, NULL, OUTCOME_ABSENT);
    assert_done(place->store, &again, &answer);
    assert_int_equal(answer.account.created, 3); // not the first one's
}

static void a_change_of_another_version_is_refused_and_told_the_current_one(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change alice = change_creating("alice", 1), bob = change_creating("bob", 2);
    struct change calling = change_calling(1, "Al"), gone = change_of(CHANGE_DELETE, 1);
    assert_done(place->store, &alice, NULL);
    assert_done(place->store, &bob, NULL);
    calling.expects = true;
    calling.expected = 1; // as it is
    assert_done(place->store, &calling, &answer);
    assert_int_equal(answer.account.version, 3);
    assert_refused(place->store, &calling, &answer, OUTCOME_VERSION);
    assert_int_equal(answer.version, 3);
    gone.expects = true;
    gone.expected = 0;
    assert_refused(place->store, &gone, &answer, OUTCOME_VERSION);
    gone.expected = 3;
    assert_done(place->store, &gone, NULL);
    assert_refused(place->store, &gone, &answer, OUTCOME_ABSENT);
}

static void a_change_that_a_replaced_secret_allowed_is_refused(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change alice = change_creating("alice", 1), securing = change_securing(1, "$new");
    struct change renaming = change_renaming(1, "mallory"), gone = change_of(CHANGE_DELETE, 1);
    renaming.credential = gone.credential = securing.credential = 1;
    assert_done(place->store, &alice, NULL);
    assert_done(place->store, &securing, NULL);
    assert_refused(place->store, &renaming, &answer, OUTCOME_CREDENTIAL);
    assert_refused(place->store, &gone, &answer, OUTCOME_CREDENTIAL);
    renaming.credential = 2;
    assert_done(place->store, &renaming, NULL);
    gone.credential = 0; // an admin's
    assert_done(place->store, &gone, NULL);
}

static void what_an_admin_token_allowed_is_done_while_it_is_there(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change add = change_token(CHANGE_TOKEN_ADD, 1), revoke = change_token(CHANGE_TOKEN_REVOKE, 1);
    struct change changes[] = {change_creating("alice", 1), change_renaming(1, "bob"),
                               change_setting(CHANGE_SETTING_PUT, "k", "v"),
                               change_setting(CHANGE_SETTING_DELETE, "k", NULL), change_of(CHANGE_DELETE, 1)};
    size_t count = sizeof changes / sizeof *changes;
    assert_done(place->store, &add, NULL);
    for (size_t i = 0; i < count; i++) {
        changes[i].admin = add.uuid;
        assert_done(place->store, &changes[i], NULL);
    }
    request(&changes[0], 1, "again", 1);
    assert_done(place->store, &changes[0], NULL);
    assert_done(place->store, &revoke, &answer);
    assert_true(answer.ended); // who follows as this admin
    assert_memory_equal(&answer.whose, &add.uuid, sizeof add.uuid);
    assert_refused(place->store, &changes[0], NULL, OUTCOME_REPEATED); // it was done while it was allowed
    changes[0] = change_creating("carol", 2);
    changes[0].admin = add.uuid;
    for (size_t i = 0; i < count; i++) assert_refused(place->store, &changes[i], NULL, OUTCOME_CREDENTIAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORY(what_is_created_is_found_with_all_it_has),
        STORY(an_account_may_have_no_password_and_no_name),
        STORY(the_longest_of_everything_fits),
        STORY(a_login_has_one_owner_whatever_its_case),
        STORY(an_identifier_has_one_owner),
        STORY(within_a_transaction_the_first_one_wins),
        STORY(what_is_rolled_back_leaves_nothing),
        STORY(a_change_of_an_unknown_kind_fails_and_says_so),
        STORY(a_renamed_account_is_found_by_its_new_login_only),
        STORY(a_login_of_another_cannot_be_taken_by_renaming),
        STORY(a_login_may_change_its_case),
        STORY(a_new_secret_is_a_new_credential_version),
        STORY(sessions_end_when_the_login_or_the_secret_is_another),
        STORY(a_deleted_account_is_gone_and_its_login_free),
        STORY(a_change_of_another_version_is_refused_and_told_the_current_one),
        STORY(a_change_that_a_replaced_secret_allowed_is_refused),
        STORY(what_an_admin_token_allowed_is_done_while_it_is_there),
    };
    return cmocka_run_group_tests_name("apply", tests, NULL, NULL);
}

// Applying changes: the same changes make the same roll, and a login has one owner.
#include "base/dice.h"
#include "base/secret.h"
#include "store/store.h"

#include "scratch.h"

#include <inttypes.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct place {
    struct scratch scratch;
    struct store *store;
};

static void place_open(struct place *place) {
    struct err err = {0};
    assert_int_equal(scratch_make(&place->scratch), 0);
    place->store = store_open_writer(place->scratch.directory, &err);
    if (!place->store) fail_msg("%s", err.text);
}

static void place_close(struct place *place) {
    store_close(place->store);
    scratch_remove(&place->scratch);
}

static int setup(void **state) {
    static struct place place;
    place_open(&place);
    *state = &place;
    return 0;
}

static int teardown(void **state) {
    place_close(*state);
    return 0;
}

static uint64_t clock_of(struct store *store) {
    uint64_t clock;
    assert_int_equal(store_clock(store, &clock, NULL), 0);
    return clock;
}

static uint64_t count_of(struct store *store) {
    uint64_t count;
    assert_int_equal(store_count(store, &count, NULL), 0);
    return count;
}

// In a transaction of its own.
static enum apply_result apply_one(struct store *store, const struct change *change, uint64_t *clock) {
    assert_int_equal(store_begin(store, NULL), 0);
    enum apply_result result = store_apply(store, change, clock, NULL);
    assert_int_equal(store_commit(store, NULL), 0);
    return result;
}

static void what_is_created_is_found_with_all_it_has(void **state) {
    struct place *place = *state;
    struct account account;
    struct change change = change_creating("Ren\xc3\xa9", 7);
    uint64_t clock = 0;
    assert_int_equal(store_find(place->store, "ren\xc3\xa9", &account, NULL), 0);
    assert_int_equal(apply_one(place->store, &change, &clock), APPLY_DONE);
    assert_int_equal(clock, 1);
    assert_int_equal(store_find(place->store, "ren\xc3\xa9", &account, NULL), 1);
    assert_memory_equal(&account.uuid, &change.uuid, sizeof account.uuid);
    assert_string_equal(account.login, "Ren\xc3\xa9");
    assert_string_equal(account.name, "Number 7");
    assert_string_equal(account.created_from, "192.0.2.7");
    assert_int_equal(account.created_ms, change.at_ms);
    assert_int_equal(account.modified_ms, change.at_ms);
    assert_int_equal(account.credential_version, 1);
    assert_memory_equal(&account.secret_key, &change.secret_key, sizeof account.secret_key);
    assert_string_equal(account.secret_hash, "$hash$7");
    assert_int_equal(count_of(place->store), 1);
}

static void an_account_may_have_no_password_and_no_name(void **state) {
    struct place *place = *state;
    struct account account;
    struct change change = change_creating("bare", 1);
    uint64_t clock;
    change.name[0] = change.created_from[0] = change.secret_hash[0] = '\0';
    assert_int_equal(apply_one(place->store, &change, &clock), APPLY_DONE);
    assert_int_equal(store_find(place->store, "bare", &account, NULL), 1);
    assert_string_equal(account.name, "");
    assert_string_equal(account.created_from, "");
    assert_string_equal(account.secret_hash, "");
}

static void the_longest_of_everything_fits(void **state) {
    struct place *place = *state;
    struct account account;
    struct change change = change_creating("x", 1);
    uint64_t clock;
    memset(change.login.name, 'N', sizeof change.login.name - 1);
    memset(change.login.fold, 'n', sizeof change.login.fold - 1);
    memset(change.name, 'R', sizeof change.name - 1);
    memset(change.created_from, 'A', sizeof change.created_from - 1);
    memset(change.secret_hash, 'H', sizeof change.secret_hash - 1);
    assert_int_equal(apply_one(place->store, &change, &clock), APPLY_DONE);
    assert_int_equal(store_find(place->store, change.login.fold, &account, NULL), 1);
    assert_string_equal(account.login, change.login.name);
    assert_string_equal(account.name, change.name);
    assert_string_equal(account.created_from, change.created_from);
    assert_string_equal(account.secret_hash, change.secret_hash);
}

static void a_login_has_one_owner_whatever_its_case(void **state) {
    struct place *place = *state;
    struct account account;
    struct change alice = change_creating("alice", 1), loud = change_creating("ALICE", 2);
    struct change strasse = change_creating("stra\xc3\x9f"
                                            "e",
                                            3),
                  other = change_creating("STRASSE", 4);
    uint64_t clock = 99;
    assert_int_equal(apply_one(place->store, &alice, &clock), APPLY_DONE);
    clock = 99;
    assert_int_equal(apply_one(place->store, &loud, &clock), APPLY_TAKEN);
    assert_int_equal(clock, 99); // a refusal has no clock
    assert_int_equal(apply_one(place->store, &strasse, &clock), APPLY_DONE);
    assert_int_equal(clock, 2);
    assert_int_equal(apply_one(place->store, &other, &clock), APPLY_TAKEN);
    assert_int_equal(store_find(place->store, "alice", &account, NULL), 1);
    assert_string_equal(account.login, "alice"); // the first one's
    assert_string_equal(account.name, "Number 1");
    assert_int_equal(count_of(place->store), 2);
}

static void an_identifier_has_one_owner(void **state) {
    struct place *place = *state;
    struct change alice = change_creating("alice", 1), bob = change_creating("bob", 1);
    uint64_t clock;
    assert_int_equal(apply_one(place->store, &alice, &clock), APPLY_DONE);
    assert_int_equal(apply_one(place->store, &bob, &clock), APPLY_TAKEN);
    assert_int_equal(count_of(place->store), 1);
}

static void within_a_transaction_the_first_one_wins(void **state) {
    struct place *place = *state;
    struct change first = change_creating("alice", 1), second = change_creating("Alice", 2);
    struct change third = change_creating("bob", 3);
    uint64_t clock;
    assert_int_equal(store_begin(place->store, NULL), 0);
    assert_int_equal(store_apply(place->store, &first, &clock, NULL), APPLY_DONE);
    assert_int_equal(store_apply(place->store, &second, &clock, NULL), APPLY_TAKEN);
    assert_int_equal(store_apply(place->store, &third, &clock, NULL), APPLY_DONE);
    assert_int_equal(clock, 2);
    assert_int_equal(store_commit(place->store, NULL), 0);
    assert_int_equal(count_of(place->store), 2);
    assert_int_equal(clock_of(place->store), 2);
}

static void a_change_of_an_unknown_kind_fails_and_says_so(void **state) {
    struct place *place = *state;
    struct change change = change_creating("alice", 1);
    struct err err = {0};
    uint64_t clock;
    change.kind = (enum change_kind)77;
    assert_int_equal(store_begin(place->store, NULL), 0);
    assert_int_equal(store_apply(place->store, &change, &clock, &err), APPLY_FAILED);
    assert_int_equal(err.code, ERR_VERSION);
    store_rollback(place->store);
    assert_int_equal(clock_of(place->store), 0);
}

// --- the same changes make the same roll ------------------------------------------------------------------

// Every row of every table as text, whatever tables there are.
static char *dump(const struct scratch *scratch) {
    sqlite3 *db;
    sqlite3_stmt *tables, *rows;
    char path[128];
    char *text = sqlite3_mprintf("");
    assert_int_equal(sqlite3_open(scratch_file(scratch, STORE_FILE, path), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1",
                                        -1, &tables, NULL),
                     SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW) {
        char *sql = sqlite3_mprintf("SELECT rowid, * FROM %w ORDER BY 1", sqlite3_column_text(tables, 0));
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
        while (sqlite3_step(rows) == SQLITE_ROW)
            for (int i = 0; i < sqlite3_column_count(rows); i++) {
                char *more;
                if (sqlite3_column_type(rows, i) == SQLITE_BLOB) {
                    uint64_t sum = 14695981039346656037u; // FNV-1a
                    const uint8_t *bytes = sqlite3_column_blob(rows, i);
                    for (int at = 0; at < sqlite3_column_bytes(rows, i); at++)
                        sum = (sum ^ bytes[at]) * 1099511628211u;
                    more = sqlite3_mprintf("%s|%llx", text, sum);
                } else {
                    more = sqlite3_mprintf("%s|%s", text, sqlite3_column_text(rows, i));
                }
                sqlite3_free(text);
                text = more;
            }
        sqlite3_finalize(rows);
        sqlite3_free(sql);
    }
    sqlite3_finalize(tables);
    sqlite3_close(db);
    return text;
}

#define CHANGES 300
#define NAMES   60

static struct change random_change(struct dice *dice) {
    char login[32];
    unsigned who = (unsigned)dice_below(dice, NAMES);
    snprintf(login, sizeof login, dice_below(dice, 2) ? "user%u" : "USER%u", who);
    return change_creating(login, (unsigned)dice_below(dice, 5 * NAMES));
}

// Applies `changes` in batches of random size; results and clocks are told.
static void apply_all(struct store *store, const struct change *changes, struct dice *dice,
                      enum apply_result *results, uint64_t *clocks) {
    for (size_t i = 0; i < CHANGES;) {
        size_t end = i + dice_between(dice, 1, 40);
        bool abandon = dice_below(dice, 4) == 0; // and try again, as after a failure
        size_t start = i;
        assert_int_equal(store_begin(store, NULL), 0);
        for (; i < end && i < CHANGES; i++) {
            clocks[i] = 0;
            results[i] = store_apply(store, &changes[i], &clocks[i], NULL);
        }
        if (abandon) {
            store_rollback(store);
            i = start;
        } else {
            assert_int_equal(store_commit(store, NULL), 0);
        }
    }
}

static void the_same_changes_make_the_same_roll_however_they_are_batched(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : secret_random_u64();
    print_message("SEED=%" PRIu64 "\n", seed);
    static struct change changes[CHANGES];
    static enum apply_result results[2][CHANGES];
    static uint64_t clocks[2][CHANGES];
    struct place places[2];
    struct dice dice;
    dice_seed(&dice, seed);
    for (size_t i = 0; i < CHANGES; i++) changes[i] = random_change(&dice);
    char *dumps[2];
    for (int i = 0; i < 2; i++) {
        place_open(&places[i]);
        apply_all(places[i].store, changes, &dice, results[i], clocks[i]);
        dumps[i] = dump(&places[i].scratch);
    }
    assert_string_equal(dumps[0], dumps[1]);
    assert_true(strlen(dumps[0]) > NAMES * 40);
    assert_memory_equal(results[0], results[1], sizeof results[0]);
    assert_memory_equal(clocks[0], clocks[1], sizeof clocks[0]);

    // And it is the roll that a person would write with pencil and paper.
    uint64_t clock = 0;
    for (size_t i = 0; i < CHANGES; i++) {
        bool taken = false;
        for (size_t before = 0; before < i && !taken; before++)
            taken = results[0][before] == APPLY_DONE &&
                    (strcmp(changes[before].login.fold, changes[i].login.fold) == 0 ||
                     memcmp(&changes[before].uuid, &changes[i].uuid, sizeof changes[i].uuid) == 0);
        assert_int_equal(results[0][i], taken ? APPLY_TAKEN : APPLY_DONE);
        clock += !taken;
        assert_int_equal(clocks[0][i], taken ? 0 : clock);
    }
    assert_int_equal(clock_of(places[0].store), clock);
    assert_int_equal(count_of(places[0].store), clock);
    for (int i = 0; i < 2; i++) {
        sqlite3_free(dumps[i]);
        place_close(&places[i]);
    }
}

static int init(void **state) {
    (void)state;
    return secret_init(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_created_is_found_with_all_it_has, setup, teardown),
        cmocka_unit_test_setup_teardown(an_account_may_have_no_password_and_no_name, setup, teardown),
        cmocka_unit_test_setup_teardown(the_longest_of_everything_fits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_login_has_one_owner_whatever_its_case, setup, teardown),
        cmocka_unit_test_setup_teardown(an_identifier_has_one_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(within_a_transaction_the_first_one_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_of_an_unknown_kind_fails_and_says_so, setup, teardown),
        cmocka_unit_test(the_same_changes_make_the_same_roll_however_they_are_batched),
    };
    return cmocka_run_group_tests_name("apply", tests, init, NULL);
}

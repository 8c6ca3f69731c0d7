// Accounts in memory: what was put is found, what may be old is not taken, and what there is room for stays.
#include "store/cache.h"

#include "scratch.h"
#include "store/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PLENTY (64u << 20)

static struct cache *open_cache(size_t bytes) {
    struct err err = {0};
    struct cache *cache = cache_open(bytes, &err);
    if (!cache) fail_msg("%s", err.text);
    return cache;
}

static struct account account_of(const char *login, uint64_t version) {
    struct account account = {.created_ms = 1, .modified_ms = 2, .created = 1, .version = version};
    str_copy(str_of(login), account.login, sizeof account.login);
    return account;
}

static void put(struct cache *cache, const char *login, uint64_t version, uint64_t as_of) {
    struct account account = account_of(login, version);
    cache_put(cache, login, &account, as_of);
}

static bool has(struct cache *cache, const char *login) {
    struct account account;
    bool found = cache_find(cache, login, &account);
    if (found) assert_string_equal(account.login, login);
    return found;
}

static struct cache_counts counts_of(struct cache *cache) {
    struct cache_counts counts;
    cache_counts(cache, &counts);
    return counts;
}

// --- finding ----------------------------------------------------------------------------------------------

static void fill(char *text, size_t size, char with) {
    memset(text, with, size - 1);
    text[size - 1] = '\0';
}

static void assert_kept(struct cache *cache, const char *fold, const struct account *account) {
    struct account found;
    memset(&found, 0xee, sizeof found);
    cache_put(cache, fold, account, account->version);
    assert_true(cache_find(cache, fold, &found));
    assert_memory_equal(&found.uuid, &account->uuid, sizeof found.uuid);
    assert_string_equal(found.login, account->login);
    assert_string_equal(found.name, account->name);
    assert_string_equal(found.created_from, account->created_from);
    assert_int_equal(found.created_ms, account->created_ms);
    assert_int_equal(found.modified_ms, account->modified_ms);
    assert_int_equal(found.created, account->created);
    assert_int_equal(found.version, account->version);
    assert_int_equal(found.credential_version, account->credential_version);
    assert_int_equal(found.has_secret, account->has_secret);
}

static void an_account_is_found_as_it_was_put(void **state) {
    (void)state;
    struct cache *cache = open_cache(PLENTY);
    struct account longest = {.created_ms = -5,
                              .modified_ms = INT64_MAX,
                              .created = 7,
                              .version = UINT64_MAX,
                              .credential_version = 9,
                              .has_secret = true};
    char fold[sizeof((struct holding *)0)->fold];
    memset(&longest.uuid, 0xab, sizeof longest.uuid);
    fill(longest.login, sizeof longest.login, 'l');
    fill(longest.name, sizeof longest.name, 'n');
    fill(longest.created_from, sizeof longest.created_from, 'f');
    fill(fold, sizeof fold, 'o');
    struct account shortest = {0};
    assert_kept(cache, fold, &longest);
    assert_kept(cache, "", &shortest);
    assert_false(has(cache, "o"));
    struct cache_counts counts = counts_of(cache);
    assert_int_equal(counts.accounts, 2);
    assert_int_equal(counts.hits, 2);
    assert_int_equal(counts.misses, 1);
    cache_close(cache);
    cache_close(NULL);
}

static void many_are_found(void **state) {
    enum { MANY = 100000 };
    (void)state;
    struct cache *cache = open_cache(PLENTY);
    char login[32];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(login, sizeof login, "user%u", i);
        put(cache, login, i, i);
    }
    assert_int_equal(counts_of(cache).accounts, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(login, sizeof login, "user%u", i);
        if (!has(cache, login)) fail_msg("%s is not found", login);
    }
    assert_false(has(cache, "user100000"));
    cache_close(cache);
}

// --- what may be old --------------------------------------------------------------------------------------

static void what_is_about_to_change_is_forgotten(void **state) {
    (void)state;
    struct cache *cache = open_cache(PLENTY);
    put(cache, "alice", 3, 3);
    put(cache, "bob", 4, 4);
    cache_forget(cache, "alice", 5);
    cache_forget(cache, "carol", 6); // who is not there
    assert_false(has(cache, "alice"));
    assert_true(has(cache, "bob"));
    cache_close(cache);
}

static void an_older_view_than_the_last_change_is_not_believed(void **state) {
    (void)state;
    struct cache *cache = open_cache(PLENTY);
    cache_forget(cache, "alice", 5);
    put(cache, "alice", 3, 4); // as it was
    assert_false(has(cache, "alice"));
    put(cache, "alice", 5, 5);
    assert_true(has(cache, "alice"));
    cache_close(cache);
}

// A batch that fails gives its clocks back: what they have forgotten stays out until they come again.
static void clocks_that_come_again_change_nothing(void **state) {
    (void)state;
    struct cache *cache = open_cache(PLENTY);
    cache_forget(cache, "alice", 9); // of a batch that fails
    cache_forget(cache, "alice", 6);
    put(cache, "alice", 5, 5);
    assert_false(has(cache, "alice"));
    put(cache, "alice", 6, 8);
    assert_false(has(cache, "alice")); // safe, if a little late
    put(cache, "alice", 6, 9);
    assert_true(has(cache, "alice"));
    cache_close(cache);
}

// Readers say of what they show that it is as of their clock: it must not be newer.
static void what_is_newer_than_the_clock_is_not_taken(void **state) {
    (void)state;
    struct cache *cache = open_cache(PLENTY);
    put(cache, "alice", 6, 5);
    assert_false(has(cache, "alice"));
    cache_close(cache);
}

// --- room -------------------------------------------------------------------------------------------------

#define LITTLE (128u << 10)

// Fills until nobody more is taken without another's leaving. How many there are then.
static unsigned offer_all(struct cache *cache, const char *kind) {
    char login[32];
    unsigned taken = 0;
    for (;; taken++) {
        snprintf(login, sizeof login, "%s%u", kind, taken);
        struct account account = account_of(login, 1);
        if (!cache_offer(cache, login, &account, 1)) return taken;
    }
}

static void it_takes_as_much_as_it_may(void **state) {
    (void)state;
    struct cache *cache = open_cache(LITTLE);
    char login[32];
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(login, sizeof login, "user%u", i);
        put(cache, login, 1, 1);
        if (counts_of(cache).bytes > LITTLE) fail_msg("%zu bytes", (size_t)counts_of(cache).bytes);
        assert_true(has(cache, login)); // the newest always finds room
    }
    struct cache_counts counts = counts_of(cache);
    assert_in_range(counts.bytes, LITTLE / 2, LITTLE);
    assert_in_range(counts.accounts, 100, 2000);
    cache_close(cache);
}

static void offers_push_nobody_out(void **state) {
    (void)state;
    struct cache *cache = open_cache(LITTLE);
    unsigned taken = offer_all(cache, "first");
    assert_in_range(taken, 50, 2000);
    struct account account = account_of("first0", 1);
    assert_true(cache_offer(cache, "first0", &account, 1)); // it is there already
    uint64_t before = counts_of(cache).accounts;
    (void)offer_all(cache, "second");
    for (unsigned i = 0; i < taken; i++) {
        char login[32];
        snprintf(login, sizeof login, "first%u", i);
        assert_true(has(cache, login));
    }
    assert_true(counts_of(cache).accounts >= before);
    cache_close(cache);
}

static void who_is_asked_for_stays(void **state) {
    (void)state;
    struct cache *cache = open_cache(LITTLE);
    unsigned asked = 0;
    put(cache, "alice", 1, 1);
    for (unsigned i = 0; i < 20000; i++) {
        char login[32];
        snprintf(login, sizeof login, "user%u", i);
        put(cache, login, 1, 1);
        asked += has(cache, "alice");
    }
    assert_int_equal(asked, 20000);
    assert_false(has(cache, "user0"));
    cache_close(cache);
}

static void with_no_room_at_all_nothing_is_kept(void **state) {
    (void)state;
    struct cache *cache = open_cache(1);
    put(cache, "alice", 1, 1);
    assert_false(has(cache, "alice"));
    struct account account = account_of("alice", 1);
    assert_false(cache_offer(cache, "alice", &account, 1));
    cache_forget(cache, "alice", 2);
    assert_int_equal(counts_of(cache).accounts, 0);
    cache_close(cache);
}

// --- a reader's -------------------------------------------------------------------------------------------

struct readable {
    struct scratch scratch;
    struct cache *cache;
    struct store *writer, *reader;
    uint64_t clock;
};

static void apply(struct readable *it, struct change change) {
    struct answer answer;
    assert_int_equal(store_begin(it->writer, NULL), 0);
    assert_int_equal(store_apply(it->writer, &change, &answer, NULL), OUTCOME_DONE);
    assert_int_equal(store_commit(it->writer, NULL), 0);
    it->clock = answer.clock;
}

static struct readable *open_readable(void) {
    static struct readable it;
    it = (struct readable){.cache = open_cache(PLENTY)};
    assert_int_equal(scratch_make(&it.scratch), 0);
    it.writer = store_open_writer(it.scratch.directory, NULL);
    it.reader = store_open_reader(it.scratch.directory, NULL);
    assert_non_null(it.writer);
    assert_non_null(it.reader);
    store_use(it.writer, it.cache);
    store_use(it.reader, it.cache);
    apply(&it, change_creating("Alice", 1));
    apply(&it, change_creating("bob", 2));
    return &it;
}

static void close_readable(struct readable *it) {
    store_close(it->reader);
    store_close(it->writer);
    cache_close(it->cache);
    scratch_remove(&it->scratch);
}

// 1, 0; -1: it is there and has another name than this.
static int look(struct store *store, const char *fold, const char *name) {
    struct account account;
    int found = store_find(store, fold, &account, NULL, NULL);
    return found == 1 && strcmp(account.name, name) != 0 ? -1 : found;
}

static void what_a_reader_found_it_finds_in_memory(void **state) {
    (void)state;
    struct readable *it = open_readable();
    assert_int_equal(store_hold(it->reader, it->clock, NULL), 0);
    assert_int_equal(look(it->reader, "alice", "Number 1"), 1);
    assert_int_equal(counts_of(it->cache).hits, 0);
    assert_int_equal(look(it->reader, "alice", "Number 1"), 1);
    assert_int_equal(look(it->reader, "nobody", ""), 0);
    assert_int_equal(look(it->reader, "nobody", ""), 0); // nobody is not remembered
    store_release(it->reader);
    assert_int_equal(look(it->reader, "alice", "Number 1"), 1);
    assert_int_equal(counts_of(it->cache).hits, 2);
    assert_int_equal(counts_of(it->cache).accounts, 1);
    close_readable(it);
}

// It cannot tell what its view is worth.
static void who_does_not_hold_leaves_nothing(void **state) {
    (void)state;
    struct readable *it = open_readable();
    assert_int_equal(look(it->reader, "bob", "Number 2"), 1);
    assert_int_equal(store_hold(it->reader, 0, NULL), 0);
    assert_int_equal(look(it->reader, "bob", "Number 2"), 1);
    store_release(it->reader);
    assert_int_equal(counts_of(it->cache).accounts, 0);
    close_readable(it);
}

static void secrets_come_from_the_roll_alone(void **state) {
    (void)state;
    struct readable *it = open_readable();
    struct account account;
    struct credential credential;
    assert_int_equal(store_hold(it->reader, it->clock, NULL), 0);
    assert_int_equal(look(it->reader, "bob", "Number 2"), 1);
    assert_int_equal(store_find(it->reader, "bob", &account, &credential, NULL), 1);
    assert_string_equal(credential.hash, "$hash$2");
    assert_int_equal(counts_of(it->cache).hits, 0);
    close_readable(it);
}

static void a_change_is_seen_as_soon_as_it_is_made(void **state) {
    (void)state;
    struct readable *it = open_readable();
    const struct change changes[] = {change_calling(1, "Alice Liddell"), change_securing(1, "$other$"),
                                     change_renaming(1, "carol"), change_of(CHANGE_DELETE, 2)};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        assert_int_equal(store_hold(it->reader, it->clock, NULL), 0);
        (void)look(it->reader, "alice", "");
        (void)look(it->reader, "bob", "");
        store_release(it->reader);
        apply(it, changes[i]);
        struct account account;
        int alice = store_find(it->reader, "alice", &account, NULL, NULL);
        if (i < 2) {
            assert_int_equal(alice, 1);
            assert_string_equal(account.name, "Alice Liddell");
            assert_int_equal(account.version, it->clock);
            assert_int_equal(account.credential_version, 1 + i);
        } else {
            assert_int_equal(alice, 0);
            assert_int_equal(look(it->reader, "carol", "Alice Liddell"), 1);
        }
        assert_int_equal(look(it->reader, "bob", "Number 2"), i < 3);
    }
    close_readable(it);
}

// Between the two, whoever has an older view may show it, but nobody may leave it for later.
static void a_view_from_before_the_change_leaves_nothing(void **state) {
    (void)state;
    struct readable *it = open_readable();
    assert_int_equal(store_hold(it->reader, it->clock, NULL), 0);
    assert_int_equal(look(it->reader, "bob", "Number 2"), 1); // its view begins
    apply(it, change_calling(1, "Alice Liddell"));
    assert_int_equal(look(it->reader, "alice", "Number 1"), 1); // as its view has it
    store_release(it->reader);
    assert_int_equal(look(it->reader, "alice", "Alice Liddell"), 1);
    close_readable(it);
}

static void what_was_rolled_back_is_as_it_was(void **state) {
    (void)state;
    struct readable *it = open_readable();
    struct change change = change_calling(1, "Nobody");
    struct answer answer;
    assert_int_equal(store_hold(it->reader, it->clock, NULL), 0);
    assert_int_equal(look(it->reader, "alice", "Number 1"), 1);
    store_release(it->reader);
    assert_int_equal(store_begin(it->writer, NULL), 0);
    assert_int_equal(store_apply(it->writer, &change, &answer, NULL), OUTCOME_DONE);
    store_rollback(it->writer);
    assert_int_equal(look(it->reader, "alice", "Number 1"), 1);
    close_readable(it);
}

// --- warming ----------------------------------------------------------------------------------------------

static void the_roll_is_offered_page_by_page(void **state) {
    (void)state;
    struct readable *it = open_readable();
    uint64_t after = 0;
    for (unsigned i = 3; i <= 10; i++) {
        char login[16];
        snprintf(login, sizeof login, "user%u", i);
        apply(it, change_creating(login, i));
    }
    assert_int_equal(store_warm(it->writer, &after, 4, NULL), 1);
    assert_int_equal(counts_of(it->cache).accounts, 4);
    assert_int_equal(store_warm(it->writer, &after, 4, NULL), 1);
    assert_int_equal(store_warm(it->writer, &after, 4, NULL), 0);
    assert_int_equal(counts_of(it->cache).accounts, 10);
    assert_int_equal(store_warm(it->writer, &after, 4, NULL), 0);
    assert_int_equal(look(it->reader, "user10", "Number 10"), 1);
    assert_int_equal(counts_of(it->cache).hits, 1);
    apply(it, change_creating("user11", 11)); // who is new is offered, too
    assert_int_equal(store_warm(it->writer, &after, 4, NULL), 0);
    assert_int_equal(counts_of(it->cache).accounts, 11);
    close_readable(it);
}

static void warming_ends_where_there_is_no_room(void **state) {
    (void)state;
    struct readable *it = open_readable();
    struct cache *little = open_cache(1);
    uint64_t after = 0;
    store_use(it->writer, little);
    assert_int_equal(store_warm(it->writer, &after, 1, NULL), 0);
    assert_int_equal(counts_of(little).accounts, 0);
    store_use(it->writer, it->cache);
    cache_close(little);
    close_readable(it);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_is_found_as_it_was_put),
        cmocka_unit_test(many_are_found),
        cmocka_unit_test(what_is_about_to_change_is_forgotten),
        cmocka_unit_test(an_older_view_than_the_last_change_is_not_believed),
        cmocka_unit_test(clocks_that_come_again_change_nothing),
        cmocka_unit_test(what_is_newer_than_the_clock_is_not_taken),
        cmocka_unit_test(it_takes_as_much_as_it_may),
        cmocka_unit_test(offers_push_nobody_out),
        cmocka_unit_test(who_is_asked_for_stays),
        cmocka_unit_test(with_no_room_at_all_nothing_is_kept),
        cmocka_unit_test(what_a_reader_found_it_finds_in_memory),
        cmocka_unit_test(who_does_not_hold_leaves_nothing),
        cmocka_unit_test(secrets_come_from_the_roll_alone),
        cmocka_unit_test(a_change_is_seen_as_soon_as_it_is_made),
        cmocka_unit_test(a_view_from_before_the_change_leaves_nothing),
        cmocka_unit_test(what_was_rolled_back_is_as_it_was),
        cmocka_unit_test(the_roll_is_offered_page_by_page),
        cmocka_unit_test(warming_ends_where_there_is_no_room),
    };
    return cmocka_run_group_tests_name("accounts in memory", tests, NULL, NULL);
}

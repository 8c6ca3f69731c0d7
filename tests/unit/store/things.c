// Settings, admin tokens, lists: what they hold, in which order, and how they page.
#include "place.h"

static void a_setting_is_what_was_put(void **state) {
    struct place *place = *state;
    struct setting setting;
    struct answer answer;
    struct buf value = {0};
    struct change put = change_setting(CHANGE_SETTING_PUT, "chat/motd", "welcome");
    assert_int_equal(store_setting(place->store, "chat/motd", &setting, &value, NULL), 0);
    assert_done(place->store, &put, &answer);
    assert_int_equal(store_setting(place->store, "chat/motd", &setting, &value, NULL), 1);
    assert_string_equal(setting.key, "chat/motd");
    assert_int_equal(setting.version, 1);
    assert_int_equal(setting.modified_ms, put.at_ms);
    assert_int_equal(setting.size, 7);
    assert_true(str_equal_text(buf_str(&value), "welcome"));
    put.value = (struct str){"\0\xff\n", 3}; // any bytes
    put.at_ms++;
    assert_done(place->store, &put, NULL);
    buf_truncate(&value, 0);
    assert_int_equal(store_setting(place->store, "chat/motd", &setting, &value, NULL), 1);
    assert_true(str_equal(buf_str(&value), put.value));
    assert_int_equal(setting.version, 2);
    assert_int_equal(setting.modified_ms, put.at_ms);
    assert_int_equal(meta_of(place->store).settings, 1);
    buf_free(&value);
}

static void a_setting_may_be_empty_or_64_kib(void **state) {
    struct place *place = *state;
    struct setting setting;
    struct buf value = {0};
    static char large[CHANGE_VALUE_MAX];
    memset(large, 'x', sizeof large);
    struct change put = change_setting(CHANGE_SETTING_PUT, "empty", "");
    put.value = (struct str){0};
    assert_done(place->store, &put, NULL);
    assert_int_equal(store_setting(place->store, "empty", &setting, &value, NULL), 1);
    assert_int_equal(value.len, 0);
    memset(put.setting, 'k', sizeof put.setting - 1);
    put.value = (struct str){large, sizeof large};
    assert_done(place->store, &put, NULL);
    assert_int_equal(store_setting(place->store, put.setting, &setting, &value, NULL), 1);
    assert_true(str_equal(buf_str(&value), put.value));
    assert_int_equal(store_setting(place->store, put.setting, &setting, NULL, NULL), 1); // without it
    assert_int_equal(setting.size, sizeof large);
    buf_free(&value);
}

static void compare_and_set_lets_one_of_two_win(void **state) {
    struct place *place = *state;
    struct answer answer;
    struct change first = change_setting(CHANGE_SETTING_PUT, "leader", "a");
    struct change second = change_setting(CHANGE_SETTING_PUT, "leader", "b");
    struct change gone = change_setting(CHANGE_SETTING_DELETE, "leader", "");
    first.expects = second.expects = gone.expects = true; // that there is none
    assert_done(place->store, &first, NULL);
    assert_refused(place->store, &second, &answer, OUTCOME_VERSION);
    assert_int_equal(answer.version, 1);
    second.expected = 1;
    assert_done(place->store, &second, &answer);
    first.expected = 1;
    assert_refused(place->store, &first, &answer, OUTCOME_VERSION);
    assert_int_equal(answer.version, 2);
    gone.expected = 1;
    assert_refused(place->store, &gone, &answer, OUTCOME_VERSION);
    gone.expected = 2;
    assert_done(place->store, &gone, &answer);
    assert_int_equal(answer.version, 0);
    assert_refused(place->store, &gone, NULL, OUTCOME_ABSENT);
    second.expected = 2; // there is none of that version any more
    assert_refused(place->store, &second, &answer, OUTCOME_VERSION);
    assert_int_equal(answer.version, 0);
    assert_int_equal(meta_of(place->store).settings, 0);
    first.expected = 0;
    assert_done(place->store, &first, &answer);
    assert_int_equal(answer.version, 4); // never one that was before
}

struct seen {
    char text[1024];
    size_t len;
    unsigned stop_after; // 0: never
};

static bool see(struct seen *seen, const char *word) {
    seen->len += (size_t)snprintf(seen->text + seen->len, sizeof seen->text - seen->len, "%s ", word);
    return seen->stop_after == 0 || --seen->stop_after > 0;
}

static bool see_setting(const struct setting *setting, void *context) {
    char word[300];
    snprintf(word, sizeof word, "%s=%.*s", setting->key, (int)setting->value.len,
             setting->value.len ? setting->value.ptr : "");
    return see(context, word);
}

static void settings_are_listed_by_prefix_in_the_order_of_their_bytes(void **state) {
    struct place *place = *state;
    static const char *const keys[] = {"b/2", "a", "b/10", "b", "c", "b/1", "b0", "B/1"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct change put = change_setting(CHANGE_SETTING_PUT, keys[i], "v");
        assert_done(place->store, &put, NULL);
    }
    static const struct {
        const char *prefix, *after;
        unsigned limit;
        bool values;
        const char *expected;
    } lists[] = {
        {"", "", 100, true, "B/1=v a=v b=v b/1=v b/10=v b/2=v b0=v c=v "},
        {"b/", "", 100, false, "b/1= b/10= b/2= "},
        {"b/", "b/1", 100, false, "b/10= b/2= "},
        {"b/", "b/10", 1, false, "b/2= "},
        {"b/", "", 2, false, "b/1= b/10= "},
        {"b/", "a", 100, false, "b/1= b/10= b/2= "},
        {"b/", "b/2", 100, false, ""},
        {"b/", "zzz", 100, false, ""},
        {"d", "", 100, false, ""},
        {"b/1", "b/1", 100, false, "b/10= "},
        {"", "c", 100, false, ""},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct seen seen = {0};
        int count = store_settings(place->store, lists[i].prefix, lists[i].after, lists[i].limit,
                                   lists[i].values, see_setting, &seen, NULL);
        assert_string_equal(seen.text, lists[i].expected);
        int words = 0;
        for (const char *at = seen.text; *at; at++) words += *at == ' ';
        assert_int_equal(count, words);
    }
    struct seen seen = {.stop_after = 2};
    assert_int_equal(store_settings(place->store, "", "", 100, false, see_setting, &seen, NULL), 2);
    assert_string_equal(seen.text, "B/1= a= ");
}

// --- tokens -----------------------------------------------------------------------------------------------

static bool see_token(const struct admin_token *token, void *context) {
    return see(context, token->label);
}

static void a_token_is_found_by_its_digest_until_it_is_revoked(void **state) {
    struct place *place = *state;
    struct admin_token token;
    struct seen seen = {0};
    struct change add = change_token(CHANGE_TOKEN_ADD, 1), second = change_token(CHANGE_TOKEN_ADD, 2);
    struct change revoke = change_token(CHANGE_TOKEN_REVOKE, 1), clash = change_token(CHANGE_TOKEN_ADD, 3);
    assert_int_equal(store_find_token(place->store, &add.token, &token, NULL), 0);
    assert_done(place->store, &add, NULL);
    assert_done(place->store, &second, NULL);
    assert_refused(place->store, &add, NULL, OUTCOME_TAKEN);
    clash.token = add.token;
    assert_refused(place->store, &clash, NULL, OUTCOME_TAKEN);
    assert_int_equal(store_find_token(place->store, &add.token, &token, NULL), 1);
    assert_string_equal(token.label, "token 1");
    assert_memory_equal(&token.id, &add.uuid, sizeof token.id);
    assert_int_equal(token.created, 1);
    assert_int_equal(token.created_ms, add.at_ms);
    assert_int_equal(store_tokens(place->store, 0, 100, see_token, &seen, NULL), 2);
    assert_string_equal(seen.text, "token 1 token 2 ");
    assert_int_equal(meta_of(place->store).tokens, 2);
    assert_done(place->store, &revoke, NULL);
    assert_int_equal(store_find_token(place->store, &add.token, &token, NULL), 0);
    assert_refused(place->store, &revoke, NULL, OUTCOME_ABSENT);
    assert_int_equal(meta_of(place->store).tokens, 1);
    seen = (struct seen){0};
    assert_int_equal(store_tokens(place->store, 0, 100, see_token, &seen, NULL), 1);
    assert_string_equal(seen.text, "token 2 ");
}

// --- accounts ---------------------------------------------------------------------------------------------

struct page {
    char logins[8][LOGIN_MAX_BYTES + 1];
    uint64_t last;
    int count;
};

static bool see_account(const struct account *account, void *context) {
    struct page *page = context;
    strcpy(page->logins[page->count++], account->login);
    page->last = account->created;
    return true;
}

static void pages_of_accounts_stay_in_place_while_others_come_and_go(void **state) {
    struct place *place = *state;
    struct page page = {0};
    for (unsigned i = 0; i < 7; i++) {
        char login[] = {(char)('g' - i), '\0'};
        struct change create = change_creating(login, i + 1);
        assert_done(place->store, &create, NULL);
    }
    assert_int_equal(store_accounts(place->store, 0, 3, see_account, &page, NULL), 3);
    assert_string_equal(page.logins[0], "g"); // the oldest first
    assert_string_equal(page.logins[2], "e");
    struct change gone = change_of(CHANGE_DELETE, 3); // "e", where we stand
    struct change renaming = change_renaming(4, "zz"), more = change_creating("h", 9);
    assert_done(place->store, &gone, NULL);
    assert_done(place->store, &renaming, NULL); // does not move
    assert_done(place->store, &more, NULL);
    page.count = 0;
    assert_int_equal(store_accounts(place->store, page.last, 8, see_account, &page, NULL), 5);
    static const char *const expected[] = {"zz", "c", "b", "a", "h"};
    for (int i = 0; i < 5; i++) assert_string_equal(page.logins[i], expected[i]);
    assert_int_equal(store_accounts(place->store, page.last, 8, see_account, &page, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORY(a_setting_is_what_was_put),
        STORY(a_setting_may_be_empty_or_64_kib),
        STORY(compare_and_set_lets_one_of_two_win),
        STORY(settings_are_listed_by_prefix_in_the_order_of_their_bytes),
        STORY(a_token_is_found_by_its_digest_until_it_is_revoked),
        STORY(pages_of_accounts_stay_in_place_while_others_come_and_go),
    };
    return cmocka_run_group_tests_name("things", tests, NULL, NULL);
}

// Changes travel through the log: what comes out is what went in, and nothing else comes in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/change.h"

#include "guard.h"
#include "seed.h"

#include <string.h>

static struct change alice(void) {
    struct change change = {.kind = CHANGE_CREATE, .at_ms = INT64_C(1769904000123)};
    for (unsigned i = 0; i < sizeof change.uuid.bytes; i++) change.uuid.bytes[i] = (uint8_t)(0xf0 + i);
    for (unsigned i = 0; i < sizeof change.secret_key.bytes; i++) change.secret_key.bytes[i] = (uint8_t)i;
    strcpy(change.login.name, "Alice\xc3\x89");
    strcpy(change.login.fold, "alice\xc3\xa9");
    strcpy(change.name, "Alice of the north gate");
    strcpy(change.created_from, "2001:db8::17");
    strcpy(change.secret_hash, "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA");
    return change;
}

static void fill(char *text, size_t capacity) {
    memset(text, 'x', capacity - 1);
    text[capacity - 1] = '\0';
}

static void expect_round_trip(const struct change *change) {
    struct buf encoded = {0};
    struct change decoded;
    assert_int_equal(change_encode(change, &encoded), 0);
    assert_int_equal(change_decode(buf_str(&encoded), &decoded), 0);
    assert_memory_equal(&decoded, change, sizeof decoded);
    buf_free(&encoded);
}

static void what_was_encoded_is_decoded_the_same(void **state) {
    (void)state;
    struct change change = alice();
    expect_round_trip(&change);
}

static void empty_texts_and_times_before_1970_survive(void **state) {
    (void)state;
    struct change change = {.kind = CHANGE_CREATE, .at_ms = -1, .login = {"x", "x"}};
    expect_round_trip(&change);
    change.at_ms = INT64_MIN;
    expect_round_trip(&change);
}

static void the_longest_texts_survive(void **state) {
    (void)state;
    struct change change = alice();
    fill(change.login.name, sizeof change.login.name);
    fill(change.login.fold, sizeof change.login.fold);
    fill(change.name, sizeof change.name);
    fill(change.created_from, sizeof change.created_from);
    fill(change.secret_hash, sizeof change.secret_hash);
    expect_round_trip(&change);
}

// The log outlives the program: this encoding may gain versions, but this one never changes.
static void expect_bytes(const struct change *change, const char *expected, size_t len) {
    struct buf encoded = {0};
    struct change decoded;
    assert_int_equal(change_encode(change, &encoded), 0);
    assert_int_equal(encoded.len, len);
    assert_memory_equal(encoded.data, expected, len);
    assert_int_equal(change_decode(buf_str(&encoded), &decoded), 0);
    assert_true(str_equal(decoded.value, change->value));
    decoded.value = change->value; // lies elsewhere
    assert_memory_equal(&decoded, change, sizeof decoded);
    buf_free(&encoded);
}

#define EXPECT_BYTES(change, literal) expect_bytes(change, literal, sizeof(literal) - 1)
#define OF_16(byte)                   byte byte byte byte byte byte byte byte byte byte byte byte byte byte byte byte

static void the_bytes_of_a_creation_are_these(void **state) {
    (void)state;
    struct change change = {.kind = CHANGE_CREATE, .at_ms = 0x0102030405060708};
    memset(change.uuid.bytes, 0xaa, sizeof change.uuid.bytes);
    memset(change.secret_key.bytes, 0xbb, sizeof change.secret_key.bytes);
    strcpy(change.login.name, "A");
    strcpy(change.login.fold, "a");
    strcpy(change.name, "Al");
    strcpy(change.created_from, "::1");
    strcpy(change.secret_hash, "$h");
    EXPECT_BYTES(&change,
                 "\x02\x01\x04"
                 "\x08\x07\x06\x05\x04\x03\x02\x01" OF_16("\xaa") "\x01\0A\x01\0a\x02\0Al\x03\0::1" OF_16(
                     "\xbb") OF_16("\xbb") "\x02\0$h");
}

static void the_bytes_of_the_others_are_these(void **state) {
    (void)state;
    struct change modify = {.kind = CHANGE_MODIFY, .at_ms = 1, .expects = true, .expected = 0x1122};
    memset(modify.uuid.bytes, 0xaa, sizeof modify.uuid.bytes);
    modify.credential = 3;
    modify.sets = CHANGE_SETS_NAME;
    strcpy(modify.name, "Al");
    EXPECT_BYTES(&modify, "\x02\x02\x01"
                          "\x01\0\0\0\0\0\0\0"
                          "\x22\x11\0\0\0\0\0\0" OF_16("\xaa") "\x03\0\0\0\0\0\0\0"
                                                               "\x02\x02\0Al");

    struct change remove = {.kind = CHANGE_DELETE, .at_ms = 1};
    memset(remove.uuid.bytes, 0xaa, sizeof remove.uuid.bytes);
    EXPECT_BYTES(&remove, "\x02\x03\0"
                          "\x01\0\0\0\0\0\0\0" OF_16("\xaa") "\0\0\0\0\0\0\0\0");

    struct change put = {.kind = CHANGE_SETTING_PUT, .at_ms = 1, .value = {"\0\xff", 2}};
    strcpy(put.setting, "k/1");
    strcpy(put.request.key, "id");
    memset(put.request.scope.bytes, 0xcc, sizeof put.request.scope.bytes);
    memset(put.request.fingerprint.bytes, 0xdd, sizeof put.request.fingerprint.bytes);
    EXPECT_BYTES(&put, "\x02\x04\x02"
                       "\x01\0\0\0\0\0\0\0" OF_16("\xcc") OF_16("\xcc") "\x02\0id" OF_16("\xdd")
                           OF_16("\xdd") "\x03\0k/1\x02\0\0\0\0\xff");

    struct change unset = {.kind = CHANGE_SETTING_DELETE, .at_ms = 1};
    strcpy(unset.setting, "k/1");
    EXPECT_BYTES(&unset, "\x02\x05\0"
                         "\x01\0\0\0\0\0\0\0\x03\0k/1");

    memset(unset.admin.bytes, 0xff, sizeof unset.admin.bytes); // and one that an admin asked for
    EXPECT_BYTES(&unset, "\x02\x05\x08"
                         "\x01\0\0\0\0\0\0\0" OF_16("\xff") "\x03\0k/1");

    struct change add = {.kind = CHANGE_TOKEN_ADD, .at_ms = 1, .label = "ci"};
    memset(add.uuid.bytes, 0xaa, sizeof add.uuid.bytes);
    memset(add.token.bytes, 0xee, sizeof add.token.bytes);
    EXPECT_BYTES(&add, "\x02\x06\0"
                       "\x01\0\0\0\0\0\0\0" OF_16("\xaa") "\x02\0ci" OF_16("\xee") OF_16("\xee"));

    struct change revoke = {.kind = CHANGE_TOKEN_REVOKE, .at_ms = 1};
    memset(revoke.uuid.bytes, 0xaa, sizeof revoke.uuid.bytes);
    EXPECT_BYTES(&revoke, "\x02\x07\0"
                          "\x01\0\0\0\0\0\0\0" OF_16("\xaa"));
}

static void fields_of_other_kinds_do_not_travel(void **state) {
    (void)state;
    struct change full = alice(), bare = {.kind = CHANGE_DELETE, .at_ms = full.at_ms, .uuid = full.uuid};
    struct buf encoded = {0}, expected = {0};
    full.kind = CHANGE_DELETE;
    strcpy(full.setting, "not mine");
    full.value = STR("nor this");
    assert_int_equal(change_encode(&full, &encoded), 0);
    assert_int_equal(change_encode(&bare, &expected), 0);
    assert_true(str_equal(buf_str(&encoded), buf_str(&expected)));
    buf_free(&encoded);
    buf_free(&expected);
}

static void without_a_password_no_key_travels(void **state) {
    (void)state;
    struct change with = alice(), without = alice(), decoded;
    struct buf encoded = {0};
    without.secret_hash[0] = '\0';
    assert_int_equal(change_encode(&without, &encoded), 0);
    assert_null(memmem(encoded.data, encoded.len, with.secret_key.bytes, sizeof with.secret_key.bytes));
    assert_int_equal(change_decode(buf_str(&encoded), &decoded), 0);
    assert_memory_equal(&decoded.secret_key, &(struct secret_key){{0}}, sizeof decoded.secret_key);
    buf_free(&encoded);
}

// One of each kind, with all it may have.
static struct change nth(unsigned i) {
    struct change change = alice();
    change.kind = (enum change_kind)(CHANGE_CREATE + i % 7);
    bool expects = change.kind >= CHANGE_MODIFY && change.kind <= CHANGE_SETTING_DELETE;
    change.expects = expects && i >= 7;
    change.expected = 77;
    change.credential = 3;
    change.sets = 1 + i % 7;
    strcpy(change.setting, "chat/motd");
    change.value = STR("welcome\0 to all");
    strcpy(change.label, "for backups");
    memset(&change.token, 0x55, sizeof change.token);
    if (i < 14) strcpy(change.request.key, "7f3c");
    if (i >= 7 && i < 14) memset(&change.admin, 0x66, sizeof change.admin);
    return change;
}

#define KINDS 21

static void every_kind_survives(void **state) {
    (void)state;
    for (unsigned i = 0; i < KINDS; i++) {
        struct change change = nth(i), decoded, twice;
        struct buf encoded = {0}, again = {0};
        assert_int_equal(change_encode(&change, &encoded), 0);
        assert_int_equal(change_decode(buf_str(&encoded), &decoded), 0);
        assert_int_equal(change_encode(&decoded, &again), 0);
        assert_true(str_equal(buf_str(&again), buf_str(&encoded)));
        assert_int_equal(change_decode(buf_str(&encoded), &twice), 0);
        assert_memory_equal(&twice, &decoded, sizeof twice);
        assert_int_equal(decoded.kind, change.kind);
        assert_int_equal(decoded.expects, change.expects);
        assert_string_equal(decoded.request.key, change.request.key);
        bool of_token = change.kind == CHANGE_TOKEN_ADD || change.kind == CHANGE_TOKEN_REVOKE;
        assert_int_equal(uuid_is_nil(&decoded.admin), of_token || uuid_is_nil(&change.admin));
        if (change.kind == CHANGE_SETTING_PUT) assert_true(str_equal(decoded.value, change.value));
        buf_free(&encoded);
        buf_free(&again);
    }
}

static void values_have_a_limit(void **state) {
    (void)state;
    static char large[CHANGE_VALUE_MAX + 1];
    struct change put = {.kind = CHANGE_SETTING_PUT, .setting = "k"}, decoded;
    struct buf encoded = {0};
    put.value = (struct str){large, CHANGE_VALUE_MAX};
    assert_int_equal(change_encode(&put, &encoded), 0);
    assert_int_equal(change_decode(buf_str(&encoded), &decoded), 0);
    assert_int_equal(decoded.value.len, CHANGE_VALUE_MAX);
    encoded.data[11 + 3]++; // the lowest byte of the length
    assert_int_equal(buf_append(&encoded, "", 1), 0);
    assert_int_equal(change_decode(buf_str(&encoded), &decoded), -1);
    buf_free(&encoded);
}

static void keys_of_settings_are_printable_ascii(void **state) {
    (void)state;
    char longest[CHANGE_SETTING_MAX + 1];
    memset(longest, 'k', sizeof longest);
    assert_true(setting_key_valid(STR("chat/motd")));
    assert_true(setting_key_valid(STR("!~")));
    assert_true(setting_key_valid(STR("...")));
    assert_true(setting_key_valid(STR("a./.b/c..d//e")));
    assert_true(setting_key_valid((struct str){longest, CHANGE_SETTING_MAX}));
    assert_false(setting_key_valid((struct str){longest, CHANGE_SETTING_MAX + 1}));
    assert_false(setting_key_valid(STR("")));
    assert_false(setting_key_valid(STR(".")));
    assert_false(setting_key_valid(STR("..")));
    assert_false(setting_key_valid(STR("a/..")));
    assert_false(setting_key_valid(STR("./a")));
    assert_false(setting_key_valid(STR("a/../b")));
    assert_false(setting_key_valid(STR("a b")));
    assert_false(setting_key_valid(STR("a\0b")));
    assert_false(setting_key_valid(STR("a\x7f")));
    assert_false(setting_key_valid(STR("\xc3\xa9")));
}

static void names_of_kinds_and_outcomes(void **state) {
    (void)state;
    assert_string_equal(change_kind_name(CHANGE_CREATE), "create");
    assert_string_equal(change_kind_name(CHANGE_TOKEN_REVOKE), "token_revoke");
    assert_null(change_kind_name((enum change_kind)0));
    assert_null(change_kind_name((enum change_kind)8));
    assert_string_equal(outcome_name(OUTCOME_DONE), "done");
    assert_string_equal(outcome_name(OUTCOME_FAILED), "failed");
}

static void every_shorter_one_is_refused_without_a_look_beyond_its_end(void **state) {
    (void)state;
    for (unsigned i = 0; i < KINDS; i++) {
        struct change change = nth(i), decoded;
        struct buf encoded = {0};
        assert_int_equal(change_encode(&change, &encoded), 0);
        struct guard guard = guard_open(encoded.len);
        for (size_t len = 0; len < encoded.len; len++)
            assert_int_equal(change_decode(guard_copy(&guard, encoded.data, len), &decoded), -1);
        assert_int_equal(change_decode(guard_copy(&guard, encoded.data, encoded.len), &decoded), 0);
        guard_close(&guard);
        buf_free(&encoded);
    }
}

static void a_byte_too_many_is_refused(void **state) {
    (void)state;
    struct change change = alice(), decoded;
    struct buf encoded = {0};
    assert_int_equal(change_encode(&change, &encoded), 0);
    assert_int_equal(buf_append(&encoded, "", 1), 0);
    assert_int_equal(change_decode(buf_str(&encoded), &decoded), -1);
    buf_free(&encoded);
}

static void other_versions_kinds_lengths_and_texts_are_refused(void **state) {
    (void)state;
    static const struct {
        unsigned of;
        size_t at;
        uint8_t byte;
    } wrong[] = {
        {14, 0, 0},     {14, 0, 1},     {14, 0, 3},    // version
        {14, 1, 0},     {14, 1, 8},     {14, 1, 0xff}, // kind
        {14, 2, 16},    {14, 2, 0x84},                 // flags that are none
        {14, 2, 5},                                    // a creation expects nothing
        {16, 2, 5},                                    // a deletion has no secret
        {14, 27, 0xff}, {14, 28, 4},                   // length of the login
        {14, 29, 0},    {14, 29, 0xff},                // a NUL inside it; not UTF-8
        {15, 43, 0},    {15, 43, 8},    {15, 43, 10},  // what a modification sets
        {17, 21, ' '},  {17, 21, 0x80},                // key of a setting
    };
    struct change decoded;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct change change = nth(wrong[i].of);
        struct buf encoded = {0};
        assert_int_equal(change_encode(&change, &encoded), 0);
        assert_int_equal(change_decode(buf_str(&encoded), &decoded), 0);
        encoded.data[wrong[i].at] = (char)wrong[i].byte;
        if (change_decode(buf_str(&encoded), &decoded) != -1) fail_msg("row %zu is accepted", i);
        buf_free(&encoded);
    }
}

// "k", set by the admin whose id is that; of a token's kinds nobody is asked.
static void an_admin_is_somebody_and_not_asked_of_tokens(void **state) {
    (void)state;
    static const char by[] = "\x02\x05\x08\x01\0\0\0\0\0\0\0" OF_16("\x01") "\x01\0k";
    static const char nil[] = "\x02\x05\x08\x01\0\0\0\0\0\0\0" OF_16("\0") "\x01\0k";
    static const char revoke[] = "\x02\x07\x08\x01\0\0\0\0\0\0\0" OF_16("\x01") OF_16("\x02");
    struct change decoded;
    assert_int_equal(change_decode((struct str){by, sizeof by - 1}, &decoded), 0);
    assert_int_equal(change_decode((struct str){nil, sizeof nil - 1}, &decoded), -1);
    assert_int_equal(change_decode((struct str){revoke, sizeof revoke - 1}, &decoded), -1);
}

static void a_text_that_would_not_fit_is_refused(void **state) {
    (void)state;
    struct change change = alice(), decoded;
    for (size_t len = SECRET_HASH_SIZE - 1; len <= SECRET_HASH_SIZE; len++) {
        struct buf encoded = {0};
        assert_int_equal(change_encode(&change, &encoded), 0);
        buf_truncate(&encoded, encoded.len - 2 - strlen(change.secret_hash)); // the hash is the last
        const char length[] = {(char)len, 0};
        assert_int_equal(buf_append(&encoded, length, 2), 0);
        for (size_t i = 0; i < len; i++) assert_int_equal(buf_append(&encoded, "x", 1), 0);
        assert_int_equal(change_decode(buf_str(&encoded), &decoded), len < SECRET_HASH_SIZE ? 0 : -1);
        buf_free(&encoded);
    }
}

static void whatever_decodes_encodes_to_the_same_bytes(void **state) {
    (void)state;
    struct dice dice = seeded_dice("change");
    struct change decoded;
    unsigned accepted = 0;
    for (unsigned round = 0; round < 40000; round++) {
        struct change change = nth(round % KINDS);
        struct buf encoded = {0}, again = {0};
        assert_int_equal(change_encode(&change, &encoded), 0);
        for (uint64_t flips = dice_between(&dice, 1, 3); flips > 0; flips--)
            encoded.data[dice_below(&dice, encoded.len)] ^= (char)(1 << dice_below(&dice, 8));
        if (change_decode(buf_str(&encoded), &decoded) == 0) {
            accepted++;
            assert_int_equal(change_encode(&decoded, &again), 0);
            assert_int_equal(again.len, encoded.len);
            assert_memory_equal(again.data, encoded.data, again.len);
        }
        buf_free(&encoded);
        buf_free(&again);
    }
    assert_true(accepted > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_decoded_the_same),
        cmocka_unit_test(empty_texts_and_times_before_1970_survive),
        cmocka_unit_test(the_longest_texts_survive),
        cmocka_unit_test(the_bytes_of_a_creation_are_these),
        cmocka_unit_test(the_bytes_of_the_others_are_these),
        cmocka_unit_test(fields_of_other_kinds_do_not_travel),
        cmocka_unit_test(without_a_password_no_key_travels),
        cmocka_unit_test(every_kind_survives),
        cmocka_unit_test(values_have_a_limit),
        cmocka_unit_test(keys_of_settings_are_printable_ascii),
        cmocka_unit_test(names_of_kinds_and_outcomes),
        cmocka_unit_test(every_shorter_one_is_refused_without_a_look_beyond_its_end),
        cmocka_unit_test(a_byte_too_many_is_refused),
        cmocka_unit_test(other_versions_kinds_lengths_and_texts_are_refused),
        cmocka_unit_test(an_admin_is_somebody_and_not_asked_of_tokens),
        cmocka_unit_test(a_text_that_would_not_fit_is_refused),
        cmocka_unit_test(whatever_decodes_encodes_to_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

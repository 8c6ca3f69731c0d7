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
    struct change change = {.kind = CHANGE_CREATE, .at_ms = -1};
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
static void the_bytes_are_these(void **state) {
    (void)state;
    struct change change = {.kind = CHANGE_CREATE, .at_ms = 0x0102030405060708};
    memset(change.uuid.bytes, 0xaa, sizeof change.uuid.bytes);
    memset(change.secret_key.bytes, 0xbb, sizeof change.secret_key.bytes);
    strcpy(change.login.name, "A");
    strcpy(change.login.fold, "a");
    strcpy(change.name, "Al");
    strcpy(change.created_from, "::1");
    strcpy(change.secret_hash, "$h");
    static const char expected[] = "\x01\x01"
                                   "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
                                   "\x01\0A\x01\0a\x02\0Al\x03\0::1"
                                   "\x08\x07\x06\x05\x04\x03\x02\x01"
                                   "\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb"
                                   "\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb"
                                   "\x02\0$h";
    struct buf encoded = {0};
    assert_int_equal(change_encode(&change, &encoded), 0);
    assert_int_equal(encoded.len, sizeof expected - 1);
    assert_memory_equal(encoded.data, expected, encoded.len);
    buf_free(&encoded);
}

static void every_shorter_one_is_refused_without_a_look_beyond_its_end(void **state) {
    (void)state;
    struct change change = alice(), decoded;
    struct buf encoded = {0};
    assert_int_equal(change_encode(&change, &encoded), 0);
    struct guard guard = guard_open(encoded.len);
    for (size_t len = 0; len < encoded.len; len++)
        assert_int_equal(change_decode(guard_copy(&guard, encoded.data, len), &decoded), -1);
    assert_int_equal(change_decode(guard_copy(&guard, encoded.data, encoded.len), &decoded), 0);
    guard_close(&guard);
    buf_free(&encoded);
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
        size_t at;
        uint8_t byte;
    } wrong[] = {
        {0, 0},     {0, 2},     // version
        {1, 0},     {1, 2},     // kind
        {18, 0xff}, {19, 4},    // length of the login
        {20, 0},    {20, 0xff}, // a NUL inside it; not UTF-8
    };
    struct change change = alice(), decoded;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct buf encoded = {0};
        assert_int_equal(change_encode(&change, &encoded), 0);
        encoded.data[wrong[i].at] = (char)wrong[i].byte;
        assert_int_equal(change_decode(buf_str(&encoded), &decoded), -1);
        buf_free(&encoded);
    }
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
    struct change change = alice(), decoded;
    unsigned accepted = 0;
    for (int round = 0; round < 20000; round++) {
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
        cmocka_unit_test(the_bytes_are_these),
        cmocka_unit_test(every_shorter_one_is_refused_without_a_look_beyond_its_end),
        cmocka_unit_test(a_byte_too_many_is_refused),
        cmocka_unit_test(other_versions_kinds_lengths_and_texts_are_refused),
        cmocka_unit_test(a_text_that_would_not_fit_is_refused),
        cmocka_unit_test(whatever_decodes_encodes_to_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

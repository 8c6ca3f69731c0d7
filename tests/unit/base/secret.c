// Secrets: what is made from them, what matches, and that nothing remains.
#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

static void a_token_is_26_characters_of_base_32(void **state) {
    (void)state;
    char one[SECRET_TOKEN_SIZE], other[SECRET_TOKEN_SIZE];
    bool seen[256] = {0};
    for (int i = 0; i < 200; i++) {
        secret_token(one);
        secret_token(other);
        assert_int_equal(strlen(one), 26);
        assert_int_equal(strspn(one, "abcdefghijklmnopqrstuvwxyz234567"), 26);
        assert_string_not_equal(one, other);
        for (int at = 0; at < 26; at++) seen[(unsigned char)one[at]] = true;
    }
    int letters = 0;
    for (int i = 0; i < 256; i++) letters += seen[i];
    assert_int_equal(letters, 32); // each of them is used
}

static void random_bytes_differ(void **state) {
    (void)state;
    uint8_t a[32] = {0}, b[32] = {0};
    secret_random(a, sizeof a);
    secret_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_true(secret_random_u64() != secret_random_u64());
}

static void a_digest_depends_on_key_and_secret(void **state) {
    (void)state;
    struct secret_key key = {{1}}, other_key = {{2}};
    struct secret_digest digest, again, other;
    secret_digest(&key, STR("secret"), &digest);
    secret_digest(&key, STR("secret"), &again);
    assert_memory_equal(&digest, &again, sizeof digest);
    secret_digest(&key, STR("secret2"), &other);
    assert_memory_not_equal(&digest, &other, sizeof digest);
    secret_digest(&other_key, STR("secret"), &other);
    assert_memory_not_equal(&digest, &other, sizeof digest);
    secret_digest(&key, (struct str){0}, &digest);
    secret_digest(&key, STR(""), &other);
    assert_memory_equal(&digest, &other, sizeof digest);
}

static void a_digest_is_keyed_blake2b_256(void **state) {
    (void)state;
    struct secret_key key;
    struct secret_digest digest;
    uint8_t expected[32];
    for (size_t i = 0; i < sizeof key.bytes; i++) key.bytes[i] = (uint8_t)i;
    crypto_generichash(expected, sizeof expected, (const uint8_t *)"abc", 3, key.bytes, sizeof key.bytes);
    secret_digest(&key, STR("abc"), &digest);
    assert_memory_equal(digest.bytes, expected, sizeof expected);
}

static void a_digest_of_two_parts_tells_where_the_first_ends(void **state) {
    (void)state;
    struct secret_key key = {{1}};
    struct secret_digest ab_c, a_bc, again, empty_abc;
    secret_digest2(&key, STR("ab"), STR("c"), &ab_c);
    secret_digest2(&key, STR("ab"), STR("c"), &again);
    secret_digest2(&key, STR("a"), STR("bc"), &a_bc);
    secret_digest2(&key, (struct str){0}, STR("abc"), &empty_abc);
    assert_memory_equal(&ab_c, &again, sizeof ab_c);
    assert_memory_not_equal(&ab_c, &a_bc, sizeof ab_c);
    assert_memory_not_equal(&ab_c, &empty_abc, sizeof ab_c);
}

static void a_hash_matches_its_digest_and_no_other(void **state) {
    (void)state;
    struct secret_key key = {{1}};
    struct secret_digest digest, other;
    char hash[SECRET_HASH_SIZE], again[SECRET_HASH_SIZE];
    secret_digest(&key, STR("secret"), &digest);
    secret_digest(&key, STR("Secret"), &other);
    assert_int_equal(secret_hash(&digest, hash), 0);
    assert_int_equal(secret_hash(&digest, again), 0);
    assert_string_not_equal(hash, again); // salted
    assert_true(secret_verify(hash, &digest));
    assert_true(secret_verify(again, &digest));
    assert_false(secret_verify(hash, &other));
}

static void a_hash_costs_what_the_design_says(void **state) {
    (void)state;
    const char *expected = "$argon2id$v=19$m=19456,t=2,p=1$";
    struct secret_digest digest = {{0}};
    char hash[SECRET_HASH_SIZE];
    assert_int_equal(secret_hash(&digest, hash), 0);
    assert_memory_equal(hash, expected, strlen(expected));
    assert_memory_equal(secret_hash_of_nobody(), expected, strlen(expected));
    assert_int_equal(strlen(secret_hash_of_nobody()), strlen(hash));
}

static void nobodys_hash_is_well_formed_and_matches_nothing(void **state) {
    (void)state;
    struct secret_digest digest = {{0}};
    // 0: it can be decoded, and its costs are these. Verifying it does the whole work.
    assert_int_equal(crypto_pwhash_str_needs_rehash(secret_hash_of_nobody(), 2, 19 * 1024 * 1024), 0);
    assert_false(secret_verify(secret_hash_of_nobody(), &digest));
    secret_random(&digest, sizeof digest);
    assert_false(secret_verify(secret_hash_of_nobody(), &digest));
}

static void a_malformed_hash_matches_nothing(void **state) {
    (void)state;
    static const char *const malformed[] = {
        "",
        "$",
        "plain",
        "$argon2id$",
        "$argon2id$v=19$m=19456,t=2,p=1$",
        "$argon2id$v=19$m=19456,t=2,p=1$!!!!$!!!!",
        "$argon2id$v=19$m=99999999999999999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
        "$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
        "$6$salt$hash",
    };
    struct secret_digest digest = {{0}};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        assert_false(secret_verify(malformed[i], &digest));
}

static void equal_means_every_byte(void **state) {
    (void)state;
    assert_true(secret_equal("abcd", "abcd", 4));
    assert_false(secret_equal("abcd", "abce", 4));
    assert_false(secret_equal("Xbcd", "abcd", 4));
    assert_true(secret_equal("abcd", "abce", 3));
    assert_true(secret_equal_str(STR("same"), STR("same")));
    assert_false(secret_equal_str(STR("same"), STR("some")));
    assert_false(secret_equal_str(STR("same"), STR("same2")));
    assert_true(secret_equal_str((struct str){0}, STR("")));
}

static void wiping_leaves_zeroes(void **state) {
    (void)state;
    char secret[64];
    memset(secret, 'x', sizeof secret);
    secret_wipe(secret, sizeof secret - 1);
    for (size_t i = 0; i < sizeof secret - 1; i++) assert_int_equal(secret[i], 0);
    assert_int_equal(secret[sizeof secret - 1], 'x');
}

static int init(void **state) {
    (void)state;
    return secret_init(NULL) == 0 && secret_init(NULL) == 0 ? 0 : -1; // twice does no harm
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_26_characters_of_base_32),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(a_digest_depends_on_key_and_secret),
        cmocka_unit_test(a_digest_is_keyed_blake2b_256),
        cmocka_unit_test(a_digest_of_two_parts_tells_where_the_first_ends),
        cmocka_unit_test(a_hash_matches_its_digest_and_no_other),
        cmocka_unit_test(a_hash_costs_what_the_design_says),
        cmocka_unit_test(nobodys_hash_is_well_formed_and_matches_nothing),
        cmocka_unit_test(a_malformed_hash_matches_nothing),
        cmocka_unit_test(equal_means_every_byte),
        cmocka_unit_test(wiping_leaves_zeroes),
    };
    return cmocka_run_group_tests_name("secret", tests, init, NULL);
}

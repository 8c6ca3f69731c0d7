// Secrets, over libsodium.
//
//   secret ──► BLAKE2b-256 under a key ──► digest ──► argon2id ──► "$argon2id$v=19$m=19456,t=2,p=1$..."
//              fast: may be kept           what a    slow: what the roll keeps
//              while a name is pending     login brings
#include "base/secret.h"

#include <assert.h>
#include <sodium.h>

#define PASSES 2
#define MEMORY (19 * 1024 * 1024)

static_assert(SECRET_HASH_SIZE == crypto_pwhash_STRBYTES, "the header promises a terminated libsodium text");
static_assert(SECRET_KEY_SIZE >= crypto_generichash_KEYBYTES_MIN, "key");
static_assert(SECRET_KEY_SIZE <= crypto_generichash_KEYBYTES_MAX, "key");
static_assert(SECRET_DIGEST_SIZE >= crypto_generichash_BYTES_MIN, "digest");

int secret_init(struct err *err) {
    if (sodium_init() < 0)
        return err_set(err, ERR_SYSTEM, "the system has no randomness to give: check /dev/urandom");
    return 0;
}

void secret_random(void *bytes, size_t len) {
    randombytes_buf(bytes, len);
}

uint64_t secret_random_u64(void) {
    uint64_t value;
    randombytes_buf(&value, sizeof value);
    return value;
}

void secret_token(char token[SECRET_TOKEN_SIZE]) {
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t random[SECRET_TOKEN_SIZE - 1];
    randombytes_buf(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) token[i] = alphabet[random[i] & 31];
    token[sizeof random] = '\0';
    sodium_memzero(random, sizeof random);
}

// The calls of crypto_generichash fail only for sizes that the assertions above exclude.
static void absorb(crypto_generichash_state *state, const void *bytes, size_t len) {
    int rc = crypto_generichash_update(state, bytes, len);
    assert(rc == 0);
}

static void begin(crypto_generichash_state *state, const struct secret_key *key) {
    int rc = crypto_generichash_init(state, key->bytes, sizeof key->bytes, SECRET_DIGEST_SIZE);
    assert(rc == 0);
}

static void end(crypto_generichash_state *state, struct secret_digest *digest) {
    int rc = crypto_generichash_final(state, digest->bytes, sizeof digest->bytes);
    assert(rc == 0);
    sodium_memzero(state, sizeof *state);
}

void secret_digest(const struct secret_key *key, struct str secret, struct secret_digest *digest) {
    crypto_generichash_state state;
    begin(&state, key);
    absorb(&state, secret.ptr, secret.len);
    end(&state, digest);
}

void secret_digest2(const struct secret_key *key, struct str first, struct str second,
                    struct secret_digest *digest) {
    crypto_generichash_state state;
    uint8_t len[8]; // of the first part: tells where it ends
    for (unsigned i = 0; i < sizeof len; i++) len[i] = (uint8_t)((uint64_t)first.len >> (8 * i));
    begin(&state, key);
    absorb(&state, len, sizeof len);
    absorb(&state, first.ptr, first.len);
    absorb(&state, second.ptr, second.len);
    end(&state, digest);
}

uint64_t secret_table_hash(const struct secret_table_key *key, struct str text) {
    uint64_t hash;
    static_assert(sizeof hash == crypto_shorthash_BYTES && sizeof key->bytes == crypto_shorthash_KEYBYTES,
                  "");
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)text.ptr, text.len, key->bytes);
    return hash;
}

int secret_hash(const struct secret_digest *digest, char hash[SECRET_HASH_SIZE]) {
    return crypto_pwhash_str_alg(hash, (const char *)digest->bytes, sizeof digest->bytes, PASSES, MEMORY,
                                 crypto_pwhash_ALG_ARGON2ID13) == 0
               ? 0
               : -1;
}

bool secret_verify(const char *hash, const struct secret_digest *digest) {
    return crypto_pwhash_str_verify(hash, (const char *)digest->bytes, sizeof digest->bytes) == 0;
}

const char *secret_hash_of_nobody(void) {
    // All-zero salt and tag: to match it is to find a preimage. The costs are those of secret_hash().
    return "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
}

bool secret_equal(const void *a, const void *b, size_t len) {
    return sodium_memcmp(a, b, len) == 0;
}

bool secret_equal_str(struct str a, struct str b) {
    return a.len == b.len && sodium_memcmp(a.ptr, b.ptr, a.len) == 0;
}

void secret_wipe(void *bytes, size_t len) {
    sodium_memzero(bytes, len);
}

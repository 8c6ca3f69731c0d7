// Secrets: making, hashing, comparing and wiping them. The door to libsodium.
//
// A stored credential is argon2id over a keyed digest of the secret, not over the secret itself: the
// digest is all that a pending registration has to keep (protocol, "Registration locks"), so that a name
// becomes an account without its plain secret having been kept. The key lies beside the hash; it is salt,
// not a secret of its own.
#pragma once

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_KEY_SIZE    32
#define SECRET_DIGEST_SIZE 32
#define SECRET_HASH_SIZE   128 // crypto_pwhash_STRBYTES: terminated text, "$argon2id$..."
#define SECRET_TOKEN_SIZE  27  // 26 base-32 characters (130 bits) and the terminator

struct secret_key {
    uint8_t bytes[SECRET_KEY_SIZE];
};
struct secret_digest {
    uint8_t bytes[SECRET_DIGEST_SIZE];
};

// Call once before anything else here. -1 when the system has no randomness to give.
int secret_init(struct err *err);

void secret_random(void *bytes, size_t len);
uint64_t secret_random_u64(void);
// 130 random bits in base 32 (a-z, 2-7), as the peers' clients make them.
void secret_token(char token[SECRET_TOKEN_SIZE]);

// BLAKE2b-256 of `secret` under `key`: fast, for comparing and for feeding secret_hash.
void secret_digest(const struct secret_key *key, struct str secret, struct secret_digest *digest);
// One digest over two parts, unambiguous about where the first ends.
void secret_digest2(const struct secret_key *key, struct str first, struct str second,
                    struct secret_digest *digest);

// SipHash-2-4: for tables whose keys strangers choose, who must not be able to make them meet.
struct secret_table_key {
    uint8_t bytes[16];
};
uint64_t secret_table_hash(const struct secret_table_key *key, struct str text);

// argon2id, m = 19 MiB, t = 2, p = 1 (design, decision 9). Slow: tens of milliseconds. -1: memory is out.
int secret_hash(const struct secret_digest *digest, char hash[SECRET_HASH_SIZE]);
// True when `digest` is what `hash` was made from. Malformed hashes are false.
bool secret_verify(const char *hash, const struct secret_digest *digest);
// A well-formed hash that nothing matches: verifying against it costs what a real one costs.
const char *secret_hash_of_nobody(void);

bool secret_equal(const void *a, const void *b, size_t len); // constant time
bool secret_equal_str(struct str a, struct str b);           // constant time but for the lengths
void secret_wipe(void *bytes, size_t len);                   // not optimised away

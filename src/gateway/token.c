// Admin tokens. A digest without argon2id is enough: nobody guesses 256 bits.
#include "gateway/token.h"

#include <stdio.h>

void token_make(char text[TOKEN_TEXT_SIZE]) {
    uint8_t bits[32];
    secret_random(bits, sizeof bits);
    size_t len = (size_t)snprintf(text, TOKEN_TEXT_SIZE, "herald_");
    for (size_t i = 0; i < sizeof bits; i++, len += 2) {
        text[len] = "0123456789abcdef"[bits[i] >> 4];
        text[len + 1] = "0123456789abcdef"[bits[i] & 15];
    }
    text[len] = '\0';
    secret_wipe(bits, sizeof bits);
}

void token_digest(struct str text, struct secret_digest *digest) {
    static const struct secret_key key = {.bytes = "herald admin token"}; // the same on every server
    secret_digest(&key, text, digest);
}

// RFC 9562 identifiers: making, writing and reading them.
#include "base/uuid.h"

#include "base/secret.h"

#include <string.h>

void uuid_random(struct uuid *uuid) {
    secret_random(uuid->bytes, sizeof uuid->bytes);
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | 0x40); // version 4
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80); // variant of the RFC
}

void uuid_timed(struct uuid *uuid, int64_t wall_ms) {
    secret_random(uuid->bytes, sizeof uuid->bytes);
    for (int i = 0; i < 6; i++) uuid->bytes[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | 0x70); // version 7
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80); // variant of the RFC
}

// Before these bytes stands a hyphen.
static bool hyphen_before(int byte) {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

bool uuid_is_nil(const struct uuid *uuid) {
    static const struct uuid nil;
    return memcmp(uuid, &nil, sizeof nil) == 0;
}

void uuid_format(const struct uuid *uuid, char text[UUID_TEXT_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        if (hyphen_before(i)) *text++ = '-';
        *text++ = digits[uuid->bytes[i] >> 4];
        *text++ = digits[uuid->bytes[i] & 15];
    }
    *text = '\0';
}

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool uuid_parse(struct str text, struct uuid *uuid) {
    struct uuid parsed;
    if (text.len != UUID_TEXT_SIZE - 1) return false;
    const char *at = text.ptr;
    for (int i = 0; i < 16; i++) {
        if (hyphen_before(i) && *at++ != '-') return false;
        int high = digit(at[0]), low = digit(at[1]);
        if (high < 0 || low < 0) return false;
        parsed.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *uuid = parsed;
    return true;
}

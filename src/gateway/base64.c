// Base 64.
#include "gateway/base64.h"

#include <stdint.h>

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct str encoded, struct buf *out) {
    size_t start = out->len, padding = 0;
    if (encoded.len % 4 != 0) return -1;
    while (padding < 2 && padding < encoded.len && encoded.ptr[encoded.len - 1 - padding] == '=') padding++;
    if (buf_reserve(out, encoded.len / 4 * 3 + 1) != 0) return -1;
    uint32_t bits = 0;
    for (size_t i = 0; i < encoded.len; i++) {
        bool pad = i >= encoded.len - padding;
        int value = pad ? 0 : value_of(encoded.ptr[i]);
        if (value < 0) goto fail;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 3) continue;
        size_t keep = i + 1 == encoded.len ? 3 - padding : 3;
        for (size_t k = 0; k < 3; k++) {
            unsigned char byte = (unsigned char)(bits >> (16 - 8 * k));
            if (k < keep)
                out->data[out->len++] = (char)byte;
            else if (byte != 0) // bits that nobody sees: another spelling of the same
                goto fail;
        }
        bits = 0;
    }
    return 0;
fail:
    buf_truncate(out, start);
    return -1;
}

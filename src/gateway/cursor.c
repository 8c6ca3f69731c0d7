// Cursors: "c" or "k" and what is meant, in hexadecimal.
#include "gateway/cursor.h"

#include <inttypes.h>
#include <string.h>

static int digit_of(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int cursor_write(struct buf *out, uint64_t at) {
    return buf_printf(out, "\"c%016" PRIx64 "\"", at);
}

bool cursor_parse(struct str text, uint64_t *at) {
    if (text.len != 17 || text.ptr[0] != 'c') return false;
    *at = 0;
    for (size_t i = 1; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0) return false;
        *at = *at << 4 | (uint64_t)digit;
    }
    return *at <= INT64_MAX; // what a clock can be
}

int cursor_write_key(struct buf *out, const char *key) {
    int rc = buf_append_text(out, "\"k");
    for (; *key != '\0'; key++) rc |= buf_printf(out, "%02x", (unsigned char)*key);
    return rc | buf_append_text(out, "\"");
}

bool cursor_parse_key(struct str text, char *key, size_t capacity) {
    if (text.len % 2 != 1 || text.ptr[0] != 'k' || text.len / 2 >= capacity) return false;
    for (size_t i = 0; i < text.len / 2; i++) {
        int high = digit_of(text.ptr[1 + 2 * i]), low = digit_of(text.ptr[2 + 2 * i]);
        if (high < 0 || low < 0) return false;
        key[i] = (char)(high * 16 + low);
    }
    key[text.len / 2] = '\0';
    return strlen(key) == text.len / 2;
}

// The small grammars within a request: percent-encoding and parameters of a query.
#include "gateway/http.h"

#include <string.h>

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int http_decode(struct str encoded, struct buf *out, struct err *err) {
    buf_truncate(out, 0);
    if (buf_reserve(out, encoded.len + 1) != 0) return err_set(err, ERR_MEMORY, "memory is out");
    for (size_t i = 0; i < encoded.len; i++) {
        unsigned char c = (unsigned char)encoded.ptr[i];
        if (c == '%') {
            int high = encoded.len - i > 2 ? digit_of(encoded.ptr[i + 1]) : -1;
            int low = encoded.len - i > 2 ? digit_of(encoded.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return err_set(err, ERR_INVALID, "a %% is not followed by two hexadecimal digits");
            c = (unsigned char)(high * 16 + low);
            i += 2;
        }
        if (c < 0x20 || c == 0x7f) return err_set(err, ERR_INVALID, "it holds a control character");
        out->data[out->len++] = (char)c;
    }
    if (!text_is_utf8(buf_str(out))) return err_set(err, ERR_INVALID, "it is not UTF-8");
    return 0;
}

bool http_parameter(struct str *query, struct str *name, struct str *value) {
    while (query->len > 0) {
        const char *end = memchr(query->ptr, '&', query->len);
        struct str one = {.ptr = query->ptr, .len = end ? (size_t)(end - query->ptr) : query->len};
        size_t taken = one.len + (end != NULL);
        *query = (struct str){.ptr = query->ptr + taken, .len = query->len - taken};
        if (one.len == 0) continue;
        const char *equals = memchr(one.ptr, '=', one.len);
        size_t len = equals ? (size_t)(equals - one.ptr) : one.len;
        *name = (struct str){.ptr = one.ptr, .len = len};
        *value = equals ? (struct str){.ptr = equals + 1, .len = one.len - len - 1}
                        : (struct str){.ptr = one.ptr + len, .len = 0};
        return true;
    }
    return false;
}

// Base64, and Basic credentials (RFC 7617).
#include "client/basic.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_append(struct buf *out, struct str bytes) {
    if (buf_reserve(out, bytes.len / 3 * 4 + 4)) return -1;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)(uint8_t)bytes.ptr[i] << 16;
        if (left > 1) group |= (uint32_t)(uint8_t)bytes.ptr[i + 1] << 8;
        if (left > 2) group |= (uint8_t)bytes.ptr[i + 2];
        char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
                        left > 1 ? digits[group >> 6 & 63] : '=', left > 2 ? digits[group & 63] : '='};
        buf_append(out, four, sizeof four);
    }
    return 0;
}

int basic_header(struct buf *line, struct str login, struct str password) {
    struct buf both = {0};
    int status = buf_reserve(&both, login.len + password.len + 1);
    if (!status) {
        buf_append_str(&both, login);
        buf_append(&both, ":", 1);
        buf_append_str(&both, password);
    }
    // Room for all at once, so that no part of it is left behind when it grows.
    if (!status) status = buf_reserve(line, 64 + both.len * 2);
    if (!status)
        status = buf_append_text(line, "Authorization: Basic ") || base64_append(line, buf_str(&both));
    if (!status) status = buf_append(line, "", 1);
    buf_wipe(&both);
    return status ? -1 : 0;
}

// A growable run of bytes.
//
// Growing copies into a new block and wipes the old one, where realloc() would leave a copy behind: lines
// that carry secrets pass through these buffers. Sizes double, so the wiping costs a constant per byte.
#include "base/buf.h"

#include "base/secret.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_CAP 64

int buf_reserve(struct buf *buf, size_t extra) {
    assert(buf->len <= buf->cap);
    if (extra <= buf->cap - buf->len) return 0;
    if (extra > PTRDIFF_MAX - buf->len) // also what malloc() would refuse
        return -1;
    size_t cap = buf->cap < LEAST_CAP ? LEAST_CAP : buf->cap * 2;
    if (cap < buf->len + extra) cap = buf->len + extra;
    char *data = malloc(cap);
    if (!data) return -1;
    if (buf->data) {
        memcpy(data, buf->data, buf->len);
        secret_wipe(buf->data, buf->cap);
        free(buf->data);
    }
    buf->data = data;
    buf->cap = cap;
    return 0;
}

int buf_append_u64(struct buf *buf, uint64_t number) {
    char digits[20]; // of the largest
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return buf_append(buf, digits + at, sizeof digits - at);
}

int buf_printf(struct buf *buf, const char *format, ...) {
    va_list args, again;
    size_t room = buf->cap - buf->len;
    int rc = -1;
    va_start(args, format);
    va_copy(again, args);
    // Most of what is written fits into the room that there is; otherwise this says how much it needs.
    int len = vsnprintf(room > 0 ? buf->data + buf->len : NULL, room, format, args);
    if (len >= 0 && (size_t)len < room) {
        rc = 0;
    } else if (len >= 0 && buf_reserve(buf, (size_t)len + 1) == 0) { // one more for the terminator it writes
        int written = vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        assert(written == len);
        rc = 0;
    }
    if (rc == 0) buf->len += (size_t)len;
    va_end(again);
    va_end(args);
    return rc;
}

void buf_consume(struct buf *buf, size_t len) {
    assert(len <= buf->len);
    if (len == 0) return;
    buf->len -= len;
    memmove(buf->data, buf->data + len, buf->len);
}

void buf_truncate(struct buf *buf, size_t len) {
    assert(len <= buf->len);
    buf->len = len;
}

struct str buf_str(const struct buf *buf) {
    return (struct str){.ptr = buf->data, .len = buf->len};
}

void buf_free(struct buf *buf) {
    free(buf->data);
    *buf = (struct buf){0};
}

void buf_wipe(struct buf *buf) {
    if (buf->data) secret_wipe(buf->data, buf->cap);
    buf_free(buf);
}

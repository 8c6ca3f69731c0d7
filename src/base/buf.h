// A growable run of bytes. Zero-initialised is empty and valid.
#pragma once

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data;
    size_t len, cap;
};

// All that can fail return 0, or -1 when memory is out; the buffer is then as before the call.
int buf_reserve(struct buf *buf, size_t extra); // room for `extra` more bytes
static inline int buf_append(struct buf *buf, const void *bytes, size_t len);
static inline int buf_append_str(struct buf *buf, struct str text);
static inline int buf_append_text(struct buf *buf, const char *text);
int buf_append_u64(struct buf *buf, uint64_t number); // in decimal
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

void buf_consume(struct buf *buf, size_t len); // drops `len` bytes at the front
void buf_truncate(struct buf *buf, size_t len);
struct str buf_str(const struct buf *buf);
void buf_free(struct buf *buf); // empty and valid afterwards
void buf_wipe(struct buf *buf); // like buf_free, for contents that were secret

// --- here, so that a piece whose length the compiler knows is stored without a call: an answer has dozens

static inline int buf_append(struct buf *buf, const void *bytes, size_t len) {
    if (len == 0) return 0;
    if (buf->cap - buf->len < len && buf_reserve(buf, len) != 0) return -1;
    memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    return 0;
}

static inline int buf_append_str(struct buf *buf, struct str text) {
    return buf_append(buf, text.ptr, text.len);
}

static inline int buf_append_text(struct buf *buf, const char *text) {
    return buf_append(buf, text, strlen(text));
}

// What the fuzzers of sessions and links share. Their input is mostly the text that a stranger sends, so that
// a corpus file can be read; bytes below 0x20 that no line needs are events (EVENT_*), what they mean stands
// in each.
#pragma once

#include "base/buf.h"
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#define IS_EVENT(byte) ((byte) < 0x20 && (byte) != '\n' && (byte) != '\r' && (byte) != '\t')

static inline void check(int holds) {
    if (!holds) abort();
}

// A block of its own, so that a read beyond its end is seen.
static inline char *copy_of(struct str text) {
    char *copy = malloc(text.len > 0 ? text.len : 1);
    check(copy != NULL);
    if (text.len > 0) memcpy(copy, text.ptr, text.len);
    return copy;
}

static inline bool contains(struct str text, struct str part) {
    return part.len > 0 && text.len >= part.len && memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

static inline bool same_login(struct str one, struct str two) {
    struct login a, b;
    return login_parse(one, &a, NULL) == 0 && login_parse(two, &b, NULL) == 0 && strcmp(a.fold, b.fold) == 0;
}

// One line, whole, that our own decoder accepts. *message is valid until the parser's next use.
static inline void check_line(struct parser *parser, struct str line, struct message *message) {
    struct err err;
    check(line.len > 1 && line.ptr[line.len - 1] == '\n' && memchr(line.ptr, '\n', line.len - 1) == NULL);
    check(message_parse(parser, (struct str){line.ptr, line.len - 1}, message, &err) == 0);
}

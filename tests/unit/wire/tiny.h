// A tiny JSON reader for tests, written apart from the code under test: it brings a valid text to one
// spelling, so that two texts can be compared value for value. Blanks go, strings are unescaped, number
// text stays as it is, members keep their order and their duplicates.
#pragma once

#include "base/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct tiny {
    const char *at, *end;
    struct buf *out; // NULL: read only
};

static inline void tiny_put(struct tiny *tiny, const char *bytes, size_t len) {
    int status = tiny->out ? buf_append(tiny->out, bytes, len) : 0;
    assert(status == 0);
    (void)status;
}

static inline void tiny_blanks(struct tiny *tiny) {
    while (tiny->at < tiny->end && strchr(" \t\r\n", *tiny->at)) tiny->at++;
}

static inline unsigned tiny_hex(struct tiny *tiny) {
    char digits[5] = {0};
    memcpy(digits, tiny->at, 4);
    tiny->at += 4;
    return (unsigned)strtoul(digits, NULL, 16);
}

static inline void tiny_code(struct tiny *tiny, unsigned code) {
    char bytes[4];
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i-- > 0; code >>= 6)
        bytes[i] = (char)(i == 0 ? (len == 1 ? code : marks[len] | code) : 0x80 | (code & 0x3f));
    tiny_put(tiny, bytes, len);
}

// A string becomes "LENGTH:BYTES", which no content can be mistaken for.
static inline void tiny_string(struct tiny *tiny) {
    struct buf text = {0}, *out = tiny->out;
    tiny->out = &text;
    for (tiny->at++; *tiny->at != '"';) {
        char c = *tiny->at++;
        if (c != '\\') {
            tiny_put(tiny, &c, 1);
            continue;
        }
        c = *tiny->at++;
        if (c == 'u') {
            unsigned code = tiny_hex(tiny);
            if (code >= 0xd800 && code < 0xdc00) {
                tiny->at += 2;
                code = 0x10000 + ((code - 0xd800) << 10) + (tiny_hex(tiny) - 0xdc00);
            }
            tiny_code(tiny, code);
        } else {
            static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
            const char *found = strchr(from, c);
            tiny_put(tiny, found ? &to[found - from] : &c, 1);
        }
    }
    tiny->at++;
    tiny->out = out;
    if (out) (void)buf_printf(out, "%zu:", text.len);
    tiny_put(tiny, text.data, text.len);
    buf_free(&text);
}

static inline void tiny_value(struct tiny *tiny) {
    tiny_blanks(tiny);
    assert(tiny->at < tiny->end);
    char open = *tiny->at;
    if (open == '"') {
        tiny_string(tiny);
    } else if (open == '{' || open == '[') {
        char close = open == '{' ? '}' : ']';
        tiny_put(tiny, &open, 1);
        for (tiny->at++;;) {
            tiny_blanks(tiny);
            char c = *tiny->at;
            if (c == close || c == ',' || c == ':') {
                tiny_put(tiny, &c, 1);
                tiny->at++;
                if (c == close) break;
            } else {
                tiny_value(tiny);
            }
        }
    } else {
        const char *start = tiny->at;
        while (tiny->at < tiny->end && !strchr(" \t\r\n,:]}", *tiny->at)) tiny->at++;
        tiny_put(tiny, start, (size_t)(tiny->at - start));
    }
    tiny_blanks(tiny);
}

// Calls `each` for every member of an object with its name and value in the one spelling.
static inline void tiny_members(struct str object,
                                void (*each)(void *context, struct str name, struct str value),
                                void *context) {
    struct tiny tiny = {.at = object.ptr, .end = object.ptr + object.len};
    tiny_blanks(&tiny);
    assert(*tiny.at == '{');
    tiny.at++;
    tiny_blanks(&tiny);
    while (*tiny.at != '}') {
        struct buf name = {0}, value = {0};
        tiny_blanks(&tiny);
        tiny.out = &name;
        tiny_string(&tiny);
        tiny_blanks(&tiny);
        assert(*tiny.at == ':');
        tiny.at++;
        tiny.out = &value;
        tiny_value(&tiny);
        each(context, buf_str(&name), buf_str(&value));
        buf_free(&name);
        buf_free(&value);
        if (*tiny.at == ',') tiny.at++;
    }
    tiny.at++;
    tiny_blanks(&tiny);
    assert(tiny.at == tiny.end);
}

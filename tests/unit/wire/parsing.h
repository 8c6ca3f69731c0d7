// What the tests of the decoder share: one parser, the message and the fault of the last line.
#pragma once

#include "wire/message.h"

#include <string.h>

#define MAX_LINE  ((size_t)1 << 20)
#define MAX_DEPTH 8

static struct parser *parser;
static struct message message;
static struct err err;

static inline int open_parser(void **state) {
    (void)state;
    parser = parser_open(MAX_LINE, MAX_DEPTH);
    return parser ? 0 : -1;
}

static inline int close_parser(void **state) {
    (void)state;
    parser_close(parser);
    return 0;
}

static inline int parse(const char *line) {
    err = (struct err){0};
    return message_parse(parser, str_of(line), &message, &err);
}

static inline void accept(const char *line, enum command command) {
    if (parse(line)) fail_msg("%s: %s", line, err.text);
    assert_int_equal(message.command, command);
}

static inline void refuse(const char *line, const char *info) {
    if (parse(line) == 0) fail_msg("%s was accepted", line);
    if (strcmp(err.text, info) != 0) fail_msg("%s: \"%s\" where \"%s\" belongs", line, err.text, info);
    assert_int_equal(err.code, ERR_INVALID);
}

static inline void is(struct str found, const char *expected) {
    assert_non_null(found.ptr);
    if (!str_equal_text(found, expected))
        fail_msg("\"%.*s\" where \"%s\" belongs", (int)found.len, found.ptr, expected);
}

static inline void absent(struct str found) {
    assert_null(found.ptr);
    assert_int_equal(found.len, 0);
}

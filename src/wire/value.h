// A look into JSON for those who know neither its library nor what it will hold: activities, mostly.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "wire/message.h"

#include <stdbool.h>

// A value inside a parser. NULL is "there is none"; all functions here take it for an answer.
struct value;

enum value_kind { VALUE_NONE, VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT, VALUE_ARRAY, VALUE_OBJECT };

// Reads one JSON value, strictly, numbers as their text, no deeper than the parser permits. NULL with `err`
// filled: ERR_INVALID or ERR_MEMORY. It lives until the parser is used for another one (parser_forget).
const struct value *value_read(struct parser *parser, struct str text, struct err *err);

enum value_kind value_kind(const struct value *value);
struct str value_text(const struct value *value); // of a text or a number; else empty
struct str value_member_text(const struct value *value, const char *name); // the same of a member

size_t value_count(const struct value *value); // of an array's elements, an object's members
const struct value *value_member(const struct value *object, const char *name); // the first so named

// Walks the elements of an array, or the members of an object with their names, in order.
struct value_walk {
    const struct value *whole, *at;
    size_t left;
    struct str name; // of the member given last
};
struct value_walk value_walk(const struct value *whole); // of anything else: nothing
const struct value *value_next(struct value_walk *walk); // NULL: there are no more

// Appends the value as it was read, without white space; a text with its quotes. -1: memory is out.
int value_write(struct parser *parser, const struct value *value, struct buf *out);
int value_write_text(struct buf *out, struct str text);

// JSON as the wire floor needs it: a strict reader over an arena, and a writer of lines. With message.c
// the door to yyjson; private to this floor.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "wire/arena.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

struct parser {
    struct arena arena;
    size_t max_line;
    unsigned max_depth;
};

// Reads one JSON value, numbers as their text. NULL with `err` filled: ERR_INVALID, or ERR_MEMORY. The
// value lives until parser_forget.
yyjson_val *json_read(struct parser *parser, struct str text, unsigned max_depth, struct err *err);

// A whole number from 0 to `most`, exactly: 7, 7.0, 70e-1 and "7" are, 7.5 and -7 are not (nor is -0).
bool json_natural(yyjson_val *value, uint64_t most, uint64_t *natural);

struct str json_text(yyjson_val *text); // of a string or number value

// Appends the value's text, minimal, numbers as they were read. -1: memory is out.
int json_write_value(struct parser *parser, const yyjson_val *value, struct buf *out);
// Appends a string with its quotes. -1: memory is out.
int json_write_text(struct buf *out, struct str text);

// --- lines: one object of texts and numbers; a failure sticks until the end, which then undoes it all ----

struct json_line {
    struct buf *out;
    size_t start;
    int status;
};

struct json_line json_line_begin(struct buf *out, const char *command);
void json_line_raw(struct json_line *line, const char *json); // as it stands
// With a comma before it unless it is the first of its object.
void json_line_name(struct json_line *line, const char *name);
void json_line_text(struct json_line *line, const char *name, struct str text);
void json_line_number(struct json_line *line, const char *name, uint64_t number);
int json_line_end(struct json_line *line); // -1: memory is out, `out` as before

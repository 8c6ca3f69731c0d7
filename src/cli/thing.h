// What Activity Streams 2.0 and 1.0 write in so many ways, read in one: kinds, names, texts.
#pragma once

#include "base/buf.h"
#include "wire/value.h"

#include <stdbool.h>

#define THING_LANGUAGE_SIZE 16

struct things {
    char
        language[THING_LANGUAGE_SIZE]; // "de", "pt-BR": which of nameMap, contentMap and summaryMap; "": none
    struct buf scratch;
};

// The kind of a value without its namespace: `type` (a text, or the first of an array), `verb`, `objectType`.
// Empty: it says none.
struct str thing_kind(const struct value *thing);
bool thing_is(const struct value *thing, const char *kind); // without regard to case

// Appends, plain: the name of something (its name in the reader's language, or another text that stands for
// it), its text (content or summary), or what it is altogether: `Image "The breakwater at dawn"`. Nothing is
// appended where there is none. -1: memory is out.
int thing_name(struct things *things, const struct value *thing, struct buf *out);
int thing_text(struct things *things, const struct value *thing, struct buf *out);
int thing_describe(struct things *things, const struct value *thing, struct buf *out);

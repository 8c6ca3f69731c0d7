// Text of strangers, made fit for a terminal.
#pragma once

#include "base/buf.h"
#include "base/text.h"

#include <stddef.h>

// Appends `text` as part of one line: white space of any kind is one blank, and none at the beginning; what
// is hidden is spelled as in JSON (\u001b), what is not UTF-8 by its byte (\x9b); of marks on one character
// no more than PLAIN_MARKS are kept. -1: memory is out.
#define PLAIN_MARKS 8
int plain_append(struct buf *out, struct str text);
int plain_append_after(struct buf *out, const char *before, struct str text); // with our own words before it

// Appends the text of `html`: tags and comments gone, character references resolved. It is not plain yet.
int plain_html(struct buf *out, struct str html);

size_t plain_width(struct str plain);               // columns
size_t plain_fit(struct str plain, size_t columns); // bytes of the longest beginning that has no more

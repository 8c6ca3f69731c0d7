// Cursors of lists: opaque to who gets them, so that what they hold may change.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

int cursor_write(struct buf *out, uint64_t at); // as a JSON string
bool cursor_parse(struct str text, uint64_t *at);

// The same for keys.
int cursor_write_key(struct buf *out, const char *key);
bool cursor_parse_key(struct str text, char *key, size_t capacity);

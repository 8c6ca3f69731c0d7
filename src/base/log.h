// Log lines to stderr: levelled, `key=value` or one JSON object a line. Never give it a secret.
//
// The logger is the process's one piece of shared state besides argv: its level and format are set
// by log_configure() and read by every thread. Each line is one write(2), so lines never interleave.
//
//     log_info(L_MSG("link up"), L_STR("peer", address), L_UINT("load", load));
#pragma once

#include "base/text.h"

#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key; // NULL ends the list
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_UINT } kind;
    struct str str; // shown quoted and escaped where needed; anything unprintable is escaped
    int64_t integer;
    uint64_t natural;
};

#define L_STRN(name, slice) ((struct log_field){.key = (name), .kind = LOG_FIELD_STR, .str = (slice)})
#define L_STR(name, text)   L_STRN(name, str_of(text))
#define L_MSG(text)         L_STR("msg", text)
#define L_INT(name, value)  ((struct log_field){.key = (name), .kind = LOG_FIELD_INT, .integer = (value)})
#define L_UINT(name, value) ((struct log_field){.key = (name), .kind = LOG_FIELD_UINT, .natural = (value)})

#define log_error(...) log_write(LOG_ERROR, (const struct log_field[]){__VA_ARGS__, {0}})
#define log_warn(...)  log_write(LOG_WARN, (const struct log_field[]){__VA_ARGS__, {0}})
#define log_info(...)  log_write(LOG_INFO, (const struct log_field[]){__VA_ARGS__, {0}})
#define log_debug(...) log_write(LOG_DEBUG, (const struct log_field[]){__VA_ARGS__, {0}})

void log_configure(enum log_level most, enum log_format format); // any thread, any time
void log_write(enum log_level level, const struct log_field *fields);

// Writes one line (without the newline) into `line`, cut to `capacity`; returns its length. Pure: for tests.
size_t log_render(enum log_format format, enum log_level level, int64_t wall_ms,
                  const struct log_field *fields, char *line, size_t capacity);

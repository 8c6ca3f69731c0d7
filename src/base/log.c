// Log lines.
//
//   fields ──► log_render: escape, quote, cut to the line's size ──► one write(2) to stderr
//
// A value can hold anything that a stranger sends. It must not end its line, begin another, close its
// quotes, or reach a terminal as a command: whatever is not printable text is escaped, in both formats.
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#define LINE_MAX_BYTES 4096 // PIPE_BUF: a longer line could be torn when stderr is a pipe
#define TAIL           2    // kept free to close the quotes and the object when a line is cut

static atomic_int configured_level = LOG_INFO;
static atomic_int configured_format = LOG_TEXT;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

struct line {
    char *bytes;
    size_t len, limit;
    bool full; // something did not fit: nothing more is taken
};

// All or nothing: an escape is never cut in half.
static void put(struct line *line, const char *bytes, size_t len) {
    if (line->full || len > line->limit - line->len) {
        line->full = true;
        return;
    }
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
}

static void put_text(struct line *line, const char *text) {
    put(line, text, strlen(text));
}

// --- characters -------------------------------------------------------------------------------------------

// Takes one character off *text. False when it is not UTF-8: then one byte was taken, as *character.
static bool next_character(struct str *text, int32_t *character) {
    utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)text->ptr,
                                            text->len < 4 ? (utf8proc_ssize_t)text->len : 4, character);
    bool valid = len > 0;
    if (!valid) {
        len = 1;
        *character = (uint8_t)*text->ptr;
    }
    text->ptr += len;
    text->len -= (size_t)len;
    return valid;
}

static bool printable(int32_t character) {
    if (character < 0x7f) return character >= 0x20;
    switch (utf8proc_category(character)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    default: return true;
    }
}

// How a character is written inside quotes, into `shown`; NULL: as it is.
static const char *escape(enum log_format format, int32_t character, bool valid, char shown[16]) {
    if (!valid && format == LOG_TEXT) {
        (void)snprintf(shown, 16, "\\x%02x", (unsigned)character);
        return shown;
    }
    if (!valid) return "\\ufffd"; // JSON has no bytes
    switch (character) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
    }
    if (printable(character)) return NULL;
    if (character < 0x10000)
        (void)snprintf(shown, 16, "\\u%04x", (unsigned)character);
    else if (format == LOG_TEXT)
        (void)snprintf(shown, 16, "\\U%08x", (unsigned)character);
    else
        (void)snprintf(shown, 16, "\\u%04x\\u%04x", 0xd800u + (((unsigned)character - 0x10000u) >> 10),
                       0xdc00u + ((unsigned)character & 0x3ffu));
    return shown;
}

// In text, a value without blanks, quotes and the like stands bare.
static bool needs_quotes(struct str value) {
    if (value.len == 0) return true;
    while (value.len > 0) {
        int32_t character;
        char shown[16];
        bool valid = next_character(&value, &character);
        if (character == '=' || escape(LOG_TEXT, character, valid, shown)) return true;
        if (utf8proc_category(character) == UTF8PROC_CATEGORY_ZS) return true;
    }
    return false;
}

// --- fields -----------------------------------------------------------------------------------------------

static void put_value(struct line *line, enum log_format format, struct str value) {
    bool quoted = format == LOG_JSON || needs_quotes(value);
    if (quoted) put(line, "\"", 1);
    if (line->full) return;
    while (value.len > 0 && !line->full) {
        char shown[16];
        int32_t character;
        const char *from = value.ptr;
        bool valid = next_character(&value, &character);
        const char *escaped = escape(format, character, valid, shown);
        if (escaped)
            put_text(line, escaped);
        else
            put(line, from, (size_t)(value.ptr - from));
    }
    if (quoted) line->bytes[line->len++] = '"'; // within TAIL when the line is full
    if (line->len > line->limit) line->full = true;
}

static void put_key(struct line *line, enum log_format format, const char *key) {
    if (format == LOG_JSON) {
        put_text(line, line->len > 1 ? ",\"" : "\"");
        put_text(line, key);
        put_text(line, "\":");
    } else {
        if (line->len > 0) put(line, " ", 1);
        put_text(line, key);
        put(line, "=", 1);
    }
}

static void put_field(struct line *line, enum log_format format, const struct log_field *field) {
    char number[24];
    size_t start = line->len;
    put_key(line, format, field->key);
    size_t before = line->len;
    switch (field->kind) {
    case LOG_FIELD_STR: put_value(line, format, field->str); break;
    case LOG_FIELD_INT:
        (void)snprintf(number, sizeof number, "%" PRId64, field->integer);
        put_text(line, number);
        break;
    case LOG_FIELD_UINT:
        (void)snprintf(number, sizeof number, "%" PRIu64, field->natural);
        put_text(line, number);
        break;
    }
    if (line->full && line->len == before) // not even a beginning of the value: no key without one
        line->len = start;
}

size_t log_render(enum log_format format, enum log_level level, int64_t wall_ms,
                  const struct log_field *fields, char *line, size_t capacity) {
    char time[CLOCK_RFC3339_SIZE];
    struct line out = {.bytes = line, .limit = capacity > TAIL ? capacity - TAIL : 0};
    clock_rfc3339(wall_ms, time);
    if (format == LOG_JSON) put(&out, "{", 1);
    if (capacity <= TAIL) return 0;
    put_field(&out, format, &L_STR("time", time));
    put_field(&out, format, &L_STR("level", level_names[level]));
    for (; fields->key && !out.full; fields++) put_field(&out, format, fields);
    if (format == LOG_JSON) out.bytes[out.len++] = '}';
    return out.len;
}

void log_configure(enum log_level most, enum log_format format) {
    atomic_store_explicit(&configured_level, (int)most, memory_order_relaxed);
    atomic_store_explicit(&configured_format, (int)format, memory_order_relaxed);
}

void log_write(enum log_level level, const struct log_field *fields) {
    if ((int)level > atomic_load_explicit(&configured_level, memory_order_relaxed)) return;
    int saved = errno; // callers log between a failed call and looking at why
    char line[LINE_MAX_BYTES];
    enum log_format format = (enum log_format)atomic_load_explicit(&configured_format, memory_order_relaxed);
    size_t len = log_render(format, level, clock_wall_ms(), fields, line, sizeof line - 1);
    line[len++] = '\n';
    ssize_t written;
    do written = write(STDERR_FILENO, line, len);
    while (written < 0 && errno == EINTR);
    errno = saved; // a log that cannot be written is no reason to stop
}

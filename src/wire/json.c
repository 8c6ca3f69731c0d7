// JSON: the parser's memory, the strict reader, exact numbers, and the writer of lines.
//
//   line ──► yyjson (into the arena) ──► depth check ──► values whose numbers are still text
//
// yyjson neither recurses nor guesses: the depth is bounded for the sake of those we pass activities to.
#include "wire/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Enough for lines of some 50 KiB; larger ones take from the heap what they need, while they live.
#define ARENA_SIZE (256u * 1024)

struct parser *parser_open(size_t max_line, unsigned max_depth) {
    assert(max_depth > 0);
    struct parser *parser = calloc(1, sizeof *parser);
    if (!parser) return NULL;
    *parser = (struct parser){.max_line = max_line, .max_depth = max_depth};
    if (arena_init(&parser->arena, ARENA_SIZE)) {
        free(parser);
        return NULL;
    }
    return parser;
}

void parser_close(struct parser *parser) {
    if (!parser) return;
    arena_fini(&parser->arena);
    free(parser);
}

void parser_forget(struct parser *parser) {
    arena_reset(&parser->arena);
}

static yyjson_alc allocator(struct parser *parser) {
    return (yyjson_alc){arena_alloc, arena_realloc, arena_free, &parser->arena};
}

// --- reading --------------------------------------------------------------------------------------------

// Most lines have fewer brackets than the depth allowed, wherever they stand; this loop is the quick way
// to see that.
static size_t count_openers(struct str text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) count += (text.ptr[i] | 0x20) == '{'; // also '['
    return count;
}

// True when brackets outside strings nest deeper than `most`. Says nothing about what is not JSON.
static bool is_deeper(struct str text, unsigned most) {
    if (count_openers(text) <= most) return false;
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > most) return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

yyjson_val *json_read(struct parser *parser, struct str text, unsigned max_depth, struct err *err) {
    if (text.len == 0) {
        err_set(err, ERR_INVALID, "JSON parse error: the message is empty");
        return NULL;
    }
    yyjson_alc alc = allocator(parser);
    yyjson_read_err fault;
    // Without YYJSON_READ_INSITU the text is copied, never written to.
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NUMBER_AS_RAW, &alc, &fault);
    bool memory = !doc && fault.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION;
    bool few = doc && yyjson_doc_get_val_count(doc) <= max_depth; // values: they cannot nest deeply
    bool deep = !memory && !few && is_deeper(text, max_depth);
    if (doc && !deep) return yyjson_doc_get_root(doc);
    if (memory)
        err_set(err, ERR_MEMORY, "memory is out");
    else if (deep)
        err_set(err, ERR_INVALID, "JSON parse error: nested deeper than %u levels", max_depth);
    else
        err_set(err, ERR_INVALID, "JSON parse error: %s at byte %zu", fault.msg, fault.pos);
    return NULL;
}

struct str json_text(yyjson_val *text) {
    return (struct str){unsafe_yyjson_get_str(text), unsafe_yyjson_get_len(text)};
}

// --- numbers --------------------------------------------------------------------------------------------

// value * 10 + digit, or false when that is over `most`.
static bool shift_in(uint64_t *value, unsigned digit, uint64_t most) {
    if (*value > most / 10 || digit > most - *value * 10) return false;
    *value = *value * 10 + digit;
    return true;
}

// The exponent after an `e`: far beyond what fits any line at the most, so that sums cannot wrap.
static int64_t exponent_of(struct str text) {
    const int64_t most = 1000000000;
    int64_t exponent = 0;
    size_t i = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    for (; i < text.len && exponent < most; i++) exponent = exponent * 10 + (text.ptr[i] - '0');
    return text.len > 0 && text.ptr[0] == '-' ? -exponent : exponent;
}

// Of a well-formed JSON number. Zeros wait until another digit follows, so that those at the end become
// part of the power of ten; one below 0 left over then means a fraction.
static bool natural_of(struct str text, uint64_t most, uint64_t *natural) {
    uint64_t digits = 0;
    int64_t scale = 0; // the number is digits * 10^scale
    int64_t zeros = 0;
    bool fraction = false;
    size_t i = 0;
    for (; i < text.len && text.ptr[i] != 'e' && text.ptr[i] != 'E'; i++) {
        char c = text.ptr[i];
        if (c == '-') return false;
        if (c == '.') {
            fraction = true;
            continue;
        }
        scale -= fraction;
        zeros++;
        if (c == '0') continue;
        for (; digits > 0 && zeros > 1; zeros--)
            if (!shift_in(&digits, 0, most)) return false;
        zeros = 0;
        if (!shift_in(&digits, (unsigned)(c - '0'), most)) return false;
    }
    scale += zeros;
    if (i < text.len) scale += exponent_of((struct str){text.ptr + i + 1, text.len - i - 1});
    if (digits > 0 && scale < 0) return false;
    for (; digits > 0 && scale > 0; scale--)
        if (!shift_in(&digits, 0, most)) return false;
    *natural = digits;
    return true;
}

bool json_natural(yyjson_val *value, uint64_t most, uint64_t *natural) {
    uint64_t found;
    if (yyjson_is_str(value)) {
        if (!text_parse_u64(json_text(value), &found) || found > most) return false;
    } else if (!yyjson_is_raw(value) || !natural_of(json_text(value), most, &found)) {
        return false;
    }
    *natural = found;
    return true;
}

// --- writing --------------------------------------------------------------------------------------------

int json_write_value(struct parser *parser, const yyjson_val *value, struct buf *out) {
    yyjson_alc alc = allocator(parser);
    size_t len = 0;
    yyjson_write_err fault;
    char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &alc, &len, &fault);
    if (!text) {
        assert(fault.code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION); // it was read strictly
        return -1;
    }
    int status = buf_append(out, text, len);
    arena_free(&parser->arena, text);
    return status;
}

// What JSON demands to be escaped, and no more.
static size_t escape(unsigned char c, char escaped[7]) {
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof shorts; i += 2) {
        if ((unsigned char)shorts[i] != c) continue;
        escaped[0] = '\\';
        escaped[1] = shorts[i + 1];
        return 2;
    }
    memcpy(escaped, "\\u00", 4);
    escaped[4] = "0123456789ABCDEF"[c >> 4];
    escaped[5] = "0123456789ABCDEF"[c & 15];
    return 6;
}

int json_write_text(struct buf *out, struct str text) {
    size_t start = out->len, plain = 0; // from `plain` on nothing is written yet
    char escaped[7];
    int status = buf_append(out, "\"", 1);
    for (size_t i = 0; i < text.len && !status; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        status = buf_append(out, text.ptr + plain, i - plain) || buf_append(out, escaped, escape(c, escaped));
        plain = i + 1;
    }
    if (!status && plain < text.len) status = buf_append(out, text.ptr + plain, text.len - plain);
    if (!status) status = buf_append(out, "\"", 1);
    if (!status) return 0;
    buf_truncate(out, start);
    return -1;
}

struct json_line json_line_begin(struct buf *out, const char *command) {
    struct json_line line = {.out = out, .start = out->len};
    json_line_raw(&line, "{");
    json_line_text(&line, "command", str_of(command));
    return line;
}

void json_line_raw(struct json_line *line, const char *json) {
    if (!line->status) line->status = buf_append_text(line->out, json);
}

void json_line_name(struct json_line *line, const char *name) {
    if (line->status) return;
    if (line->out->data[line->out->len - 1] != '{') json_line_raw(line, ",");
    json_line_raw(line, "\"");
    json_line_raw(line, name);
    json_line_raw(line, "\":");
}

void json_line_text(struct json_line *line, const char *name, struct str text) {
    json_line_name(line, name);
    if (!line->status) line->status = json_write_text(line->out, text);
}

void json_line_number(struct json_line *line, const char *name, uint64_t number) {
    json_line_name(line, name);
    if (!line->status) line->status = buf_append_u64(line->out, number);
}

int json_line_end(struct json_line *line) {
    json_line_raw(line, "}\n");
    if (line->status) buf_truncate(line->out, line->start);
    return line->status;
}

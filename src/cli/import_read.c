// The records of a file to be imported.
#include "cli/import_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE (64u * 1024)

enum { LOGIN, NAME, PASSWORD, COLUMNS };
static const char *const names[COLUMNS] = {"login", "name", "password"};
#define ABSENT SIZE_MAX

void import_record_fini(struct import_record *record) {
    buf_free(&record->login);
    buf_free(&record->name);
    buf_wipe(&record->body);
}

static enum wish_format format_of(const char *path, enum wish_format format) {
    size_t len = strlen(path);
    if (format) return format;
    if (len > 4 && strcmp(path + len - 4, ".csv") == 0) return WISH_FORMAT_CSV;
    if (len > 6 && strcmp(path + len - 6, ".jsonl") == 0) return WISH_FORMAT_JSONL;
    return WISH_FORMAT_ANY;
}

int import_open(struct import_reader *reader, const char *path, enum wish_format format,
                struct parser *parser, struct err *err) {
    *reader = (struct import_reader){.fd = -1, .format = format_of(path, format), .parser = parser};
    if (!reader->format)
        return err_set(err, ERR_INVALID, "%s: say what it is with --format csv or --format jsonl", path);
    reader->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    return reader->fd < 0 ? err_system(err, errno, "cannot read %s", path) : 0;
}

void import_close(struct import_reader *reader) {
    if (reader->fd > STDIN_FILENO) close(reader->fd);
    buf_wipe(&reader->held);
    csv_fini(&reader->row);
    reader->fd = -1;
}

// --- records out of bytes -------------------------------------------------------------------------------

static int read_more(struct import_reader *reader, struct err *err) {
    buf_consume(&reader->held, reader->at);
    reader->at = 0;
    if (buf_reserve(&reader->held, READ_SIZE)) return err_set(err, ERR_MEMORY, "memory is out");
    ssize_t got;
    do got = read(reader->fd, reader->held.data + reader->held.len, READ_SIZE);
    while (got < 0 && errno == EINTR);
    if (got < 0) return err_system(err, errno, "cannot read on");
    reader->eof = got == 0;
    reader->held.len += (size_t)got;
    return 0;
}

// A byte order mark at the beginning of a file is no part of its first record.
static struct str without_mark(struct str text) {
    bool marked = text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0;
    return marked ? (struct str){text.ptr + 3, text.len - 3} : text;
}

static size_t measure(const struct import_reader *reader, struct str left) {
    if (reader->format == WISH_FORMAT_CSV) {
        struct str text = reader->offset == 0 ? without_mark(left) : left;
        size_t len = csv_measure(text, reader->eof);
        return len > 0 || reader->eof ? len + (left.len - text.len) : 0;
    }
    const char *end = left.len > 0 ? memchr(left.ptr, '\n', left.len) : NULL;
    return end ? (size_t)(end - left.ptr) + 1 : reader->eof ? left.len : 0;
}

static int is_too_long(const struct import_reader *reader, struct err *err) {
    return err_set(
        err, ERR_LIMIT, "line %llu: longer than %u bytes; %s", (unsigned long long)reader->lines + 1,
        IMPORT_RECORD_MAX,
        reader->format == WISH_FORMAT_CSV
            ? "does a field begin with a quote that is not closed? If not, is it what --format says?"
            : "is it what --format says?");
}

// 1: a record; 0: the end; -1: `err`.
static int take_record(struct import_reader *reader, struct str *record, struct err *err) {
    for (;;) {
        struct str left = {0};
        if (reader->held.len > reader->at)
            left = (struct str){reader->held.data + reader->at, reader->held.len - reader->at};
        size_t len = left.len > 0 ? measure(reader, left) : 0;
        if (len > IMPORT_RECORD_MAX || (len == 0 && left.len > IMPORT_RECORD_MAX))
            return is_too_long(reader, err);
        if (len > 0) {
            *record = (struct str){left.ptr, len};
            reader->at += len;
            reader->offset += len;
            reader->line = reader->lines + 1;
            for (size_t i = 0; i < len; i++) reader->lines += left.ptr[i] == '\n' || i + 1 == left.len;
            secret_digest2(&(struct secret_key){.bytes = "herald import chain"},
                           (struct str){(const char *)reader->chain.bytes, sizeof reader->chain.bytes},
                           *record, &reader->chain);
            return 1;
        }
        if (reader->eof) return 0;
        if (read_more(reader, err)) return -1;
    }
}

// --- records into bodies --------------------------------------------------------------------------------

static int add_member(struct buf *body, const char *name, struct str text) {
    return buf_append_text(body, body->len > 0 ? ",\"" : "{\"") || buf_append_text(body, name) ||
           buf_append_text(body, "\":") || value_write_text(body, text);
}

// A password that is empty is none.
static enum import_result write_body(struct import_record *record, const struct str texts[COLUMNS],
                                     struct err *err) {
    buf_truncate(&record->login, 0);
    buf_truncate(&record->name, 0);
    buf_truncate(&record->body, 0);
    record->named = texts[NAME].ptr != NULL;
    for (int i = 0; i < COLUMNS; i++) {
        if (text_is_utf8(texts[i])) continue;
        err_set(err, ERR_INVALID, "its %s is not UTF-8", names[i]);
        return IMPORT_WRONG;
    }
    if (texts[LOGIN].len == 0) {
        err_set(err, ERR_INVALID, "it has no login");
        return IMPORT_WRONG;
    }
    size_t most = (texts[LOGIN].len + texts[NAME].len + texts[PASSWORD].len) * 6 + 64;
    if (buf_reserve(&record->body, most) || buf_append_str(&record->login, texts[LOGIN]) ||
        buf_append_str(&record->name, texts[NAME]) || add_member(&record->body, "login", texts[LOGIN]) ||
        (record->named && add_member(&record->body, "name", texts[NAME])) ||
        (texts[PASSWORD].len > 0 && add_member(&record->body, "password", texts[PASSWORD])) ||
        buf_append_text(&record->body, "}")) {
        err_set(err, ERR_MEMORY, "memory is out");
        return IMPORT_FAILED;
    }
    return IMPORT_RECORD;
}

static enum import_result take_json(struct import_reader *reader, struct str text,
                                    struct import_record *record, struct err *err) {
    struct str texts[COLUMNS] = {{0}};
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) text.len--;
    const struct value *object = value_read(reader->parser, text, err);
    enum import_result result = IMPORT_WRONG;
    if (object && value_kind(object) != VALUE_OBJECT) {
        err_set(err, ERR_INVALID, "a line must be a JSON object");
        object = NULL;
    }
    for (int i = 0; object && i < COLUMNS; i++) {
        const struct value *member = value_member(object, names[i]);
        if (value_kind(member) == VALUE_NONE || value_kind(member) == VALUE_NULL) continue;
        if (value_kind(member) != VALUE_TEXT) {
            err_set(err, ERR_INVALID, "its %s must be a text", names[i]);
            object = NULL;
        }
        texts[i] = value_text(member);
        if (!texts[i].ptr) texts[i] = STR("");
    }
    if (object) result = write_body(record, texts, err);
    parser_forget(reader->parser);
    return result;
}

// The first record of a CSV file names its columns.
static int take_heading(struct import_reader *reader, struct str text, struct err *err) {
    if (csv_parse(without_mark(text), &reader->row, err)) return -1;
    for (int i = 0; i < COLUMNS; i++) {
        reader->columns[i] = ABSENT;
        for (size_t column = 0; column < reader->row.count; column++)
            if (str_equal_text(csv_field(&reader->row, column), names[i])) reader->columns[i] = column;
    }
    reader->headed = true;
    if (reader->columns[LOGIN] != ABSENT) return 0;
    return err_set(err, ERR_INVALID,
                   "the first line of CSV must name the columns, login among them: login,name,password");
}

static enum import_result take_csv(struct import_reader *reader, struct str text,
                                   struct import_record *record, struct err *err) {
    struct str texts[COLUMNS] = {{0}};
    size_t fields = 0;
    if (csv_parse(text, &reader->row, err)) return IMPORT_WRONG;
    for (int i = 0; i < COLUMNS; i++) {
        if (reader->columns[i] == ABSENT) continue;
        texts[i] = csv_field(&reader->row, reader->columns[i]);
        if (!texts[i].ptr) texts[i] = STR("");
        if (reader->columns[i] >= fields) fields = reader->columns[i] + 1;
    }
    if (reader->row.count < fields) {
        err_set(err, ERR_INVALID, "it has fewer fields than the first line");
        return IMPORT_WRONG;
    }
    return write_body(record, texts, err);
}

static bool is_blank(struct str text) {
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(" \t\r\n", text.ptr[i]) || !text.ptr[i]) return false;
    return true;
}

enum import_result import_next(struct import_reader *reader, struct import_record *record, struct err *err) {
    struct str text;
    for (;;) {
        int taken = take_record(reader, &text, err);
        if (taken <= 0) return taken < 0 ? IMPORT_FAILED : IMPORT_END;
        if (is_blank(text)) continue;
        if (reader->format == WISH_FORMAT_JSONL) return take_json(reader, text, record, err);
        if (reader->headed) return take_csv(reader, text, record, err);
        if (take_heading(reader, text, err)) return IMPORT_FAILED;
    }
}

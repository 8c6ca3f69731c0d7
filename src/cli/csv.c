// Comma-separated values.
#include "cli/csv.h"

#include <string.h>

// A quote opens only at the beginning of a field, as in csv_parse. One that stands elsewhere is refused
// there, with its own line; if it opened here, it would take the lines behind it along.
size_t csv_measure(struct str text, bool last) {
    bool quoted = false;
    char before = ',';
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        bool doubled = quoted && byte == '"' && i + 1 < text.len && text.ptr[i + 1] == '"';
        if (byte == '\n' && !quoted) return i + 1;
        if (doubled)
            i++;
        else if (byte == '"' && (quoted || before == ','))
            quoted = !quoted;
        before = byte;
    }
    return last ? text.len : 0;
}

static int end_field(struct csv_row *row, struct err *err) {
    if (row->count == CSV_FIELDS) return err_set(err, ERR_LIMIT, "more than %d fields", CSV_FIELDS);
    row->ends[row->count++] = row->text.len;
    return 0;
}

// A quoted field; *at is behind its first quote, and then behind its last.
static int take_quoted(struct str record, size_t *at, struct csv_row *row, struct err *err) {
    for (;;) {
        const char *from = record.ptr + *at, *quote = memchr(from, '"', record.len - *at);
        if (!quote) return err_set(err, ERR_INVALID, "a quoted field does not end");
        if (buf_append(&row->text, from, (size_t)(quote - from)))
            return err_set(err, ERR_MEMORY, "memory is out");
        *at = (size_t)(quote - record.ptr) + 1;
        if (*at == record.len || record.ptr[*at] != '"') break;
        if (buf_append(&row->text, "\"", 1)) return err_set(err, ERR_MEMORY, "memory is out");
        ++*at;
    }
    if (*at < record.len && record.ptr[*at] != ',')
        return err_set(err, ERR_INVALID, "something follows the end of a quoted field");
    return 0;
}

static int take_plain(struct str record, size_t *at, struct csv_row *row, struct err *err) {
    const char *from = record.ptr + *at, *comma = memchr(from, ',', record.len - *at);
    size_t len = comma ? (size_t)(comma - from) : record.len - *at;
    if (memchr(from, '"', len))
        return err_set(err, ERR_INVALID, "a quote stands within a field that has none around it");
    if (buf_append(&row->text, from, len)) return err_set(err, ERR_MEMORY, "memory is out");
    *at += len;
    return 0;
}

int csv_parse(struct str record, struct csv_row *row, struct err *err) {
    size_t at = 0;
    buf_truncate(&row->text, 0);
    row->count = 0;
    if (buf_reserve(&row->text, record.len))
        return err_set(err, ERR_MEMORY, "memory is out"); // it does not move
    if (record.len > 0 && record.ptr[record.len - 1] == '\n') record.len--;
    if (record.len > 0 && record.ptr[record.len - 1] == '\r') record.len--;
    for (;; at++) { // at the beginning of a field
        bool quoted = at < record.len && record.ptr[at] == '"';
        at += quoted;
        if (quoted ? take_quoted(record, &at, row, err) : take_plain(record, &at, row, err)) return -1;
        if (end_field(row, err)) return -1;
        if (at >= record.len) return 0;
    }
}

struct str csv_field(const struct csv_row *row, size_t index) {
    if (index >= row->count) return (struct str){0};
    size_t start = index > 0 ? row->ends[index - 1] : 0;
    return (struct str){row->text.data + start, row->ends[index] - start};
}

void csv_fini(struct csv_row *row) {
    buf_wipe(&row->text);
    row->count = 0;
}

int csv_write(struct buf *out, struct str field, bool first) {
    size_t start = out->len;
    bool quoted = false;
    for (size_t i = 0; i < field.len; i++) quoted |= strchr(",\"\r\n", field.ptr[i]) && field.ptr[i];
    int status = buf_append_text(out, first ? "" : ",") || (quoted && buf_append_text(out, "\""));
    for (size_t i = 0; i < field.len && !status; i++)
        status = buf_append(out, field.ptr + i, 1) || (field.ptr[i] == '"' && buf_append(out, "\"", 1));
    if (!status && quoted) status = buf_append_text(out, "\"");
    if (status) buf_truncate(out, start);
    return status ? -1 : 0;
}

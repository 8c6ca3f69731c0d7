// Redis: the record as the value of its name.
//
//     GET name         ──►  $length ⏎ record ⏎
//     SET name record  ──►  +OK ⏎
#include "inquiry.h"

#include <stdlib.h>
#include <string.h>

static bool does(enum work work) {
    return work != WORK_LOGIN;
}

static int open_line(struct line *line) {
    line->state_of_manner = calloc(1, sizeof(struct buf)); // for the record of a name
    return line->state_of_manner != NULL ? 0 : -1;
}

static void close_line(struct line *line) {
    if (line->state_of_manner != NULL) buf_free(line->state_of_manner);
    free(line->state_of_manner);
}

static int ask(struct line *line, uint32_t slot) {
    const char *name = line->slots[slot].name;
    struct buf *out = &line->out, *record = line->state_of_manner;
    if (line->work == WORK_LOOKUP)
        return buf_printf(out, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(name), name);
    buf_truncate(record, 0);
    if (record_write(record, name) != 0) return -1;
    return buf_printf(out, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(name), name, record->len) |
           buf_append_str(out, buf_str(record)) | buf_append_text(out, "\r\n");
}

static const char *check(struct line *line, struct str value) {
    struct buf *record = line->state_of_manner;
    buf_truncate(record, 0);
    if (record_write(record, line->slots[line->oldest].name) != 0) return "memory is out";
    return str_equal(value, buf_str(record)) ? NULL : "the answer is about somebody else";
}

static size_t take(struct line *line, const char *data, size_t len) {
    size_t taken = 0;
    while (taken < len) {
        const char *at = data + taken, *end = memchr(at, '\n', len - taken);
        if (end == NULL) break;
        struct str first = {at, (size_t)(end - at) + 1};
        uint64_t length = 0;
        size_t whole = first.len;
        if (at[0] == '$' && at[1] != '-') {
            if (first.len < 4 || !text_parse_u64((struct str){at + 1, first.len - 3}, &length) ||
                length > UINT32_MAX)
                return INQUIRY_GARBLED;
            whole += (size_t)length + 2;
            if (whole > len - taken) break;
            line_answered_next(line,
                               line->work == WORK_LOOKUP ? check(line, (struct str){end + 1, (size_t)length})
                                                         : "not acknowledged",
                               first);
        } else if (strchr("+-$:", at[0]) != NULL)
            line_answered_next(
                line, line->work == WORK_CREATE && str_equal_text(first, "+OK\r\n") ? NULL : "refused",
                first);
        else
            return INQUIRY_GARBLED;
        taken += whole;
    }
    return taken;
}

const struct manner manner_redis = {
    .name = "redis", .does = does, .open = open_line, .close = close_line, .ask = ask, .take = take};

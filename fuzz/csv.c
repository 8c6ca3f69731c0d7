// CSV, whatever it is: records follow each other without a gap, only a quote that begins a field takes a
// record over the end of its line, and what was read is the same when it is written and read again. What is
// remembered of servers is read from the same bytes.
#include "cli/csv.h"
#include "client/ranking.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void assert_same(const struct csv_row *one, const struct csv_row *other) {
    assert(one->count == other->count);
    for (size_t i = 0; i < one->count; i++) assert(str_equal(csv_field(one, i), csv_field(other, i)));
}

// Several lines are one record only where a field begins with a quote; and before its last byte it has no
// end.
static void assert_whole(struct str record) {
    const char *end = memchr(record.ptr, '\n', record.len);
    bool begins = false;
    for (size_t i = 0; i < record.len; i++)
        begins |= record.ptr[i] == '"' && (i == 0 || record.ptr[i - 1] == ',');
    assert(begins || !end || end == record.ptr + record.len - 1);
    for (size_t cut = 0; cut < record.len; cut += record.len / 8 + 1)
        assert(csv_measure((struct str){record.ptr, cut}, false) == 0);
}

static void take(struct str record) {
    struct csv_row row = {0}, again = {0};
    struct buf text = {0};
    struct err err = {0};
    if (csv_parse(record, &row, &err) == 0) {
        assert(row.count >= 1 && row.count <= CSV_FIELDS);
        for (size_t i = 0; i < row.count; i++) assert(csv_write(&text, csv_field(&row, i), i == 0) == 0);
        assert(buf_append_text(&text, "\r\n") == 0);
        assert(csv_measure(buf_str(&text), false) == text.len);
        assert(csv_parse(buf_str(&text), &again, &err) == 0);
        assert_same(&row, &again);
    } else {
        assert(err.text[0]);
    }
    csv_fini(&row);
    csv_fini(&again);
    buf_free(&text);
}

static void remember(struct str text) {
    struct ranking *first = calloc(1, sizeof *first), *second = calloc(1, sizeof *second);
    struct buf once = {0}, twice = {0};
    assert(first && second);
    ranking_read(first, text);
    assert(ranking_write(first, &once) == 0);
    ranking_read(second, buf_str(&once));
    assert(ranking_write(second, &twice) == 0);
    assert(str_equal(buf_str(&once), buf_str(&twice)));
    buf_free(&once);
    buf_free(&twice);
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str left = {(const char *)data, size};
    remember(left);
    while (left.len > 0) {
        size_t len = csv_measure(left, true);
        assert(len > 0 && len <= left.len);
        assert_whole((struct str){left.ptr, len});
        take((struct str){left.ptr, len});
        left = (struct str){left.ptr + len, left.len - len};
    }
    return 0;
}

// What is known of servers from call to call. A line of the file:
//
//   http://127.0.0.1:3781 412 1763650000 0 1763650000 1.1042
//   url             latency_us measured_s failed_s heard_s clock
#include "client/ranking.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FIELDS 6

// --- clocks ---------------------------------------------------------------------------------------------

bool stamp_parse(struct str text, struct stamp *stamp) {
    struct stamp found;
    const char *dot = text.len > 0 ? memchr(text.ptr, '.', text.len) : NULL;
    if (!dot) return false;
    size_t before = (size_t)(dot - text.ptr);
    if (!text_parse_u64((struct str){text.ptr, before}, &found.epoch) ||
        !text_parse_u64((struct str){dot + 1, text.len - before - 1}, &found.clock))
        return false;
    *stamp = found;
    return true;
}

void stamp_format(const struct stamp *stamp, char text[STAMP_SIZE]) {
    (void)snprintf(text, STAMP_SIZE, "%" PRIu64 ".%" PRIu64, stamp->epoch, stamp->clock);
}

bool stamp_later(const struct stamp *one, const struct stamp *other) {
    return one->epoch != other->epoch ? one->epoch > other->epoch : one->clock > other->clock;
}

// --- rows -----------------------------------------------------------------------------------------------

static const struct ranked *find(const struct ranking *ranking, const char *url) {
    for (size_t i = 0; i < ranking->count; i++)
        if (strcmp(ranking->rows[i].url, url) == 0) return &ranking->rows[i];
    return NULL;
}

// The row of the server; a new one takes the place of the one that was heard of longest ago.
static struct ranked *row_of(struct ranking *ranking, const char *url) {
    const struct ranked *found = find(ranking, url);
    struct ranked *row = &ranking->rows[0];
    if (found) return &ranking->rows[found - ranking->rows];
    if (strlen(url) >= RANKING_URL_MAX) return NULL;
    if (ranking->count < RANKING_ROWS)
        row = &ranking->rows[ranking->count++];
    else
        for (size_t i = 1; i < ranking->count; i++)
            if (ranking->rows[i].heard_s < row->heard_s) row = &ranking->rows[i];
    *row = (struct ranked){0};
    str_copy(str_of(url), row->url, sizeof row->url);
    return row;
}

void ranking_reached(struct ranking *ranking, const char *url, uint32_t latency_us, int64_t now_s) {
    struct ranked *row = row_of(ranking, url);
    if (!row) return;
    row->failed_s = 0;
    row->heard_s = now_s;
    if (latency_us == 0) return;
    row->measured_s = now_s;
    row->latency_us =
        row->latency_us ? (uint32_t)(((uint64_t)row->latency_us * 3 + latency_us) / 4) : latency_us;
    if (row->latency_us == 0) row->latency_us = 1;
}

void ranking_failed(struct ranking *ranking, const char *url, int64_t now_s) {
    struct ranked *row = row_of(ranking, url);
    if (row) row->failed_s = row->heard_s = now_s;
}

void ranking_saw(struct ranking *ranking, const char *url, const struct stamp *clock, int64_t now_s) {
    struct ranked *row = row_of(ranking, url);
    if (!row) return;
    row->heard_s = now_s;
    if (stamp_later(clock, &row->clock)) row->clock = *clock;
}

bool ranking_clock(const struct ranking *ranking, const char *const *urls, size_t count,
                   struct stamp *clock) {
    struct stamp most = {0}, none = {0};
    for (size_t i = 0; i < count; i++) {
        const struct ranked *row = find(ranking, urls[i]);
        if (row && stamp_later(&row->clock, &most)) most = row->clock;
    }
    *clock = most;
    return stamp_later(&most, &none);
}

void ranking_forget(struct ranking *ranking, const char *url) {
    const struct ranked *found = find(ranking, url);
    if (!found) return;
    ranking->rows[found - ranking->rows] = ranking->rows[--ranking->count];
}

// --- the order ------------------------------------------------------------------------------------------

// Rules 1 to 3: the lower is asked first. What lies in the future by a clock that jumped is not recent.
static void place(const struct ranked *row, int64_t now_s, uint64_t key[2]) {
    bool failed =
        row && row->failed_s > 0 && row->failed_s <= now_s && now_s - row->failed_s < RANKING_FAILED_S;
    bool measured = row && row->measured_s > 0 && row->measured_s <= now_s &&
                    now_s - row->measured_s < RANKING_MEASURED_S;
    key[0] = failed ? 2 : measured ? 1 : 0;
    key[1] = failed ? (uint64_t)row->failed_s : measured ? row->latency_us : 0;
}

void ranking_order(const struct ranking *ranking, const char *const *urls, size_t count, int64_t now_s,
                   size_t *order) {
    for (size_t i = 0; i < count; i++) {
        uint64_t ours[2], theirs[2];
        size_t at = i;
        place(find(ranking, urls[i]), now_s, ours);
        for (; at > 0; at--) { // rule 4: only past those that come later
            place(find(ranking, urls[order[at - 1]]), now_s, theirs);
            if (theirs[0] < ours[0] || (theirs[0] == ours[0] && theirs[1] <= ours[1])) break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
}

// --- text -----------------------------------------------------------------------------------------------

static size_t split(struct str line, struct str fields[FIELDS]) {
    size_t count = 0;
    while (line.len > 0) {
        const char *blank = memchr(line.ptr, ' ', line.len);
        size_t len = blank ? (size_t)(blank - line.ptr) : line.len;
        if (count == FIELDS || len == 0) return 0;
        fields[count++] = (struct str){line.ptr, len};
        line = blank ? (struct str){blank + 1, line.len - len - 1} : (struct str){0};
    }
    return count;
}

static void read_line(struct ranking *ranking, struct str line) {
    struct str fields[FIELDS];
    uint64_t latency, times[3];
    struct stamp clock;
    char url[RANKING_URL_MAX];
    if (split(line, fields) != FIELDS || memchr(line.ptr, '\0', line.len) ||
        !str_copy(fields[0], url, sizeof url) || !text_parse_u64(fields[1], &latency) ||
        latency > UINT32_MAX || !stamp_parse(fields[5], &clock))
        return;
    for (int i = 0; i < 3; i++)
        if (!text_parse_u64(fields[2 + i], &times[i]) || times[i] > INT64_MAX) return;
    struct ranked *row = row_of(ranking, url);
    row->latency_us = (uint32_t)latency;
    row->measured_s = latency > 0 ? (int64_t)times[0] : 0;
    row->failed_s = (int64_t)times[1];
    row->heard_s = (int64_t)times[2];
    row->clock = clock;
}

void ranking_read(struct ranking *ranking, struct str text) {
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        read_line(ranking, (struct str){text.ptr, len});
        text = end ? (struct str){end + 1, text.len - len - 1} : (struct str){0};
    }
}

int ranking_write(const struct ranking *ranking, struct buf *out) {
    size_t start = out->len;
    for (size_t i = 0; i < ranking->count; i++) {
        const struct ranked *row = &ranking->rows[i];
        char clock[STAMP_SIZE];
        stamp_format(&row->clock, clock);
        if (buf_printf(out, "%s %" PRIu32 " %" PRId64 " %" PRId64 " %" PRId64 " %s\n", row->url,
                       row->latency_us, row->measured_s, row->failed_s, row->heard_s, clock)) {
            buf_truncate(out, start);
            return -1;
        }
    }
    return 0;
}

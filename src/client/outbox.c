// Publications on their way out. See outbox.h for the picture.
#include "client/outbox.h"

#include <assert.h>
#include <string.h>

#define KEEP_CAP    (64u * 1024) // a buffer larger than that is given back when it is empty
#define LOOKED_AT   64           // lines among which one that was heard is looked for
#define LINE_END    2            // "}\n" behind the activity
#define USER_MEMBER "\"authenticated_user\":\""

void outbox_init(struct outbox *outbox, size_t max, size_t head) {
    *outbox = (struct outbox){.max = max, .head = head};
}

void outbox_fini(struct outbox *outbox) {
    buf_wipe(&outbox->bytes);
}

size_t outbox_unsent(const struct outbox *outbox) {
    return outbox->bytes.len - outbox->sent;
}

struct str outbox_next(const struct outbox *outbox) {
    size_t unsent = outbox_unsent(outbox);
    return unsent > 0 ? (struct str){outbox->bytes.data + outbox->sent, unsent} : (struct str){0};
}

uint64_t outbox_doubtful(const struct outbox *outbox) {
    return outbox->count - outbox->taken;
}

// Lets go of what lies before `start`: at once when nothing else is left, else when it is the larger part, so
// that a byte is moved once on average.
static void compact(struct outbox *outbox) {
    struct buf *bytes = &outbox->bytes;
    if (outbox->start < bytes->len && outbox->start < bytes->len - outbox->start) return;
    buf_consume(bytes, outbox->start);
    outbox->sent -= outbox->start;
    outbox->start = 0;
    if (bytes->len == 0 && bytes->cap > KEEP_CAP) buf_wipe(bytes);
}

// The line at `at` if it is wholly sent, with its newline; else empty.
static struct str kept_line(const struct outbox *outbox, size_t at) {
    const char *line = outbox->bytes.data + at;
    const char *end = at < outbox->sent ? memchr(line, '\n', outbox->sent - at) : NULL;
    return end ? (struct str){line, (size_t)(end - line) + 1} : (struct str){0};
}

static void drop(struct outbox *outbox, size_t len, uint64_t lines) {
    outbox->start += len;
    outbox->first += lines;
}

enum outbox_result outbox_added(struct outbox *outbox, size_t len) {
    struct buf *bytes = &outbox->bytes;
    enum outbox_result result = OUTBOX_TAKEN;
    if (bytes->len - len > outbox->max)
        result = OUTBOX_TOO_LONG;
    else if (bytes->len - outbox->sent > outbox->max)
        result = OUTBOX_FULL;
    if (result != OUTBOX_TAKEN) {
        buf_truncate(bytes, len);
        return result;
    }
    // Rather no taking back than no publishing.
    while (bytes->len - outbox->start > outbox->max) {
        struct str line = kept_line(outbox, outbox->start);
        if (line.len == 0) break; // its end is not sent yet
        drop(outbox, line.len, 1);
    }
    compact(outbox);
    return OUTBOX_TAKEN;
}

static uint64_t lines_in(const char *bytes, size_t len) {
    uint64_t lines = 0;
    const char *end = bytes + len;
    while (bytes < end && (bytes = memchr(bytes, '\n', (size_t)(end - bytes)))) {
        lines++;
        bytes++;
    }
    return lines;
}

void outbox_sent(struct outbox *outbox, size_t len) {
    assert(len <= outbox_unsent(outbox));
    if (len == 0) return;
    const char *bytes = outbox->bytes.data + outbox->sent;
    bool began_within = outbox->within;
    outbox->within = bytes[len - 1] != '\n';
    // Lines are counted where they begin; newlines are where they end.
    outbox->count += lines_in(bytes, len) + (outbox->within ? 1 : 0) - (began_within ? 1 : 0);
    outbox->sent += len;
}

// True when `heard` is `said` with a stamp of who said it as its last member, or without one.
static bool is_stamped(struct str heard, struct str said) {
    size_t open = said.len - 1; // all but the brace
    if (heard.len < said.len || memcmp(heard.ptr, said.ptr, open) != 0) return false;
    struct str rest = {heard.ptr + open, heard.len - open};
    if (rest.len == 1) return rest.ptr[0] == '}';
    if (said.len > 2 && rest.ptr[0] == ',') rest = (struct str){rest.ptr + 1, rest.len - 1};
    size_t begin = sizeof USER_MEMBER - 1;
    if (rest.len < begin + 2 || memcmp(rest.ptr, USER_MEMBER, begin) != 0) return false;
    for (size_t i = begin; i < rest.len; i++) {
        if (rest.ptr[i] == '"') return i + 2 == rest.len; // then the brace, and nothing more
        if (rest.ptr[i] == '\\') i++;
    }
    return false;
}

void outbox_heard(struct outbox *outbox, struct str activity, bool own) {
    size_t at = outbox->start;
    outbox->heard = true;
    if (!own) return;
    for (uint64_t lines = 1; lines <= LOOKED_AT; lines++) {
        struct str line = kept_line(outbox, at);
        if (line.len == 0) return;
        at += line.len;
        struct str said = {line.ptr + outbox->head, line.len - outbox->head - LINE_END};
        if (!is_stamped(activity, said)) continue;
        drop(outbox, at - outbox->start, lines);
        outbox->taken = outbox->first;
        compact(outbox);
        return;
    }
}

static void skip_rest_of_line(struct outbox *outbox) {
    if (!outbox->within) return;
    struct str rest = outbox_next(outbox);
    const char *end = memchr(rest.ptr, '\n', rest.len);
    assert(end); // only whole lines are added
    outbox->sent += (size_t)(end - rest.ptr) + 1;
}

uint64_t outbox_over(struct outbox *outbox, bool redirected) {
    uint64_t doubtful = outbox_doubtful(outbox);
    if (redirected && (!outbox->heard || outbox->taken > 0)) {
        doubtful = outbox->first - outbox->taken; // let go for want of room
        outbox->sent = outbox->start;
    } else {
        skip_rest_of_line(outbox);
        outbox->start = outbox->sent;
    }
    compact(outbox);
    outbox->within = outbox->heard = false;
    outbox->count = outbox->first = outbox->taken = 0;
    return doubtful;
}

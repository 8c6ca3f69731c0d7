// The framer. Two ways for a line, and the first is the common one:
//
//   whole in the input      ──► given in place, nothing is copied
//   in pieces, or kept back ──► held:  [ given |  next line ... | not yet searched ]
//                                              ^ start          ^ scanned          ^ held.len
//
// Every byte is searched for a newline once and copied at most a few times (growth doubles), however slowly
// a line arrives. Nothing is left in freed memory: lines carry secrets.
#include "wire/frame.h"

#include <string.h>

void framer_init(struct framer *framer, size_t max) {
    *framer = (struct framer){.max = max};
}

void framer_fini(struct framer *framer) {
    buf_wipe(&framer->held);
    *framer = (struct framer){.max = framer->max};
}

size_t framer_held(const struct framer *framer) {
    return framer->held.len - framer->start;
}

// An idle connection holds nothing: called once the line that was given last is no longer needed.
static void release_if_empty(struct framer *framer) {
    if (framer->held.cap > 0 && framer_held(framer) == 0) framer_fini(framer);
}

// Only what is not given yet moves to the front: a line in pieces, or what was kept back.
static int hold(struct framer *framer, struct str *input, size_t len) {
    if (len == 0) return 0;
    buf_consume(&framer->held, framer->start);
    framer->scanned -= framer->start;
    framer->start = 0;
    if (buf_append(&framer->held, input->ptr, len)) return -1;
    *input = (struct str){input->ptr + len, input->len - len};
    return 0;
}

static const char *newline_in(const char *bytes, size_t len) {
    return len > 0 ? memchr(bytes, '\n', len) : NULL;
}

// Given all but the newline: drops the `\r` and checks the length.
static enum frame_result give(const struct framer *framer, const char *bytes, size_t len, struct str *line) {
    if (len > 0 && bytes[len - 1] == '\r') len--;
    if (len > framer->max) return FRAME_TOO_LONG;
    *line = (struct str){bytes, len};
    return FRAME_LINE;
}

// True when a line of which `len` bytes are here, the last of them `last`, cannot become short enough: one
// byte over is no fault yet when it may be the `\r` of the end.
static bool is_hopeless(const struct framer *framer, size_t len, char last) {
    return len > framer->max && (len > framer->max + 1 || last != '\r');
}

// The next line out of `held`, or FRAME_MORE when no newline is there.
static enum frame_result next_held(struct framer *framer, struct str *line) {
    struct buf *held = &framer->held;
    const char *end = newline_in(held->data + framer->scanned, held->len - framer->scanned);
    if (!end) {
        framer->scanned = held->len;
        bool hopeless = is_hopeless(framer, framer_held(framer), held->data[held->len - 1]);
        return hopeless ? FRAME_TOO_LONG : FRAME_MORE;
    }
    size_t start = framer->start;
    framer->start = framer->scanned = (size_t)(end - held->data) + 1;
    return give(framer, held->data + start, framer->start - 1 - start, line);
}

enum frame_result framer_next(struct framer *framer, struct str *input, struct str *line) {
    release_if_empty(framer);
    if (framer->held.len > 0) {
        enum frame_result result = next_held(framer, line);
        if (result != FRAME_MORE) return result;
    }
    if (input->len == 0) return FRAME_MORE;
    const char *end = newline_in(input->ptr, input->len);
    if (end && framer->held.len == 0) {
        const char *start = input->ptr;
        size_t len = (size_t)(end - start);
        *input = (struct str){end + 1, input->len - len - 1};
        return give(framer, start, len, line);
    }
    size_t len = end ? (size_t)(end - input->ptr) + 1 : input->len;
    size_t content = framer_held(framer) + len - (end ? 1 : 0);
    char last = end ? '\r' : input->ptr[len - 1]; // before a newline: told apart when it is given
    if (is_hopeless(framer, content, last)) return FRAME_TOO_LONG;
    if (hold(framer, input, len)) return FRAME_MEMORY;
    return next_held(framer, line);
}

int framer_keep(struct framer *framer, struct str *input) {
    release_if_empty(framer);
    return hold(framer, input, input->len);
}

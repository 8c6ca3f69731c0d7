// The framer against the simplest splitter that could be right. Input: one byte for the longest line, then
// pieces, each a byte (bit 7: keep it back; the rest: its length) and that many bytes of the stream.
#include "wire/frame.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct naive {
    struct buf stream;
    size_t at; // where the next line begins
};

static void check(int holds) {
    if (!holds) abort();
}

// The next whole line of the stream as the protocol defines it; FRAME_MORE when none is whole.
static enum frame_result naive_next(struct naive *naive, size_t max, struct str *line) {
    size_t end = naive->at;
    while (end < naive->stream.len && naive->stream.data[end] != '\n') end++;
    size_t len = end - naive->at;
    if (end == naive->stream.len) {
        size_t certain = len > 0 && naive->stream.data[end - 1] == '\r' ? len - 1 : len;
        return certain > max ? FRAME_TOO_LONG : FRAME_MORE;
    }
    if (len > 0 && naive->stream.data[end - 1] == '\r') len--;
    *line = (struct str){naive->stream.data + naive->at, len};
    naive->at = end + 1;
    return len > max ? FRAME_TOO_LONG : FRAME_LINE;
}

// Takes all lines there are from both; 0, or -1 when the connection would be closed.
static int drain(struct framer *framer, struct naive *naive, struct str input) {
    for (;;) {
        struct str line, expected;
        enum frame_result result = framer_next(framer, &input, &line);
        check(result == naive_next(naive, framer->max, &expected));
        if (result == FRAME_TOO_LONG) return -1;
        if (result == FRAME_MORE) {
            check(input.len == 0 && framer_held(framer) == naive->stream.len - naive->at);
            check(framer_held(framer) > 0 || framer->held.data == NULL);
            return 0;
        }
        check(str_equal(line, expected));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct framer framer;
    struct naive naive = {0};
    framer_init(&framer, data[0]);
    for (size_t at = 1; at < size;) {
        uint8_t control = data[at++];
        size_t len = control & 0x7f;
        if (len > size - at) len = size - at;
        char *piece = malloc(len > 0 ? len : 1); // its own block, so that a read beyond it is seen
        check(piece != NULL);
        if (len > 0) memcpy(piece, data + at, len);
        at += len;
        struct str input = {piece, len};
        check(buf_append(&naive.stream, piece, len) == 0);
        int status = control & 0x80 ? framer_keep(&framer, &input) : drain(&framer, &naive, input);
        free(piece);
        if (status) break;
    }
    framer_fini(&framer);
    buf_free(&naive.stream);
    return 0;
}

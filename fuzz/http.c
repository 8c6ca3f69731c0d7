// HTTP byte streams: the same bytes give the same events however they are cut, and what was accepted is
// sound.
//
//   input: a seed for the cuts, one byte; the bytes
#include "../tests/unit/gateway/transcript.h"

#include "base/dice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cut_randomly(struct str bytes, uint8_t seed, struct buf *told) {
    struct http http;
    struct dice dice;
    dice_seed(&dice, seed);
    http_init(&http);
    bool open = true;
    for (size_t at = 0, len; open && at < bytes.len; at += len) {
        len = dice_between(&dice, 1, bytes.len - at < 40 ? bytes.len - at : 40);
        char *piece = memcpy(malloc(len), bytes.ptr + at, len); // so that reading beyond it is noticed
        open = transcript_feed(&http, (struct str){piece, len}, told);
        free(piece);
    }
    http_fini(&http);
    buf_append(told, "", 1);
}

// Targets and queries of whatever was accepted are taken apart, too.
static void decode_all(struct str bytes) {
    struct buf out = {0};
    struct str name, value;
    struct err err;
    if (http_decode(bytes, &out, &err) == 0) assert(text_is_utf8(buf_str(&out)) && out.len <= bytes.len);
    while (http_parameter(&bytes, &name, &value)) (void)http_decode(value, &out, &err);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    struct str bytes = {(const char *)data + 1, size - 1};
    struct buf whole = {0}, pieces = {0};
    transcript_cut(bytes, 0, &whole);
    cut_randomly(bytes, data[0], &pieces);
    assert(str_equal(buf_str(&whole), buf_str(&pieces)));
    decode_all(bytes);
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}

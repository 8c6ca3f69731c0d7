// NATS core: lines, and payloads whose length the line before them tells.
//
//     INFO ... ──► CONNECT, SUB act 1, PING ──► PONG: the subscription stands
//     PUB act 300 ⏎ payload ⏎  ──►  MSG act 1 300 ⏎ payload ⏎ to everyone, the publisher too ("echo")
#include "dialect.h"

#include <string.h>

#define END_LEN 2 // "\r\n"

static int greet(struct buf *out, const struct greeter *greeter) {
    (void)greeter;
    return buf_append_text(
        out, "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":true,\"tls_required\":false,"
             "\"name\":\"load\",\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\n"
             "SUB " DIALECT_CHANNEL " 1\r\nPING\r\n");
}

static bool begins(struct str frame, const char *word) {
    size_t len = strlen(word);
    return frame.len >= len && memcmp(frame.ptr, word, len) == 0;
}

static size_t frame(const char *data, size_t len) {
    const char *end = memchr(data, '\n', len);
    if (end == NULL) return 0;
    struct str line = {data, (size_t)(end - data) + 1};
    if (!begins(line, "MSG ")) return line.len;
    const char *space = memrchr(data, ' ', line.len); // the last word is the payload's length
    struct str digits = {space + 1, line.len - (size_t)(space + 1 - data)};
    uint64_t payload;
    if (digits.len < END_LEN) return DIALECT_GARBLED;
    digits.len -= END_LEN;
    if (!text_parse_u64(digits, &payload) || payload > UINT32_MAX) return DIALECT_GARBLED;
    size_t whole = line.len + (size_t)payload + END_LEN;
    return whole <= len ? whole : 0;
}

static enum sight look(struct parser *parser, struct str frame, struct sighting *seen) {
    (void)parser;
    if (begins(frame, "MSG ") || begins(frame, "INFO ") || begins(frame, "+OK")) return SIGHT_NOTHING;
    if (begins(frame, "PONG")) return SIGHT_IN;
    if (begins(frame, "PING")) return SIGHT_PING;
    (void)str_copy(frame, seen->what, sizeof seen->what);
    seen->what[strcspn(seen->what, "\r\n")] = '\0';
    return SIGHT_WRONG;
}

static int before(struct buf *out, struct str credentials, size_t size) {
    (void)credentials;
    return buf_printf(out, "PUB " DIALECT_CHANNEL " %zu\r\n", size);
}

const struct dialect dialect_nats = {.name = "nats",
                                     .last = '\n',
                                     .pong = "PONG\r\n",
                                     .after = "\r\n",
                                     .greet = greet,
                                     .frame = frame,
                                     .look = look,
                                     .before = before};

// Redis publish and subscribe. Who publishes speaks RESP3, in which a connection that has subscribed may do
// so; who only subscribes need not ask for it.
//
//     [HELLO 3,] SUBSCRIBE act ──► the answer to it: the subscription stands
//     PUBLISH act payload  ──►  >3 message act payload to everyone;  :N to the publisher, besides
//
//     value = +text ⏎ | -error ⏎ | :number ⏎ | ... | $length ⏎ bytes ⏎ | *count ⏎ values | >count ⏎ values |
//     %pairs ⏎ values
#include "dialect.h"

#include <string.h>

#define END_LEN 2 // "\r\n"

static int greet(struct buf *out, const struct greeter *greeter) {
    if (greeter->publishes && buf_append_text(out, "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n") != 0) return -1;
    return buf_append_text(out, "*2\r\n$9\r\nSUBSCRIBE\r\n$3\r\n" DIALECT_CHANNEL "\r\n");
}

static size_t frame(const char *data, size_t len) {
    size_t at = 0;
    for (uint64_t values = 1; values > 0; values--) {
        const char *end = at < len ? memchr(data + at, '\n', len - at) : NULL;
        if (end == NULL) return 0;
        size_t next = (size_t)(end - data) + 1;
        uint64_t count = 0;
        if (next - at > END_LEN) // text has no count; neither has -1, for "none"
            (void)text_parse_u64((struct str){data + at + 1, next - at - 1 - END_LEN}, &count);
        if (count > UINT32_MAX) return DIALECT_GARBLED;
        switch (data[at]) {
        case '$':
            if (data[at + 1] != '-') next += (size_t)count + END_LEN;
            break;
        case '*':
        case '>':
        case '~': values += count; break;
        case '%': values += 2 * count; break;
        case '+':
        case '-':
        case ':':
        case ',':
        case '#':
        case '_': break;
        default: return DIALECT_GARBLED;
        }
        if (next > len) return 0;
        at = next;
    }
    return at;
}

// The first value of an array: "subscribe", "message".
static bool is_kind(struct str frame, const char *kind) {
    const char *at = memmem(frame.ptr, frame.len, "\r\n$", 3);
    const char *word = at == NULL ? NULL : memchr(at + 3, '\n', frame.len - (size_t)(at + 3 - frame.ptr));
    size_t len = strlen(kind);
    return word != NULL && frame.len - (size_t)(word + 1 - frame.ptr) >= len &&
           memcmp(word + 1, kind, len) == 0;
}

static enum sight look(struct parser *parser, struct str frame, struct sighting *seen) {
    (void)parser;
    if (frame.ptr[0] == '>' || frame.ptr[0] == '*')
        return is_kind(frame, "subscribe") ? SIGHT_IN : SIGHT_NOTHING;
    if (strchr("%:", frame.ptr[0]) != NULL) return SIGHT_NOTHING; // the answer to HELLO, to PUBLISH
    (void)str_copy(frame, seen->what, sizeof seen->what);
    seen->what[strcspn(seen->what, "\r\n")] = '\0';
    return SIGHT_WRONG;
}

static int before(struct buf *out, struct str credentials, size_t size) {
    (void)credentials;
    return buf_printf(out, "*3\r\n$7\r\nPUBLISH\r\n$3\r\n" DIALECT_CHANNEL "\r\n$%zu\r\n", size);
}

const struct dialect dialect_redis = {.name = "redis",
                                      .last = '\n',
                                      .after = "\r\n",
                                      .greet = greet,
                                      .frame = frame,
                                      .look = look,
                                      .before = before};

// MQTT 3.1.1, QoS 0: packets of a type, a length and a body.
//
//     CONNECT, SUBSCRIBE act ──► CONNACK, SUBACK: the subscription stands
//     PUBLISH act payload  ──►  PUBLISH act payload to everyone, the publisher too
#include "dialect.h"

#include <stdio.h>

#define CONNECT   0x10u
#define CONNACK   0x20u
#define PUBLISH   0x30u
#define SUBSCRIBE 0x82u // with the flag that it must have
#define SUBACK    0x90u
#define PINGRESP  0xD0u

#define CLEAN_SESSION 0x02u
#define MOST_LENGTH   4 // bytes, of seven bits each
#define CHANNEL_LEN   (sizeof DIALECT_CHANNEL - 1)

static int put_byte(struct buf *out, unsigned byte) {
    char one = (char)byte;
    return buf_append(out, &one, 1);
}

static int put_head(struct buf *out, unsigned type, size_t length) {
    if (put_byte(out, type) != 0) return -1;
    for (; length >= 0x80; length >>= 7) {
        if (put_byte(out, (length & 0x7F) | 0x80) != 0) return -1;
    }
    return put_byte(out, (unsigned)length);
}

static int put_text(struct buf *out, const char *text, size_t len) {
    if (put_byte(out, (unsigned)(len >> 8)) != 0 || put_byte(out, len & 0xFF) != 0) return -1;
    return buf_append(out, text, len);
}

static int greet(struct buf *out, const struct greeter *greeter) {
    static const char body[] = {0, 4, 'M', 'Q', 'T', 'T', 4, CLEAN_SESSION, 0, 0}; // no keep-alive
    char name[16];
    size_t len = (size_t)snprintf(name, sizeof name, "load%u", greeter->index);
    if (put_head(out, CONNECT, sizeof body + 2 + len) != 0 || buf_append(out, body, sizeof body) != 0 ||
        put_text(out, name, len) != 0)
        return -1;
    if (put_head(out, SUBSCRIBE, 2 + 2 + CHANNEL_LEN + 1) != 0 || put_byte(out, 0) != 0 ||
        put_byte(out, 1) != 0)
        return -1;
    return put_text(out, DIALECT_CHANNEL, CHANNEL_LEN) != 0 ? -1 : put_byte(out, 0);
}

static size_t frame(const char *data, size_t len) {
    size_t length = 0;
    for (size_t i = 1; i < len; i++) {
        unsigned byte = (unsigned char)data[i];
        length |= (size_t)(byte & 0x7F) << (7 * (i - 1));
        if (byte < 0x80) return i + 1 + length <= len ? i + 1 + length : 0;
        if (i == MOST_LENGTH) return DIALECT_GARBLED;
    }
    return 0;
}

static enum sight look(struct parser *parser, struct str frame, struct sighting *seen) {
    unsigned type = (unsigned char)frame.ptr[0], code = (unsigned char)frame.ptr[frame.len - 1];
    (void)parser;
    if ((type & 0xF0) == PUBLISH || type == PINGRESP) return SIGHT_NOTHING;
    if (type == CONNACK && code == 0) return SIGHT_NOTHING;
    if (type == SUBACK && code == 0) return SIGHT_IN;
    snprintf(seen->what, sizeof seen->what, "packet 0x%02x with code %u", type, code);
    return SIGHT_WRONG;
}

static int before(struct buf *out, struct str credentials, size_t size) {
    (void)credentials;
    if (put_head(out, PUBLISH, 2 + CHANNEL_LEN + size) != 0) return -1;
    return put_text(out, DIALECT_CHANNEL, CHANNEL_LEN);
}

const struct dialect dialect_mqtt = {
    .name = "mqtt", .last = '}', .after = "", .greet = greet, .frame = frame, .look = look, .before = before};

// The encoding of changes: written field by field, read back by a cursor that cannot pass the end.
//
//   version | kind | uuid | name | fold | real name | address | time | key | hash
//
// One struct has one encoding, so replicas that hold the same changes hold the same bytes.
#include "wire/change.h"

#include <assert.h>
#include <string.h>

#define CHANGE_VERSION 1

// --- writing: failures stick ----------------------------------------------------------------------------

struct writer {
    struct buf *out;
    int status;
};

static void put(struct writer *writer, const void *bytes, size_t len) {
    if (!writer->status) writer->status = buf_append(writer->out, bytes, len);
}

static void put_natural(struct writer *writer, uint64_t value, unsigned width) {
    uint8_t bytes[8];
    for (unsigned i = 0; i < width; i++) bytes[i] = (uint8_t)(value >> (8 * i));
    put(writer, bytes, width);
}

static void put_text(struct writer *writer, const char *text, size_t capacity) {
    size_t len = strnlen(text, capacity);
    assert(len < capacity);
    put_natural(writer, len, 2);
    put(writer, text, len);
}

int change_encode(const struct change *change, struct buf *out) {
    assert(change->kind == CHANGE_CREATE);
    size_t start = out->len;
    struct writer writer = {.out = out};
    put_natural(&writer, CHANGE_VERSION, 1);
    put_natural(&writer, (uint64_t)change->kind, 1);
    put(&writer, change->uuid.bytes, sizeof change->uuid.bytes);
    put_text(&writer, change->login.name, sizeof change->login.name);
    put_text(&writer, change->login.fold, sizeof change->login.fold);
    put_text(&writer, change->name, sizeof change->name);
    put_text(&writer, change->created_from, sizeof change->created_from);
    put_natural(&writer, (uint64_t)change->at_ms, 8);
    put(&writer, change->secret_key.bytes, sizeof change->secret_key.bytes);
    put_text(&writer, change->secret_hash, sizeof change->secret_hash);
    if (writer.status) buf_truncate(out, start);
    return writer.status;
}

// --- reading: a fault empties what is left, so that nothing after it succeeds ---------------------------

struct reader {
    struct str left;
    int status;
};

static const char *take(struct reader *reader, size_t len) {
    const char *bytes = reader->left.ptr;
    if (reader->status || len > reader->left.len) {
        reader->status = -1;
        return NULL;
    }
    reader->left = (struct str){bytes + len, reader->left.len - len};
    return bytes;
}

static uint64_t take_natural(struct reader *reader, unsigned width) {
    const char *bytes = take(reader, width);
    uint64_t value = 0;
    for (unsigned i = 0; bytes && i < width; i++) value |= (uint64_t)(uint8_t)bytes[i] << (8 * i);
    return value;
}

static void take_bytes(struct reader *reader, void *to, size_t len) {
    const char *bytes = take(reader, len);
    if (bytes) memcpy(to, bytes, len);
}

static void take_text(struct reader *reader, char *to, size_t capacity) {
    size_t len = (size_t)take_natural(reader, 2);
    const char *bytes = take(reader, len);
    if (!bytes) return;
    if (len >= capacity || strnlen(bytes, len) != len || !text_is_utf8((struct str){bytes, len})) {
        reader->status = -1;
        return;
    }
    memcpy(to, bytes, len);
    to[len] = '\0';
}

int change_decode(struct str bytes, struct change *change) {
    struct reader reader = {.left = bytes};
    memset(change, 0, sizeof *change); // so that equal changes are equal bytes
    if (take_natural(&reader, 1) != CHANGE_VERSION) return -1;
    if (take_natural(&reader, 1) != CHANGE_CREATE) return -1;
    change->kind = CHANGE_CREATE;
    take_bytes(&reader, change->uuid.bytes, sizeof change->uuid.bytes);
    take_text(&reader, change->login.name, sizeof change->login.name);
    take_text(&reader, change->login.fold, sizeof change->login.fold);
    take_text(&reader, change->name, sizeof change->name);
    take_text(&reader, change->created_from, sizeof change->created_from);
    change->at_ms = (int64_t)take_natural(&reader, 8);
    take_bytes(&reader, change->secret_key.bytes, sizeof change->secret_key.bytes);
    take_text(&reader, change->secret_hash, sizeof change->secret_hash);
    return reader.status || reader.left.len > 0 ? -1 : 0;
}

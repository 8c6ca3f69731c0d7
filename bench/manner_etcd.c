// etcd, as its own clients speak to it: gRPC, which is protobuf in HTTP/2 (libnghttp2), a connection a
// client.
//
//     Range {key: name, serializable: true}   ──►  {kvs: [{key, value: record}]}
//     Put {key: name, value: record}          ──►  {header}
//
//     message = 0 | length, 4 bytes | fields       field = number << 3 | kind, then a number or length and
//     bytes
//
// Serializable: what this server has, without asking a leader; the others answer so, too.
#include "inquiry.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_HEAD 5
#define WINDOW     (1 << 24)
#define FIELD_TEXT 2 // kind: length and bytes

struct stream { // of a slot
    struct buf out, in;
    size_t sent;         // of out
    bool accepted, done; // :status 200; grpc-status 0
};

struct etcd {
    nghttp2_session *session;
    struct stream *streams;
};

static bool does(enum work work) {
    return work != WORK_LOGIN;
}

// --- protobuf -------------------------------------------------------------------------------------------

static int put_number(struct buf *out, uint64_t value) {
    unsigned char bytes[10];
    size_t len = 0;
    for (; value >= 0x80; value >>= 7) bytes[len++] = (unsigned char)(value | 0x80);
    bytes[len++] = (unsigned char)value;
    return buf_append(out, bytes, len);
}

static int put_text(struct buf *out, unsigned field, struct str text) {
    return put_number(out, field << 3 | FIELD_TEXT) | put_number(out, text.len) | buf_append_str(out, text);
}

static bool take_number(struct str *from, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; from->len > 0 && shift < 64; shift += 7) {
        unsigned char byte = (unsigned char)*from->ptr;
        *from = (struct str){from->ptr + 1, from->len - 1};
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

// The first text of that field; false: there is none.
static bool find_text(struct str message, unsigned field, struct str *text) {
    uint64_t key, value;
    while (take_number(&message, &key)) {
        if (!take_number(&message, &value)) return false;
        if ((key & 7) == 0) continue;
        if ((key & 7) != FIELD_TEXT || value > message.len) return false;
        *text = (struct str){message.ptr, (size_t)value};
        if (key >> 3 == field) return true;
        message = (struct str){message.ptr + value, message.len - (size_t)value};
    }
    return false;
}

static int write_request(struct buf *out, enum work work, const char *name) {
    static const char head[FRAME_HEAD] = {0};
    struct buf record = {0};
    buf_truncate(out, 0);
    int rc = buf_append(out, head, sizeof head) | put_text(out, 1, str_of(name));
    if (work == WORK_LOOKUP)
        rc |= put_number(out, 7 << 3) | put_number(out, 1); // serializable
    else
        rc |= record_write(&record, name) | put_text(out, 2, buf_str(&record));
    buf_free(&record);
    if (rc != 0) return -1;
    size_t len = out->len - FRAME_HEAD;
    for (unsigned i = FRAME_HEAD - 1; i > 0; i--, len >>= 8) out->data[i] = (char)len;
    return 0;
}

static const char *check(struct line *line, uint32_t slot, const struct stream *stream) {
    struct str answer = buf_str(&stream->in), pair, key, value;
    const char *name = line->slots[slot].name, *wrong = NULL;
    if (!stream->accepted || !stream->done || answer.len < FRAME_HEAD) return "refused";
    if (line->work == WORK_CREATE) return NULL;
    struct buf record = {0};
    answer = (struct str){answer.ptr + FRAME_HEAD, answer.len - FRAME_HEAD};
    if (!find_text(answer, 2, &pair) || !find_text(pair, 1, &key) || !find_text(pair, 5, &value))
        wrong = "the key is not there";
    else if (record_write(&record, name) != 0)
        wrong = "memory is out";
    else if (!str_equal_text(key, name) || !str_equal(value, buf_str(&record)))
        wrong = "the answer is about somebody else";
    buf_free(&record);
    return wrong;
}

// --- HTTP/2 ---------------------------------------------------------------------------------------------

// What the session has to say goes to the line's other bytes.
static int gather(struct line *line) {
    struct etcd *etcd = line->state_of_manner;
    const uint8_t *bytes;
    nghttp2_ssize len;
    while ((len = nghttp2_session_mem_send2(etcd->session, &bytes)) > 0) {
        if (buf_append(&line->out, bytes, (size_t)len) != 0) return -1;
    }
    return len == 0 ? 0 : -1;
}

static nghttp2_ssize give_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t most,
                               uint32_t *flags, nghttp2_data_source *source, void *context) {
    struct stream *stream = source->ptr;
    (void)session, (void)id, (void)context;
    size_t len = stream->out.len - stream->sent;
    if (len > most) len = most;
    memcpy(to, stream->out.data + stream->sent, len);
    stream->sent += len;
    if (stream->sent == stream->out.len) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (nghttp2_ssize)len;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *context) {
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct str which = {(const char *)name, name_len}, what = {(const char *)value, value_len};
    (void)flags, (void)context;
    if (stream == NULL) return 0;
    if (str_equal_text(which, ":status")) stream->accepted = str_equal_text(what, "200");
    if (str_equal_text(which, "grpc-status")) stream->done = str_equal_text(what, "0");
    if (str_equal_text(which, "grpc-message") && buf_append_str(&stream->in, what) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *context) {
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    (void)flags, (void)context;
    return stream == NULL || buf_append(&stream->in, data, len) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *context) {
    struct line *line = context;
    struct etcd *etcd = line->state_of_manner;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream == NULL) return 0;
    uint32_t slot = (uint32_t)(stream - etcd->streams);
    (void)code; // other than 0 without grpc-status
    line_answered(line, slot, check(line, slot, stream), buf_str(&stream->in));
    return 0;
}

static int open_line(struct line *line) {
    nghttp2_session_callbacks *callbacks = NULL;
    struct etcd *etcd = calloc(1, sizeof *etcd);
    if (etcd == NULL) return -1;
    line->state_of_manner = etcd;
    etcd->streams = calloc(line->depth, sizeof *etcd->streams);
    if (etcd->streams == NULL || nghttp2_session_callbacks_new(&callbacks) != 0) return -1;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int rc = nghttp2_session_client_new(&etcd->session, callbacks, line);
    nghttp2_session_callbacks_del(callbacks);
    return rc == 0 ? 0 : -1;
}

static void close_line(struct line *line) {
    struct etcd *etcd = line->state_of_manner;
    if (etcd == NULL) return;
    for (uint32_t i = 0; etcd->streams != NULL && i < line->depth; i++) {
        buf_free(&etcd->streams[i].out);
        buf_free(&etcd->streams[i].in);
    }
    nghttp2_session_del(etcd->session);
    free(etcd->streams);
    free(etcd);
}

static int greet(struct line *line) {
    struct etcd *etcd = line->state_of_manner;
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
    if (nghttp2_submit_settings(etcd->session, NGHTTP2_FLAG_NONE, settings, 2) != 0 ||
        nghttp2_session_set_local_window_size(etcd->session, NGHTTP2_FLAG_NONE, 0, WINDOW) != 0)
        return -1;
    line_ready(line);
    return 0;
}

#define HEADER(name, value)                                                                                  \
    {(uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1,                             \
     NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE}
#define HEADERS(path)                                                                                        \
    {HEADER(":method", "POST"),                                                                              \
     HEADER(":scheme", "http"),                                                                              \
     HEADER(":path", "/etcdserverpb.KV/" path),                                                              \
     HEADER(":authority", "127.0.0.1"),                                                                      \
     HEADER("content-type", "application/grpc"),                                                             \
     HEADER("te", "trailers")}

static int ask(struct line *line, uint32_t slot) {
    static const nghttp2_nv range[] = HEADERS("Range"), put[] = HEADERS("Put");
    struct etcd *etcd = line->state_of_manner;
    struct stream *stream = &etcd->streams[slot];
    nghttp2_data_provider2 body = {.source.ptr = stream, .read_callback = give_body};
    stream->sent = 0;
    stream->accepted = stream->done = false;
    buf_truncate(&stream->in, 0);
    if (write_request(&stream->out, line->work, line->slots[slot].name) != 0) return -1;
    int32_t id = nghttp2_submit_request2(etcd->session, NULL, line->work == WORK_LOOKUP ? range : put,
                                         sizeof range / sizeof range[0], &body, stream);
    return id < 0 ? -1 : 0;
}

static size_t take(struct line *line, const char *data, size_t len) {
    struct etcd *etcd = line->state_of_manner;
    nghttp2_ssize taken = nghttp2_session_mem_recv2(etcd->session, (const uint8_t *)data, len);
    return taken == (nghttp2_ssize)len ? len : INQUIRY_GARBLED;
}

const struct manner manner_etcd = {.name = "etcd",
                                   .does = does,
                                   .open = open_line,
                                   .close = close_line,
                                   .greet = greet,
                                   .ask = ask,
                                   .flush = gather,
                                   .take = take};

// Sending on a link. Frames go out straight from the reel, many in one call:
//
//   plain:    [run of frames][run of frames]          one piece of a sendmsg for each run between our own
//   skips Herald:   [envelope 1][frame 1 behind its prefix][envelope 2][frame 2 ...]
//
// When the socket takes only a part, what is left of the frame that was cut is copied into `rest`, so that
// the cursor always stands between frames.
#include "stream/trunk_private.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define BATCH_FRAMES 256
#define BATCH_BYTES  (1u << 20)

struct batch {
    struct iovec pieces[BATCH_FRAMES * 2];
    size_t piece_count;
    struct {          // frames, for finding where a short send stopped
        size_t bytes; // envelope and body
        struct str body;
        reel_pos next;
        size_t envelope_at, envelope_len;
    } frames[BATCH_FRAMES];
    size_t count, bytes;
    reel_pos cursor; // after the batch, skipped runs included
};

static enum reader_result send_buf(int fd, struct buf *buf) {
    while (buf->len > 0) {
        ssize_t sent = send(fd, buf->data, buf->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EAGAIN ? READER_BLOCKED : READER_GONE;
        buf_consume(buf, (size_t)sent);
    }
    buf_wipe(buf); // lock messages carry secrets, and so does our greeting
    return READER_DONE;
}

// Collects what comes next for this link. Envelopes are written into trunk->envelopes first and turned into
// pointers when it no longer moves.
static int batch_fill(struct batch *batch, struct cable *cable, const struct reel *reel, reel_pos head) {
    struct trunk *trunk = cable->trunk;
    struct reel_frame frame;
    buf_truncate(&trunk->envelopes, 0);
    batch->count = batch->bytes = 0;
    batch->cursor = cable->cursor;
    while (batch->count < BATCH_FRAMES && batch->bytes < BATCH_BYTES &&
           reel_frame(reel, batch->cursor, head, &frame)) {
        batch->cursor = frame.next;
        if (frame.source == cable->id) continue; // its own
        size_t at = trunk->envelopes.len;
        struct str body = frame.bytes;
        if (cable->herald) {
            struct str origin = node_origin(&trunk->stream->node, frame.origin);
            if (activity_envelope(&trunk->envelopes, origin, frame.sequence) != 0) return -1;
            body.ptr += sizeof ACTIVITY_FRAME_PREFIX - 1;
            body.len -= sizeof ACTIVITY_FRAME_PREFIX - 1;
        }
        size_t envelope = trunk->envelopes.len - at;
        batch->frames[batch->count].body = body;
        batch->frames[batch->count].next = frame.next;
        batch->frames[batch->count].envelope_at = at;
        batch->frames[batch->count].envelope_len = envelope;
        batch->frames[batch->count].bytes = envelope + body.len;
        batch->bytes += envelope + body.len;
        batch->count++;
    }
    return 0;
}

static void batch_add_piece(struct batch *batch, const char *bytes, size_t len) {
    struct iovec *last = batch->piece_count > 0 ? &batch->pieces[batch->piece_count - 1] : NULL;
    if (last != NULL && (char *)last->iov_base + last->iov_len == bytes) { // a run goes on
        last->iov_len += len;
        return;
    }
    batch->pieces[batch->piece_count++] = (struct iovec){.iov_base = (void *)bytes, .iov_len = len};
}

static void batch_pieces(struct batch *batch, const struct cable *cable) {
    batch->piece_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->frames[i].envelope_len > 0)
            batch_add_piece(batch, cable->trunk->envelopes.data + batch->frames[i].envelope_at,
                            batch->frames[i].envelope_len);
        batch_add_piece(batch, batch->frames[i].body.ptr, batch->frames[i].body.len);
    }
}

// `sent` bytes of the batch went out: the cursor moves behind the last frame that was begun, and what is
// missing of it is kept.
static int batch_sent(struct batch *batch, struct cable *cable, size_t sent) {
    if (sent == batch->bytes) {
        cable->cursor = batch->cursor;
        return 0;
    }
    for (size_t i = 0; i < batch->count && sent > 0; i++) {
        cable->cursor = batch->frames[i].next;
        if (sent >= batch->frames[i].bytes) {
            sent -= batch->frames[i].bytes;
            continue;
        }
        size_t envelope = batch->frames[i].envelope_len, from_envelope = sent < envelope ? sent : envelope;
        size_t from_body = sent - from_envelope;
        if (from_envelope < envelope) {
            const char *left = cable->trunk->envelopes.data + batch->frames[i].envelope_at + from_envelope;
            if (buf_append(&cable->rest, left, envelope - from_envelope) != 0) return -1;
        }
        return buf_append(&cable->rest, batch->frames[i].body.ptr + from_body,
                          batch->frames[i].body.len - from_body);
    }
    return 0;
}

static enum reader_result send_batch(struct cable *cable, struct batch *batch) {
    struct msghdr header = {.msg_iov = batch->pieces, .msg_iovlen = batch->piece_count};
    ssize_t sent;
    do sent = sendmsg(sock_fd(cable->sock), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) return errno == EAGAIN ? READER_BLOCKED : READER_GONE;
    if (batch_sent(batch, cable, (size_t)sent) != 0) return READER_GONE;
    return (size_t)sent == batch->bytes ? READER_DONE : READER_BLOCKED;
}

static enum reader_result cable_flush_reel(struct cable *cable, const struct reel *reel, reel_pos head) {
    struct batch batch;
    while (cable->cursor < head) {
        if (batch_fill(&batch, cable, reel, head) != 0) return READER_GONE;
        batch_pieces(&batch, cable);
        if (batch.count == 0) { // nothing but its own
            if (batch.cursor == cable->cursor) break;
            cable->cursor = batch.cursor;
            continue;
        }
        enum reader_result result = send_batch(cable, &batch);
        if (result != READER_DONE) return result;
    }
    return READER_DONE;
}

enum reader_result cable_flush(struct cable *cable, const struct reel *reel, reel_pos head, reel_pos tail) {
    int fd = sock_fd(cable->sock);
    bool hears = cable->up && cable->cursor < cable->end;
    if (hears && reel_lapped(reel, &cable->cursor, tail)) return READER_LAPPED;
    if (cable->blocked) return READER_BLOCKED;
    enum reader_result result = send_buf(fd, &cable->rest);
    if (result != READER_DONE || cable->held) return result;
    result = send_buf(fd, &cable->lane);
    if (result != READER_DONE || !hears) return result;
    return cable_flush_reel(cable, reel, head < cable->end ? head : cable->end);
}

// Sending on a link. What comes next for it is gathered from the reel and goes out in one call:
//
//   reel:    [frame 1][frame 2][frame 3] ...
//   batch:   [envelope 1|body 1][envelope 3|body 3] ...      a Herald link, without what came from it
//            [frame 1][frame 3] ...                          a plain one
//
// A copy costs less than a piece of a sendmsg for each frame (bench/sends.c), and links that stand at the
// same place share one. When the socket takes only a part, what is left of the frame that was cut is copied
// into `rest`, so that the cursor always stands between frames.
#include "stream/trunk_private.h"

#include <errno.h>
#include <sys/socket.h>

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

// Whether what was gathered for another link is what this one needs.
static bool batch_serves(const struct batch *batch, const struct cable *cable, reel_pos head) {
    if (batch->from != cable->cursor || batch->head != head || batch->herald != cable->herald ||
        batch->left_out > 0)
        return false;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->frames[i].source == cable->id) return false;
    return true;
}

static int batch_add(struct batch *batch, const struct node *node, const struct reel_frame *frame) {
    struct str body = frame->bytes;
    if (batch->herald) {
        if (activity_envelope(&batch->bytes, node_origin(node, frame->origin), frame->sequence) != 0)
            return -1;
        body.ptr += sizeof ACTIVITY_FRAME_PREFIX - 1;
        body.len -= sizeof ACTIVITY_FRAME_PREFIX - 1;
    }
    if (buf_append_str(&batch->bytes, body) != 0) return -1;
    batch->frames[batch->count].source = frame->source;
    batch->frames[batch->count].next = frame->next;
    batch->frames[batch->count].end = batch->bytes.len;
    batch->count++;
    return 0;
}

static int batch_fill(struct batch *batch, const struct cable *cable, const struct reel *reel,
                      reel_pos head) {
    struct reel_frame frame;
    buf_truncate(&batch->bytes, 0);
    batch->from = batch->next = cable->cursor;
    batch->head = head;
    batch->herald = cable->herald;
    batch->count = batch->left_out = 0;
    bool more = reel_frame(reel, batch->from, head, &frame);
    for (; more && batch->count < BATCH_FRAMES && batch->bytes.len < BATCH_BYTES;
         more = reel_frame_next(reel, head, &frame)) {
        batch->next = frame.next;
        if (frame.source == cable->id)
            batch->left_out++;
        else if (batch_add(batch, &cable->trunk->stream->node, &frame) != 0)
            return -1;
    }
    return 0;
}

// `sent` bytes of the batch went out: the cursor moves behind the last frame that was begun, and what is
// missing of it is kept.
static int batch_sent(const struct batch *batch, struct cable *cable, size_t sent) {
    if (sent == batch->bytes.len) {
        cable->cursor = batch->next;
        return 0;
    }
    size_t i = 0;
    while (batch->frames[i].end < sent) i++;
    cable->cursor = batch->frames[i].next;
    return buf_append(&cable->rest, batch->bytes.data + sent, batch->frames[i].end - sent);
}

static enum reader_result batch_send(const struct batch *batch, struct cable *cable) {
    ssize_t sent;
    do sent = send(sock_fd(cable->sock), batch->bytes.data, batch->bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) return errno == EAGAIN ? READER_BLOCKED : READER_GONE;
    if (batch_sent(batch, cable, (size_t)sent) != 0) return READER_GONE;
    return (size_t)sent == batch->bytes.len ? READER_DONE : READER_BLOCKED;
}

static enum reader_result cable_flush_reel(struct cable *cable, const struct reel *reel, reel_pos head) {
    struct batch *batch = &cable->trunk->batch;
    while (cable->cursor < head) {
        if (!batch_serves(batch, cable, head) && batch_fill(batch, cable, reel, head) != 0) {
            batch->head = 0; // it serves nobody
            return READER_GONE;
        }
        if (batch->count == 0) { // nothing but its own
            if (batch->next == cable->cursor) break;
            cable->cursor = batch->next;
            continue;
        }
        enum reader_result result = batch_send(batch, cable);
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

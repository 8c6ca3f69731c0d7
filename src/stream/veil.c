// TLS on a client's connection. See veil.h.
#include "stream/veil.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define HELD_MOST (2u * VEIL_BATCH) // a batch, and the answers to changes of keys

struct veil {
    struct tls *tls;
    struct buf held; // sealed, and not taken by the socket yet
};

void veil_scratch_free(struct veil_scratch *scratch) {
    buf_wipe(&scratch->plain);
    buf_wipe(&scratch->sealed);
}

struct veil *veil_open(struct tls_context *context, struct err *err) {
    struct veil *veil = calloc(1, sizeof *veil);
    if (veil == NULL) {
        err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    veil->tls = tls_accept(context, "herald", err);
    if (veil->tls != NULL) return veil;
    free(veil);
    return NULL;
}

void veil_close(struct veil *veil) {
    if (veil == NULL) return;
    tls_close(veil->tls);
    buf_free(&veil->held);
    free(veil);
}

int veil_receive(struct veil *veil, struct veil_scratch *scratch, struct str cipher, size_t most,
                 struct str *plain, struct err *err) {
    buf_truncate(&scratch->plain, 0);
    if (buf_reserve(&scratch->plain, most + 2 * (size_t)TLS_RECORD_MAX) != 0)
        return err_set(err, ERR_MEMORY, "memory is out");
    int rc = tls_receive(veil->tls, cipher, &scratch->plain, &veil->held, err);
    *plain = buf_str(&scratch->plain);
    if (rc == 0 && veil->held.len > HELD_MOST)
        return err_set(err, ERR_LIMIT, "TLS: it asks for more answers than it reads");
    return rc;
}

bool veil_holds(const struct veil *veil) {
    return veil->held.len > 0;
}

bool veil_ended(const struct veil *veil) {
    return tls_ended(veil->tls);
}

// --- sending ----------------------------------------------------------------------------------------------

// Sends of *bytes what the socket takes, and takes that off them.
static enum reader_result put(int fd, struct str *bytes) {
    while (bytes->len > 0) {
        ssize_t sent = send(fd, bytes->ptr, bytes->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? READER_BLOCKED : READER_GONE;
        bool all = (size_t)sent == bytes->len;
        bytes->ptr += sent;
        bytes->len -= (size_t)sent;
        if (!all) return READER_BLOCKED;
    }
    return READER_DONE;
}

static enum reader_result put_held(struct veil *veil, int fd) {
    struct str rest = buf_str(&veil->held);
    enum reader_result result = put(fd, &rest);
    buf_consume(&veil->held, veil->held.len - rest.len);
    if (veil->held.len == 0) buf_free(&veil->held);
    return result;
}

// A batch of what is next, lane and reel alike, sealed. -1: it cannot be.
static int seal(struct veil *veil, struct buf *sealed, struct reader *reader, const struct reel *reel,
                reel_pos head, bool last) {
    size_t room = VEIL_BATCH;
    buf_truncate(sealed, 0);
    if (!tls_ready(veil->tls)) return 0;
    while (room > 0) {
        struct reader_run run = reader_next(reader, reel, head);
        if (run.bytes.len == 0) break;
        if (run.bytes.len > room) run.bytes.len = room;
        if (tls_send(veil->tls, run.bytes, sealed, NULL) != 0) return -1;
        reader_sent(reader, &run, run.bytes.len);
        room -= run.bytes.len;
    }
    if (last && !reader_pending(reader, reader->end)) return tls_finish(veil->tls, sealed, NULL);
    return 0;
}

static enum reader_result send_all(struct veil *veil, struct buf *sealed, struct reader *reader,
                                   const struct reel *reel, int fd, reel_pos head, bool last) {
    for (;;) {
        if (seal(veil, sealed, reader, reel, head, last) != 0) return READER_GONE;
        if (sealed->len == 0) return READER_DONE;
        struct str rest = buf_str(sealed);
        enum reader_result result = put(fd, &rest);
        if (rest.len > 0 && result == READER_BLOCKED && buf_append_str(&veil->held, rest) != 0)
            return READER_GONE;
        if (result != READER_DONE) return result;
    }
}

enum reader_result veil_flush(struct veil *veil, struct veil_scratch *scratch, struct reader *reader,
                              const struct reel *reel, int fd, reel_pos head, reel_pos tail, bool last,
                              uint64_t *delivered) {
    if (reader_lapped(reader, reel, tail)) return READER_LAPPED;
    enum reader_result result = put_held(veil, fd);
    if (result != READER_DONE) return result;
    reel_pos begun = reader->cursor;
    result = send_all(veil, &scratch->sealed, reader, reel, fd, head, last);
    *delivered += reel_frames_between(reel, begun, reader->cursor);
    return result;
}

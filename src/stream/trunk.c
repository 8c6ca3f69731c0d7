// The trunk: server links on sockets. See trunk.h for the path of the bytes; trunk_flush.c sends.
// Memory may run out while a table grows: the element then has hh.tbl == NULL.
#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include "stream/trunk_private.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DIAL_TIMEOUT_MS 5000u
#define TRUNK_INPUT     (256 * 1024)

static void cable_ready(void *context, unsigned events);

static struct cable *cable_find(const struct trunk *trunk, uint32_t id) {
    struct cable *cable;
    HASH_FIND(hh, trunk->cables, &id, sizeof id, cable);
    return cable;
}

// --- coming and going
// ---------------------------------------------------------------------------------------

// Takes `fd` on success.
static struct cable *cable_open(struct trunk *trunk, int fd, const struct address *address) {
    struct cable *cable = calloc(1, sizeof *cable);
    if (cable == NULL) return NULL;
    struct err err;
    cable->sock = sock_open(trunk->stream->loop, fd, SOCK_WANT_READ, cable_ready, cable, &err);
    if (cable->sock == NULL) {
        free(cable);
        return NULL;
    }
    cable->trunk = trunk;
    cable->address = *address;
    cable->id = ++trunk->last_id;
    framer_init(&cable->framer, trunk->stream->settings.max_message + ACTIVITY_FRAME_SLACK);
    HASH_ADD(hh, trunk->cables, id, sizeof cable->id, cable);
    if (cable->hh.tbl == NULL) {
        (void)sock_detach(cable->sock);
        free(cable);
        return NULL;
    }
    return cable;
}

static void cable_close(struct cable *cable) {
    struct trunk *trunk = cable->trunk;
    HASH_DEL(trunk->cables, cable);
    if (cable->up) atomic_fetch_sub(&trunk->stream->hub.links, 1);
    sock_close(cable->sock);
    if (cable->accepted) door_link_gone(trunk->stream->door, &cable->address);
    framer_fini(&cable->framer);
    buf_wipe(&cable->lane);
    buf_wipe(&cable->stalled);
    buf_free(&cable->rest);
    free(cable);
}

// The socket is of no more use: the node forgets the link at once.
static void cable_lost(struct cable *cable, const char *why) {
    struct trunk *trunk = cable->trunk;
    uint32_t id = cable->id;
    if (!cable->finishing) node_link_down(&trunk->stream->node, id, why, loop_now(trunk->stream->loop));
    cable_close(cable);
    wake_send(trunk->stream->wake); // what the node tells the others of it may come after this turn's flush
}

void trunk_cut(void *context, uint32_t link, const char *why) {
    (void)why; // the node has logged it
    struct stream *stream = context;
    struct cable *cable = cable_find(stream->trunk, link);
    if (cable == NULL || cable->finishing) return;
    cable->finishing = true;
    cable->held = false;
    cable->end = cable->cursor;
    cable->deadline_ms = loop_now(stream->loop) + (stream->draining ? LINGER_STOPPING_MS : LINGER_MS);
    if (stream->trunk->deadline_ms > cable->deadline_ms) stream->trunk->deadline_ms = cable->deadline_ms;
    sock_want(cable->sock, sock_wanted(cable->sock) | SOCK_WANT_READ);
}

static void on_dialled(void *context, int fd, const struct address *to, const char *why) {
    struct trunk *trunk = context;
    struct stream *stream = trunk->stream;
    trunk->dial = NULL;
    if (fd < 0) {
        node_dial_failed(&stream->node, why, loop_now(stream->loop));
        return;
    }
    struct cable *cable = cable_open(trunk, fd, to);
    if (cable == NULL) {
        close(fd);
        node_dial_failed(&stream->node, "memory is out", loop_now(stream->loop));
        return;
    }
    char address[ADDRESS_TEXT_SIZE];
    address_format(to, address);
    node_linked_out(&stream->node, cable->id, address, loop_now(stream->loop));
}

void trunk_dial(void *context, const struct settings_target *target) {
    struct stream *stream = context;
    struct trunk *trunk = stream->trunk;
    struct err err;
    trunk->dial =
        dial_open(stream->loop, target->host, target->port, DIAL_TIMEOUT_MS, on_dialled, trunk, &err);
    if (trunk->dial == NULL) node_dial_failed(&stream->node, err.text, loop_now(stream->loop));
}

// --- what the node does
// -------------------------------------------------------------------------------------

void trunk_send(void *context, uint32_t link, struct str line) {
    struct stream *stream = context;
    struct cable *cable = cable_find(stream->trunk, link);
    if (cable == NULL || cable->finishing) return;
    // Too much unread, or memory is out: the flush ends it (not here: the node is in the middle of
    // something).
    if (cable->lane.len + line.len > TRUNK_LANE_MAX || buf_append_str(&cable->lane, line) != 0)
        cable->choked = true;
}

void trunk_hold(void *context, uint32_t link, bool held) {
    struct stream *stream = context;
    struct cable *cable = cable_find(stream->trunk, link);
    if (cable != NULL) cable->held = held;
}

void trunk_up(void *context, uint32_t link, bool herald) {
    struct stream *stream = context;
    struct cable *cable = cable_find(stream->trunk, link);
    if (cable == NULL) return;
    cable->herald = herald;
    if (cable->up) return; // it has turned out to be Herald
    cable->up = true;
    cable->cursor = reel_head(stream->hub.reel);
    cable->end = UINT64_MAX;
    atomic_fetch_add(&stream->hub.links, 1);
}

bool trunk_publish(void *context, const struct message *message, struct str user, uint32_t link,
                   uint32_t origin, uint64_t sequence) {
    struct stream *stream = context;
    struct trunk *trunk = stream->trunk;
    buf_truncate(&trunk->frame, 0);
    if (activity_encode(trunk->parser, message, user, &trunk->frame) != 0) {
        log_error(L_MSG("activity lost"), L_STR("why", "memory is out"));
        return true;
    }
    if (trunk->frame.len > stream->settings.reel_segment_size) { // a peer with a larger max_message
        log_warn(L_MSG("activity lost"), L_STR("why", "it is longer than reel_segment_size"));
        return true;
    }
    if (reel_append(stream->hub.reel, buf_str(&trunk->frame), link, origin, sequence) == REEL_BUSY)
        return false;
    trunk->appended = true;
    return true;
}

// --- reading
// ------------------------------------------------------------------------------------------------

// False: the reel is busy and the line was kept.
static bool cable_line(struct cable *cable, struct str line) {
    struct trunk *trunk = cable->trunk;
    struct stream *stream = trunk->stream;
    uint64_t now = loop_now(stream->loop);
    struct message message;
    struct err err;
    bool taken = true;
    if (message_parse(trunk->parser, line, &message, &err) != 0) {
        node_invalid(&stream->node, cable->id, err.text, now);
    } else if (node_message(&stream->node, cable->id, &message, now) == NODE_AGAIN) {
        taken = false;
        if (line.ptr != cable->stalled.data && buf_append_str(&cable->stalled, line) != 0)
            cable->choked = true;
    }
    parser_forget(trunk->parser);
    return taken;
}

static void cable_take(struct cable *cable, struct str input) {
    struct trunk *trunk = cable->trunk;
    struct str line;
    while (!cable->finishing && !cable->choked) {
        if (cable->stalled.len > 0) { // the reel is busy: not read until it is not
            if (framer_keep(&cable->framer, &input) != 0) cable->choked = true;
            sock_want(cable->sock, sock_wanted(cable->sock) & ~SOCK_WANT_READ);
            return;
        }
        switch (framer_next(&cable->framer, &input, &line)) {
        case FRAME_MORE: return;
        case FRAME_TOO_LONG:
            node_invalid(&trunk->stream->node, cable->id, "the line is longer than max_message",
                         loop_now(trunk->stream->loop));
            return;
        case FRAME_MEMORY: cable->choked = true; return;
        case FRAME_LINE: cable_line(cable, line); break;
        }
    }
}

static void cable_retry(struct cable *cable) {
    if (cable->stalled.len == 0 || cable->finishing) return;
    if (!cable_line(cable, buf_str(&cable->stalled))) return;
    buf_wipe(&cable->stalled);
    sock_want(cable->sock, sock_wanted(cable->sock) | SOCK_WANT_READ);
    cable_take(cable, (struct str){0});
}

static void cable_ready(void *context, unsigned events) {
    struct cable *cable = context;
    struct trunk *trunk = cable->trunk;
    if ((events & SOCK_WANT_WRITE) != 0) cable->blocked = false; // the turn's flush follows
    if ((events & SOCK_WANT_READ) == 0) return;
    ssize_t got = recv(sock_fd(cable->sock), trunk->input, TRUNK_INPUT, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        cable_lost(cable, got == 0 ? "the other side closed" : strerror(errno));
        return;
    }
    if (!cable->finishing) cable_take(cable, (struct str){.ptr = trunk->input, .len = (size_t)got});
}

// A connection that a shard took for a client has authenticated as a server.
void trunk_adopt(struct mail *mail, void *context) {
    struct stream *stream = context;
    struct trunk *trunk = stream->trunk;
    struct adoption *adoption = (struct adoption *)mail;
    struct message message;
    struct err err;
    struct cable *cable = NULL;
    if (!stream->draining && message_parse(trunk->parser, buf_str(&adoption->line), &message, &err) == 0)
        cable = cable_open(trunk, adoption->fd, &adoption->from);
    if (cable == NULL) {
        door_link_gone(stream->door, &adoption->from);
        adoption_free(adoption);
        return;
    }
    adoption->fd = -1;
    cable->accepted = true;
    framer_fini(&cable->framer);
    cable->framer = adoption->framer;
    cable->framer.max = stream->settings.max_message + ACTIVITY_FRAME_SLACK;
    framer_init(&adoption->framer, 0);
    char from[ADDRESS_TEXT_SIZE];
    address_format(&adoption->from, from);
    node_linked_in(&stream->node, cable->id, from, &message, loop_now(stream->loop));
    parser_forget(trunk->parser);
    adoption_free(adoption);
    cable_take(cable, (struct str){0});
}

// --- the turn
// -----------------------------------------------------------------------------------------------

static void trunk_retry(struct trunk *trunk) {
    struct cable *cable, *next;
    HASH_ITER(hh, trunk->cables, cable, next) cable_retry(cable);
}

static void trunk_flush_all(struct trunk *trunk) {
    struct reel *reel = trunk->stream->hub.reel;
    reel_pos tail = reel_enter(reel, HUB_CORE, 0), head = reel_head(reel);
    struct cable *cable, *next;
    HASH_ITER(hh, trunk->cables, cable, next) cable->result = cable_flush(cable, reel, head, tail);
    reel_leave(reel, HUB_CORE);
}

// All that was to be said on it is sent.
static void cable_shut(struct cable *cable, uint64_t now_ms) {
    uint64_t until = now_ms + (cable->trunk->stream->draining ? LINGER_STOPPING_MS : LINGER_MS);
    if (cable->deadline_ms > until) cable->deadline_ms = until;
    cable->shut = true;
    shutdown(sock_fd(cable->sock), SHUT_WR);
}

// After the sweep, never inside it. Returns when to look at it again; UINT64_MAX: when its socket says so.
static uint64_t cable_settle(struct cable *cable, uint64_t now_ms) {
    switch (cable->choked ? READER_LAPPED : cable->result) {
    case READER_DONE:
        sock_want(cable->sock, sock_wanted(cable->sock) & ~SOCK_WANT_WRITE);
        if (cable->finishing && !cable->shut) cable_shut(cable, now_ms);
        break;
    case READER_BLOCKED:
        cable->blocked = true;
        sock_want(cable->sock, sock_wanted(cable->sock) | SOCK_WANT_WRITE);
        break;
    case READER_LAPPED:
        hub_count_closed(&cable->trunk->stream->hub, CLOSE_LAPPED);
        cable_lost(cable, close_words(CLOSE_LAPPED));
        return UINT64_MAX;
    case READER_GONE: cable_lost(cable, "the other side closed"); return UINT64_MAX;
    }
    if (!cable->finishing) return cable->stalled.len > 0 ? now_ms + 1 : UINT64_MAX;
    if (cable->deadline_ms > now_ms) return cable->deadline_ms;
    cable_close(cable);
    return UINT64_MAX;
}

void trunk_turn(struct trunk *trunk) {
    uint64_t now = loop_now(trunk->stream->loop);
    trunk_retry(trunk);
    if (trunk->appended) hub_wake_readers(&trunk->stream->hub, HUB_CORE);
    trunk->appended = false;
    trunk->deadline_ms = UINT64_MAX;
    if (trunk->cables == NULL) return;
    trunk_flush_all(trunk);
    struct cable *cable, *next;
    HASH_ITER(hh, trunk->cables, cable, next) {
        uint64_t due = cable_settle(cable, now);
        if (due < trunk->deadline_ms) trunk->deadline_ms = due;
    }
}

uint64_t trunk_deadline(const struct trunk *trunk) {
    return trunk->deadline_ms;
}

// --- life
// ---------------------------------------------------------------------------------------------------

struct trunk *trunk_open(struct stream *stream, struct err *err) {
    struct trunk *trunk = calloc(1, sizeof *trunk);
    if (trunk != NULL) {
        trunk->stream = stream;
        trunk->deadline_ms = UINT64_MAX;
        trunk->input = malloc(TRUNK_INPUT);
        trunk->parser =
            parser_open(stream->settings.max_message + ACTIVITY_FRAME_SLACK, stream->settings.max_depth);
        if (trunk->input != NULL && trunk->parser != NULL) return trunk;
        trunk_close(trunk);
    }
    err_set(err, ERR_MEMORY, "memory is out");
    return NULL;
}

void trunk_finish(struct trunk *trunk) {
    if (trunk->dial != NULL) dial_cancel(trunk->dial);
    trunk->dial = NULL;
    struct stream *stream = trunk->stream;
    node_goodbye(&stream->node);
    struct cable *cable, *next;
    HASH_ITER(hh, trunk->cables, cable, next) {
        if (cable->finishing) continue;
        uint32_t id = cable->id;
        trunk_cut(stream, id, close_words(CLOSE_STOPPING));
        if (cable->up) cable->end = reel_head(stream->hub.reel); // what the clients said last is still sent
        cable->deadline_ms = stream->drain_until_ms;
        node_link_down(&stream->node, id, close_words(CLOSE_STOPPING), loop_now(stream->loop));
    }
}

bool trunk_idle(const struct trunk *trunk) {
    return trunk->cables == NULL;
}

void trunk_close(struct trunk *trunk) {
    if (trunk == NULL) return;
    if (trunk->dial != NULL) dial_cancel(trunk->dial);
    struct cable *cable, *next;
    HASH_ITER(hh, trunk->cables, cable, next) cable_close(cable);
    if (trunk->parser != NULL) parser_close(trunk->parser);
    buf_free(&trunk->frame);
    buf_free(&trunk->batch.bytes);
    if (trunk->input != NULL) secret_wipe(trunk->input, TRUNK_INPUT);
    free(trunk->input);
    free(trunk);
}

// Requests out of bytes. See http.h.
//
//   HEAD      lines are gathered until an empty one        ──► http_parse_head (http_head.c)
//   ADMITTED  by the owner, with a limit for the body
//   LENGTH    so many bytes                                 ──► whole
//   CHUNKS    llhttp decodes                                ──► whole
#include "gateway/http_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// A body in chunks of one byte is six times its size; with more framing than this it is no honest one.
#define CHUNKS_RAW_MAX(limit) ((limit) * 8 + HTTP_HEAD_MAX)

void http_init(struct http *http) {
    *http = (struct http){.phase = HTTP_IDLE};
}

static void forget(struct http *http) {
    struct http_work *work = http->work;
    if (work != NULL) {
        buf_wipe(&work->head);
        buf_wipe(&work->body);
        free(work);
    }
    http->work = NULL;
    http->request = (struct http_request){0};
}

void http_fini(struct http *http) {
    forget(http);
}

void http_done(struct http *http) {
    assert(http->phase == HTTP_ANSWERING);
    assert(http_is_whole(http));
    forget(http);
    http->phase = HTTP_IDLE;
}

enum http_event http_broken(struct http *http, unsigned status, const char *words) {
    http->fault = (struct http_fault){.status = status, .words = words};
    http->phase = HTTP_BROKEN;
    return HTTP_FAULT;
}

void http_late(struct http *http) {
    http_broken(http, 408, "the request did not arrive in time; send it again without pauses");
}

static struct str advance(struct str *input, size_t len) {
    struct str taken = {.ptr = input->ptr, .len = len};
    *input = (struct str){.ptr = input->ptr + len, .len = input->len - len};
    return taken;
}

// --- gathering the head ---------------------------------------------------------------------------------

static bool begins_like_a_request(unsigned char first) {
    return (first >= 'A' && first <= 'Z') || first == '\r' || first == '\n';
}

enum gather { GATHER_MORE, GATHER_END, GATHER_BARE };

// Looks through `piece` for the end of the head. *len: how much of it belongs to the head.
static enum gather gather(struct http_work *work, struct str piece, size_t *len) {
    size_t at = 0;
    const char *newline;
    while (at < piece.len && (newline = memchr(piece.ptr + at, '\n', piece.len - at)) != NULL) {
        size_t line = (size_t)(newline - piece.ptr) - at; // of this piece, without the newline
        char before = line > 0 ? newline[-1] : work->last;
        size_t whole = work->line + line; // with its '\r'
        *len = (size_t)(newline - piece.ptr) + 1;
        if (whole == 0 || before != '\r') return GATHER_BARE;
        if (whole == 1 && work->begun) return GATHER_END;
        if (whole > 1) work->begun = true;
        work->line = 0;
        work->last = '\n';
        at = *len;
    }
    if (at < piece.len) {
        work->line += piece.len - at;
        work->last = piece.ptr[piece.len - 1];
    }
    *len = piece.len;
    return GATHER_MORE;
}

static enum http_event next_head(struct http *http, struct str *input) {
    struct http_work *work = http->work;
    size_t room = HTTP_HEAD_MAX - work->head.len, len = 0;
    struct str piece = {.ptr = input->ptr, .len = input->len < room ? input->len : room};
    if (work->head.len == 0 && !begins_like_a_request((unsigned char)piece.ptr[0]))
        return http_broken(http, 400, "this is not HTTP/1.1; speak plain HTTP here");
    enum gather found = gather(work, piece, &len);
    if (buf_append_str(&work->head, advance(input, len)) != 0)
        return http_broken(http, 503, "the server is out of memory; try again");
    switch (found) {
    case GATHER_BARE:
        return http_broken(http, 400, "a line of the head ends without CR LF; end every line with both");
    case GATHER_END: return http_parse_head(http);
    case GATHER_MORE: break;
    }
    if (work->head.len < HTTP_HEAD_MAX) return HTTP_MORE;
    if (!work->begun) return http_broken(http, 414, "the request line is too long; shorten the target");
    return http_broken(http, 431, "the headers are too long; send fewer or shorter ones");
}

// --- the body -------------------------------------------------------------------------------------------

bool http_has_body(const struct http *http) {
    const struct http_work *work = http->work;
    return work->chunked || work->length > 0;
}

bool http_is_whole(const struct http *http) {
    return http->work->stage == WORK_WHOLE || !http_has_body(http);
}

bool http_admit(struct http *http, size_t limit) {
    struct http_work *work = http->work;
    assert(http->phase == HTTP_ANSWERING && work->stage == WORK_HEAD);
    work->stage = work->chunked ? WORK_CHUNKS : WORK_LENGTH;
    work->limit = limit;
    http->phase = HTTP_ARRIVING;
    return http->request.expect_continue && http_has_body(http) && (work->chunked || work->length <= limit);
}

static enum http_event whole(struct http *http) {
    http->work->stage = WORK_WHOLE;
    http->phase = HTTP_ANSWERING;
    http->request.body = buf_str(&http->work->body);
    return HTTP_WHOLE;
}

static enum http_event too_large(struct http *http) {
    return http_broken(http, 413, "the body is larger than this resource takes");
}

static enum http_event next_length(struct http *http, struct str *input) {
    struct http_work *work = http->work;
    if (work->length > work->limit) return too_large(http);
    size_t missing = (size_t)work->length - work->body.len;
    size_t len = input->len < missing ? input->len : missing;
    if (buf_append_str(&work->body, advance(input, len)) != 0)
        return http_broken(http, 503, "the server is out of memory; try again");
    return len == missing ? whole(http) : HTTP_MORE;
}

// llhttp stops where the body ends, and says where that is.
static enum http_event next_chunks(struct http *http, struct str *input) {
    struct http_work *work = http->work;
    size_t room = CHUNKS_RAW_MAX(work->limit) - work->raw;
    struct str piece = {.ptr = input->ptr, .len = input->len < room ? input->len : room};
    if (piece.len == 0) return room == 0 ? too_large(http) : HTTP_MORE;
    enum llhttp_errno result = llhttp_execute(&work->parser, piece.ptr, piece.len);
    if (result == HPE_PAUSED && work->complete) {
        advance(input, (size_t)(llhttp_get_error_pos(&work->parser) - piece.ptr));
        return whole(http);
    }
    work->raw += piece.len;
    advance(input, piece.len);
    if (result != HPE_OK) {
        if (work->memory) return http_broken(http, 503, "the server is out of memory; try again");
        if (work->too_large) return too_large(http);
        return http_broken(http, 400, "the body's chunks are malformed");
    }
    return work->raw == CHUNKS_RAW_MAX(work->limit) ? too_large(http) : HTTP_MORE;
}

// --- what comes next ------------------------------------------------------------------------------------

enum http_event http_next(struct http *http, struct str *input) {
    assert(http->phase == HTTP_IDLE || http->phase == HTTP_ARRIVING);
    if (http->work == NULL) {
        if (input->len == 0) return HTTP_MORE;
        http->work = calloc(1, sizeof *http->work);
        if (http->work == NULL) return http_broken(http, 503, "the server is out of memory; try again");
        http->request.work = http->work;
        http->phase = HTTP_ARRIVING;
    }
    switch (http->work->stage) {
    case WORK_HEAD: return input->len > 0 ? next_head(http, input) : HTTP_MORE;
    case WORK_LENGTH: return next_length(http, input);
    case WORK_CHUNKS: return next_chunks(http, input);
    default: abort(); // a whole request is answered before the next one
    }
}

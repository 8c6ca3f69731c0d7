// Plays bytes to the HTTP core in pieces and writes down what it makes of them: one line an event.
#pragma once

#include "gateway/http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BODY_LIMIT 64u

static inline void transcript_request(struct buf *told, const struct http_request *request) {
    struct str name, value;
    buf_printf(told, "%s %.*s", http_method_name(request->method), (int)request->path.len, request->path.ptr);
    if (request->query.ptr) buf_printf(told, " ?%.*s", (int)request->query.len, request->query.ptr);
    for (size_t i = 0; http_header_at(request, i, &name, &value); i++)
        buf_printf(told, " [%.*s=%.*s]", (int)name.len, name.ptr, (int)value.len, value.ptr);
    buf_append_text(told, request->keep_alive ? " stays" : " closes");
}

// False: the connection is over.
static inline bool transcript_feed(struct http *http, struct str piece, struct buf *told) {
    for (;;) {
        switch (http_next(http, &piece)) {
        case HTTP_MORE: assert(piece.len == 0); return true;
        case HTTP_FAULT: buf_printf(told, "fault %u\n", http->fault.status); return false;
        case HTTP_BEGUN:
            if (http_admit(http, BODY_LIMIT)) buf_append_text(told, "100\n");
            break;
        case HTTP_WHOLE:
            transcript_request(told, &http->request);
            buf_printf(told, " {%.*s}\n", (int)http->request.body.len,
                       http->request.body.len > 0 ? http->request.body.ptr : "");
            bool stays = http->request.keep_alive;
            http_done(http);
            if (!stays) return false;
        }
    }
}

// Cut before the byte `cut`; 0: not at all. A piece is copied, so that reading beyond it is noticed.
static inline void transcript_cut(struct str bytes, size_t cut, struct buf *told) {
    struct http http;
    http_init(&http);
    bool open = true;
    for (size_t at = 0, len; open && at < bytes.len; at += len) {
        len = at == 0 && cut > 0 ? cut : bytes.len - at;
        char *piece = memcpy(malloc(len), bytes.ptr + at, len);
        open = transcript_feed(&http, (struct str){piece, len}, told);
        free(piece);
    }
    http_fini(&http);
    buf_append(told, "", 1); // so that it is a text
}

static inline void transcript_bytewise(struct str bytes, struct buf *told) {
    struct http http;
    http_init(&http);
    bool open = true;
    for (size_t at = 0; open && at < bytes.len; at++) {
        char *piece = memcpy(malloc(1), bytes.ptr + at, 1);
        open = transcript_feed(&http, (struct str){piece, 1}, told);
        free(piece);
    }
    http_fini(&http);
    buf_append(told, "", 1);
}

// What the files of the HTTP core share: one request while it arrives and is answered.
#pragma once

#include "gateway/http.h"

#include <llhttp.h>

struct http_field { // offsets into the head
    uint16_t name, name_len, value, value_len;
};

struct http_work {
    enum { WORK_HEAD, WORK_LENGTH, WORK_CHUNKS, WORK_WHOLE } stage;
    struct buf head, body;
    size_t line;  // bytes of the head's line that is arriving
    char last;    // byte of the head that came last
    bool begun;   // a line that is not empty has come
    bool chunked; // the body is
    bool in_body; // what llhttp calls headers now are trailers, which are ignored
    bool complete, too_large, memory, crowded;
    uint64_t length; // of the body, when not chunked
    size_t limit;    // of the body
    size_t raw;      // bytes of chunks with their framing so far
    llhttp_t parser;
    uint16_t target, target_len;
    unsigned field_count;
    struct http_field fields[HTTP_HEADERS_MAX];
};

// http.c: the fault it is; HTTP_FAULT.
enum http_event http_broken(struct http *http, unsigned status, const char *words);

// http_head.c: the head is gathered: fills http->request. HTTP_BEGUN or HTTP_FAULT.
enum http_event http_parse_head(struct http *http);

bool http_is_token(struct str text, const char *token); // without regard to case

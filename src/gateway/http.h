// HTTP/1.1 requests out of a byte stream, and responses into one (RFC 9110, 9112). A pure core: it knows no
// socket and no clock. The door to llhttp.
//
//   bytes ──► http_next ──► HTTP_BEGUN   the head is here: the owner says how long a body it takes
//                      ──► HTTP_WHOLE   the whole request; answer it, then http_done
//                      ──► HTTP_FAULT   what was sent is wrong: answer http->fault and close
//
// The same bytes give the same events however they are cut into pieces. A head is gathered whole before it is
// parsed (llhttp, strict), so nothing is decided from a part of it. Whatever two readers could take for
// different messages is a fault, and after a fault the connection must be closed.
//
// Bounded: HTTP_HEAD_MAX, HTTP_HEADERS_MAX and the owner's limit of the body. Between requests nothing is
// held but struct http itself.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX    (16u * 1024) // bytes of request line and headers
#define HTTP_HEADERS_MAX 64u

// What a resource can be asked here; anything else is 501.
#define HTTP_METHODS(X)                                                                                      \
    X(GET)                                                                                                   \
    X(HEAD)                                                                                                  \
    X(POST)                                                                                                  \
    X(PUT)                                                                                                   \
    X(PATCH)                                                                                                 \
    X(DELETE)                                                                                                \
    X(OPTIONS)

enum http_method {
#define METHOD_ENUM(name) METHOD_##name,
    HTTP_METHODS(METHOD_ENUM)
#undef METHOD_ENUM
        METHOD_COUNT
};
const char *http_method_name(enum http_method method);

struct http_work;

// Slices point into the connection's memory and live until http_done.
struct http_request {
    enum http_method method;
    struct str path;      // begins with '/', still percent-encoded; "*" for OPTIONS *
    struct str query;     // after the '?', still encoded; ptr NULL: there was none
    unsigned minor;       // of HTTP/1.minor: 0 or 1
    bool keep_alive;      // the connection may serve another request
    bool has_length;      // it said how long its body is: by a length or by chunks
    bool expect_continue; // the client waits for 100 before it sends the body
    struct str body;      // as of HTTP_WHOLE
    struct http_work *work;
};

enum http_event { HTTP_MORE, HTTP_BEGUN, HTTP_WHOLE, HTTP_FAULT };
enum http_phase {
    HTTP_IDLE,      // nothing of a request has come
    HTTP_ARRIVING,  // a part of one has
    HTTP_ANSWERING, // a head or a request was given out, and not yet answered
    HTTP_BROKEN,    // after a fault
};

struct http_fault {
    unsigned status;   // 400, 408, 413, 414, 417, 431, 501, 505
    const char *words; // what is wrong, and the cure
};

struct http {
    enum http_phase phase;
    struct http_request request;
    struct http_fault fault;
    struct http_work *work; // NULL: nothing is held
};

void http_init(struct http *http);
void http_fini(struct http *http); // wipes: heads carry secrets

// Takes from *input as much as it needs for the next event and advances it.
enum http_event http_next(struct http *http, struct str *input);

// After HTTP_BEGUN, to go on: a body of at most `limit` bytes is taken (more is a fault of 413). True: the
// client waits for "100 Continue" (http_write_continue).
bool http_admit(struct http *http, size_t limit);
// After HTTP_BEGUN: is there a body still to come?
bool http_has_body(const struct http *http);
// All of the request is here: it can be answered, and another may follow.
bool http_is_whole(const struct http *http);

// After HTTP_WHOLE, or after HTTP_BEGUN of a request without a body: answered; everything of it is
// forgotten, and the next one may come.
void http_done(struct http *http);

// The owner's deadline is over: a fault of 408.
void http_late(struct http *http);

// --- reading a request ----------------------------------------------------------------------------------

// The value of a header, without blanks around it. 1: there; 0: not there; -1: there more than once.
int http_header(const struct http_request *request, const char *name, struct str *value);
// Walks all headers: false at the end.
bool http_header_at(const struct http_request *request, size_t index, struct str *name, struct str *value);

// Decodes %XX into `out`, which is emptied first. -1: a broken escape, a control character, or not UTF-8
// (or memory is out: err says which). A '+' stays what it is.
int http_decode(struct str encoded, struct buf *out, struct err *err);

// Walks the parameters of a query: name and value are still encoded. False at the end.
bool http_parameter(struct str *query, struct str *name, struct str *value);

// --- writing --------------------------------------------------------------------------------------------

struct http_reply {
    unsigned status;
    const char *type;   // Content-Type; NULL: there is no body
    struct str headers; // more lines, each with its CRLF
    struct str body;
    bool close;  // no further request is taken
    bool stream; // the body follows by http_write_chunk, its length is not known
};

unsigned http_status_at(unsigned index);  // each that is ever sent; 0: there are no more
const char *http_reason(unsigned status); // "Not Found"; "" for what is never sent

// Appends head and body. `request` NULL: an answer to what could not be read. `date`: the value of Date.
// A HEAD gets the head that a GET gets. -1: memory is out, `out` as before.
int http_write(struct buf *out, const struct http_request *request, const struct http_reply *reply,
               const char *date);
int http_write_continue(struct buf *out);
// One piece of a stream: a chunk for HTTP/1.1, as it is for 1.0.
int http_write_chunk(struct buf *out, const struct http_request *request, struct str piece);
int http_write_last(struct buf *out, const struct http_request *request);

#define HTTP_DATE_SIZE 80 // "Fri, 20 Nov 2026 14:30:00 GMT" and the terminator, with room to spare
void http_date(int64_t wall_ms, char date[HTTP_DATE_SIZE]);

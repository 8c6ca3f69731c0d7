// What is wrong with a request, as application/problem+json (RFC 9457). One list, many uses: the enum, the
// code, the status, the title, the document.
#pragma once

#include "base/buf.h"

// name, code, status, title
#define PROBLEMS(X)                                                                                          \
    X(BAD_REQUEST, "bad_request", 400, "The request is malformed")                                           \
    X(JSON, "json_malformed", 400, "The body is not the JSON that was expected")                             \
    X(PARAMETER, "parameter_invalid", 400, "A parameter is not permitted")                                   \
    X(HEADER, "header_invalid", 400, "A header is not permitted")                                            \
    X(CREDENTIALS_MISSING, "credentials_missing", 401, "This needs credentials")                             \
    X(CREDENTIALS_WRONG, "credentials_wrong", 401, "The credentials are wrong")                              \
    X(FORBIDDEN, "forbidden", 403, "The credentials do not allow this")                                      \
    X(NO_ROUTE, "no_such_resource", 404, "There is no such resource")                                        \
    X(NO_IDENTITY, "identity_absent", 404, "There is no such identity")                                      \
    X(NO_SETTING, "setting_absent", 404, "There is no such setting")                                         \
    X(METHOD, "method_not_allowed", 405, "The resource does not know this method")                           \
    X(TIMEOUT, "request_timeout", 408, "The request did not arrive in time")                                 \
    X(TAKEN, "login_taken", 409, "The login is taken")                                                       \
    X(GONE, "changes_gone", 410, "Changes so long ago are no longer kept")                                   \
    X(LENGTH, "length_required", 411, "The length of the body is missing")                                   \
    X(VERSION, "version_mismatch", 412, "It has another version by now")                                     \
    X(TOO_LARGE, "body_too_large", 413, "The body is too large")                                             \
    X(URI, "target_too_long", 414, "The request target is too long")                                         \
    X(MEDIA, "media_type_unsupported", 415, "The media type of the body is not supported")                   \
    X(EXPECTATION, "expectation_failed", 417, "The expectation cannot be met")                               \
    X(FIELD, "field_invalid", 422, "A member of the body is not permitted")                                  \
    X(KEY_REUSED, "idempotency_key_reused", 422, "The idempotency key belongs to another request")           \
    X(WAIT, "too_many_requests", 429, "Too many requests")                                                   \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, "The headers are too large")                              \
    X(INTERNAL, "internal", 500, "Something went wrong here")                                                \
    X(NOT_IMPLEMENTED, "not_implemented", 501, "Nothing here knows this method or coding")                   \
    X(BUSY, "busy", 503, "Not now")                                                                          \
    X(CLOCK, "clock_not_reached", 503, "This server has not reached that clock")                             \
    X(STORAGE, "storage_unavailable", 503, "The storage refuses just now")                                   \
    X(STOPPING, "stopping", 503, "The server is stopping")                                                   \
    X(HTTP_VERSION, "http_version", 505, "This version of HTTP is not spoken here")

enum problem {
#define PROBLEM_ENUM(name, code, status, title) PROBLEM_##name,
    PROBLEMS(PROBLEM_ENUM)
#undef PROBLEM_ENUM
        PROBLEM_COUNT
};

unsigned problem_status(enum problem problem);
const char *problem_code(enum problem problem);
enum problem problem_of_status(unsigned status); // for faults of the HTTP core

#define PROBLEM_TYPE "application/problem+json"

// Appends the object. `detail`: what is wrong and what to do. `field`: the member, parameter or header it is
// about; NULL: none. -1: memory is out.
int problem_write(struct buf *out, enum problem problem, const char *detail, const char *field);

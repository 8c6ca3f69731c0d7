// The table of routes: who may ask what, where, and what it takes and gives. docs/openapi.yaml is made of it.
#pragma once

#include "gateway/http.h"

#include <stdbool.h>

struct call;

enum who {
    WHO_ANYONE,  // and no credentials are looked at
    WHO_READER,  // as `directory` says
    WHO_CREATOR, // as `registration` says
    WHO_OWNER,   // the account itself, or an admin
    WHO_ACCOUNT, // any account
    WHO_ADMIN,
};

enum takes {
    TAKES_NOTHING,
    TAKES_JSON,
    TAKES_PATCH, // JSON, also as a merge patch
    TAKES_BYTES, // anything
};

struct route {
    enum http_method method;
    const char *path; // "{uuid}" stands for one segment, "{key}" for the rest
    enum who who;
    enum takes takes;
    size_t limit;                        // of the body; 0: what the stream takes (max_message)
    void (*handle)(struct call *call);   // of what reads: answers
    bool (*prepare)(struct call *call);  // of what changes: fills call->errand; false: has answered
    const char *query;                   // parameters it knows, blank between
    const char *headers;                 // that it looks at beyond those all look at
    const char *operation, *tag, *about; // for the document
    const char *body;                    // schema of what it takes
    const char *gives;                   // "200 Identity,304,404": status and schema of answers
};

const struct route *route_at(unsigned index); // NULL: beyond the last
unsigned route_index(const struct route *route);

// The route for a method (HEAD: that of GET). NULL: none; then *allowed has a bit (1u << method) for each
// method that the path knows, 0: it is no path of ours. `param` gets what stands for {...}, still encoded.
const struct route *route_find(enum http_method method, struct str path, struct str *param,
                               unsigned *allowed);
// "Allow: GET, HEAD\r\n"
int route_allow(unsigned allowed, struct buf *out);

// Is `name` one of the blank-separated `names`?
bool route_names(const char *names, struct str name);

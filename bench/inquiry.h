// How a kind of server is asked for identities. The rest of the program does not know which kind it is.
//
//     greet ──► line_ready ──► ask, ask, ... ──► the server ──► take ──► line_answered, for each
//                               ▲                                          │
//                               └────────── the next one ──────────────────┘
//
// A record is the same everywhere: a name, and what record_write says of it. What is looked up must be
// exactly that.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define INQUIRY_NAME    32                   // bytes of a name, its end included
#define INQUIRY_GARBLED SIZE_MAX             // from `take`: this is not the protocol
#define INQUIRY_SUFFIX  "dc=bench"           // of a directory
#define RECORD_CALLED   "The person called " // before the name: the full name

enum work { WORK_LOOKUP, WORK_CREATE, WORK_LOGIN };

struct inquiry {
    char name[INQUIRY_NAME]; // whose
    const char *secret;      // of a login
    uint64_t asked_ns;       // 0: this slot is free
};

enum line_state { LINE_CLOSED, LINE_DIALLING, LINE_GREETING, LINE_READY };

struct line { // a connection
    uint32_t index;
    int fd;
    enum line_state state;
    bool writing;    // waits for its socket to take more
    enum work work;  // what is asked
    struct buf out;  // not yet sent
    struct buf tail; // the beginning of an answer that has not come whole
    uint32_t depth;  // slots
    uint32_t oldest; // where answers come in order: the slot of the next one
    struct inquiry *slots;
    void *state_of_manner; // its `open` makes it
    void *owner;
};

struct manner {
    const char *name;
    bool once; // a connection is for one question
    bool (*does)(enum work work);
    // What it keeps of a connection, if anything. -1: memory is out.
    int (*open)(struct line *line);
    void (*close)(struct line *line);
    // What is said first; line_ready follows when it is answered. NULL: nothing. -1: memory is out.
    int (*greet)(struct line *line);
    // Appends the question in that slot to line->out, or keeps it for `flush`. -1: memory is out.
    int (*ask)(struct line *line, uint32_t slot);
    // Before bytes are sent: what else there is to say goes to line->out. NULL: nothing. -1: it cannot be
    // said.
    int (*flush)(struct line *line);
    // Takes whole answers from the front; how many bytes these were.
    size_t (*take)(struct line *line, const char *data, size_t len);
};

extern const struct manner manner_herald; // HTTP/1.1: GET and POST /v1/identities
extern const struct manner manner_stream; // LOGIN of seed 004
extern const struct manner manner_redis;  // GET, SET
extern const struct manner manner_ldap;   // search, add
extern const struct manner manner_etcd;   // Range, Put over gRPC

// For `take`. wrong: NULL if the answer is right, else what is not. what: more about that.
void line_ready(struct line *line);
void line_refused(struct line *line, const char *wrong, struct str what); // the greeting
void line_answered(struct line *line, uint32_t slot, const char *wrong, struct str what);

// In order: the oldest one.
void line_answered_next(struct line *line, const char *wrong, struct str what);

// What is told of a name, beside it: a full name, and the whole as Herald writes an identity.
int record_name(struct buf *out, const char *name);
int record_write(struct buf *out, const char *name);
// Whether that text has it.
bool record_has(struct str text, const char *before, const char *name, const char *after);

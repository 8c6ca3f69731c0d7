// The messages of seed 004, as protocol.md settles them: one table, a decoder, the encoders.
// With wire/json.c the door to yyjson.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

// Who may send a command; the receiver's state decides the rest.
#define FROM_CLIENT 1u
#define FROM_SERVER 2u
#define FROM_EITHER 3u

// name, who sends it. HERALD is spoken between Herald servers only (protocol, "Between Herald servers").
#define COMMANDS(X)                                                                                          \
    X(AUTHENTICATE, FROM_SERVER)                                                                             \
    X(INVALID_MESSAGE, FROM_EITHER)                                                                          \
    X(AUTHENTICATION_FAIL, FROM_SERVER)                                                                      \
    X(LOGIN, FROM_CLIENT)                                                                                    \
    X(LOGIN_SUCCESS, 0)                                                                                      \
    X(LOGIN_FAILED, 0)                                                                                       \
    X(REDIRECT, 0)                                                                                           \
    X(LOGOUT, FROM_CLIENT)                                                                                   \
    X(ACTIVITY_MESSAGE, FROM_CLIENT)                                                                         \
    X(ACTIVITY_BROADCAST, FROM_SERVER)                                                                       \
    X(SERVER_ANNOUNCE, FROM_SERVER)                                                                          \
    X(REGISTER, FROM_CLIENT)                                                                                 \
    X(REGISTER_SUCCESS, 0)                                                                                   \
    X(REGISTER_FAILED, 0)                                                                                    \
    X(LOCK_REQUEST, FROM_SERVER)                                                                             \
    X(LOCK_DENIED, FROM_SERVER)                                                                              \
    X(LOCK_ALLOWED, FROM_SERVER)                                                                             \
    X(HERALD, FROM_SERVER)

enum command {
#define COMMAND_ENUM(name, from) COMMAND_##name,
    COMMANDS(COMMAND_ENUM)
#undef COMMAND_ENUM
        COMMAND_COUNT
};

const char *command_name(enum command command);
unsigned command_from(enum command command);

#define MESSAGE_MAX_HINTS 32

// A client count sent away by REDIRECT, told to the other Herald servers so that they do not also send
// theirs there.
struct message_hint {
    struct str id; // SERVER_ANNOUNCE id of the server they were sent to
    uint32_t count;
};

// One decoded command. Slices point into the parser's memory and are valid until its next use. A slice
// whose ptr is NULL was absent (or null). Which fields are set, per command:
//   AUTHENTICATE        secret; herald_id, herald_version when the peer declared itself Herald
//   INVALID_MESSAGE, *_FAILED, *_SUCCESS, AUTHENTICATION_FAIL (also spelled AUTHTENTICATION_FAIL)
//                       info (may be absent)
//   LOGIN               username; secret (absent only for anonymous)
//   REGISTER            username, secret
//   ACTIVITY_MESSAGE    username, secret (may be absent), activity
//   ACTIVITY_BROADCAST  activity; origin, sequence when the peer sent them well-formed (both or none)
//   SERVER_ANNOUNCE     id, load, hostname, port
//   LOCK_REQUEST        username; secret (may be absent: a peer leaves it out)
//   LOCK_DENIED         username; secret (may be absent)
//   LOCK_ALLOWED        username; secret (may be absent); server (may be absent)
//   REDIRECT            hostname, port
//   HERALD              herald_id, herald_version (the answer to AUTHENTICATE); or hints; or server (who
//                       expects those it was told of); the latter two with origin (who sent them away) and
//                       sequence (the round); or id (a server that is gone)
struct message {
    enum command command;
    struct str line; // as it was given; as long as the giver keeps it
    size_t members;  // of the command object, known or not
    struct str username, secret, info, id, hostname, server;
    uint64_t load;  // SERVER_ANNOUNCE; at most 2^31
    uint16_t port;  // 1..65535
    void *activity; // the activity object inside the parser (a yyjson_val), for activity_encode
    struct str herald_id;
    uint32_t herald_version; // 0: did not declare itself Herald
    struct str origin;
    uint64_t sequence; // 0: none
    struct message_hint hints[MESSAGE_MAX_HINTS];
    size_t hint_count;
};

// Decoding needs memory that is kept from one message to the next. One per thread.
struct parser;
// max_line: longest line that will be given; max_depth: deepest nesting accepted. NULL: memory is out.
struct parser *parser_open(size_t max_line, unsigned max_depth);
void parser_close(struct parser *parser); // wipes

// Decodes one line. 0, or -1 with err->text the `info` of the INVALID_MESSAGE to send: it names the fault
// and never repeats a value. Strict RFC 8259 and UTF-8; a duplicated member of the command object is a
// fault, unknown members are not. Numbers of port and load: integers, "4001", 1.0 and 1e3 are accepted.
// An activity in ACTIVITY_BROADCAST may be a JSON string that holds an object (a peer sends it so).
int message_parse(struct parser *parser, struct str line, struct message *message, struct err *err);

// Forgets (and wipes) the last message: its slices become invalid.
void parser_forget(struct parser *parser);

// --- activities -----------------------------------------------------------------------------------------

// Every frame in the reel begins so; a link inserts its envelope after it.
#define ACTIVITY_FRAME_PREFIX "{\"command\":\"ACTIVITY_BROADCAST\","
// The most that stamping adds to a line (user name escaped, member names).
#define ACTIVITY_FRAME_SLACK 2048

// Appends to `out` the whole frame, newline included: ACTIVITY_FRAME_PREFIX "activity":{...}}\n, the
// activity value for value with its number text kept, every top-level `authenticated_user` removed and one
// written as its last member (design, decision 6). What another Herald encoded so, for this `user`, is
// copied: message->line must still be there. Never longer than that line plus ACTIVITY_FRAME_SLACK. -1:
// memory is out.
int activity_encode(struct parser *parser, const struct message *message, struct str user, struct buf *out);

// Of an ACTIVITY_BROADCAST: its first top-level `authenticated_user` that is a string, else "anonymous".
struct str activity_user(const struct message *message);

// Appends what a Herald link puts in place of ACTIVITY_FRAME_PREFIX: the prefix with "origin" and "sequence".
int activity_envelope(struct buf *out, struct str origin, uint64_t sequence);

// --- encoders: each appends one line with its newline; -1: memory is out, `out` as before --------------

int message_write_info(struct buf *out, enum command command, const char *info); // any that carries `info`
int message_write_redirect(struct buf *out, struct str hostname, uint16_t port);
// herald_id empty: plain, as a peer that refuses extra members wants it.
int message_write_authenticate(struct buf *out, struct str secret, struct str herald_id);
int message_write_herald(struct buf *out, struct str herald_id);
// `by` has sent these away in its round `round`, and: `id` expects those that it was told of.
int message_write_hints(struct buf *out, const struct message_hint *hints, size_t count, struct str by,
                        uint64_t round);
int message_write_expected(struct buf *out, struct str id, struct str by, uint64_t round);
int message_write_goodbye(struct buf *out, struct str id); // server `id` is gone, or going
int message_write_announce(struct buf *out, struct str id, uint64_t load, struct str hostname, uint16_t port);
// command: LOCK_REQUEST, LOCK_DENIED or LOCK_ALLOWED; `secret` and `server` with ptr NULL are left out.
int message_write_lock(struct buf *out, enum command command, struct str username, struct str secret,
                       struct str server);
// Client side.
// command: LOGIN or REGISTER; `secret` with ptr NULL is left out.
int message_write_login(struct buf *out, enum command command, struct str username, struct str secret);

#define HERALD_PROTOCOL_VERSION 1u

// TLS between a connection of a session and its socket, when the program asks for it; and whom it trusts.
//
//   socket ──recv──► cloak_take ──► cloak_plain ──► lines
//      ▲                 └─► sealed ◄── cloak_seal ◄── words
//      └──────── cloak_flush ◄─┘
//
// A server is let in when (1) its key is the one known for it, and no other; else, with none known, when (2)
// an authority vouches for it, or (3) whoever it is may be met now: then its key is known from there on.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "client/where.h"
#include "net/tls_certificate.h"

#include <stdbool.h>

#define CLOAK_BATCH (64u * 1024) // bytes sealed at a time

struct trust;

// first_use: rule 3. NULL: `err`.
struct trust *trust_open(bool first_use, const char *ca_file, struct err *err);
void trust_close(struct trust *trust); // NULL is fine
// -1: memory is out.
int trust_know(struct trust *trust, const char *server, const char *key);

struct cloak;

// cloak_flush has something to send. NULL: `err`.
struct cloak *cloak_open(struct trust *trust, const struct where *server, struct err *err);
void cloak_close(struct cloak *cloak); // wipes; NULL is fine

// What came off the socket. -1: broken, `err` says why; what cloak_flush still sends is the alert.
int cloak_take(struct cloak *cloak, struct str bytes, struct err *err);
// Moves what was said to `to`; returns how much. All of it, when it has room for what came and a record.
size_t cloak_plain(struct cloak *cloak, char *to, size_t capacity);
bool cloak_ready(const struct cloak *cloak);
bool cloak_ended(const struct cloak *cloak); // the server has said that nothing more comes
// The key of a server that was let in by rule 3; "" otherwise.
const char *cloak_met(const struct cloak *cloak);

// Only when cloak_ready and not cloak_holds. -1: broken.
int cloak_seal(struct cloak *cloak, struct str words, struct err *err);
bool cloak_holds(const struct cloak *cloak);
// 0: all is sent. -1: errno says why not.
int cloak_flush(struct cloak *cloak, int fd);

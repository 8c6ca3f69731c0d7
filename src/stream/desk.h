// The desk: where logins and registrations are decided, on the core thread.
//
//   LOGIN     throttle ──► a lock here? ──► account ──► verified lately? ──► argon2id on the pool ──► answer
//   REGISTER  throttle ──► locks on all servers ──► argon2id on the pool ──► propose ──► answer
//
// A name recorded by a lock becomes an account (settling: argon2id, propose) at its first login, or in the
// background when the window ends, one at a time.
#pragma once

#include "net/loop.h"
#include "stream/node.h"
#include "stream/request.h"
#include "stream/settings.h"

struct desk;
struct stream;

struct desk *desk_open(struct stream *stream, const char *directory, struct err *err);
void desk_reload(struct desk *desk);
void desk_tick(struct desk *desk, uint64_t now_ms);
uint64_t desk_deadline(const struct desk *desk);
void desk_stop(struct desk *desk);       // refuse what comes from now on
bool desk_idle(const struct desk *desk); // nothing is being hashed or proposed
void desk_close(struct desk *desk);      // NULL is fine

void desk_take(struct mail *mail, void *stream); // request.mail.deliver

// node_ops; `context` is the stream.
bool desk_is_account(void *context, const char *fold);
void desk_decided(void *context, struct lock *lock, enum lock_outcome outcome);

// A short memory of secrets found right, so that logging in again soon (after a redirect and back, or on
// several connections) needs no second argon2id. A pure core; bounded, the oldest entry makes room.
//
// It keeps no secret: only a digest over account, credential version and secret under a key that lives as
// long as the process. A new secret is a new version, so old entries can never match again.
#pragma once

#include "base/text.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verified;
struct verified *verified_open(size_t entries, uint64_t keep_ms); // NULL: memory is out
void verified_close(struct verified *verified);
void verified_set_keep(struct verified *verified, uint64_t keep_ms);

void verified_add(struct verified *verified, const struct uuid *account, uint64_t version, struct str secret,
                  uint64_t now_ms);
bool verified_has(struct verified *verified, const struct uuid *account, uint64_t version, struct str secret,
                  uint64_t now_ms);

// Changes to the roll, as they travel through the log: everything random, timed or normalised is inside
// (design, decision 1), so that applying one is a pure function of the state and the change.
#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/uuid.h"

#include <stdint.h>

enum change_kind {
    CHANGE_CREATE = 1, // an account
};

#define CHANGE_NAME_MAX    256 // real name, bytes
#define CHANGE_ADDRESS_MAX 64  // a numeric address

struct change {
    enum change_kind kind;
    struct uuid uuid;
    struct login login;
    char name[CHANGE_NAME_MAX + 1];            // real name, may be empty
    char created_from[CHANGE_ADDRESS_MAX + 1]; // the client's address, without a port
    int64_t at_ms;                             // wall clock where it was made
    struct secret_key secret_key;              // of the credential
    char secret_hash[SECRET_HASH_SIZE];        // empty: no password
};

// Appends the encoding: version byte, then fields of fixed order, lengths before texts, integers
// little-endian.
int change_encode(const struct change *change, struct buf *out);
// 0, or -1 for anything that change_encode would not have written (also trailing bytes).
int change_decode(struct str bytes, struct change *change);

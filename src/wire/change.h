// Changes to the state (accounts, settings, admin tokens), as they travel through the log: everything random,
// timed or normalised is inside (design, decision 1), so that applying one is a pure function of the state
// and the change.
#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

// One list, many uses: the enum, the byte in the log (never given to another kind), change_kind_name().
#define CHANGE_KINDS(X)                                                                                      \
    X(CREATE, 1, "create") /* an account */                                                                  \
    X(MODIFY, 2, "modify") /* its login, name, secret: those that `sets` names */                            \
    X(DELETE, 3, "delete")                                                                                   \
    X(SETTING_PUT, 4, "setting_put") /* makes or replaces */                                                 \
    X(SETTING_DELETE, 5, "setting_delete")                                                                   \
    X(TOKEN_ADD, 6, "token_add") /* an admin token */                                                        \
    X(TOKEN_REVOKE, 7, "token_revoke")

enum change_kind {
#define CHANGE_ENUM(name, number, text) CHANGE_##name = number,
    CHANGE_KINDS(CHANGE_ENUM)
#undef CHANGE_ENUM
};

const char *change_kind_name(enum change_kind kind); // NULL: no such kind
bool change_deletes(enum change_kind kind);          // DELETE, SETTING_DELETE, TOKEN_REVOKE

// What became of a change. Only DONE alters the state and advances the event clock.
#define OUTCOMES(X)                                                                                          \
    X(DONE, "done")             /* durable and applied */                                                    \
    X(TAKEN, "taken")           /* another account has the login (or: the uuid, the token's id or hash) */   \
    X(ABSENT, "absent")         /* no such account, setting or token (any more) */                           \
    X(VERSION, "version")       /* `expected` is not its version; the answer tells which is */               \
    X(CREDENTIAL, "credential") /* the secret or admin token that allowed it is no longer valid */           \
    X(REPEATED, "repeated")     /* this very request was done before; the answer is that one's */            \
    X(KEY_REUSED, "key_reused") /* the idempotency key belongs to another request */                         \
    X(FAILED, "failed")         /* the storage refused (err says how): the same may be tried again */

enum outcome {
#define OUTCOME_ENUM(name, text) OUTCOME_##name,
    OUTCOMES(OUTCOME_ENUM)
#undef OUTCOME_ENUM
};

const char *outcome_name(enum outcome outcome);

#define CHANGE_NAME_MAX    256 // real name, bytes
#define CHANGE_ADDRESS_MAX 64  // a numeric address
#define CHANGE_SETTING_MAX 255 // key of a setting, bytes
#define CHANGE_VALUE_MAX   (64 * 1024)
#define CHANGE_LABEL_MAX   128 // of an admin token, bytes
#define CHANGE_REQUEST_MAX 255 // idempotency key, bytes

// What a MODIFY sets; at least one.
enum { CHANGE_SETS_LOGIN = 1, CHANGE_SETS_NAME = 2, CHANGE_SETS_SECRET = 4 };

// Makes a repeat of a request answer as the request did. Kept only of what was done.
struct change_request {
    struct secret_digest scope;       // of who asks: keys of one do not meet those of another
    char key[CHANGE_REQUEST_MAX + 1]; // empty: none was given
    struct secret_digest fingerprint; // of what is asked, without secrets
};

// Fields that a kind does not use are ignored, and are zero after decoding.
struct change {
    enum change_kind kind;
    int64_t at_ms; // wall clock where it was made
    struct change_request request;

    // What must hold. Versions are event clocks: that of the last change of the thing.
    bool expects;        // is `expected` asked for? Not by CREATE, TOKEN_ADD, TOKEN_REVOKE
    uint64_t expected;   // 0 (SETTING_PUT): that there is no such setting
    uint64_t credential; // MODIFY, DELETE: the credential version whose secret allowed it; 0: not asked
    struct uuid
        admin; // id of the admin token that allowed it; nil: not asked. Not of TOKEN_ADD, TOKEN_REVOKE

    // CREATE, MODIFY, DELETE; uuid also of a token
    struct uuid uuid;
    unsigned sets; // MODIFY: CHANGE_SETS_...
    struct login login;
    char name[CHANGE_NAME_MAX + 1];            // real name, may be empty
    char created_from[CHANGE_ADDRESS_MAX + 1]; // CREATE: the client's address, without a port
    struct secret_key secret_key;              // of the secret; only when there is one
    char secret_hash[SECRET_HASH_SIZE];        // empty: no password (a MODIFY takes it away)

    // SETTING_PUT, SETTING_DELETE
    char setting[CHANGE_SETTING_MAX + 1]; // setting_key_valid()
    struct str value; // any bytes, at most CHANGE_VALUE_MAX; borrowed: stays whose it is, and must outlive
                      // the change (for a proposal: until it is answered)

    // TOKEN_ADD
    char label[CHANGE_LABEL_MAX + 1]; // for people, may be empty
    struct secret_digest token;       // digest of its 256 bits, which are never here
};

// Keys of settings: 1-255 bytes of printable ASCII without the space, so that there is nothing to normalise.
// Neither "." nor ".." stands between slashes: as a part of an address many clients would take it away.
bool setting_key_valid(struct str key);

// Appends the encoding: version byte, then fields of fixed order, lengths before texts, integers
// little-endian. The change must be valid (asserted): it is made by us, from input that was checked.
int change_encode(const struct change *change, struct buf *out);
// 0, or -1 for anything that change_encode would not have written (also trailing bytes). The value of a
// setting then lies in `bytes`.
int change_decode(struct str bytes, struct change *change);

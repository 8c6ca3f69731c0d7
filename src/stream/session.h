// A client's session: a pure state machine from messages to actions (seed 004; protocol.md, "Clients").
//
//             LOGIN            session_login_done(ok)
//     NEW ───────────► ASKING ─────────────────────► IN ──┐ LOGIN: ASKING again, still hearing; the later
//     counts
//      │ ▲  REGISTER     │ ▲                          │   │
//      │ └───────────────┘ └──────────────────────────┼───┘
//      │  session_register_done(ok)                   │
//      └──────────────────┬───────────────────────────┘
//       LOGOUT, anything wrong, a refusal
//                         ▼
//                      CLOSED
//
// While ASKING the owner must not give it messages (the connection is not read). AUTHENTICATE as the first
// message makes the connection a server link: the owner hands it over and the session ends (ADOPTED).
#pragma once

#include "base/secret.h"
#include "base/text.h"
#include "wire/message.h"

#include <stdbool.h>

enum session_state { SESSION_NEW, SESSION_ASKING, SESSION_IN, SESSION_CLOSED, SESSION_ADOPTED };

// What a session does to the world. `context` is the owner's. None of them may call back into the session
// except where it says so.
struct session_ops {
    // Queue a reply. The session says `finish` itself when the connection is to be closed after it.
    void (*reply)(void *context, enum command command, const char *info);
    // Close once what is queued has gone out.
    void (*finish)(void *context);
    // Ask for a LOGIN (not anonymous) or a REGISTER to be decided; the answer comes by session_login_done or
    // session_register_done, never before this returns. The slices live only during the call.
    void (*ask_login)(void *context, struct str username, struct str secret);
    void (*ask_register)(void *context, struct str username, struct str secret);
    // The client is logged in as `user` (`again`: it was already). Listening begins here, at the latest; a
    // REDIRECT is the owner's to send: true when it was, and the session is then over (it says `finish`).
    bool (*entered)(void *context, bool again);
    // Stamp and append the activity of `message`. False: not now (the reel is busy); nothing happened, the
    // same message is given again later.
    bool (*publish)(void *context, const struct message *message, struct str user);
    // The connection is a server's: hand it over.
    void (*adopt)(void *context);
};

struct session {
    enum session_state state;
    bool spoken;    // a message was taken: AUTHENTICATE may only be the first
    bool entered;   // logged in at least once: counts, hears
    bool anonymous; // as of the last LOGIN
    char *user;     // the account's name, NULL: anonymous; see session_user
    char *asked;    // the spelling the client used at LOGIN; NULL: anonymous, or not worth keeping
    struct secret_digest secret;  // of the secret used at LOGIN, under the process's key
    const struct secret_key *key; // the process's key; not owned
    const struct session_ops *ops;
    void *context;
};

void session_init(struct session *session, const struct session_ops *ops, void *context,
                  const struct secret_key *key);
void session_fini(struct session *session); // wipes

// What its activities are stamped with.
const char *session_user(const struct session *session);

enum session_result {
    SESSION_TAKEN, // the message was dealt with (perhaps by closing)
    SESSION_AGAIN, // the reel is busy: give the same message again later
};
enum session_result session_message(struct session *session, const struct message *message);

// A line that could not be decoded, or was too long: INVALID_MESSAGE with `info`, then close.
void session_invalid(struct session *session, const char *info);

// The account that it is logged in as has changed: AUTHENTICATION_FAIL with `info`, then close.
void session_ended(struct session *session, const char *info);

// Answers to ask_login and ask_register. `user`: the account's name. `info`: the words of the refusal.
void session_login_done(struct session *session, bool ok, const char *user, const char *info);
void session_register_done(struct session *session, bool ok, const char *username, const char *info);

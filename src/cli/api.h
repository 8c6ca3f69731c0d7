// One command's talk with the servers of a roll: who asks, what is remembered, and how it ended.
//
//   api_open ──► api_ask (once or more) ──► api_close: what was learnt is remembered
//                   └─► refusal_say: what is wrong, and what to do next
#pragma once

#include "cli/memory.h"
#include "cli/say.h"
#include "cli/wish.h"
#include "wire/value.h"

#include <stdbool.h>

#define API_TIMEOUT_MS 15000u

struct api {
    struct wish *wish;
    struct roll roll;
    struct parser *parser;
    int signals;
    const char *urls[WISH_SERVERS];
    struct buf authorization; // a header line, terminated; empty: nobody asks
    bool is_token;            // of an admin
    bool interrupted;
};

// False: it was said what is wrong; *outcome.
bool api_open(struct api *api, struct wish *wish, enum outcome *outcome);
void api_close(struct api *api);

// Who asks. `login` has a password, given or, when `must`, asked for; or there is an admin token; or nobody
// does. False: it was said what is wrong.
bool api_identify(struct api *api, const char *login, bool must);
bool api_identify_token(struct api *api); // an admin, or nobody
void api_warn_plain(
    const struct api *api); // of servers that a secret goes to in the clear; api_identify does
const char *api_authorization(const struct api *api); // NULL: nobody asks

// An ask of this command's patience. `tail` is percent-encoded and put behind `path`.
void api_fill(const struct api *api, struct ask *ask, const char *method, const char *path, struct str tail);
// Asks and waits. DONE: it was answered with 2xx. Otherwise it was said why, and what to do next.
enum outcome api_ask(struct api *api, struct ask *ask);
// The same without a word: answered, with any status, or interrupted. For those that ask more than once.
bool api_wait(struct api *api, struct ask *ask);

// A change: with the idempotency key of its intent, which is forgotten once the outcome is known. `password`:
// the new one it has, or empty.
enum outcome api_change(struct api *api, struct ask *ask, struct intent *intent, struct str password);
// Its two halves, for those that look at the answer in between: asks without a word; ends the intent and says
// what there is to say.
void api_try(struct api *api, struct ask *ask, const struct intent *intent, struct str password);
enum outcome api_settle(struct api *api, const struct ask *ask, struct intent *intent);

// refusal.c: what an ask that was not done has come to. Says why, and what to do next.
enum outcome refusal_say(const struct api *api, const struct ask *ask);
// The words of a problem, in one line: title, detail. They live in `room`.
const char *refusal_words(struct parser *parser, const struct ask *ask, struct buf *room);

// The answer as a value; NULL: it was said that it cannot be understood.
const struct value *api_value(struct api *api, const struct ask *ask);
// Writes the line and a newline to standard output, and empties it. False: it was said that this cannot be
// done.
bool api_print(struct buf *line, int status);

// A client's session: messages in, actions out.
//
//   message ──► ROWS[command]: allowed at this moment? ──no──► the row's refusal, close
//                                        │yes
//                                        ▼
//                                     handler ──► reply, ask, publish, adopt, finish
//
// Whose activity a message is, is decided in `author` and nowhere else. No sentence said to a client
// repeats a secret.
#include "stream/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INFO_SIZE     (LOGIN_MAX_BYTES + 64)
#define MEMORY_IS_OUT "the server is out of memory; try again later"

// --- states ---------------------------------------------------------------------------------------------

#define BIT(state) (1u << (state))

// From each state, where to. IN to IN: LOGIN anonymous by one who is in.
static const unsigned MOVES[] = {
    [SESSION_NEW] = BIT(SESSION_ASKING) | BIT(SESSION_IN) | BIT(SESSION_CLOSED) | BIT(SESSION_ADOPTED),
    [SESSION_ASKING] = BIT(SESSION_NEW) | BIT(SESSION_IN) | BIT(SESSION_CLOSED),
    [SESSION_IN] = BIT(SESSION_ASKING) | BIT(SESSION_IN) | BIT(SESSION_CLOSED),
    [SESSION_CLOSED] = 0,
    [SESSION_ADOPTED] = 0,
};

static void move(struct session *session, enum session_state to) {
    assert(MOVES[session->state] & BIT(to));
    session->state = to;
}

static bool over(const struct session *session) {
    return session->state == SESSION_CLOSED || session->state == SESSION_ADOPTED;
}

// The last thing a session does: `finish` is said once, and nothing after it.
static void close_session(struct session *session) {
    move(session, SESSION_CLOSED);
    secret_wipe(&session->secret, sizeof session->secret);
    session->ops->finish(session->context);
}

static void refuse(struct session *session, enum command reply, const char *info) {
    session->ops->reply(session->context, reply, info);
    close_session(session);
}

// --- names ----------------------------------------------------------------------------------------------

static bool names_anonymous(struct str username) {
    struct login login;
    return str_equal_text(username, LOGIN_ANONYMOUS) ||
           (login_parse(username, &login, NULL) == 0 && login_is_anonymous(&login));
}

const char *session_user(const struct session *session) {
    return session->user != NULL ? session->user : LOGIN_ANONYMOUS;
}

// Idle connections are many, and most names short or none: each takes what it needs. False: memory is out.
static bool keep_name(char **kept, struct str name) {
    free(*kept);
    *kept = malloc(name.len + 1);
    return *kept != NULL && str_copy(name, *kept, name.len + 1);
}

static void keep_no_name(char **kept) {
    free(*kept);
    *kept = NULL;
}

// The spelling asked for, so that activities need no folding. One that is longer than any name is not kept.
static bool keep_asked(struct session *session, struct str username) {
    if (username.len <= LOGIN_MAX_BYTES) return keep_name(&session->asked, username);
    keep_no_name(&session->asked);
    return true;
}

// Whom the message speaks for: the anonymous user (*anonymous), this session's own user, or neither (false).
// Bytes are compared first: folding is for those who spell a name in more than one way.
static bool speaks_for(const struct session *session, struct str username, bool *anonymous) {
    *anonymous = str_equal_text(username, LOGIN_ANONYMOUS);
    if (*anonymous) return true;
    if (username.len > 0 && !session->anonymous &&
        ((session->asked != NULL && str_equal_text(username, session->asked)) ||
         str_equal_text(username, session_user(session))))
        return true;
    struct login said, own;
    if (login_parse(username, &said, NULL) != 0) return false;
    *anonymous = login_is_anonymous(&said);
    return *anonymous ||
           (!session->anonymous && login_parse(str_of(session_user(session)), &own, NULL) == 0 &&
            strcmp(said.fold, own.fold) == 0);
}

static bool secret_matches(const struct session *session, struct str secret) {
    struct secret_digest digest;
    if (secret.ptr == NULL) return false;
    secret_digest(session->key, secret, &digest);
    bool same = secret_equal(&digest, &session->secret, sizeof digest);
    secret_wipe(&digest, sizeof digest);
    return same;
}

// The name to stamp (protocol, "Clients"), or an empty slice: this session may not say that.
//   session alice, message alice with her secret   alice
//   any session,   message anonymous               anonymous
//   anything else                                  refused, the right secret of another user included
static struct str author(const struct session *session, const struct message *message) {
    bool anonymous;
    if (!speaks_for(session, message->username, &anonymous)) return (struct str){0};
    if (anonymous) return STR(LOGIN_ANONYMOUS);
    return secret_matches(session, message->secret) ? str_of(session_user(session)) : (struct str){0};
}

// --- handlers -------------------------------------------------------------------------------------------

// The user is logged in. LOGIN_SUCCESS goes first: a REDIRECT follows it (seed 004, LOGIN_SUCCESS).
static void enter(struct session *session) {
    char info[INFO_SIZE];
    bool again = session->entered;
    move(session, SESSION_IN);
    (void)snprintf(info, sizeof info, "logged in as user %s", session_user(session));
    session->ops->reply(session->context, COMMAND_LOGIN_SUCCESS, info);
    if (session->ops->entered(session->context, again))
        close_session(session);
    else
        session->entered = true;
}

static enum session_result take_login(struct session *session, const struct message *message) {
    if (names_anonymous(message->username)) {
        session->anonymous = true;
        keep_no_name(&session->user);
        keep_no_name(&session->asked);
        secret_wipe(&session->secret, sizeof session->secret);
        enter(session);
        return SESSION_TAKEN;
    }
    if (message->secret.ptr == NULL) {
        refuse(session, COMMAND_INVALID_MESSAGE, "LOGIN needs a secret unless the username is anonymous");
        return SESSION_TAKEN;
    }
    if (!keep_asked(session, message->username)) {
        refuse(session, COMMAND_LOGIN_FAILED, MEMORY_IS_OUT);
        return SESSION_TAKEN;
    }
    secret_digest(session->key, message->secret, &session->secret);
    move(session, SESSION_ASKING);
    session->ops->ask_login(session->context, message->username, message->secret);
    return SESSION_TAKEN;
}

static enum session_result take_register(struct session *session, const struct message *message) {
    if (names_anonymous(message->username)) {
        refuse(session, COMMAND_REGISTER_FAILED, "anonymous is reserved");
    } else if (message->secret.ptr == NULL) {
        refuse(session, COMMAND_INVALID_MESSAGE, "REGISTER needs a secret");
    } else {
        move(session, SESSION_ASKING);
        session->ops->ask_register(session->context, message->username, message->secret);
    }
    return SESSION_TAKEN;
}

static enum session_result take_activity(struct session *session, const struct message *message) {
    struct str user = author(session, message);
    if (user.len == 0) {
        refuse(session, COMMAND_AUTHENTICATION_FAIL,
               "the username and secret of the message are not those of the logged in user");
        return SESSION_TAKEN;
    }
    return session->ops->publish(session->context, message, user) ? SESSION_TAKEN : SESSION_AGAIN;
}

// LOGOUT, and a client that says that we are at fault or that it is: nothing is answered.
static enum session_result take_farewell(struct session *session, const struct message *message) {
    (void)message;
    close_session(session);
    return SESSION_TAKEN;
}

static enum session_result take_server(struct session *session, const struct message *message) {
    (void)message;
    move(session, SESSION_ADOPTED);
    session->ops->adopt(session->context);
    return SESSION_TAKEN;
}

// --- the table ------------------------------------------------------------------------------------------

// The moments at which a message can arrive.
#define FIRST 1u // it is the first of its connection
#define OUT   2u // not logged in, and not the first
#define IN    4u // logged in
#define ANY   (FIRST | OUT | IN)

struct row {
    unsigned moments; // at which it is accepted; else
    enum command refusal;
    const char *info; // is the answer, and the connection is closed
    enum session_result (*take)(struct session *session, const struct message *message);
};

#define TAKEN_ANY(handler) {.moments = ANY, .take = (handler)}
#define FROM_SERVERS_ONLY(name)                                                                              \
    [COMMAND_##name] = {0, COMMAND_INVALID_MESSAGE, #name " is for authenticated servers only", NULL}
#define TO_CLIENTS_ONLY(name)                                                                                \
    [COMMAND_##name] = {0, COMMAND_INVALID_MESSAGE, #name " is sent by servers, never to one", NULL}

static const struct row ROWS[COMMAND_COUNT] = {
    [COMMAND_AUTHENTICATE] = {FIRST, COMMAND_INVALID_MESSAGE,
                              "AUTHENTICATE is accepted as the first message only", take_server},
    [COMMAND_LOGIN] = TAKEN_ANY(take_login),
    [COMMAND_REGISTER] = {FIRST | OUT, COMMAND_INVALID_MESSAGE, "REGISTER is not accepted after LOGIN",
                          take_register},
    [COMMAND_ACTIVITY_MESSAGE] = {IN, COMMAND_AUTHENTICATION_FAIL, "ACTIVITY_MESSAGE needs a LOGIN before it",
                                  take_activity},
    [COMMAND_LOGOUT] = TAKEN_ANY(take_farewell),
    [COMMAND_INVALID_MESSAGE] = TAKEN_ANY(take_farewell),
    [COMMAND_AUTHENTICATION_FAIL] = TAKEN_ANY(take_farewell),
    FROM_SERVERS_ONLY(ACTIVITY_BROADCAST),
    FROM_SERVERS_ONLY(SERVER_ANNOUNCE),
    FROM_SERVERS_ONLY(LOCK_REQUEST),
    FROM_SERVERS_ONLY(LOCK_DENIED),
    FROM_SERVERS_ONLY(LOCK_ALLOWED),
    FROM_SERVERS_ONLY(HERALD),
    TO_CLIENTS_ONLY(LOGIN_SUCCESS),
    TO_CLIENTS_ONLY(LOGIN_FAILED),
    TO_CLIENTS_ONLY(REDIRECT),
    TO_CLIENTS_ONLY(REGISTER_SUCCESS),
    TO_CLIENTS_ONLY(REGISTER_FAILED),
};

enum session_result session_message(struct session *session, const struct message *message) {
    if (over(session)) return SESSION_TAKEN;
    assert(session->state == SESSION_NEW || session->state == SESSION_IN);
    assert((unsigned)message->command < COMMAND_COUNT);
    unsigned moment = !session->spoken ? FIRST : session->state == SESSION_IN ? IN : OUT;
    session->spoken = true; // before the handler: `adopt` may be the end of *session
    const struct row *row = &ROWS[message->command];
    if (row->moments & moment) {
        assert(row->take);
        return row->take(session, message);
    }
    assert(row->info);
    refuse(session, row->refusal, row->info);
    return SESSION_TAKEN;
}

// --- the rest of the contract ---------------------------------------------------------------------------

void session_init(struct session *session, const struct session_ops *ops, void *context,
                  const struct secret_key *key) {
    *session = (struct session){.state = SESSION_NEW, .key = key, .ops = ops, .context = context};
}

void session_fini(struct session *session) {
    free(session->user);
    free(session->asked);
    secret_wipe(session, sizeof *session);
}

void session_invalid(struct session *session, const char *info) {
    if (!over(session)) refuse(session, COMMAND_INVALID_MESSAGE, info);
}

void session_ended(struct session *session, const char *info) {
    if (!over(session)) refuse(session, COMMAND_AUTHENTICATION_FAIL, info);
}

void session_login_done(struct session *session, bool ok, const char *user, const char *info) {
    if (over(session)) return;
    assert(session->state == SESSION_ASKING);
    if (!ok) {
        refuse(session, COMMAND_LOGIN_FAILED, info);
        return;
    }
    if (!keep_name(&session->user, str_of(user))) {
        refuse(session, COMMAND_LOGIN_FAILED, MEMORY_IS_OUT);
        return;
    }
    session->anonymous = false;
    enter(session);
}

void session_register_done(struct session *session, bool ok, const char *username, const char *info) {
    char words[INFO_SIZE];
    if (over(session)) return;
    assert(session->state == SESSION_ASKING && !session->entered);
    if (!ok) {
        refuse(session, COMMAND_REGISTER_FAILED, info);
        return;
    }
    move(session, SESSION_NEW);
    (void)snprintf(words, sizeof words, "register success for %.*s", LOGIN_MAX_BYTES, username);
    session->ops->reply(session->context, COMMAND_REGISTER_SUCCESS, words);
}

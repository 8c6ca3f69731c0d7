// A client's bytes through framer, decoder and session, beside a model that knows the protocol's table of
// clients (protocol, "Clients") and nothing of how the session keeps it. Each message's outcome must be the
// model's: above all, nothing is published under a name that was not proven on this connection.
//
// Events: 01 what came so far is one piece   02 the desk answers   03 the desk refuses, whatever was asked
//         04 the reel is busy, three times   05 the next login is redirected   06 a line that is none
#include "stream/session.h"
#include "base/secret.h"
#include "wire/frame.h"
#include "world.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENT_PIECE = 1, EVENT_ANSWER, EVENT_REFUSE, EVENT_BUSY, EVENT_REDIRECT, EVENT_INVALID };

#define MAX_LINE     600u
#define MAX_ACCOUNTS 8

enum asking { IDLE, LOGIN, REGISTER };
enum outcome { NOTHING, PUBLISHED, BUSY, ENTERED, ASKED_LOGIN, ASKED_REGISTER, REFUSED, CLOSED, ADOPTED };

struct account {
    struct login login;
    struct buf secret;
};

struct world {
    struct session session;
    struct framer framer;
    struct parser *parser, *reader; // of what it says; of what is said to it
    struct account accounts[MAX_ACCOUNTS];
    size_t account_count;

    // the model
    bool spoken, in, anonymous, over;
    struct buf name, secret;        // proven by the last LOGIN that succeeded
    struct buf asked, asked_secret; // under way
    enum asking asking;
    bool redirect;
    unsigned busy;

    // what the session did since `outcome` was last cleared
    enum outcome outcome;
    enum command said; // the last reply
    unsigned replies, finishes;
    struct buf stalled;
};

static struct parser *parsers[2];
static struct secret_key key;

static void set(struct buf *buf, struct str text) {
    buf_truncate(buf, 0);
    check(buf_append_str(buf, text) == 0);
}

// --- the ops: they record, and check what may be done at all
// -------------------------------------------------

// No reply repeats a secret. Short ones, and those without a digit, could be a part of any sentence or name.
static void check_discreet(const struct world *world, struct str line, struct str secret) {
    bool digit = false;
    for (size_t i = 0; i < secret.len; i++) digit |= secret.ptr[i] >= '0' && secret.ptr[i] <= '9';
    if (secret.len < 8 || !digit || contains(buf_str(&world->asked), secret)) return;
    for (size_t i = 0; i < world->account_count; i++)
        if (contains(str_of(world->accounts[i].login.name), secret)) return;
    check(!contains(line, secret));
}

static void on_reply(void *context, enum command command, const char *info) {
    struct world *world = context;
    struct buf line = {0};
    struct message message;
    check(!world->over);
    check(message_write_info(&line, command, info) == 0);
    check_line(world->reader, buf_str(&line), &message);
    check(message.command == command && message.info.len > 0);
    check_discreet(world, buf_str(&line), buf_str(&world->asked_secret));
    check_discreet(world, buf_str(&line), buf_str(&world->secret));
    world->said = command;
    world->replies++;
    buf_free(&line);
}

static void on_finish(void *context) {
    struct world *world = context;
    check(!world->over && world->finishes++ == 0);
    world->over = true;
    world->outcome = world->replies > 0 ? REFUSED : CLOSED;
}

static void ask(struct world *world, enum asking what, struct str username, struct str secret) {
    check(!world->over && world->asking == IDLE && secret.ptr != NULL);
    world->asking = what;
    world->outcome = what == LOGIN ? ASKED_LOGIN : ASKED_REGISTER;
    set(&world->asked, username);
    set(&world->asked_secret, secret);
}

static void on_ask_login(void *context, struct str username, struct str secret) {
    ask(context, LOGIN, username, secret);
}

static void on_ask_register(void *context, struct str username, struct str secret) {
    ask(context, REGISTER, username, secret);
}

static bool on_entered(void *context, bool again) {
    struct world *world = context;
    check(!world->over && world->said == COMMAND_LOGIN_SUCCESS && again == world->in);
    world->outcome = ENTERED;
    bool away = world->redirect && !again;
    world->redirect = false;
    if (!away) world->in = true;
    return away;
}

static bool on_publish(void *context, const struct message *message, struct str user) {
    struct world *world = context;
    struct buf frame = {0};
    struct message heard;
    check(!world->over && world->in && world->asking == IDLE);
    // The rule, once more and independent of the model's verdict.
    if (!str_equal_text(user, LOGIN_ANONYMOUS)) {
        check(!world->anonymous && str_equal(user, buf_str(&world->name)));
        check(message->secret.ptr != NULL && str_equal(message->secret, buf_str(&world->secret)));
    }
    world->outcome = BUSY;
    if (world->busy > 0) {
        world->busy--;
        return false;
    }
    world->outcome = PUBLISHED;
    check(activity_encode(world->parser, message, user, &frame) == 0);
    check_line(world->reader, buf_str(&frame), &heard);
    check(str_equal(activity_user(&heard), user));
    buf_free(&frame);
    return true;
}

static void on_adopt(void *context) {
    struct world *world = context;
    check(!world->over);
    world->over = true;
    world->outcome = ADOPTED;
}

static const struct session_ops ops = {.reply = on_reply,
                                       .finish = on_finish,
                                       .ask_login = on_ask_login,
                                       .ask_register = on_ask_register,
                                       .entered = on_entered,
                                       .publish = on_publish,
                                       .adopt = on_adopt};

// --- the model
// -----------------------------------------------------------------------------------------------

static bool is_anonymous(struct str username) {
    return same_login(username, STR(LOGIN_ANONYMOUS));
}

static bool is_own_name(const struct world *world, struct str username) {
    return !world->anonymous &&
           (str_equal(username, buf_str(&world->name)) || same_login(username, buf_str(&world->name)));
}

struct verdict {
    enum outcome outcome;
    enum command reply; // of a refusal
};

static struct verdict refused(enum command reply) {
    return (struct verdict){REFUSED, reply};
}

static struct verdict verdict_of_activity(const struct world *world, const struct message *message) {
    struct verdict publish = {world->busy > 0 ? BUSY : PUBLISHED, 0};
    if (!world->in) return refused(COMMAND_AUTHENTICATION_FAIL);
    if (is_anonymous(message->username)) return publish;
    bool proven = is_own_name(world, message->username) && message->secret.ptr != NULL &&
                  str_equal(message->secret, buf_str(&world->secret));
    return proven ? publish : refused(COMMAND_AUTHENTICATION_FAIL);
}

static struct verdict verdict_of(const struct world *world, const struct message *message) {
    switch (message->command) {
    case COMMAND_AUTHENTICATE:
        return world->spoken ? refused(COMMAND_INVALID_MESSAGE) : (struct verdict){ADOPTED, 0};
    case COMMAND_LOGIN:
        if (is_anonymous(message->username))
            return (struct verdict){world->redirect && !world->in ? REFUSED : ENTERED, COMMAND_LOGIN_SUCCESS};
        return message->secret.ptr ? (struct verdict){ASKED_LOGIN, 0} : refused(COMMAND_INVALID_MESSAGE);
    case COMMAND_REGISTER:
        if (world->in) return refused(COMMAND_INVALID_MESSAGE);
        if (is_anonymous(message->username)) return refused(COMMAND_REGISTER_FAILED);
        return message->secret.ptr ? (struct verdict){ASKED_REGISTER, 0} : refused(COMMAND_INVALID_MESSAGE);
    case COMMAND_ACTIVITY_MESSAGE: return verdict_of_activity(world, message);
    case COMMAND_LOGOUT:
    case COMMAND_INVALID_MESSAGE:
    case COMMAND_AUTHENTICATION_FAIL: return (struct verdict){CLOSED, 0};
    default: return refused(COMMAND_INVALID_MESSAGE);
    }
}

static void begin(struct world *world) {
    world->outcome = NOTHING;
    world->replies = 0;
}

// --- the owner: as stream/client.c does it
// -------------------------------------------------------------------

static void take_line(struct world *world, struct str line) {
    struct message message;
    struct err err;
    begin(world);
    if (message_parse(world->parser, line, &message, &err) != 0) {
        session_invalid(&world->session, err.text);
        check(world->outcome == REFUSED && world->said == COMMAND_INVALID_MESSAGE);
        return;
    }
    struct verdict verdict = verdict_of(world, &message);
    bool login = message.command == COMMAND_LOGIN && is_anonymous(message.username);
    enum session_result result = session_message(&world->session, &message);
    check(world->outcome == verdict.outcome && (result == SESSION_AGAIN) == (verdict.outcome == BUSY));
    if (verdict.outcome == REFUSED || verdict.outcome == ENTERED)
        check(world->replies == 1 && world->said == verdict.reply);
    else
        check(world->replies == 0);
    world->spoken = true;
    if (login) {
        world->anonymous = true;
        set(&world->name, STR(LOGIN_ANONYMOUS));
        set(&world->secret, (struct str){0});
    }
    if (verdict.outcome == BUSY && line.ptr != world->stalled.data) set(&world->stalled, line);
    parser_forget(world->parser);
}

static bool waits(const struct world *world) {
    return world->over || world->asking != IDLE || world->stalled.len > 0;
}

static void take(struct world *world, struct str input) {
    struct str line;
    while (!waits(world)) {
        switch (framer_next(&world->framer, &input, &line)) {
        case FRAME_LINE: take_line(world, line); break;
        case FRAME_MORE: return;
        case FRAME_MEMORY: abort();
        case FRAME_TOO_LONG:
            begin(world);
            session_invalid(&world->session, "the line is longer than max_message");
            check(world->outcome == REFUSED);
            return;
        }
    }
    check(framer_keep(&world->framer, &input) == 0);
}

static void retry(struct world *world) {
    if (world->stalled.len == 0 || world->over) return;
    take_line(world, buf_str(&world->stalled));
    if (world->outcome != BUSY) buf_wipe(&world->stalled);
    take(world, (struct str){0});
}

static const struct account *account_of(const struct world *world, struct str username) {
    for (size_t i = 0; i < world->account_count; i++)
        if (same_login(username, str_of(world->accounts[i].login.name))) return &world->accounts[i];
    return NULL;
}

static bool add_account(struct world *world, struct str username, struct str secret) {
    if (world->account_count == MAX_ACCOUNTS || account_of(world, username)) return false;
    struct account *account = &world->accounts[world->account_count];
    if (login_parse(username, &account->login, NULL) != 0) return false;
    world->account_count++;
    set(&account->secret, secret);
    return true;
}

static void answer_login(struct world *world, bool refuse) {
    const struct account *account = account_of(world, buf_str(&world->asked));
    bool ok = account && !refuse && str_equal(buf_str(&account->secret), buf_str(&world->asked_secret));
    bool away = world->redirect && !world->in;
    if (ok) {
        world->anonymous = false;
        set(&world->name, str_of(account->login.name));
        set(&world->secret, buf_str(&world->asked_secret));
    }
    session_login_done(&world->session, ok, ok ? account->login.name : "",
                       ok ? "" : "unknown user or wrong secret");
    check(world->replies == 1 && world->said == (ok ? COMMAND_LOGIN_SUCCESS : COMMAND_LOGIN_FAILED));
    check(world->over == (!ok || away) && (ok ? world->in != away : world->over));
}

static void answer_register(struct world *world, bool refuse) {
    bool ok = !refuse && add_account(world, buf_str(&world->asked), buf_str(&world->asked_secret));
    const struct account *account = ok ? account_of(world, buf_str(&world->asked)) : NULL;
    session_register_done(&world->session, ok, account ? account->login.name : "", ok ? "" : "it is taken");
    check(world->replies == 1 && world->said == (ok ? COMMAND_REGISTER_SUCCESS : COMMAND_REGISTER_FAILED));
    check(world->over == !ok && !world->in);
}

static void answer(struct world *world, bool refuse) {
    enum asking asked = world->asking;
    if (asked == IDLE) return;
    begin(world);
    world->asking = IDLE;
    if (asked == LOGIN)
        answer_login(world, refuse);
    else
        answer_register(world, refuse);
    take(world, (struct str){0});
}

static void invalid(struct world *world) {
    if (waits(world)) return;
    begin(world);
    session_invalid(&world->session, "no message");
    check(world->outcome == REFUSED && world->said == COMMAND_INVALID_MESSAGE);
}

static void event(struct world *world, uint8_t what) {
    switch (what) {
    case EVENT_ANSWER: answer(world, false); break;
    case EVENT_REFUSE: answer(world, true); break;
    case EVENT_BUSY: world->busy = 3; break;
    case EVENT_REDIRECT: world->redirect = true; break;
    case EVENT_INVALID: invalid(world); break;
    default: break;
    }
    retry(world);
}

// --- one run
// -------------------------------------------------------------------------------------------------

// After its end a session does nothing more: `over` is set, and every op checks it.
static void insist(struct world *world) {
    struct message message = {.command = COMMAND_LOGIN, .username = STR(LOGIN_ANONYMOUS)};
    if (!world->over) return;
    check(session_message(&world->session, &message) == SESSION_TAKEN);
    session_invalid(&world->session, "again");
    session_login_done(&world->session, true, "alice", "");
    session_register_done(&world->session, true, "alice", "");
}

static void play(struct world *world, const uint8_t *data, size_t size) {
    for (size_t at = 0, start = 0; at <= size; at++) {
        if (at < size && !IS_EVENT(data[at])) continue;
        struct str piece = {(const char *)data + start, at - start};
        char *copy = copy_of(piece);
        take(world, (struct str){copy, piece.len});
        free(copy);
        start = at + 1;
        if (at < size) event(world, data[at]);
        if (framer_held(&world->framer) > 1u << 20) break;
    }
    insist(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!parsers[0]) {
        check(secret_init(NULL) == 0);
        parsers[0] = parser_open(MAX_LINE, 16);
        parsers[1] = parser_open(1 << 20, 20);
        check(parsers[0] && parsers[1]);
    }
    static struct world world;
    world = (struct world){.parser = parsers[0], .reader = parsers[1]};
    add_account(&world, STR("alice"), STR("al1ce-secret"));
    add_account(&world, STR("Zo\xc3\xab"), STR("z0e-secret"));
    session_init(&world.session, &ops, &world, &key);
    framer_init(&world.framer, MAX_LINE);
    play(&world, data, size);
    session_fini(&world.session);
    framer_fini(&world.framer);
    for (size_t i = 0; i < MAX_ACCOUNTS; i++) buf_wipe(&world.accounts[i].secret);
    struct buf *bufs[] = {&world.name, &world.secret, &world.asked, &world.asked_secret, &world.stalled};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) buf_wipe(bufs[i]);
    for (size_t i = 0; i < sizeof world.session; i++) check(((const char *)&world.session)[i] == 0);
    return 0;
}

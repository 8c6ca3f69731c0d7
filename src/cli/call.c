// A session of libherald and what else a command waits for.
#include "cli/call.h"

#include "base/clock.h"
#include "base/secret.h"
#include "cli/known.h"
#include "cli/place.h"
#include "cli/prompt.h"
#include "cli/saved.h"
#include "cli/signals.h"
#include "client/where.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECRET_MOST 4096

// --- the secret -----------------------------------------------------------------------------------------

static enum outcome take_file(struct wish *wish) {
    struct err err = {0};
    struct buf text = {0};
    if (place_read(wish->secret_file, SECRET_MOST, 1, &text, &err)) {
        say("--secret-file: %s", err.text);
        return OUTCOME_USAGE;
    }
    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r')) text.len--;
    bool usable = text.len > 0 && !memchr(text.data, '\n', text.len) && !memchr(text.data, '\0', text.len);
    if (usable) usable = wish_set_secret(wish, buf_str(&text)) == 0;
    buf_wipe(&text);
    if (usable) return OUTCOME_DONE;
    say("--secret-file: %s must hold one line, the secret", wish->secret_file);
    return OUTCOME_USAGE;
}

// A new secret is asked for twice.
static enum outcome ask(struct wish *wish, bool twice) {
    struct err err = {0};
    struct buf answer = {0}, again = {0}, question = {0};
    buf_printf(&question, "secret of %s: ", wish->user);
    buf_append(&question, "", 1);
    int status =
        prompt_secret(question.data ? question.data : "secret: ", "--secret-file FILE", &answer, &err);
    if (!status && twice) status = prompt_secret("again: ", "--secret-file FILE", &again, &err);
    if (!status && twice && !str_equal(buf_str(&answer), buf_str(&again)))
        status = err_set(&err, ERR_INVALID, "the two are not the same; try again");
    if (!status) status = wish_set_secret(wish, buf_str(&answer));
    buf_wipe(&answer);
    buf_wipe(&again);
    buf_free(&question);
    if (!status) return OUTCOME_DONE;
    say("%s", err.text);
    return OUTCOME_USAGE;
}

static enum outcome make(struct wish *wish) {
    struct err err = {0};
    char token[SECRET_TOKEN_SIZE];
    int status = secret_init(&err);
    if (!status) {
        secret_token(token);
        status = wish_set_secret(wish, str_of(token));
        secret_wipe(token, sizeof token);
    }
    wish->made_secret = !status;
    if (status) say("cannot make a secret: %s", err.text[0] ? err.text : "memory is out");
    return status ? OUTCOME_REFUSED : OUTCOME_DONE;
}

static enum outcome find_secret(struct wish *wish, bool registers) {
    struct err err = {0};
    if (wish_is_anonymous(wish)) {
        if (!registers && !wish->has_secret && !wish->ask_secret && !wish->secret_file) return OUTCOME_DONE;
        say(registers ? "%s is everyone's; name the user to register, such as: herald register alice"
                      : "%s has no secret; name a user with -u USER",
            LOGIN_ANONYMOUS);
        return OUTCOME_USAGE;
    }
    if (wish->has_secret) return OUTCOME_DONE;
    if (wish->secret_file) return take_file(wish);
    if (wish->ask_secret) return ask(wish, registers);
    if (registers) return make(wish);
    int found = saved_find(wish, &err);
    if (found > 0) return OUTCOME_DONE;
    if (found < 0)
        say("%s", err.text);
    else
        say("no secret of %s is saved here; give it with -s or --secret-file, or make an account: "
            "herald register %s --save",
            wish->user, wish->user);
    return OUTCOME_USAGE;
}

// --- the session ----------------------------------------------------------------------------------------

static int know_one(void *context, const char *server, const char *key) {
    herald *session = context;
    struct where where;
    if (!where_parse(str_of(server), &where)) return 0; // only HTTP knows such names
    if (herald_know(session, server, key) == 0) return 0;
    say("known_servers, %s: %s", server, herald_error(session));
    return 1;
}

// Servers that are known by their keys from an earlier time: all of them, for any may be redirected to.
static bool know(herald *session, const struct wish *wish) {
    struct err err = {0};
    if (!wish->tls || wish->ca) return true;
    int status = known_each(know_one, session, &err);
    if (status < 0) say("%s", err.text);
    return status == 0;
}

static void meet(const struct call *call, const struct herald_event *event) {
    struct err err = {0};
    if (known_add(event->server, event->text, &err) && !call->silent)
        say("its key is not kept: %s", err.text);
    if (call->silent) return;
    say("%s is new here; from now on it is known by its key, %s; heraldd prints that at its start",
        event->server, event->text);
}

bool call_open(struct call *call, struct wish *wish, const struct call_plan *plan, enum outcome *outcome) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, SIGCONT};
    const char *servers[WISH_SERVERS];
    char error[512];
    *call = (struct call){.wish = wish, .registers = plan->registers, .signals = -1};
    *outcome = find_secret(wish, plan->registers);
    if (*outcome != OUTCOME_DONE) return false;
    for (size_t i = 0; i < wish->server_count; i++) servers[i] = wish->servers[i];
    struct herald_options options = {
        .size = sizeof options,
        .servers = servers,
        .server_count = wish->server_count,
        .user = wish->user,
        .secret = wish->has_secret && !wish_is_anonymous(wish) ? wish->secret.data : NULL,
        .do_register = plan->registers,
        .once = plan->once,
        .give_up_ms = wish->timeout_ms ? (uint32_t)wish->timeout_ms : plan->patience_ms,
        .tls = wish->ca    ? HERALD_TLS_ON
               : wish->tls ? HERALD_TLS_FIRST_USE
                           : HERALD_TLS_OFF,
        .ca_file = wish->ca,
    };
    call->session = herald_open(&options, error, sizeof error);
    if (!call->session) {
        say("%s", error);
        *outcome = OUTCOME_USAGE;
        return false;
    }
    if (!know(call->session, wish)) {
        herald_close(call->session);
        *outcome = OUTCOME_REFUSED;
        return false;
    }
    call->signals = signals_open(signals, plan->terminal ? sizeof signals / sizeof *signals : 3);
    return true;
}

void call_close(struct call *call) {
    herald_close(call->session);
    if (call->signals >= 0) close(call->signals);
    *call = (struct call){.signals = -1};
}

static void end_late(struct herald_event *event) {
    *event = (struct herald_event){.kind = HERALD_ENDED,
                                   .status = HERALD_UNKNOWN,
                                   .server = "",
                                   .user = "",
                                   .json = "",
                                   .text = "the server does not close the connection"};
}

bool call_next(struct call *call, struct herald_event *event) {
    if (herald_next(call->session, event) != 1) {
        if (!call->leave_by_ms || clock_monotonic_ms() < call->leave_by_ms) return false;
        end_late(event);
        return true;
    }
    switch (event->kind) {
    case HERALD_CONNECTED: call->latency_ms = event->latency_ms; break;
    case HERALD_LOGGED_IN: call->logged_in = true; break;
    case HERALD_MET: meet(call, event); break;
    case HERALD_LOST:
        if (call->logged_in || call->wish->timeout_ms) break;
        event->kind = HERALD_ENDED;
        event->status = HERALD_UNREACHABLE;
        break;
    default: break;
    }
    if (event->kind == HERALD_CONNECTED || event->kind == HERALD_LOGGED_IN)
        str_copy(str_of(event->server), call->server, sizeof call->server);
    return true;
}

static int least(int a, int b) {
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int time_left(const struct call *call) {
    uint64_t now = clock_monotonic_ms();
    if (!call->leave_by_ms) return -1;
    return now >= call->leave_by_ms ? 0 : (int)(call->leave_by_ms - now);
}

unsigned call_wait(struct call *call, const struct call_wait *wait) {
    enum { SESSION, SIGNALS, INPUT, OUTPUT, COUNT };
    int events = herald_events(call->session);
    struct pollfd waits[COUNT] = {
        [SESSION] = {.fd = herald_fd(call->session),
                     .events = (short)((events & HERALD_READ ? POLLIN : 0) |
                                       (events & HERALD_WRITE ? POLLOUT : 0))},
        [SIGNALS] = {.fd = call->signals, .events = POLLIN},
        [INPUT] = {.fd = wait->input, .events = POLLIN},
        [OUTPUT] = {.fd = wait->output, .events = wait->writes ? POLLOUT : 0},
    };
    int timeout = least(least(herald_timeout(call->session), wait->most_ms), time_left(call));
    if (poll(waits, COUNT, timeout) < 0) return 0; // interrupted: the caller comes again
    herald_step(call->session);
    unsigned ready = 0;
    if (waits[SIGNALS].revents) ready |= CALL_SIGNAL;
    if (waits[INPUT].revents) ready |= CALL_INPUT;
    if (waits[OUTPUT].revents & POLLOUT) ready |= CALL_OUTPUT;
    if (waits[OUTPUT].revents & (POLLERR | POLLNVAL)) ready |= CALL_BROKEN;
    return ready;
}

void call_leave(struct call *call, uint64_t patience_ms) {
    if (patience_ms > 0) call->leave_by_ms = clock_monotonic_ms() + patience_ms;
    if (!call->leaving) herald_logout(call->session);
    call->leaving = true;
}

// --- how it ended ---------------------------------------------------------------------------------------

static void advise_refused(const struct call *call) {
    const struct wish *wish = call->wish;
    if (call->logged_in)
        say("what came before the refused line was taken; herald %s --help says what can be posted",
            wish->command == CLI_post ? "post" : "chat");
    else if (call->registers)
        say("choose another name; or, if %s is yours: herald login %s -s", wish->user, wish->user);
    else if (!wish_is_anonymous(wish))
        say("look at the name and the secret; an account is made with: herald register USER");
    else
        say("try again, or name another server with --server HOST:PORT");
}

static void advise_stranger(const struct call *call, const char *why) {
    char path[PLACE_MAX];
    if (call->wish->tls && strstr(why, "key has changed") && known_path(path, NULL) == 0)
        say("somebody may be listening in; if its key was changed on purpose, take its line out of %s", path);
}

enum outcome call_outcome(const struct call *call, const struct herald_event *ended) {
    switch (ended->status) {
    case HERALD_DONE: return OUTCOME_DONE;
    case HERALD_REFUSED:
        say("refused: %s", ended->text);
        advise_refused(call);
        return OUTCOME_REFUSED;
    case HERALD_UNREACHABLE:
        say("%s", ended->text);
        advise_stranger(call, ended->text);
        say("start one with heraldd, or name another with --server HOST:PORT");
        return OUTCOME_UNREACHABLE;
    case HERALD_UNKNOWN: say("outcome unknown: %s", ended->text); return OUTCOME_UNKNOWN;
    case HERALD_NO_MEMORY: break;
    }
    say("memory is out");
    return OUTCOME_REFUSED;
}

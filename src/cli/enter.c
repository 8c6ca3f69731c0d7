// register, login, logout.
#include "cli/enter.h"

#include "base/secret.h"
#include "cli/call.h"
#include "cli/plain.h"
#include "cli/saved.h"
#include "cli/signals.h"
#include "wire/value.h"

#include <unistd.h>

#define PATIENCE_MS 2000 // with a server that does not close; it is not what the user waits for

bool enter_save(const struct wish *wish) {
    struct err err = {0};
    if (!wish->save || !wish->has_secret) return true;
    if (saved_keep(wish, str_of(wish->secret.data), &err) == 0) return true;
    say("the secret is not saved: %s", err.text);
    return false;
}

bool enter_registers(struct wish *wish) {
    struct err err = {0};
    return !wish_is_anonymous(wish) && !wish->has_secret && !wish->ask_secret && !wish->secret_file &&
           saved_find(wish, &err) == 0;
}

// --- what is printed ------------------------------------------------------------------------------------

static bool print(struct buf *line, int status) {
    if (!status) status = buf_append_text(line, "\n") || say_raw(STDOUT_FILENO, buf_str(line));
    buf_wipe(line);
    return !status;
}

// An object of texts: pairs of name and text, ended by NULL; a pair without a text is left out.
static bool print_json(const char *const *pairs) {
    struct buf line = {0};
    int status = 0;
    for (const char *before = "{"; *pairs && !status; pairs += 2) {
        if (!pairs[1]) continue;
        status =
            buf_printf(&line, "%s\"%s\":", before, pairs[0]) || value_write_text(&line, str_of(pairs[1]));
        before = ",";
    }
    return print(&line, status || buf_append_text(&line, "}"));
}

// "logged in as alice at 127.0.0.1:3780"
static bool print_entered(const char *did, const char *user, const char *server) {
    struct buf line = {0};
    int status = buf_append_text(&line, did) || plain_append(&line, str_of(user)) ||
                 buf_append_text(&line, " at ") || plain_append(&line, str_of(server));
    return print(&line, status);
}

static bool print_registered(const struct call *call) {
    const struct wish *wish = call->wish;
    const char *secret = wish->made_secret ? wish->secret.data : NULL;
    const char *const pairs[] = {"user", wish->user, "server", call->server, "secret", secret, NULL};
    struct buf line = {0};
    if (wish->json) return print_json(pairs);
    if (!print_entered("registered ", wish->user, call->server)) return false;
    return !secret || print(&line, buf_printf(&line, "secret: %s", secret));
}

static bool print_login(const struct call *call) {
    const char *user = call->wish->user ? call->wish->user : LOGIN_ANONYMOUS;
    const char *const pairs[] = {"user", user, "server", call->server, NULL};
    return call->wish->json ? print_json(pairs) : print_entered("logged in as ", user, call->server);
}

static enum outcome cannot_print(const struct wish *wish) {
    if (wish->made_secret)
        say("cannot write to standard output; the secret is %s", wish->secret.data);
    else
        say("cannot write to standard output");
    return OUTCOME_REFUSED;
}

// --- the commands ---------------------------------------------------------------------------------------

// Waits for an event of this kind, or the end; then leaves, and waits for that. True when it came.
static bool reach(struct call *call, enum herald_kind kind, struct herald_event *event) {
    const struct call_wait wait = {.input = -1, .output = -1, .most_ms = -1};
    bool reached = false;
    for (;;) {
        while (call_next(call, event)) {
            if (event->kind == HERALD_ENDED) return reached;
            if (event->kind != kind) continue;
            reached = true;
            call_leave(call, PATIENCE_MS);
        }
        if (!(call_wait(call, &wait) & CALL_SIGNAL)) continue;
        signals_take(call->signals);
        *event = (struct herald_event){.kind = HERALD_ENDED, .status = HERALD_UNKNOWN, .text = "interrupted"};
        return reached;
    }
}

static void say_perhaps(const struct wish *wish) {
    say("%s may be registered; try: herald login %s -s", wish->user, wish->user);
    if (wish->made_secret) say("the secret would be %s", wish->secret.data);
}

enum outcome enter_register(struct wish *wish) {
    struct call call;
    struct herald_event event;
    enum outcome outcome;
    const struct call_plan plan = {.registers = true, .once = true};
    if (!call_open(&call, wish, &plan, &outcome)) return outcome;
    if (reach(&call, HERALD_REGISTERED, &event)) {
        outcome = print_registered(&call) ? OUTCOME_DONE : cannot_print(wish);
        if (!enter_save(wish)) outcome = OUTCOME_REFUSED;
    } else {
        outcome = call_outcome(&call, &event);
        if (outcome == OUTCOME_UNKNOWN) say_perhaps(wish);
    }
    call_close(&call);
    return outcome;
}

enum outcome enter_login(struct wish *wish) {
    struct call call;
    struct herald_event event;
    enum outcome outcome;
    const struct call_plan plan = {.once = true};
    if (!call_open(&call, wish, &plan, &outcome)) return outcome;
    if (reach(&call, HERALD_LOGGED_IN, &event)) {
        outcome = print_login(&call) && enter_save(wish) ? OUTCOME_DONE : OUTCOME_REFUSED;
    } else {
        outcome = call_outcome(&call, &event);
    }
    call_close(&call);
    return outcome;
}

enum outcome enter_logout(struct wish *wish) {
    struct err err = {0};
    struct buf line = {0};
    if (wish_is_anonymous(wish)) {
        say("whose saved secret? such as: herald logout alice");
        return OUTCOME_USAGE;
    }
    int forgotten = saved_forget(wish, &err);
    if (forgotten > 0)
        return print(&line, buf_append_text(&line, "forgot the secret of ") ||
                                plain_append(&line, str_of(wish->user)))
                   ? OUTCOME_DONE
                   : OUTCOME_REFUSED;
    if (forgotten < 0)
        say("%s", err.text);
    else
        say("no secret of %s is saved for %s; other servers are named with --server", wish->user,
            wish->servers[0]);
    return OUTCOME_REFUSED;
}

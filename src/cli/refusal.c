// What an ask that was not done has come to, in words: why, and what to do next.
#include "cli/api.h"

#include "cli/known.h"
#include "cli/place.h"
#include "cli/plain.h"

#include <stdio.h>
#include <string.h>

// What to do next where the server's words do not say it in terms of this command.
static const struct {
    const char *code, *next;
} advice[] = {
    {"forbidden", "an admin token is made on the server's machine: herald admin token add LABEL"},
    {"identity_absent", "who is there: herald list users"},
    {"setting_absent", "what is there: herald settings list"},
    {"login_taken", "whose it is: herald lookup LOGIN"},
    {"version_mismatch", "the version it has now: herald settings get KEY --json"},
    {"changes_gone", "what there is now: herald settings list"},
};
// By who has asked.
static const char wrong_password[] = "look at the login and the password; a forgotten one is replaced by an "
                                     "administrator: herald modify LOGIN --new-password";
static const char no_password[] =
    "give --user LOGIN --password, or an admin token with --token-file or HERALD_TOKEN";
static const char no_token[] =
    "give an admin token with --token-file or HERALD_TOKEN; on the server's machine one is made "
    "with: herald admin token add LABEL";
static const char wrong_token[] = "a new one is made on the server's machine: herald admin token add LABEL";

const char *refusal_words(struct parser *parser, const struct ask *ask, struct buf *room) {
    struct err err = {0};
    const struct value *problem = value_read(parser, buf_str(&ask->answer), &err);
    struct str title = value_member_text(problem, "title"), detail = value_member_text(problem, "detail"),
               field = value_member_text(problem, "field");
    // Of what was given, its name says more than the kind of problem.
    if (ask->status == 422 && field.len > 0 && detail.len > 0) title = field;
    int status;
    if (title.len == 0)
        status = buf_printf(room, "it answered with status %u, and is perhaps no Herald", ask->status);
    else
        status = buf_append_str(room, title) || (detail.len > 0 && buf_append_text(room, ": ")) ||
                 buf_append_str(room, detail);
    if (status || buf_append(room, "", 1)) return "memory is out";
    return room->data;
}

static const char *clock_of(const struct ask *ask) {
    return ask->clock[0] ? ask->clock + strlen("Herald-Clock: ") : "?";
}

// Nobody has answered, and that may be for the clock.
static void say_held(const struct ask *ask) {
    say("a server waits for what was seen before here (up to %s), 5 s at most; if its data was replaced, add "
        "--forget, else let --timeout be longer",
        clock_of(ask));
}

static void say_next(const struct api *api, const struct ask *ask) {
    struct err err = {0};
    const struct value *problem = value_read(api->parser, buf_str(&ask->answer), &err);
    struct str code = value_member_text(problem, "code");
    if (str_equal_text(code, "clock_not_reached")) {
        say("no server has what was seen before here (up to %s); if its data was replaced, add --forget",
            clock_of(ask));
        return;
    }
    if (ask->retry_after_s > 0) say("it can be tried again in %u s", ask->retry_after_s);
    if (str_equal_text(code, "credentials_missing")) say("%s", ask->changes ? no_token : no_password);
    if (str_equal_text(code, "credentials_wrong")) say("%s", api->is_token ? wrong_token : wrong_password);
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
        if (str_equal_text(code, advice[i].code)) say("%s", advice[i].next);
}

static void say_strangers(const struct api *api, const struct ask *ask) {
    char path[PLACE_MAX];
    if (ask->misnamed)
        say("nothing was sent. Ask for it by a name or address that its certificate has, or let it have a "
            "certificate with this name");
    if (!ask->strange) return;
    if (api->wish->ca) {
        say("--ca must name the file of who vouches for it; without --ca it is known by its key");
        return;
    }
    if (known_path(path, NULL) == 0)
        say("nothing was sent. Somebody may be listening in. If its key was changed on purpose, take its "
            "line out of %s",
            path);
}

enum outcome refusal_say(const struct api *api, const struct ask *ask) {
    struct buf words = {0};
    const char *why = ask->why.len > 0 ? ask->why.data : "";
    switch (ask->end) {
    case ASK_ANSWERED:
        say("refused: %s", refusal_words(api->parser, ask, &words));
        buf_free(&words);
        say_next(api, ask);
        return OUTCOME_REFUSED;
    case ASK_DISTRUSTED:
        say("%s", why);
        say_strangers(api, ask);
        return OUTCOME_REFUSED;
    case ASK_UNKNOWN:
        say("outcome unknown: %s", api->interrupted ? "interrupted" : why);
        say("the same command again is safe: nothing is done twice");
        if (ask->held) say_held(ask);
        return OUTCOME_UNKNOWN;
    case ASK_UNREACHED: break;
    }
    if (api->interrupted) {
        say("interrupted");
        return OUTCOME_REFUSED;
    }
    say("no server reached: %s", why[0] ? why : "no time was left");
    if (ask->held) say_held(ask);
    say("start one with heraldd, or name another with --server URL");
    return OUTCOME_UNREACHABLE;
}

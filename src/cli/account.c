// The commands for identities.
//
//   modify, delete:  LOGIN ──GET──► UUID, noted with the intent ──PATCH, DELETE──► done, refused, unknown
//
// What has begun is found again by its intent, and goes on with the same UUID: the login may be another one
// by then. Where that UUID is refused, the login is looked up after all.
#include "cli/account.h"

#include "base/uuid.h"
#include "cli/pages.h"
#include "cli/password.h"
#include "cli/plain.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IDENTITIES "/v1/identities"
#define JSON_TYPE  "Content-Type: application/json"

// --- showing --------------------------------------------------------------------------------------------

static bool show(struct api *api, const struct value *identity) {
    struct buf line = {0};
    int status;
    if (api->wish->json) {
        status = value_write(api->parser, identity, &line);
    } else {
        status = plain_append_after(&line, "login     ", value_member_text(identity, "login")) ||
                 plain_append_after(&line, "\nname      ", value_member_text(identity, "name")) ||
                 plain_append_after(&line, "\nuuid      ", value_member_text(identity, "uuid")) ||
                 plain_append_after(&line, "\ncreated   ", value_member_text(identity, "created_at")) ||
                 plain_append_after(&line, " from ", value_member_text(identity, "created_from")) ||
                 plain_append_after(&line, "\nmodified  ", value_member_text(identity, "modified_at"));
    }
    bool shown = api_print(&line, status);
    buf_free(&line);
    return shown;
}

// "created alice: 7c9e6679-7425-40de-944b-e07fc1f90ae7"
static enum outcome show_done(struct api *api, const struct ask *ask, const char *did) {
    const struct value *identity = api_value(api, ask);
    struct buf line = {0};
    if (!identity) return OUTCOME_REFUSED;
    if (api->wish->json) return show(api, identity) ? OUTCOME_DONE : OUTCOME_REFUSED;
    int status = plain_append_after(&line, did, value_member_text(identity, "login")) ||
                 plain_append_after(&line, ": ", value_member_text(identity, "uuid"));
    bool shown = api_print(&line, status);
    buf_free(&line);
    return shown ? OUTCOME_DONE : OUTCOME_REFUSED;
}

static enum outcome out_of_memory(void) {
    say("memory is out");
    return OUTCOME_REFUSED;
}

// --- create ---------------------------------------------------------------------------------------------

// The words, else who runs this: the name in the list of users, or the login there.
static int write_name(const struct wish *wish, struct buf *name) {
    if (wish->word_count > 1) {
        int status = 0;
        for (size_t i = 1; i < wish->word_count && !status; i++)
            status = (i > 1 && buf_append_text(name, " ")) || buf_append_text(name, wish->words[i]);
        return status;
    }
    const struct passwd *user = getpwuid(getuid());
    if (!user) return 0;
    struct str real = {user->pw_gecos, user->pw_gecos ? strcspn(user->pw_gecos, ",") : 0};
    if (real.len == 0 || !text_is_utf8(real)) real = str_of(user->pw_name);
    return text_is_utf8(real) ? buf_append_str(name, real) : 0;
}

static int add_member(struct buf *body, const char *name, struct str text) {
    return buf_append_text(body, body->len > 1 ? "," : "") || buf_printf(body, "\"%s\":", name) ||
           value_write_text(body, text);
}

static bool is_wished(const struct wish_password *password) {
    return password->given || password->ask || password->line || password->file;
}

// The body is what is to be done, and the intent's name; the password joins it last. -1: it was said what is
// wrong.
static int add_password(struct buf *body, const struct wish_password *password) {
    size_t len = password->given ? strlen(password->text.data) : 0;
    if (buf_reserve(body, len * 6 + 32)) return -1; // so that it does not move with the password in it
    return (password->given && add_member(body, "password", str_of(password->text.data))) ||
           buf_append_text(body, "}");
}

static struct str password_text(const struct wish_password *password) {
    return str_of(password->given ? password->text.data : "");
}

static enum outcome create(struct api *api, struct buf *body) {
    struct wish *wish = api->wish;
    struct buf name = {0};
    struct intent intent;
    struct ask ask;
    int status = write_name(wish, &name) || buf_append_text(body, "{") ||
                 add_member(body, "login", str_of(wish->words[0])) ||
                 add_member(body, "name", buf_str(&name));
    buf_free(&name);
    if (status) return out_of_memory();
    intent_begin(&intent, buf_str(body));
    if (add_password(body, &wish->password)) return out_of_memory();
    api_fill(api, &ask, "POST", IDENTITIES, (struct str){0});
    ask.body = buf_str(body);
    ask.type = JSON_TYPE;
    enum outcome outcome = api_change(api, &ask, &intent, password_text(&wish->password));
    if (outcome == OUTCOME_DONE) outcome = show_done(api, &ask, "created ");
    if (outcome == OUTCOME_DONE && !wish->password.given && !api->is_token && !wish->json)
        say("it has no password: only an administrator can change or delete it; --password asks for one");
    ask_fini(&ask);
    return outcome;
}

enum outcome account_create(struct wish *wish) {
    struct api api;
    struct buf body = {0};
    enum outcome outcome;
    if (is_wished(&wish->password) && !password_settle(&wish->password, "--password", "password: ", true))
        return OUTCOME_USAGE;
    if (!api_open(&api, wish, &outcome)) return outcome;
    outcome = OUTCOME_USAGE;
    if (api_identify_token(&api)) {
        if (wish->password.given || api.is_token) api_warn_plain(&api);
        outcome = create(&api, &body);
    }
    buf_wipe(&body);
    api_close(&api);
    return outcome;
}

// --- lookup ---------------------------------------------------------------------------------------------

static enum outcome look_up(struct wish *wish, const char *path) {
    struct api api;
    struct ask ask;
    enum outcome outcome;
    if (!api_open(&api, wish, &outcome)) return outcome;
    outcome = OUTCOME_USAGE;
    if (api_identify(&api, wish->user, false)) {
        api_fill(&api, &ask, "GET", path, str_of(wish->words[0]));
        outcome = api_ask(&api, &ask);
        const struct value *identity = outcome == OUTCOME_DONE ? api_value(&api, &ask) : NULL;
        if (outcome == OUTCOME_DONE && (!identity || !show(&api, identity))) outcome = OUTCOME_REFUSED;
        ask_fini(&ask);
    }
    api_close(&api);
    return outcome;
}

enum outcome account_lookup(struct wish *wish) {
    return look_up(wish, IDENTITIES "?login=");
}

enum outcome account_reverse_lookup(struct wish *wish) {
    struct uuid uuid;
    if (uuid_parse(str_of(wish->words[0]), &uuid)) return look_up(wish, IDENTITIES "/");
    say("%s is no UUID, such as 7c9e6679-7425-40de-944b-e07fc1f90ae7; herald list all shows them",
        wish->words[0]);
    return OUTCOME_USAGE;
}

// --- modify, delete -------------------------------------------------------------------------------------

// Which identity it is about: noted by an earlier command that did not learn the outcome, else looked up.
static enum outcome find(struct api *api, struct intent *intent) {
    struct ask ask;
    if (intent->note[0]) return OUTCOME_DONE;
    api_fill(api, &ask, "GET", IDENTITIES "?login=", str_of(api->wish->words[0]));
    enum outcome outcome = api_ask(api, &ask);
    const struct value *identity = outcome == OUTCOME_DONE ? api_value(api, &ask) : NULL;
    struct uuid uuid;
    char text[UUID_TEXT_SIZE];
    if (identity && uuid_parse(value_member_text(identity, "uuid"), &uuid)) {
        uuid_format(&uuid, text);
        intent_note(intent, text);
    } else if (outcome == OUTCOME_DONE) {
        outcome = OUTCOME_REFUSED;
    }
    ask_fini(&ask);
    return outcome;
}

struct change {
    const char *method;
    struct str what;   // names the intent
    struct str body;   // empty: none
    struct str secret; // the new password, or empty
};

// Begins it, or goes on with it, and asks without a word. DONE: there is an outcome, to be settled.
static enum outcome try(struct api *api, const struct change *change, struct intent *intent,
                        struct ask *ask) {
    intent_begin(intent, change->what);
    enum outcome outcome = find(api, intent);
    if (outcome != OUTCOME_DONE) {
        intent_end(intent);
        return outcome;
    }
    api_fill(api, ask, change->method, IDENTITIES "/", str_of(intent->note));
    if (change->body.len > 0) {
        ask->body = change->body;
        ask->type = JSON_TYPE;
    }
    api_try(api, ask, intent, change->secret);
    return OUTCOME_DONE;
}

// Is what an earlier command has noted not what is meant here: the identity of another roll, or one that does
// not have this login any more? What was done is not refused: its key is looked at first.
static bool is_another(const struct intent *intent, const struct ask *ask) {
    return intent->again && ask->end == ASK_ANSWERED && (ask->status == 403 || ask->status == 404);
}

// `body`: what is to be done, but for the new password; empty: nothing is sent.
static enum outcome change(struct api *api, const char *method, struct buf *body, struct ask *ask) {
    const struct wish *wish = api->wish;
    struct intent intent;
    struct buf what = {0};
    enum outcome outcome;
    if (buf_printf(&what, "%s %s ", method, wish->words[0]) || buf_append_str(&what, buf_str(body)) ||
        (body->len > 0 && add_password(body, &wish->new_password))) {
        outcome = out_of_memory();
    } else {
        const struct change change = {.method = method,
                                      .what = buf_str(&what),
                                      .body = buf_str(body),
                                      .secret = password_text(&wish->new_password)};
        outcome = try(api, &change, &intent, ask);
        if (outcome == OUTCOME_DONE && is_another(&intent, ask)) {
            intent_end(&intent); // so that the login is looked up
            ask_fini(ask);
            outcome = try(api, &change, &intent, ask);
        }
        if (outcome == OUTCOME_DONE) outcome = api_settle(api, ask, &intent);
    }
    buf_free(&what);
    return outcome;
}

static enum outcome modify(struct api *api, struct buf *body) {
    const struct wish *wish = api->wish;
    struct ask ask = {0};
    if (buf_append_text(body, "{") || (wish->login && add_member(body, "login", str_of(wish->login))) ||
        (wish->name && add_member(body, "name", str_of(wish->name))))
        return out_of_memory();
    enum outcome outcome = change(api, "PATCH", body, &ask);
    if (outcome == OUTCOME_DONE) outcome = show_done(api, &ask, "modified ");
    ask_fini(&ask);
    return outcome;
}

enum outcome account_modify(struct wish *wish) {
    struct api api;
    struct buf body = {0};
    enum outcome outcome;
    bool renews = is_wished(&wish->new_password);
    if (!wish->login && !wish->name && !renews) {
        say("nothing is to be changed; give --login NEW, --name NAME or --new-password");
        return OUTCOME_USAGE;
    }
    if (!api_open(&api, wish, &outcome)) return outcome;
    outcome = OUTCOME_USAGE;
    if (api_identify(&api, wish->words[0], true) &&
        (!renews || password_settle(&wish->new_password, "--new-password", "new password: ", true)))
        outcome = modify(&api, &body);
    buf_wipe(&body);
    api_close(&api);
    return outcome;
}

static enum outcome say_deleted(struct api *api) {
    struct buf line = {0};
    int status;
    if (api->wish->json)
        status = buf_append_text(&line, "{\"deleted\":") ||
                 value_write_text(&line, str_of(api->wish->words[0])) || buf_append_text(&line, "}");
    else
        status = plain_append_after(&line, "deleted ", str_of(api->wish->words[0]));
    bool shown = api_print(&line, status);
    buf_free(&line);
    return shown ? OUTCOME_DONE : OUTCOME_REFUSED;
}

enum outcome account_delete(struct wish *wish) {
    struct api api;
    struct buf body = {0};
    struct ask ask = {0};
    enum outcome outcome;
    if (!api_open(&api, wish, &outcome)) return outcome;
    outcome = OUTCOME_USAGE;
    if (api_identify(&api, wish->words[0], true)) {
        outcome = change(&api, "DELETE", &body, &ask);
        if (outcome == OUTCOME_DONE) outcome = say_deleted(&api);
        ask_fini(&ask);
    }
    api_close(&api);
    return outcome;
}

// --- list -----------------------------------------------------------------------------------------------

enum columns { USERS, UUIDS, ALL };

struct listing {
    struct api api;
    enum columns columns;
};

static int add_padded(struct buf *line, struct str text, size_t columns) {
    size_t start = line->len;
    if (plain_append(line, text)) return -1;
    size_t width = plain_width((struct str){line->data + start, line->len - start});
    return buf_printf(line, "%*s  ", width < columns ? (int)(columns - width) : 0, "");
}

static int add_row(void *context, struct buf *out, const struct value *identity) {
    const struct listing *listing = context;
    enum columns columns = listing->columns;
    int status;
    if (listing->api.wish->json)
        status = value_write(listing->api.parser, identity, out);
    else if (columns != ALL)
        status =
            plain_append_after(out, "", value_member_text(identity, columns == USERS ? "login" : "uuid"));
    else
        status = add_padded(out, value_member_text(identity, "uuid"), 36) ||
                 add_padded(out, value_member_text(identity, "created_at"), 24) ||
                 add_padded(out, value_member_text(identity, "login"), 16) ||
                 plain_append(out, value_member_text(identity, "name"));
    return status || buf_append_text(out, "\n") ? -1 : 0;
}

static enum outcome list(struct listing *listing) {
    struct pages pages = {.api = &listing->api,
                          .path = IDENTITIES "?" PAGES_LIMIT,
                          .things = "identities",
                          .fd = STDOUT_FILENO,
                          .where = "standard output",
                          .add = add_row,
                          .context = listing};
    return pages_write(&pages);
}

enum outcome account_list(struct wish *wish) {
    static const char *const names[] = {[USERS] = "users", [UUIDS] = "uuids", [ALL] = "all"};
    struct listing listing;
    enum outcome outcome;
    unsigned columns = 0;
    while (columns <= ALL && strcmp(wish->words[0], names[columns]) != 0) columns++;
    if (columns > ALL) {
        say("%s: list what? herald list users, uuids or all", wish->words[0]);
        return OUTCOME_USAGE;
    }
    listing.columns = (enum columns)columns;
    if (!api_open(&listing.api, wish, &outcome)) return outcome;
    outcome = api_identify(&listing.api, wish->user, false) ? list(&listing) : OUTCOME_USAGE;
    api_close(&listing.api);
    return outcome;
}

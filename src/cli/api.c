// One command's talk with the servers of a roll.
#include "cli/api.h"

#include "base/clock.h"
#include "base/secret.h"
#include "cli/known.h"
#include "cli/password.h"
#include "cli/place.h"
#include "cli/signals.h"
#include "client/basic.h"
#include "net/tls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH 32

// --- servers that nobody vouches for --------------------------------------------------------------------

static bool meet(void *context, struct roll_server *server, struct err *err) {
    char key[COURIER_KEY_SIZE];
    (void)context;
    if (courier_meet(server->url, ROLL_CONNECT_MS, key, err)) return false;
    if (known_add(server->url, key, err)) return false;
    say("%s is new here; from now on it is known by its key, %s; heraldd prints that at its start",
        server->url, key);
    str_copy(str_of(key), server->key, sizeof server->key);
    return true;
}

static bool find_keys(struct api *api) {
    struct err err = {0};
    for (size_t i = 0; i < api->wish->server_count && !api->wish->ca; i++) {
        if (strncmp(api->urls[i], "https://", 8) != 0) continue;
        if (known_find(api->urls[i], api->roll.servers[i].key, &err) < 0) {
            say("%s", err.text);
            return false;
        }
    }
    return true;
}

// --- life -----------------------------------------------------------------------------------------------

static bool start(struct api *api, struct err *err) {
    struct wish *wish = api->wish;
    struct roll_options options = {
        .urls = api->urls, .count = wish->server_count, .ca = wish->ca, .meet = meet};
    struct ranking *ranking = malloc(sizeof *ranking);
    if (!ranking) return err_set(err, ERR_MEMORY, "memory is out") == 0;
    if (wish->forget) memory_forget(api->urls, wish->server_count);
    memory_read(ranking);
    ranking_order(ranking, api->urls, wish->server_count, clock_wall_ms() / 1000, options.order);
    (void)ranking_clock(ranking, api->urls, wish->server_count, &options.clock);
    free(ranking);
    api->parser = parser_open(COURIER_BODY_MAX, DEPTH);
    if (!api->parser) return err_set(err, ERR_MEMORY, "memory is out") == 0;
    return secret_init(err) == 0 && roll_open(&api->roll, &options, err) == 0;
}

// Whether a file can vouch for servers is known before one of them is asked. A pipe is left to libcurl, for
// it can be read only once.
static bool check_ca(const char *path) {
    const struct tls_authorities authorities = {.file = path};
    struct err err = {0};
    struct stat file;
    if (stat(path, &file) == 0 && S_ISFIFO(file.st_mode)) return true;
    struct tls_context *context = tls_context_client(&authorities, &err);
    if (!context) say("--ca: %s", err.text);
    tls_context_close(context);
    return context != NULL;
}

bool api_open(struct api *api, struct wish *wish, enum outcome *outcome) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct err err = {0};
    *api = (struct api){.wish = wish, .signals = -1};
    *outcome = OUTCOME_REFUSED;
    for (size_t i = 0; i < wish->server_count; i++) api->urls[i] = wish->servers[i];
    if (wish->ca && !check_ca(wish->ca)) {
        *outcome = OUTCOME_USAGE;
        return false;
    }
    if (!start(api, &err)) {
        say("%s", err.text);
        api_close(api);
        return false;
    }
    if (!find_keys(api)) {
        api_close(api);
        return false;
    }
    api->signals = signals_open(signals, sizeof signals / sizeof *signals);
    return true;
}

void api_close(struct api *api) {
    if (api->roll.courier) memory_learn(&api->roll);
    roll_close(&api->roll);
    buf_wipe(&api->authorization);
    if (api->parser) parser_close(api->parser);
    if (api->signals >= 0) close(api->signals);
    *api = (struct api){.signals = -1};
}

// --- who asks -------------------------------------------------------------------------------------------

void api_warn_plain(const struct api *api) {
    for (size_t i = 0; i < api->wish->server_count; i++) {
        const char *host = api->urls[i] + 7;
        bool plain = strncmp(api->urls[i], "http://", 7) == 0;
        if (!plain || strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
            strncmp(host, "[::1]", 5) == 0)
            continue;
        say("%s is not encrypted: whoever listens between here and there can read secrets", api->urls[i]);
    }
}

static bool set_token(struct api *api, struct str token) {
    buf_wipe(&api->authorization);
    if (buf_reserve(&api->authorization, token.len + 64) ||
        buf_append_text(&api->authorization, "Authorization: Bearer ") ||
        buf_append_str(&api->authorization, token) || buf_append(&api->authorization, "", 1)) {
        say("memory is out");
        return false;
    }
    api->is_token = true;
    return true;
}

// --token-file, else HERALD_TOKEN, else ~/.config/herald/token.
bool api_identify_token(struct api *api) {
    char path[PLACE_MAX];
    struct buf line = {0};
    const char *from = api->wish->token_file, *given = getenv("HERALD_TOKEN");
    bool done = true;
    if (!from && given && given[0]) {
        if (strpbrk(given, "\r\n")) {
            say("HERALD_TOKEN must be one line");
            return false;
        }
        return set_token(api, str_of(given));
    }
    if (!from && (place_config("token", 0, path, NULL) || access(path, F_OK) != 0)) return true;
    if (password_file(from ? from : path, from ? "--token-file" : "the saved admin token", &line))
        done = false;
    else
        done = set_token(api, buf_str(&line));
    buf_wipe(&line);
    return done;
}

static bool identify_password(struct api *api, const char *login) {
    struct wish_password *password = &api->wish->password;
    struct buf question = {0};
    bool done = false;
    if (!login) {
        say("whose password is it? name the identity with --user LOGIN");
    } else if (strchr(login, ':')) {
        say("%s: a login with a colon cannot be used with a password over HTTP; use an admin token", login);
    } else if (buf_printf(&question, "password of %s: %c", login, 0) == 0) {
        done = password_settle(password, "--password", question.data, false);
        if (!done && !password->file && !password->line)
            say("one that has no password is changed with an admin token (--token-file, HERALD_TOKEN)");
        done = done && basic_header(&api->authorization, str_of(login), str_of(password->text.data)) == 0;
    }
    buf_free(&question);
    if (done) api_warn_plain(api);
    return done;
}

bool api_identify(struct api *api, const char *login, bool must) {
    const struct wish_password *password = &api->wish->password;
    if (password->given || password->ask || password->line || password->file)
        return identify_password(api, login);
    if (!api_identify_token(api)) return false;
    if (api->is_token) api_warn_plain(api);
    return api->is_token || !must || identify_password(api, login);
}

const char *api_authorization(const struct api *api) {
    return api->authorization.len > 0 ? api->authorization.data : NULL;
}

// --- asking ---------------------------------------------------------------------------------------------

static void append_encoded(char *path, struct str text) {
    static const char hex[] = "0123456789ABCDEF";
    size_t at = strlen(path);
    for (size_t i = 0; i < text.len && at + 4 < ROLL_PATH_MAX; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
        if (!plain) {
            path[at++] = '%';
            path[at++] = hex[byte >> 4];
            byte = (unsigned char)hex[byte & 15];
        }
        path[at++] = (char)byte;
    }
    path[at] = '\0';
}

void api_fill(const struct api *api, struct ask *ask, const char *method, const char *path, struct str tail) {
    *ask =
        (struct ask){.method = method,
                     .authorization = api_authorization(api),
                     .timeout_ms = api->wish->timeout_ms ? (unsigned)api->wish->timeout_ms : API_TIMEOUT_MS,
                     .patient = api->wish->timeout_ms > 0};
    str_copy(str_of(path), ask->path, sizeof ask->path);
    append_encoded(ask->path, tail);
}

bool api_wait(struct api *api, struct ask *ask) {
    roll_start(&api->roll, ask, 0);
    for (;;) {
        struct ask *over = roll_wait(&api->roll, -1, api->signals);
        if (over) return true;
        if (signals_take(api->signals) == 0) continue;
        api->interrupted = true;
        roll_drop(&api->roll, ask);
        ask->end = ask->changes ? ASK_UNKNOWN : ASK_UNREACHED;
        return false;
    }
}

static bool is_done(const struct ask *ask) {
    return ask->end == ASK_ANSWERED && ask->status >= 200 && ask->status < 300;
}

enum outcome api_ask(struct api *api, struct ask *ask) {
    api_wait(api, ask);
    return is_done(ask) ? OUTCOME_DONE : refusal_say(api, ask);
}

void api_try(struct api *api, struct ask *ask, const struct intent *intent, struct str password) {
    char key[INTENT_HEADER_SIZE];
    intent_header(intent, password, key);
    ask->key = key;
    ask->changes = true;
    api_wait(api, ask);
    ask->key = NULL;
}

enum outcome api_settle(struct api *api, const struct ask *ask, struct intent *intent) {
    bool known = ask->end != ASK_UNKNOWN, again = intent->again, kept = intent->kept;
    if (known) intent_end(intent);
    if (is_done(ask)) return OUTCOME_DONE;
    enum outcome outcome = refusal_say(api, ask);
    if (!known && !kept)
        say("but this command could not note down what it has asked for; look whether it was done before "
            "that");
    else if (ask->status == 409 && again)
        say("an earlier command may have done it: its outcome was not known");
    return outcome;
}

enum outcome api_change(struct api *api, struct ask *ask, struct intent *intent, struct str password) {
    api_try(api, ask, intent, password);
    return api_settle(api, ask, intent);
}

// --- answers --------------------------------------------------------------------------------------------

const struct value *api_value(struct api *api, const struct ask *ask) {
    struct err err = {0};
    const struct value *value = value_read(api->parser, buf_str(&ask->answer), &err);
    if (value_kind(value) == VALUE_OBJECT) return value;
    say("%s: cannot understand the answer; is it a Herald?", api->urls[ask->server]);
    return NULL;
}

bool api_print(struct buf *line, int status) {
    if (!status) status = buf_append_text(line, "\n") || say_raw(STDOUT_FILENO, buf_str(line));
    buf_truncate(line, 0);
    if (status) say("cannot write to standard output");
    return !status;
}

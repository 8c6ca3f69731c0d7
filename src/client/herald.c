// What herald.h promises: options checked, calls passed on to the session.
#include "client/session.h"

#include "base/clock.h"
#include "base/secret.h"
#include "wire/client_view.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MOST_SERVERS    1024u
#define MOST_USER       1024u // bytes; what a server accepts is its own affair
#define MOST_SECRET     (64u * 1024)
#define MAX_DEPTH       1024u // of JSON: servers have their own, smaller, limit
#define CONNECT_TIMEOUT 5000u
#define MAX_REDIRECTS   8u
#define MAX_MESSAGE     (4u * 1024 * 1024)
#define MAX_UNSENT      (4u * 1024 * 1024)

// --- opening -------------------------------------------------------------------------------------------

static uint32_t or_else(uint32_t value, uint32_t usual) {
    return value ? value : usual;
}

// A copy with what a later version of the header may add, or an earlier one lacks, as zero.
static int take_options(const struct herald_options *given, struct herald_options *options, struct err *err) {
    if (!given || given->size < offsetof(struct herald_options, user))
        return err_set(err, ERR_INVALID,
                       "set the member size of the options to sizeof(struct herald_options)");
    size_t size = given->size < sizeof *options ? given->size : sizeof *options;
    *options = (struct herald_options){0};
    memcpy(options, given, size);
    options->connect_timeout_ms = or_else(options->connect_timeout_ms, CONNECT_TIMEOUT);
    options->max_redirects = or_else(options->max_redirects, MAX_REDIRECTS);
    options->max_message = or_else(options->max_message, MAX_MESSAGE);
    options->max_unsent = or_else(options->max_unsent, MAX_UNSENT);
    return 0;
}

static bool is_anonymous(struct str user) {
    struct login login;
    return login_parse(user, &login, NULL) == 0 && login_is_anonymous(&login);
}

static int check_identity(const struct herald_options *options, struct err *err) {
    struct str user = str_of(options->user), secret = str_of(options->secret);
    if (!options->user || is_anonymous(user)) {
        if (!options->do_register) return 0;
        return err_set(err, ERR_INVALID, "name a user to register; anonymous needs no registration");
    }
    if (user.len == 0 || user.len > MOST_USER || !text_is_utf8(user))
        return err_set(err, ERR_INVALID, "the user must be 1 to %u bytes of UTF-8", MOST_USER);
    if (!options->secret && !options->do_register)
        return err_set(err, ERR_INVALID, "a user needs a secret, or has to be registered first");
    if (secret.len > MOST_SECRET || !text_is_utf8(secret))
        return err_set(err, ERR_INVALID, "the secret must be UTF-8 and at most %u bytes", MOST_SECRET);
    return 0;
}

static int take_identity(struct herald *session, const struct herald_options *options) {
    char token[SECRET_TOKEN_SIZE];
    if (!options->user || is_anonymous(str_of(options->user))) {
        session->user = strdup(LOGIN_ANONYMOUS);
        return session->user ? 0 : -1;
    }
    secret_token(token);
    session->user = strdup(options->user);
    session->secret = strdup(options->secret ? options->secret : token);
    secret_wipe(token, sizeof token);
    return session->user && session->secret ? 0 : -1;
}

// Publications differ in their activities only: what is before those has one length.
static int take_outbox(struct herald *session, uint32_t max_unsent) {
    struct buf line = {0};
    int status = activity_message(session->parser, str_of(session->user), str_of(session->secret), STR("{}"),
                                  &line, NULL);
    if (status == 0) outbox_init(&session->outbox, max_unsent, line.len - (sizeof "{}}\n" - 1));
    buf_wipe(&line);
    return status;
}

static bool listed(const struct where *servers, size_t count, const struct where *server) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(servers[i].text, server->text) == 0) return true;
    return false;
}

static int take_servers(struct herald *session, const struct herald_options *options, struct err *err) {
    size_t count = 0;
    int status = -1;
    if (!options->servers || options->server_count == 0 || options->server_count > MOST_SERVERS)
        return err_set(err, ERR_INVALID, "name 1 to %u servers", MOST_SERVERS);
    struct where *servers = calloc(options->server_count, sizeof *servers);
    if (!servers) return err_set(err, ERR_MEMORY, "memory is out");
    for (size_t i = 0; i < options->server_count; i++) {
        const char *text = options->servers[i];
        struct where server;
        if (!text || !where_parse(str_of(text), &server)) {
            err_set(err, ERR_INVALID, "%.80s is not a server: write host:port, [address]:port or host",
                    text ? text : "NULL");
            goto out;
        }
        if (!listed(servers, count, &server)) servers[count++] = server;
    }
    struct plan_settings settings = {.once = options->once != 0,
                                     .registers = options->do_register != 0,
                                     .connect_timeout_ms = options->connect_timeout_ms,
                                     .give_up_ms = options->give_up_ms,
                                     .max_redirects = options->max_redirects};
    status =
        plan_init(&session->plan, &settings, servers, count, secret_random_u64(), &session_plan_ops, session);
    if (status) err_set(err, ERR_MEMORY, "memory is out");
out:
    free(servers);
    return status;
}

static int take_trust(struct herald *session, const struct herald_options *options, struct err *err) {
    if (options->tls < HERALD_TLS_OFF || options->tls > HERALD_TLS_FIRST_USE)
        return err_set(err, ERR_INVALID, "the member tls of the options must be one of enum herald_tls");
    if (options->tls == HERALD_TLS_OFF)
        return options->ca_file ? err_set(err, ERR_INVALID, "ca_file is for TLS: set tls, too") : 0;
    session->trust = trust_open(options->tls == HERALD_TLS_FIRST_USE, options->ca_file, err);
    return session->trust ? 0 : -1;
}

static int build(struct herald *session, const struct herald_options *options, struct err *err) {
    if (check_identity(options, err) || secret_init(err)) return -1;
    session->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (session->epoll < 0) return err_system(err, errno, "cannot make an epoll descriptor");
    for (unsigned i = 0; i < PLAN_SLOTS; i++) conn_init(&session->conns[i], session->epoll, i);
    if (take_trust(session, options, err)) return -1;
    session->connect_timeout_ms = options->connect_timeout_ms;
    session->max_message = options->max_message;
    session->parser = parser_open(options->max_message, MAX_DEPTH);
    session->input = malloc(SESSION_INPUT);
    if (!session->parser || !session->input || take_identity(session, options) ||
        take_outbox(session, options->max_unsent))
        return err_set(err, ERR_MEMORY, "memory is out");
    err_set(&session->error, ERR_NONE, "no call has failed");
    return take_servers(session, options, err);
}

herald *herald_open(const struct herald_options *given, char *error, size_t capacity) {
    struct err err = {0};
    struct herald_options options;
    struct herald *session = NULL;
    if (take_options(given, &options, &err)) goto failed;
    session = calloc(1, sizeof *session);
    if (!session) {
        err_set(&err, ERR_MEMORY, "memory is out");
        goto failed;
    }
    session->epoll = -1;
    if (build(session, &options, &err)) goto failed;
    plan_start(&session->plan, clock_monotonic_ms());
    return session;
failed:
    if (error && capacity > 0) (void)str_copy(str_of(err.text), error, capacity);
    herald_close(session);
    return NULL;
}

static void wipe_text(char *text) {
    if (text) secret_wipe(text, strlen(text));
    free(text);
}

void herald_close(herald *session) {
    if (!session) return;
    if (session->epoll >= 0)
        for (unsigned i = 0; i < PLAN_SLOTS; i++) conn_close(&session->conns[i]);
    trust_close(session->trust);
    finder_close(session->finder);
    plan_fini(&session->plan);
    events_fini(&session->events);
    outbox_fini(&session->outbox);
    buf_free(&session->text);
    parser_close(session->parser);
    free(session->input);
    free(session->user);
    wipe_text(session->secret);
    if (session->epoll >= 0) close(session->epoll);
    free(session);
}

// --- driving -------------------------------------------------------------------------------------------

int herald_fd(const herald *session) {
    return session->epoll;
}

// An epoll descriptor is readable when any of those in it has what is waited for.
int herald_events(const herald *session) {
    (void)session;
    return HERALD_READ;
}

int herald_timeout(const herald *session) {
    return session_timeout(session);
}

void herald_step(herald *session) {
    session_step(session);
}

void herald_wait(herald *session, int timeout_ms) {
    int due = session_timeout(session);
    if (session->events.count > 0 || session->plan.phase == PLAN_ENDED) timeout_ms = 0;
    if (due >= 0 && (timeout_ms < 0 || due < timeout_ms)) timeout_ms = due;
    struct pollfd wait = {.fd = session->epoll, .events = POLLIN};
    (void)poll(&wait, 1, timeout_ms); // a signal ends it early, which is as good
    session_step(session);
}

int herald_next(herald *session, struct herald_event *event) {
    if (events_take(&session->events, event)) {
        session_arm(session); // there is room again
        return 1;
    }
    if (!session->no_memory || session->told) return 0;
    session->told = true;
    *event = (struct herald_event){.kind = HERALD_ENDED,
                                   .status = HERALD_NO_MEMORY,
                                   .server = "",
                                   .user = "",
                                   .text = "memory is out",
                                   .json = ""};
    return 1;
}

// --- doing ---------------------------------------------------------------------------------------------

int herald_publish(herald *session, const char *json, size_t len) {
    struct outbox *outbox = &session->outbox;
    size_t before = outbox->bytes.len;
    if (session->plan.phase == PLAN_ENDED || session->plan.leaving || session->no_memory)
        return err_set(&session->error, ERR_INVALID, "the session has ended or is logging out");
    if (outbox_unsent(outbox) >= outbox->max) {
        err_set(&session->error, ERR_LIMIT, "max_unsent is reached: step, and try again");
        return -2;
    }
    if (activity_message(session->parser, str_of(session->user), str_of(session->secret),
                         (struct str){json, len}, &outbox->bytes, &session->error))
        return -1;
    switch (outbox_added(outbox, before)) {
    case OUTBOX_TAKEN: session_arm(session); return 0;
    case OUTBOX_FULL:
        err_set(&session->error, ERR_LIMIT, "max_unsent is reached: step, and try again");
        return -2;
    case OUTBOX_TOO_LONG: break;
    }
    return err_set(&session->error, ERR_LIMIT, "the activity is longer than max_unsent");
}

int herald_know(herald *session, const char *server, const char *key) {
    struct where where;
    if (!session->trust)
        return err_set(&session->error, ERR_INVALID, "keys are for TLS, which was not asked for");
    if (!server || !where_parse(str_of(server), &where))
        return err_set(&session->error, ERR_INVALID, "that is not a server: write host:port or host");
    if (!key || strlen(key) != TLS_FINGERPRINT_SIZE - 1 || strncmp(key, "SHA256:", 7) != 0)
        return err_set(&session->error, ERR_INVALID, "a key is SHA256: and 44 characters of base64");
    if (trust_know(session->trust, where.text, key) == 0) return 0;
    return err_set(&session->error, ERR_MEMORY, "memory is out");
}

size_t herald_unsent(const herald *session) {
    return outbox_unsent(&session->outbox);
}

void herald_logout(herald *session) {
    if (session->plan.phase == PLAN_ENDED || session->plan.leaving) return;
    plan_logout(&session->plan, clock_monotonic_ms());
    session_arm(session);
}

const char *herald_error(const herald *session) {
    return session->error.text;
}

const char *herald_version(void) {
    return HERALD_VERSION;
}

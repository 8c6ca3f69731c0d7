// admin: a line of JSON to DATA/control.sock, and one back.
//
//   {"command":"token_add","label":"backup"} ──►      ◄── {"ok":true,"id":...,"token":"herald_..."}
#include "cli/admin.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "cli/api.h"
#include "cli/place.h"
#include "cli/plain.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONTROL_FILE "control.sock"
#define ANSWER_MOST  (20u << 20)
#define SYSTEM_DATA  "/var/lib/herald"

// --- talking --------------------------------------------------------------------------------------------

// Where heraldd keeps its data when it is told nothing else.
static int socket_path(const struct wish *wish, char path[PLACE_MAX], struct err *err) {
    const char *data = wish->data ? wish->data : getuid() == 0 ? SYSTEM_DATA : NULL;
    if (!data) return place_state(CONTROL_FILE, 0, path, err);
    int len = snprintf(path, PLACE_MAX, "%s/" CONTROL_FILE, data);
    return len < PLACE_MAX ? 0 : err_set(err, ERR_INVALID, "--data: the path is too long");
}

static enum outcome cannot_connect(const char *path, int number) {
    say("cannot reach a server at %s: %s", path, strerror(number));
    if (number == EACCES)
        say("it is for the server's own user and root");
    else
        say("this is for the machine of a server that runs; its data directory is named with --data DIR");
    return number == EACCES ? OUTCOME_REFUSED : OUTCOME_UNREACHABLE;
}

static enum outcome dial(const struct wish *wish, int *fd) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[PLACE_MAX];
    struct err err = {0};
    if (socket_path(wish, path, &err)) {
        say("%s", err.text);
        return OUTCOME_USAGE;
    }
    if (!str_copy(str_of(path), address.sun_path, sizeof address.sun_path))
        return cannot_connect(path, ENAMETOOLONG);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd >= 0 && connect(*fd, (const struct sockaddr *)&address, sizeof address) == 0) return OUTCOME_DONE;
    int number = errno;
    if (*fd >= 0) close(*fd);
    return cannot_connect(path, number);
}

static enum outcome await(int fd, uint64_t patience_ms, struct buf *answer) {
    uint64_t until = clock_monotonic_ms() + patience_ms;
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        uint64_t now = clock_monotonic_ms();
        if (buf_reserve(answer, 65536)) break;
        if (now >= until || (poll(&wait, 1, (int)(until - now)) <= 0 && errno != EINTR)) break;
        ssize_t got = recv(fd, answer->data + answer->len, 65536, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got <= 0 || answer->len > ANSWER_MOST) break;
        answer->len += (size_t)got;
        if (answer->data[answer->len - 1] == '\n') return OUTCOME_DONE;
    }
    say("outcome unknown: the server has not answered");
    say("look at what it did: herald admin token list");
    return OUTCOME_UNKNOWN;
}

static enum outcome ask(const struct wish *wish, struct buf *line, struct buf *answer) {
    int fd = -1;
    enum outcome outcome = dial(wish, &fd);
    if (outcome != OUTCOME_DONE) return outcome;
    if (buf_append_text(line, "}\n") == 0) (void)send(fd, line->data, line->len, MSG_NOSIGNAL);
    outcome = await(fd, wish->timeout_ms ? wish->timeout_ms : API_TIMEOUT_MS, answer);
    close(fd);
    return outcome;
}

// --- showing --------------------------------------------------------------------------------------------

// The token on a line of its own, so that it can be piped into a file; what else there is to say beside it.
static bool show_added(struct parser *parser, const struct wish *wish, const struct value *answer) {
    struct buf line = {0};
    int status = wish->json ? value_write(parser, answer, &line)
                            : plain_append(&line, value_member_text(answer, "token"));
    bool shown = api_print(&line, status);
    buf_wipe(&line);
    if (!shown || wish->json) return shown;
    say("this token is not shown again; keep it in ~/.config/herald/token (chmod 600), or in HERALD_TOKEN");
    say("to revoke it: herald admin token revoke %.*s", (int)value_member_text(answer, "id").len,
        value_member_text(answer, "id").ptr);
    return true;
}

static bool show_list(struct parser *parser, const struct wish *wish, const struct value *answer) {
    struct value_walk walk = value_walk(value_member(answer, "tokens"));
    const struct value *token;
    struct buf line = {0};
    bool shown = true;
    while (shown && (token = value_next(&walk))) {
        int status = wish->json
                         ? value_write(parser, token, &line)
                         : plain_append_after(&line, "", value_member_text(token, "id")) ||
                               plain_append_after(&line, "  ", value_member_text(token, "created_at")) ||
                               plain_append_after(&line, "  ", value_member_text(token, "label"));
        shown = api_print(&line, status);
    }
    buf_free(&line);
    return shown;
}

static bool show_revoked(struct parser *parser, const struct wish *wish, const struct value *answer) {
    struct buf line = {0};
    (void)parser;
    (void)answer;
    int status = wish->json
                     ? buf_append_text(&line, "{\"revoked\":") ||
                           value_write_text(&line, str_of(wish->words[2])) || buf_append_text(&line, "}")
                     : plain_append_after(&line, "revoked ", str_of(wish->words[2]));
    bool shown = api_print(&line, status);
    buf_free(&line);
    return shown;
}

// --- which ----------------------------------------------------------------------------------------------

static const struct action {
    const char *word, *command, *member; // what the third word is; NULL: there is none
    bool (*show)(struct parser *parser, const struct wish *wish, const struct value *answer);
} actions[] = {
    {"add", "token_add", "label", show_added},
    {"list", "token_list", NULL, show_list},
    {"revoke", "token_revoke", "id", show_revoked},
};

static const struct action *find(const struct wish *wish) {
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(wish->words[0], "token") == 0 && strcmp(wish->words[1], actions[i].word) == 0 &&
            wish->word_count == (actions[i].member ? 3 : 2))
            return &actions[i];
    return NULL;
}

static enum outcome show(const struct action *action, const struct wish *wish, const struct buf *answer) {
    struct parser *parser = parser_open(ANSWER_MOST + 65536, 8);
    struct err err = {0};
    const struct value *value = parser ? value_read(parser, buf_str(answer), &err) : NULL;
    enum outcome outcome = OUTCOME_REFUSED;
    if (!value) {
        say("cannot understand the answer: %s", parser ? err.text : "memory is out");
    } else if (value_kind(value_member(value, "error")) == VALUE_TEXT) {
        struct str why = value_member_text(value, "error");
        say("refused: %.*s", (int)why.len, why.ptr);
        if (action->member) say("use: herald admin %s", cli_command(CLI_admin)->words);
    } else if (action->show(parser, wish, value)) {
        outcome = OUTCOME_DONE;
    }
    if (parser) parser_close(parser);
    return outcome;
}

enum outcome admin_run(struct wish *wish) {
    const struct action *action = find(wish);
    struct buf line = {0}, answer = {0};
    enum outcome outcome = OUTCOME_REFUSED;
    if (!action) {
        say("use: herald admin %s", cli_command(CLI_admin)->words);
        return OUTCOME_USAGE;
    }
    int status = buf_printf(&line, "{\"command\":\"%s\"", action->command);
    if (!status && action->member)
        status =
            buf_printf(&line, ",\"%s\":", action->member) || value_write_text(&line, str_of(wish->words[2]));
    if (status)
        say("memory is out");
    else
        outcome = ask(wish, &line, &answer);
    if (outcome == OUTCOME_DONE) outcome = show(action, wish, &answer);
    buf_free(&line);
    buf_wipe(&answer);
    return outcome;
}

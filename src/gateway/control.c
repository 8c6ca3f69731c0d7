// The control socket. See control.h.
//
//   {"command":"token_add","label":"backup"}      ──►
//   {"ok":true,"id":"...","label":"backup","token":"herald_..."}
//   {"command":"token_list"}                      ──►
//   {"ok":true,"tokens":[{"id":"...","label":"...","created_at":"..."}]}
//   {"command":"token_revoke","id":"..."}         ──► {"ok":true}
//   whatever is wrong                             ──► {"ok":false,"code":"...","error":"a sentence"}
//
// A token is told once, here; only its digest is kept.
#include "gateway/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/call.h"
#include "gateway/token.h"
#include "net/sock.h"
#include "wire/frame.h"
#include "wire/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#define LINE_MAX_BYTES 4096u
#define TALKS_MAX      16u
#define OUT_MAX        (16u << 20) // a list of tokens that nobody reads

struct talk {
    struct control *control;
    struct sock *sock;
    struct framer framer;
    struct buf out;
    bool busy; // a change is proposed
    bool over; // close when all is sent and nothing is proposed
    struct talk *prev, *next;
};

struct wish { // a change on its way
    struct proposal proposal;
    struct talk *talk; // which waits for it
    char token[TOKEN_TEXT_SIZE];
};

struct control {
    struct loop *loop;
    struct proposer *proposer;
    struct store *store;
    struct parser *parser;
    struct sock *listening;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    struct talk *talks;
    unsigned count;
};

// --- answering ------------------------------------------------------------------------------------------

static void talk_free(struct talk *talk) {
    struct control *control = talk->control;
    DL_DELETE(control->talks, talk);
    control->count--;
    sock_close(talk->sock);
    framer_fini(&talk->framer);
    buf_wipe(&talk->out);
    free(talk);
}

// Sends what there is. The talk may be gone afterwards.
static void talk_flush(struct talk *talk) {
    while (talk->out.len > 0) {
        ssize_t sent = send(sock_fd(talk->sock), talk->out.data, talk->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) {
            talk->over = true;
            buf_truncate(&talk->out, 0);
            break;
        }
        buf_consume(&talk->out, (size_t)sent);
    }
    if (talk->over && talk->out.len == 0 && !talk->busy) {
        talk_free(talk);
        return;
    }
    sock_want(talk->sock,
              (talk->over || talk->busy ? 0 : SOCK_WANT_READ) | (talk->out.len > 0 ? SOCK_WANT_WRITE : 0));
}

static void refuse(struct talk *talk, const char *code, const char *why) {
    int rc = buf_printf(&talk->out, "{\"ok\":false,\"code\":\"%s\",\"error\":", code);
    rc |= value_write_text(&talk->out, str_of(why)) | buf_append_text(&talk->out, "}\n");
    if (rc != 0) talk->over = true;
}

static int write_token(struct buf *out, const struct uuid *id, const char *label) {
    char text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    return buf_printf(out, "\"id\":\"%s\",\"label\":", text) | value_write_text(out, str_of(label));
}

// --- changes --------------------------------------------------------------------------------------------

static void answer_done(struct talk *talk, const struct wish *wish) {
    const struct change *change = &wish->proposal.change;
    int rc = buf_append_text(&talk->out, "{\"ok\":true");
    if (change->kind == CHANGE_TOKEN_ADD) {
        rc |= buf_append_text(&talk->out, ",") | write_token(&talk->out, &change->uuid, change->label);
        rc |= buf_printf(&talk->out, ",\"token\":\"%s\"", wish->token);
    }
    rc |= buf_append_text(&talk->out, "}\n");
    if (rc != 0) talk->over = true;
    log_info(L_MSG(change->kind == CHANGE_TOKEN_ADD ? "admin token made" : "admin token revoked"),
             L_STR("label", change->label));
}

static void on_proposed(struct proposal *proposal, void *context) {
    (void)context;
    struct wish *wish = (struct wish *)proposal;
    struct talk *talk = wish->talk;
    talk->busy = false;
    if (proposal->answer.outcome == OUTCOME_DONE)
        answer_done(talk, wish);
    else if (proposal->answer.outcome == OUTCOME_ABSENT)
        refuse(talk, "absent", "there is no such token");
    else
        refuse(talk, "storage", "the storage refuses just now; nothing was changed");
    secret_wipe(wish, sizeof *wish);
    free(wish);
    talk_flush(talk);
}

static struct wish *wish_new(struct talk *talk, enum change_kind kind) {
    struct wish *wish = calloc(1, sizeof *wish);
    if (wish == NULL) {
        refuse(talk, "memory", "memory is out");
        return NULL;
    }
    wish->talk = talk;
    wish->proposal.change.kind = kind;
    wish->proposal.change.at_ms = clock_wall_ms();
    wish->proposal.done = on_proposed;
    return wish;
}

static void wish_propose(struct wish *wish) {
    wish->talk->busy = true;
    propose(wish->talk->control->proposer, &wish->proposal);
}

static void token_add(struct talk *talk, const struct value *line) {
    struct str label = value_member_text(line, "label");
    if (label.len == 0 || label.len > CHANGE_LABEL_MAX) {
        refuse(talk, "invalid", "the label must have 1 to 128 bytes");
        return;
    }
    struct wish *wish = wish_new(talk, CHANGE_TOKEN_ADD);
    if (wish == NULL) return;
    struct change *change = &wish->proposal.change;
    uuid_random(&change->uuid);
    str_copy(label, change->label, sizeof change->label);
    token_make(wish->token);
    token_digest(str_of(wish->token), &change->token);
    wish_propose(wish);
}

static void token_revoke(struct talk *talk, const struct value *line) {
    struct uuid id;
    if (!uuid_parse(value_member_text(line, "id"), &id)) {
        refuse(talk, "invalid", "the id is not one of the list");
        return;
    }
    struct wish *wish = wish_new(talk, CHANGE_TOKEN_REVOKE);
    if (wish == NULL) return;
    wish->proposal.change.uuid = id;
    wish_propose(wish);
}

// --- lists ----------------------------------------------------------------------------------------------

struct list {
    struct buf *out;
    uint64_t last;
    bool begun;
    int rc;
};

static bool add_token(const struct admin_token *token, void *context) {
    struct list *list = context;
    list->rc |= buf_append_text(list->out, list->begun ? ",{" : "{");
    list->rc |= write_token(list->out, &token->id, token->label);
    list->rc |= time_write(list->out, "created_at", token->created_ms) | buf_append_text(list->out, "}");
    list->begun = true;
    list->last = token->created;
    if (list->out->len > OUT_MAX) list->rc = -1;
    return list->rc == 0;
}

static void token_list(struct talk *talk, const struct value *line) {
    (void)line;
    struct list list = {.out = &talk->out};
    struct err err;
    size_t start = talk->out.len;
    int count;
    list.rc = buf_append_text(&talk->out, "{\"ok\":true,\"tokens\":[");
    do {
        count = store_tokens(talk->control->store, list.last, CALL_PAGE_MAX, add_token, &list, &err);
    } while (count == (int)CALL_PAGE_MAX && list.rc == 0);
    list.rc |= buf_append_text(&talk->out, "]}\n");
    if (count >= 0 && list.rc == 0) return;
    buf_truncate(&talk->out, start);
    refuse(talk, "storage", "the tokens cannot be read just now");
}

// --- asking ---------------------------------------------------------------------------------------------

static const struct {
    const char *name;
    void (*run)(struct talk *talk, const struct value *line);
} commands[] = {{"token_add", token_add}, {"token_list", token_list}, {"token_revoke", token_revoke}};

static void talk_line(struct talk *talk, struct str line) {
    struct err err;
    const struct value *value = value_read(talk->control->parser, line, &err);
    struct str name = value_member_text(value, "command");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (!str_equal_text(name, commands[i].name)) continue;
        commands[i].run(talk, value);
        return;
    }
    refuse(talk, "invalid", value == NULL ? err.text : "the command is not known here");
}

static void talk_read(struct talk *talk) {
    char bytes[LINE_MAX_BYTES];
    ssize_t got = recv(sock_fd(talk->sock), bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    struct str input = {.ptr = bytes, .len = got > 0 ? (size_t)got : 0}, line;
    if (got <= 0) talk->over = true;
    while (!talk->busy && framer_next(&talk->framer, &input, &line) == FRAME_LINE) talk_line(talk, line);
    // One question at a time is what the command asks; more, or a line without end, is not heard.
    if (input.len > 0 || framer_held(&talk->framer) >= LINE_MAX_BYTES) talk->over = true;
}

static void talk_ready(void *context, unsigned events) {
    struct talk *talk = context;
    if ((events & SOCK_WANT_READ) != 0) talk_read(talk);
    talk_flush(talk);
}

static bool is_administrator(int fd) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void on_ready(void *context, unsigned events) {
    struct control *control = context;
    (void)events;
    int fd = accept4(sock_fd(control->listening), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct talk *talk = control->count < TALKS_MAX && is_administrator(fd) ? calloc(1, sizeof *talk) : NULL;
    if (talk != NULL) talk->sock = sock_open(control->loop, fd, 0, talk_ready, talk, NULL);
    if (talk == NULL || talk->sock == NULL) {
        free(talk);
        close(fd);
        return;
    }
    talk->control = control;
    framer_init(&talk->framer, LINE_MAX_BYTES);
    DL_APPEND(control->talks, talk);
    control->count++;
    sock_want(talk->sock, SOCK_WANT_READ);
}

// --- life -----------------------------------------------------------------------------------------------

// What a server that was killed has left there is in nobody's use: the store's lock says that we are alone.
static int listen_at(struct control *control, const char *directory, struct err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(control->path, sizeof control->path, "%s/" CONTROL_FILE, directory);
    if (len < 0 || (size_t)len >= sizeof control->path) {
        control->path[0] = '\0';
        log_warn(L_MSG("no control socket"),
                 L_STR("why", "the path of the data directory is too long for one"));
        return -1;
    }
    memcpy(address.sun_path, control->path, (size_t)len + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return err_system(err, errno, "cannot make %s", control->path);
    (void)unlink(control->path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && chmod(control->path, 0600) == 0 &&
        listen(fd, (int)TALKS_MAX) == 0)
        return fd;
    err_system(err, errno, "cannot make %s", control->path);
    close(fd);
    return -1;
}

struct control *control_open(struct loop *loop, const char *directory, struct proposer *proposer,
                             struct err *err) {
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL) {
        err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    *control = (struct control){.loop = loop, .proposer = proposer};
    control->parser = parser_open(LINE_MAX_BYTES, 4);
    control->store = store_open_reader(directory, err);
    int fd = control->store != NULL && control->parser != NULL ? listen_at(control, directory, err) : -1;
    if (control->parser == NULL) err_set(err, ERR_MEMORY, "memory is out");
    if (fd >= 0) control->listening = sock_open(loop, fd, 0, on_ready, control, err);
    if (fd >= 0 && control->listening == NULL) close(fd);
    // A path that is too long costs the control socket, not the server.
    if (control->listening == NULL && control->path[0] != '\0') {
        control_close(control);
        return NULL;
    }
    if (control->listening != NULL) sock_want(control->listening, SOCK_WANT_READ);
    return control;
}

void control_shut(struct control *control) {
    if (control->listening != NULL) (void)unlink(control->path);
    sock_close(control->listening);
    control->listening = NULL;
    struct talk *talk, *next;
    DL_FOREACH_SAFE(control->talks, talk, next) {
        talk->over = true;
        talk_flush(talk);
    }
}

void control_close(struct control *control) {
    if (control == NULL) return;
    control_shut(control);
    struct talk *talk, *next;
    DL_FOREACH_SAFE(control->talks, talk, next) talk_free(talk);
    store_close(control->store);
    if (control->parser != NULL) parser_close(control->parser);
    free(control);
}

// A client's connection. See client.h for the path of the bytes.
#include "stream/client.h"

#include "base/log.h"
#include "stream/desk.h"
#include "stream/door.h"
#include "stream/shard.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

static void client_ready(void *context, unsigned events);
static void client_take(struct client *client, struct str input);
static const struct session_ops session_ops;

// --- life
// ---------------------------------------------------------------------------------------------------

struct client *client_new(int fd, const struct address *from, struct shard *shard) {
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) return NULL;
    client->fd = fd;
    client->from = *from;
    client->shard = shard;
    client->mail.deliver = client_arrived;
    return client;
}

void client_free(struct client *client) {
    if (client->fd >= 0) close(client->fd);
    free(client);
}

void client_arrived(struct mail *mail, void *context) {
    struct client *client = (struct client *)mail;
    struct shard *shard = context;
    session_init(&client->session, &session_ops, client, &shard->hub->key);
    reader_init(&client->reader);
    framer_init(&client->framer, shard->settings.max_message);
    DL_APPEND2(shard->all, client, all_prev, all_next);
    struct err err;
    client->sock = sock_open(shard->loop, client->fd, SOCK_WANT_READ, client_ready, client, &err);
    if (client->sock == NULL) {
        client_close(client, CLOSE_MEMORY);
        return;
    }
    client->fd = -1;
    shard_deadline(shard, client, &shard->newcomers, shard->settings.first_message_timeout_ms);
    if (shard->draining) client_finish(client, CLOSE_STOPPING);
}

static void client_departed(struct client *client) {
    if (client->departure == NULL) return;
    shard_departs_not(client->shard, client->departure);
    free(client->departure);
    client->departure = NULL;
}

// Off the shard: whoever is in a list leaves it. The core thread, which counts connections, frees it.
static void client_detach(struct client *client, enum close_reason reason) {
    struct shard *shard = client->shard;
    // One that is finishing was counted when it began to.
    if (client->phase == CLIENT_OPEN || reason == CLOSE_LAPPED) hub_count_closed(shard->hub, reason);
    shard_place(shard, client, PLACE_NONE);
    shard_no_deadline(shard, client);
    DL_DELETE2(shard->all, client, all_prev, all_next);
    if (client->touched) LL_DELETE2(shard->touched, client, touched_next);
    if (client->doomed) LL_DELETE2(shard->doomed, client, doomed_next);
    if (client->waits_for_reel) LL_DELETE2(shard->stalled, client, stalled_next);
    if (client->request != NULL) client->request->client = NULL;
    client_departed(client);
    if (client->counted) {
        pthread_mutex_lock(&shard->hub->balance_lock);
        balance_leave(shard->hub->balance);
        pthread_mutex_unlock(&shard->hub->balance_lock);
        shard->core_news = true;
    }
    session_fini(&client->session);
    reader_fini(&client->reader);
    framer_fini(&client->framer);
    veil_close(client->veil);
    buf_wipe(&client->stalled);
}

void client_close(struct client *client, enum close_reason reason) {
    struct shard *shard = client->shard;
    if (reason == CLOSE_LAPPED) {
        char from[ADDRESS_TEXT_SIZE];
        address_format(&client->from, from);
        log_warn(L_MSG("client closed"), L_STR("why", close_words(reason)), L_STR("client", from),
                 L_STR("user", session_user(&client->session)));
    }
    client_detach(client, reason);
    sock_close(client->sock);
    client->mail.deliver = door_client_gone;
    mailbox_post(shard->hub->core_mailbox, &client->mail);
}

// The connection is a server's: the descriptor, the AUTHENTICATE line and what was read behind it go to the
// core.
static void client_adopt(struct client *client, struct str line, struct str rest) {
    struct shard *shard = client->shard;
    struct adoption *adoption = adoption_new(&client->from, line);
    if (adoption == NULL || framer_keep(&client->framer, &rest) != 0) {
        if (adoption != NULL) adoption_free(adoption);
        client_close(client, CLOSE_MEMORY);
        return;
    }
    adoption->framer = client->framer;
    framer_init(&client->framer, 0);
    client_detach(client, CLOSE_ADOPTED);
    adoption->fd = sock_detach(client->sock);
    adoption->client = client; // still counts as a connection from its address
    mailbox_post(shard->hub->core_mailbox, &adoption->mail);
}

// --- finishing
// ----------------------------------------------------------------------------------------------

void client_finish(struct client *client, enum close_reason reason) {
    struct shard *shard = client->shard;
    if (client->phase != CLIENT_OPEN) return;
    shard_no_deadline(shard, client);
    client->phase = CLIENT_FINISHING;
    hub_count_closed(shard->hub, reason);
    reader_finish(&client->reader, reel_head(shard->hub->reel));
    uint64_t now = loop_now(shard->loop),
             until = shard->drain_until_ms; // a stop gives it drain_ms to take its part
    shard_deadline(shard, client, &shard->finishing,
                   !shard->draining ? LINGER_MS
                   : until > now    ? until - now
                                    : 0);
    if (!client->eof) sock_want(client->sock, sock_wanted(client->sock) | SOCK_WANT_READ);
    shard_touch(shard, client);
}

// All is sent. Closing at once could destroy our last word on its way (a reset follows unread input), so we
// wait for the other side to close, reading and throwing away what it still sends.
static void client_linger(struct client *client) {
    if (client->eof) {
        shard_doom(client->shard, client, CLOSE_GONE);
        return;
    }
    if (client->phase == CLIENT_LINGERING) return;
    client->phase = CLIENT_LINGERING;
    if (client->shard->draining) {
        shard_no_deadline(client->shard, client);
        shard_deadline(client->shard, client, &client->shard->finishing, LINGER_STOPPING_MS);
    }
    shutdown(sock_fd(client->sock), SHUT_WR);
}

static void client_throw_away(struct client *client) {
    struct shard *shard = client->shard;
    ssize_t got = recv(sock_fd(client->sock), shard->input, SHARD_INPUT, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0) client->drained += (size_t)got;
    if (got > 0 && client->drained <= LINGER_BYTES) return;
    if (got == 0 && client->phase == CLIENT_FINISHING) { // it closed its side, but may still be reading
        client->eof = true;
        sock_want(client->sock, sock_wanted(client->sock) & ~SOCK_WANT_READ);
        return;
    }
    client_close(client, CLOSE_GONE);
}

// --- reading
// ------------------------------------------------------------------------------------------------

// Not now: the session waits for the desk, the reel is busy, it has said too much, or replies are not being
// read.
static bool client_must_wait(const struct client *client) {
    return client->session.state == SESSION_ASKING || client->waits_for_reel || client->resting ||
           client->departure != NULL || client->reader.lane.len > READER_LANE_MAX;
}

static void client_invalid(struct client *client, const char *info) {
    if (client->phase == CLIENT_OPEN) session_invalid(&client->session, info);
}

// TLS where the passwords of strangers travel; servers find each other without it.
static const char *client_fault(const struct client *client, const struct message *message) {
    bool link = message->command == COMMAND_AUTHENTICATE;
    if (client->veil != NULL) return link ? "servers connect to each other without TLS" : NULL;
    if (link || client->shard->settings.plaintext || address_is_loopback(&client->from)) return NULL;
    return "this server expects TLS of other machines: connect again with it";
}

// One line to the session. False: the reel is busy, and the line was kept.
static bool client_line(struct client *client, struct str line) {
    struct shard *shard = client->shard;
    struct message message;
    struct err err;
    bool taken = true;
    const char *fault = NULL;
    if (message_parse(shard->parser, line, &message, &err) != 0) {
        client_invalid(client, err.text);
    } else if (!client->session.spoken && (fault = client_fault(client, &message)) != NULL) {
        client_invalid(client, fault);
    } else if (session_message(&client->session, &message) == SESSION_AGAIN) {
        taken = false;
        // A line that came out of `stalled` stays there; another is copied.
        if (line.ptr != client->stalled.data && buf_append_str(&client->stalled, line) != 0)
            shard_doom(shard, client, CLOSE_MEMORY);
        else
            shard_stall(shard, client);
    }
    parser_forget(shard->parser);
    return taken;
}

// What was read waits with the client. The socket is left alone until it has something (client_ready): most
// who ask wait for the answer, and changing what is wanted costs system calls.
static void client_pause(struct client *client, struct str input) {
    client->paused = true;
    if (framer_keep(&client->framer, &input) != 0) shard_doom(client->shard, client, CLOSE_MEMORY);
}

// Takes lines from what is held and from `input`, as long as they may be served.
static void client_take(struct client *client, struct str input) {
    struct shard *shard = client->shard;
    struct str line;
    while (client->phase == CLIENT_OPEN && !client->doomed) {
        if (client_must_wait(client)) {
            client_pause(client, input);
            return;
        }
        switch (framer_next(&client->framer, &input, &line)) {
        case FRAME_MORE:
            if (client->eof) client_finish(client, CLOSE_GONE);
            return;
        case FRAME_TOO_LONG: client_invalid(client, "the line is longer than max_message"); return;
        case FRAME_MEMORY: shard_doom(shard, client, CLOSE_MEMORY); return;
        case FRAME_LINE: break;
        }
        if (!client->session.spoken) shard_no_deadline(shard, client); // the first message is here
        client_line(client, line);
        if (client->session.state == SESSION_ADOPTED) {
            client_adopt(client, line, input);
            return;
        }
    }
}

// Whatever made the client wait may be over: go on with what is held, then with the socket.
static void client_resume(struct client *client) {
    if (client->phase != CLIENT_OPEN || client->doomed || client_must_wait(client)) return;
    client->paused = false;
    if (!client->eof) sock_want(client->sock, sock_wanted(client->sock) | SOCK_WANT_READ);
    client_take(client, (struct str){0});
}

void client_rested(struct client *client) {
    client_resume(client);
}

void client_retry(struct client *client) {
    if (client->stalled.len > 0 && client->phase == CLIENT_OPEN) {
        struct str line = buf_str(&client->stalled);
        if (!client_line(client, line)) return;
        buf_wipe(&client->stalled);
    }
    client_resume(client);
}

// The client sends no more, but may read on: what it asked is still answered, then we close.
static void client_heard_all(struct client *client) {
    client->eof = true;
    sock_want(client->sock, sock_wanted(client->sock) & ~SOCK_WANT_READ);
}

// Whatever may be TLS: the first bytes tell. *input becomes what was said. False: nothing can be said any
// more.
static bool client_unveil(struct client *client, struct str *input) {
    struct shard *shard = client->shard;
    struct err err;
    if (client->veil == NULL) {
        client->in_clear = shard->settings.tls == NULL || !tls_is_hello(input->ptr, input->len);
        if (client->in_clear) return true;
        client->veil = veil_open(shard->settings.tls, &err);
        if (client->veil == NULL) shard_doom(shard, client, CLOSE_MEMORY);
        if (client->veil == NULL) return false;
    }
    int rc = veil_receive(client->veil, &shard->veil, *input, SHARD_INPUT, input, &err);
    if (veil_holds(client->veil)) shard_touch(shard, client);
    if (rc == 0 && veil_ended(client->veil)) client_heard_all(client);
    if (rc == 0) return true;
    char from[ADDRESS_TEXT_SIZE];
    address_format(&client->from, from);
    log_debug(L_MSG("client refused"), L_STR("why", err.text), L_STR("client", from));
    client_finish(client, CLOSE_TLS);
    reader_mute(&client->reader); // the alert is the last word
    return false;
}

static void client_read(struct client *client) {
    struct shard *shard = client->shard;
    ssize_t got = recv(sock_fd(client->sock), shard->input, SHARD_INPUT, MSG_DONTWAIT);
    if (got > 0) {
        struct str input = {.ptr = shard->input, .len = (size_t)got};
        if (client->in_clear || client_unveil(client, &input)) client_take(client, input);
        return;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) {
        client_close(client, CLOSE_GONE);
        return;
    }
    client_heard_all(client);
    client_take(client, (struct str){0});
}

static void client_ready(void *context, unsigned events) {
    struct client *client = context;
    if ((events & SOCK_WANT_WRITE) != 0) shard_touch(client->shard, client);
    if ((events & SOCK_WANT_READ) == 0) return;
    if (client->phase != CLIENT_OPEN)
        client_throw_away(client);
    else if (client->paused)
        sock_want(client->sock, sock_wanted(client->sock) & ~SOCK_WANT_READ);
    else
        client_read(client);
}

// --- sending
// ------------------------------------------------------------------------------------------------

static void client_sent_all(struct client *client) {
    sock_want(client->sock, sock_wanted(client->sock) & ~SOCK_WANT_WRITE);
    if (client->reader.listening) shard_place(client->shard, client, PLACE_READY);
    if (client->phase != CLIENT_OPEN) {
        // What is to be its last may lie beyond this pass's head: the next pass comes.
        if (!reader_pending(&client->reader, client->reader.end)) client_linger(client);
    } else if (client->paused) {
        client_resume(client); // it waited for this
    }
}

void client_flush(struct client *client, reel_pos head, reel_pos tail) {
    struct shard *shard = client->shard;
    uint64_t delivered = 0;
    int fd = sock_fd(client->sock);
    enum reader_result result =
        client->veil == NULL ? reader_flush(&client->reader, shard->hub->reel, fd, head, tail, &delivered)
                             : veil_flush(client->veil, &shard->veil, &client->reader, shard->hub->reel, fd,
                                          head, tail, client->phase != CLIENT_OPEN, &delivered);
    if (delivered > 0)
        atomic_fetch_add_explicit(&shard->hub->counters.deliveries, delivered, memory_order_relaxed);
    switch (result) {
    case READER_DONE: client_sent_all(client); break;
    case READER_BLOCKED:
        if (client->reader.listening) shard_place(shard, client, PLACE_BLOCKED);
        sock_want(client->sock, sock_wanted(client->sock) | SOCK_WANT_WRITE);
        break;
    case READER_LAPPED: shard_doom(shard, client, CLOSE_LAPPED); break;
    case READER_GONE: shard_doom(shard, client, CLOSE_GONE); break;
    }
}

// --- what the session does
// ----------------------------------------------------------------------------------

static struct buf *client_lane(struct client *client) {
    shard_touch(client->shard, client);
    return reader_lane(&client->reader, reel_head(client->shard->hub->reel));
}

static void on_reply(void *context, enum command command, const char *info) {
    struct client *client = context;
    client->refused = command != COMMAND_LOGIN_SUCCESS && command != COMMAND_REGISTER_SUCCESS;
    if (message_write_info(client_lane(client), command, info) != 0)
        shard_doom(client->shard, client, CLOSE_MEMORY);
}

static void on_finish(void *context) {
    struct client *client = context;
    if (client->departure == NULL)
        client_finish(client, client->ended ? CLOSE_ENDED : client->refused ? CLOSE_REFUSED : CLOSE_LOGOUT);
}

static void client_ask(struct client *client, enum request_kind kind, struct str username,
                       struct str secret) {
    struct shard *shard = client->shard;
    client->request = request_new(kind, shard->mailbox, client, &client->from, username, secret);
    if (client->request == NULL) {
        shard_doom(shard, client, CLOSE_MEMORY);
        return;
    }
    client->request->mail.deliver = desk_take;
    mailbox_post(shard->hub->core_mailbox, &client->request->mail);
}

static void on_ask_login(void *context, struct str username, struct str secret) {
    client_ask(context, REQUEST_LOGIN, username, secret);
}

static void on_ask_register(void *context, struct str username, struct str secret) {
    client_ask(context, REQUEST_REGISTER, username, secret);
}

#define ENDED "your account was renamed, deleted or given a new secret; log in again"

void client_ended(struct client *client) {
    if (client->phase != CLIENT_OPEN || client->doomed) return;
    client->ended = true;
    session_ended(&client->session, ENDED);
    client_finish(client, CLOSE_ENDED); // also one that is being redirected
}

void client_answered(struct client *client, const struct request *request) {
    client->request = NULL;
    client->account = request->account.uuid;
    client->as_of = request->as_of;
    if (request->ok && shard_has_ended(client->shard, &client->account, client->as_of))
        client_ended(client);
    else if (request->kind == REQUEST_LOGIN)
        session_login_done(&client->session, request->ok, request->user, request->info);
    else
        session_register_done(&client->session, request->ok, request->user, request->info);
    if (client->shard->draining) client_stop(client);
    client_resume(client);
}

// A login that balancing sends to another server: the REDIRECT waits until the client is expected there.
static bool client_sent_away(struct client *client) {
    struct shard *shard = client->shard;
    struct balance_target target;
    pthread_mutex_lock(&shard->hub->balance_lock);
    bool away = balance_login(shard->hub->balance, loop_now(shard->loop), &target);
    pthread_mutex_unlock(&shard->hub->balance_lock);
    shard->core_news = true;
    if (!away) return false;
    client->departure = calloc(1, sizeof *client->departure);
    if (client->departure == NULL) {
        shard_doom(shard, client, CLOSE_MEMORY);
        return true;
    }
    client->departure->target = target;
    client->departure->client = client;
    shard_departs(shard, client->departure);
    return true;
}

void client_depart(struct client *client) {
    struct balance_target *target = &client->departure->target;
    pthread_mutex_lock(&client->shard->hub->balance_lock);
    balance_confirm(client->shard->hub->balance, loop_now(client->shard->loop), target);
    pthread_mutex_unlock(&client->shard->hub->balance_lock);
    client->shard->core_news = true; // it may be another than the others were told of
    if (message_write_redirect(client_lane(client), str_of(target->hostname), target->port) != 0)
        shard_doom(client->shard, client, CLOSE_MEMORY);
    client_departed(client);
    client_finish(client, CLOSE_REDIRECTED);
}

void client_stop(struct client *client) {
    struct shard *shard = client->shard;
    struct balance_target target;
    bool elsewhere = false;
    if (client->counted && client->phase == CLIENT_OPEN) {
        pthread_mutex_lock(&shard->hub->balance_lock);
        elsewhere = balance_elsewhere(shard->hub->balance, loop_now(shard->loop), &target);
        pthread_mutex_unlock(&shard->hub->balance_lock);
    }
    if (elsewhere && message_write_redirect(client_lane(client), str_of(target.hostname), target.port) != 0)
        shard_doom(shard, client, CLOSE_MEMORY);
    client_finish(client, CLOSE_STOPPING);
}

static bool on_entered(void *context, bool again) {
    struct client *client = context;
    struct shard *shard = client->shard;
    if (!again && client_sent_away(client)) return true;
    if (!again) client->counted = true;
    if (client->session.anonymous) client->account = (struct uuid){0};
    reader_listen(&client->reader, reel_head(shard->hub->reel));
    if (client->place == PLACE_NONE) shard_place(shard, client, PLACE_READY);
    return false;
}

// What is said costs its length, and a little, for each who hears it. Who has spent more than a second's
// share is not read until it is paid: a flood from one takes no more of the server than that, and the others
// are heard.
static void client_pay(struct client *client, size_t bytes) {
    struct shard *shard = client->shard;
    uint64_t limit = shard->settings.publish_limit, now_us = loop_now(shard->loop) * 1000;
    if (limit == 0) return;
    if (client->paid_us < now_us) client->paid_us = now_us;
    client->paid_us += (bytes + PUBLISH_OVERHEAD) * hub_audience(shard->hub) * 1000000 / limit;
    if (client->paid_us <= now_us + PUBLISH_SHARE_US || client->resting) return;
    client->resting = true;
    shard_deadline(shard, client, &shard->resting,
                   (client->paid_us - now_us - PUBLISH_SHARE_US + 999) / 1000);
}

static bool on_publish(void *context, const struct message *message, struct str user) {
    struct client *client = context;
    struct shard *shard = client->shard;
    if (!shard_is_told(shard)) return false; // the account may have changed: its session ends first
    buf_truncate(&shard->frame, 0);
    if (activity_encode(shard->parser, message, user, &shard->frame) != 0) {
        shard_doom(shard, client, CLOSE_MEMORY);
        return true;
    }
    if (reel_append(shard->hub->reel, buf_str(&shard->frame), REEL_LOCAL, REEL_LOCAL, 0) == REEL_BUSY)
        return false;
    shard->appended = true;
    client_pay(client, shard->frame.len);
    return true;
}

static void on_adopt(void *context) {
    (void)context; // client_take sees the session's state
}

static const struct session_ops session_ops = {.reply = on_reply,
                                               .finish = on_finish,
                                               .ask_login = on_ask_login,
                                               .ask_register = on_ask_register,
                                               .entered = on_entered,
                                               .publish = on_publish,
                                               .adopt = on_adopt};

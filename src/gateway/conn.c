// A connection. See conn.h for the path of the bytes.
//
// What is answered is written to the gate's scratch and sent from there; only what the socket does not take
// at once is copied into the connection's own `out`. conn_settle ends every callback and leaves the scratch
// empty.
#include "gateway/conn.h"

#include "gateway/call.h"
#include "gateway/follow.h"
#include "gateway/gateway_private.h"
#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

static void conn_ready(void *context, unsigned events);

// --- life -----------------------------------------------------------------------------------------------

struct conn *conn_new(int fd, const struct address *from, struct gate *gate) {
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) return NULL;
    conn->fd = fd;
    conn->from = *from;
    conn->gate = gate;
    conn->wait = CONN_NOTHING;
    conn->mail.deliver = conn_arrived;
    return conn;
}

void conn_free(struct conn *conn) {
    if (conn->fd >= 0) close(conn->fd);
    free(conn);
}

static void conn_wait(struct conn *conn, enum conn_wait wait, uint64_t after_ms) {
    struct gate *gate = conn->gate;
    if (conn->wait != CONN_NOTHING) DL_DELETE(gate->waits[conn->wait], conn);
    conn->wait = wait;
    if (wait == CONN_NOTHING) return;
    conn->due_ms = loop_now(gate->loop) + after_ms;
    DL_APPEND(gate->waits[wait], conn);
}

void conn_arrived(struct mail *mail, void *shard) {
    (void)shard;
    struct conn *conn = (struct conn *)mail;
    struct gate *gate = conn->gate;
    struct err err;
    http_init(&conn->http);
    DL_APPEND2(gate->all, conn, all_prev, all_next);
    if (gate->timer != NULL) gate_tick_soon(gate);
    conn->sock = sock_open(gate->loop, conn->fd, 0, conn_ready, conn, &err);
    if (conn->sock != NULL) conn->fd = -1;
    if (conn->sock == NULL || gate->timer == NULL || gate->draining) {
        conn_close(conn);
        return;
    }
    conn_settle(conn);
}

void conn_close(struct conn *conn) {
    struct gate *gate = conn->gate;
    if (conn->call != NULL) { // somebody is still at work for it: its answer ends it
        conn->doomed = true;
        return;
    }
    follow_end(conn);
    conn_wait(conn, CONN_NOTHING, 0);
    DL_DELETE2(gate->all, conn, all_prev, all_next);
    http_fini(&conn->http);
    buf_wipe(&conn->held);
    buf_wipe(&conn->out);
    tls_close(conn->tls);
    conn->tls = NULL;
    if (conn->sock != NULL) sock_close(conn->sock);
    conn->sock = NULL;
    gateway_conn_gone(gate->gateway, conn);
    gate_conn_gone(gate);
}

void conn_finish(struct conn *conn) {
    if (conn->phase != CONN_OPEN) return;
    conn->phase = CONN_LEAVING;
    follow_end(conn);
    http_fini(&conn->http);
    buf_wipe(&conn->held);
}

// --- answering ------------------------------------------------------------------------------------------

static struct buf *conn_out(struct conn *conn) {
    return conn->out.len > 0 && conn->tls == NULL ? &conn->out : &conn->gate->scratch;
}

void conn_reply(struct conn *conn, const struct http_reply *reply) {
    struct gate *gate = conn->gate;
    const struct http_request *request = &conn->http.request;
    struct http_reply last = *reply;
    last.close = last.close || gate->draining || !http_is_whole(&conn->http);
    if (http_write(conn_out(conn), request, &last, gate_date(gate)) != 0) conn->doomed = true;
    conn->fresh = true;
    call_end(conn, reply->status);
    if (conn->follow != NULL) return;
    if (last.close || !request->keep_alive)
        conn_finish(conn);
    else
        http_done(&conn->http);
}

void conn_reply_stream(struct conn *conn, const char *type, struct str headers) {
    struct http_reply reply = {.status = 200,
                               .type = type,
                               .headers = headers,
                               .stream = true,
                               .close = conn->http.request.minor == 0};
    conn_reply(conn, &reply);
}

static void conn_write_problem(struct conn *conn, bool close, enum problem problem, const char *detail,
                               const char *field, struct str headers) {
    struct gate *gate = conn->gate;
    buf_truncate(&gate->body, 0);
    if (problem_write(&gate->body, problem, detail, field) != 0) buf_truncate(&gate->body, 0);
    struct http_reply reply = {.status = problem_status(problem),
                               .type = PROBLEM_TYPE,
                               .headers = headers,
                               .body = buf_str(&gate->body),
                               .close = close};
    conn_reply(conn, &reply);
}

void conn_problem(struct conn *conn, enum problem problem, const char *detail, const char *field,
                  struct str headers) {
    conn_write_problem(conn, false, problem, detail, field, headers);
}

bool conn_stream(struct conn *conn, struct str piece) {
    if (http_write_chunk(conn_out(conn), &conn->http.request, piece) != 0) conn->doomed = true;
    return !conn->doomed;
}

void conn_stream_last(struct conn *conn) {
    if (http_write_last(conn_out(conn), &conn->http.request) != 0) conn->doomed = true;
}

static void conn_fault(struct conn *conn) {
    const struct http_fault *fault = &conn->http.fault;
    conn->route = NULL;
    conn_write_problem(conn, true, problem_of_status(fault->status), fault->words, NULL, (struct str){0});
}

// --- reading --------------------------------------------------------------------------------------------

// Not now: a request is being answered, or answers are not being read.
static bool conn_must_wait(struct conn *conn) {
    return conn->http.phase == HTTP_ANSWERING || conn->out.len + conn->gate->scratch.len > CONN_OUT_MAX;
}

// What was read before comes before what could be read now.
static bool conn_may_read(struct conn *conn) {
    return conn->phase != CONN_OPEN || conn->follow != NULL || (conn->held.len == 0 && !conn_must_wait(conn));
}

static void conn_take(struct conn *conn, struct str input) {
    while (conn->phase == CONN_OPEN && !conn->doomed) {
        if (conn_must_wait(conn)) {
            if (buf_append_str(&conn->held, input) != 0) conn->doomed = true;
            return;
        }
        switch (http_next(&conn->http, &input)) {
        case HTTP_MORE: return;
        case HTTP_BEGUN:
            if (!call_head(conn)) break; // answered
            if (http_admit(&conn->http, call_body_max(conn)) && http_write_continue(conn_out(conn)) != 0)
                conn->doomed = true;
            break;
        case HTTP_WHOLE: call_begin(conn); break;
        case HTTP_FAULT: conn_fault(conn); return;
        }
    }
}

static void conn_take_held(struct conn *conn) {
    struct buf held = conn->held;
    conn->held = (struct buf){0};
    conn_take(conn, buf_str(&held));
    buf_wipe(&held);
}

// The other side sends no more, but may read on: what it asked is still answered.
static void conn_ended(struct conn *conn) {
    conn->eof = true;
    if (conn->follow != NULL) conn->doomed = true;
    if (conn->http.phase == HTTP_ARRIVING) conn->doomed = true; // the rest will never come
}

// The first bytes of a connection tell whether it speaks TLS. False: in the clear, which is not for it.
static bool conn_unveil(struct conn *conn, struct str input) {
    const struct gateway_settings *settings = &conn->gate->settings;
    conn->unveiled = true;
    if (settings->tls != NULL && tls_is_hello(input.ptr, input.len)) {
        conn->tls = tls_accept(settings->tls, "http/1.1", NULL);
        conn->doomed = conn->tls == NULL;
        return true;
    }
    return settings->plaintext || address_is_loopback(&conn->from);
}

// What came in under TLS.
static void conn_take_sealed(struct conn *conn, struct str cipher) {
    struct buf *plain = &conn->gate->plain;
    struct err err;
    buf_truncate(plain, 0);
    int rc = tls_receive(conn->tls, cipher, plain, &conn->out, &err);
    conn_take(conn, buf_str(plain));
    if (rc != 0) {
        conn->farewell = true; // the alert is
        conn_finish(conn);
    } else if (conn->out.len > CONN_OUT_MAX + CONN_LINGER_SIZE) {
        conn->doomed = true; // it asks for more than it reads
    } else if (tls_ended(conn->tls)) {
        conn_ended(conn);
    }
}

static void conn_take_input(struct conn *conn, struct str input) {
    if (!conn->unveiled && !conn_unveil(conn, input))
        conn_write_problem(conn, true, PROBLEM_BAD_REQUEST,
                           "this server speaks TLS to other machines; use https://", NULL, (struct str){0});
    else if (conn->tls != NULL)
        conn_take_sealed(conn, input);
    else
        conn_take(conn, input);
}

static void conn_read(struct conn *conn) {
    struct gate *gate = conn->gate;
    ssize_t got = recv(sock_fd(conn->sock), gate->input, GATE_INPUT, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) {
        conn->doomed = true;
    } else if (got == 0) {
        conn_ended(conn);
        if (conn->phase != CONN_OPEN && conn->phase == CONN_LINGERING) conn->doomed = true;
    } else if (conn->phase != CONN_OPEN || conn->follow != NULL) {
        conn->drained += (size_t)got; // nobody listens to it any more
        if (conn->drained > CONN_LINGER_SIZE) conn->doomed = true;
    } else {
        conn_take_input(conn, (struct str){.ptr = gate->input, .len = (size_t)got});
    }
}

static void conn_ready(void *context, unsigned events) {
    struct conn *conn = context;
    if ((events & SOCK_WANT_READ) != 0) {
        // Most requests are answered before the client has more to say: only now is it worth a system call.
        if (conn_may_read(conn))
            conn_read(conn);
        else
            sock_want(conn->sock, sock_wanted(conn->sock) & ~SOCK_WANT_READ);
    }
    conn_settle(conn);
}

// --- sending --------------------------------------------------------------------------------------------

// How much of `bytes` the socket took; all of it when the connection is lost.
static size_t conn_send(struct conn *conn, struct str bytes) {
    size_t sent = 0;
    while (sent < bytes.len) {
        ssize_t now =
            send(sock_fd(conn->sock), bytes.ptr + sent, bytes.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (now < 0 && errno == EINTR) continue;
        if (now < 0 && errno == EAGAIN) break;
        if (now < 0) {
            conn->doomed = true;
            return bytes.len;
        }
        sent += (size_t)now;
        conn->fresh |= conn->wait == CONN_BLOCKED; // it reads on
    }
    return sent;
}

// Answers become records, behind what is not sent yet.
static void conn_seal(struct conn *conn) {
    struct gate *gate = conn->gate;
    struct err err;
    if (gate->scratch.len > 0 && !conn->farewell &&
        (!tls_ready(conn->tls) || tls_send(conn->tls, buf_str(&gate->scratch), &conn->out, &err) != 0))
        conn->doomed = true;
    buf_truncate(&gate->scratch, 0);
    if (conn->phase != CONN_LEAVING || conn->farewell || conn->doomed) return;
    conn->farewell = true;
    if (!tls_ready(conn->tls) || tls_finish(conn->tls, &conn->out, &err) != 0) conn->doomed = true;
}

static void conn_flush(struct conn *conn) {
    struct gate *gate = conn->gate;
    if (conn->tls != NULL) conn_seal(conn);
    if (conn->out.len > 0) {
        buf_consume(&conn->out, conn_send(conn, buf_str(&conn->out)));
        if (conn->out.len == 0) buf_free(&conn->out);
    } else if (gate->scratch.len > 0) {
        size_t sent = conn_send(conn, buf_str(&gate->scratch));
        struct str rest = {.ptr = gate->scratch.data + sent, .len = gate->scratch.len - sent};
        if (buf_append_str(&conn->out, rest) != 0) conn->doomed = true;
    }
    buf_truncate(&gate->scratch, 0);
}

// All is sent. Closing at once could destroy our last word on its way (a reset follows unread input), so we
// wait for the other side to close, reading and throwing away what it still sends.
static void conn_leave(struct conn *conn) {
    if (conn->phase != CONN_LEAVING || conn->out.len > 0) return;
    if (conn->eof) {
        conn->doomed = true;
        return;
    }
    conn->phase = CONN_LINGERING;
    shutdown(sock_fd(conn->sock), SHUT_WR);
}

static void conn_arm(struct conn *conn) {
    const struct gateway_settings *settings = &conn->gate->settings;
    enum conn_wait wait = CONN_NOTHING;
    uint64_t after_ms = settings->idle_timeout_ms;
    if (conn->phase == CONN_LINGERING) {
        wait = CONN_LINGERS;
        after_ms = CONN_LINGER_MS;
    } else if (conn->out.len > 0) {
        wait = CONN_BLOCKED;
    } else if (conn->http.phase == HTTP_ARRIVING || (conn->tls != NULL && !tls_ready(conn->tls))) {
        wait = CONN_ARRIVES;
        after_ms = settings->request_timeout_ms;
    } else if (conn->http.phase == HTTP_IDLE) {
        wait = CONN_IDLES;
    }
    if (wait != conn->wait || conn->fresh) conn_wait(conn, wait, after_ms);
    conn->fresh = false;

    bool reads = !conn->eof && conn_may_read(conn);
    unsigned wanted = sock_wanted(conn->sock) & (conn->eof ? 0 : SOCK_WANT_READ);
    if (reads) wanted |= SOCK_WANT_READ;
    if (conn->out.len > 0) wanted |= SOCK_WANT_WRITE;
    sock_want(conn->sock, wanted);
}

void conn_settle(struct conn *conn) {
    conn_flush(conn);
    while (conn->held.len > 0 && conn->phase == CONN_OPEN && !conn->doomed && conn->out.len == 0 &&
           !conn_must_wait(conn)) {
        conn_take_held(conn);
        conn_flush(conn);
    }
    while (conn->follow != NULL && conn->out.len == 0 && !conn->doomed && follow_pump(conn)) conn_flush(conn);
    if (conn->eof && conn->phase == CONN_OPEN && conn->http.phase == HTTP_IDLE) conn_finish(conn);
    conn_leave(conn);
    if (conn->doomed)
        conn_close(conn);
    else
        conn_arm(conn);
}

// --- from the gate --------------------------------------------------------------------------------------

void conn_late(struct conn *conn) {
    switch (conn->wait) {
    case CONN_ARRIVES:
        http_late(&conn->http);
        conn_fault(conn);
        break;
    case CONN_IDLES: conn_finish(conn); break;
    default: conn->doomed = true; break;
    }
    conn_settle(conn);
}

void conn_drain(struct conn *conn) {
    if (conn->phase == CONN_OPEN && conn->follow != NULL) follow_last(conn);
    if (conn->phase == CONN_OPEN && conn_may_read(conn)) conn_read(conn); // what was asked is answered
    if (conn->phase == CONN_OPEN && (conn->http.phase != HTTP_ANSWERING || conn->follow != NULL))
        conn_finish(conn);
    conn_settle(conn);
}

// One connection of a session. See conn.h.
#include "client/conn.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SHARE_LEAST_MS 250u // of the time, for one of several addresses

// A machine that vanished is noticed after about a minute, whether we send or not.
#define KEEP_IDLE_S     30
#define KEEP_INTERVAL_S 10
#define KEEP_COUNT      3
#define UNANSWERED_MS   60000

void conn_init(struct conn *conn, int epoll, unsigned slot) {
    *conn = (struct conn){.fd = -1, .epoll = epoll, .tag = slot};
}

static void close_socket(struct conn *conn) {
    cloak_close(conn->cloak);
    conn->cloak = NULL;
    if (conn->fd >= 0) close(conn->fd); // leaves the epoll set by itself
    conn->fd = -1;
    conn->wanted = 0;
}

void conn_close(struct conn *conn) {
    close_socket(conn);
    framer_fini(&conn->framer);
    buf_wipe(&conn->out);
    uint32_t serial = conn->serial + 1;
    uint64_t tag = (conn->tag & CONN_SLOT) | (uint64_t)serial << CONN_SLOT_BITS;
    *conn = (struct conn){.fd = -1, .epoll = conn->epoll, .tag = tag, .serial = serial};
}

void conn_begin(struct conn *conn, size_t max_message, uint64_t give_up) {
    assert(conn->state == CONN_NONE);
    conn->state = CONN_FINDING;
    conn->give_up = conn->deadline = give_up;
    framer_init(&conn->framer, max_message);
}

void conn_cloak(struct conn *conn, struct trust *trust, const struct where *server) {
    conn->trust = trust;
    conn->server = *server;
}

bool conn_is_opening(const struct conn *conn) {
    return conn->state == CONN_DIALLING || conn->state == CONN_GREETING;
}

bool conn_holds(const struct conn *conn) {
    return conn->cloak && cloak_holds(conn->cloak);
}

void conn_fail(struct conn *conn, const char *why) {
    close_socket(conn);
    (void)str_copy(str_of(why), conn->why, sizeof conn->why);
    conn->state = CONN_FAILED;
}

void conn_want(struct conn *conn, bool input, bool output) {
    uint32_t wanted = (input ? (uint32_t)EPOLLIN : 0u) | (output ? (uint32_t)EPOLLOUT : 0u);
    if (conn->fd < 0 || wanted == conn->wanted) return;
    // One that wants nothing leaves the set: an error would wake the program again and again.
    int operation = wanted == 0 ? EPOLL_CTL_DEL : conn->wanted == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    struct epoll_event event = {.events = wanted, .data.u64 = conn->tag};
    if (epoll_ctl(conn->epoll, operation, conn->fd, &event) == 0)
        conn->wanted = wanted;
    else
        conn_fail(conn, strerror(errno));
}

// --- dialling ------------------------------------------------------------------------------------------

static void set_number(int fd, int level, int name, int value) {
    (void)setsockopt(fd, level, name, &value, sizeof value); // each is a help, none a need
}

// Sends and takes what there is of the greeting.
static void greet(struct conn *conn) {
    char bytes[4096];
    struct err err;
    ssize_t got = recv(conn->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
        conn_fail(conn, strerror(errno));
        return;
    }
    if (got == 0) {
        conn_fail(conn, "closed the connection within the greeting of TLS");
        return;
    }
    int status = got > 0 ? cloak_take(conn->cloak, (struct str){bytes, (size_t)got}, &err) : 0;
    bool sent = cloak_flush(conn->cloak, conn->fd) == 0;
    if (status) {
        conn_fail(conn, err.text);
        return;
    }
    if (sent && cloak_ready(conn->cloak)) {
        conn->state = CONN_OPEN;
        memcpy(conn->met, cloak_met(conn->cloak), sizeof conn->met);
    }
    conn_want(conn, true, !sent);
}

static void begin_greeting(struct conn *conn) {
    struct err err;
    conn->state = CONN_GREETING;
    conn->cloak = cloak_open(conn->trust, &conn->server, &err);
    if (conn->cloak)
        greet(conn);
    else
        conn_fail(conn, err.text);
}

static void opened(struct conn *conn) {
    conn->state = CONN_OPEN;
    set_number(conn->fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_number(conn->fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_number(conn->fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
    set_number(conn->fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
    set_number(conn->fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
    set_number(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNANSWERED_MS);
    if (conn->trust)
        begin_greeting(conn);
    else
        conn_want(conn, true, false);
}

// 0, or the errno of why this address cannot be dialled.
static int dial_spot(struct conn *conn, const struct spot *spot) {
    conn->fd = socket(spot->addr.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) return errno;
    conn->state = CONN_DIALLING;
    if (connect(conn->fd, &spot->addr.any, spot->len) == 0) {
        opened(conn);
        return 0;
    }
    if (errno != EINPROGRESS) return errno;
    conn_want(conn, false, true);
    return 0;
}

static void dial_next(struct conn *conn, int error, uint64_t now) {
    while (conn->spot_next < conn->spot_count) {
        close_socket(conn);
        uint64_t left = conn->give_up > now ? conn->give_up - now : 0;
        uint64_t share = left / (conn->spot_count - conn->spot_next);
        conn->deadline = now + (share > SHARE_LEAST_MS ? share : SHARE_LEAST_MS);
        error = dial_spot(conn, &conn->spots[conn->spot_next++]);
        if (error == 0) return;
    }
    conn_fail(conn, strerror(error));
}

void conn_found(struct conn *conn, const struct spot *spots, unsigned count, const char *why, uint64_t now) {
    assert(conn->state == CONN_FINDING);
    if (count == 0) {
        conn_fail(conn, why);
        return;
    }
    memcpy(conn->spots, spots, count * sizeof *spots);
    conn->spot_count = count;
    dial_next(conn, 0, now);
}

void conn_dial_step(struct conn *conn, bool ready, uint64_t now) {
    if (conn->state == CONN_GREETING && ready) greet(conn);
    if (conn->state == CONN_GREETING && now >= conn->deadline)
        conn_fail(conn, "did not answer the greeting of TLS in time: does it speak that?");
    if (conn->state != CONN_DIALLING) return;
    int error = 0;
    socklen_t len = sizeof error;
    if (ready && getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) error = errno;
    if (ready && error == 0)
        opened(conn);
    else if (ready)
        dial_next(conn, error, now);
    else if (now >= conn->deadline)
        dial_next(conn, ETIMEDOUT, now);
}

// --- bytes ---------------------------------------------------------------------------------------------

static enum conn_result broken(struct conn *conn) {
    if (errno == EAGAIN || errno == EINTR) return CONN_BLOCKED;
    (void)snprintf(conn->why, sizeof conn->why, "%s", strerror(errno));
    return CONN_OVER;
}

// What was sealed counts as sent: it goes out before anything else, or not at all.
static enum conn_result send_cloaked(struct conn *conn, struct str bytes, size_t *sent) {
    struct err err;
    *sent = 0;
    if (cloak_flush(conn->cloak, conn->fd) != 0) return broken(conn);
    if (bytes.len > CLOAK_BATCH) bytes.len = CLOAK_BATCH;
    if (cloak_seal(conn->cloak, bytes, &err) != 0) {
        (void)str_copy(str_of(err.text), conn->why, sizeof conn->why);
        return CONN_OVER;
    }
    *sent = bytes.len;
    return cloak_flush(conn->cloak, conn->fd) == 0 || errno == EAGAIN || errno == EINTR ? CONN_DONE
                                                                                        : broken(conn);
}

enum conn_result conn_send(struct conn *conn, struct str bytes, size_t *sent) {
    if (conn->cloak) {
        enum conn_result cloaked = send_cloaked(conn, bytes, sent);
        conn->broken = conn->broken || cloaked == CONN_OVER;
        return cloaked;
    }
    ssize_t len = send(conn->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    *sent = len > 0 ? (size_t)len : 0;
    if (len >= 0) return CONN_DONE;
    enum conn_result result = broken(conn);
    conn->broken = result == CONN_OVER;
    return result;
}

enum conn_result conn_flush(struct conn *conn) {
    while (conn->out_sent < conn->out.len) {
        size_t sent;
        struct str rest = {conn->out.data + conn->out_sent, conn->out.len - conn->out_sent};
        enum conn_result result = conn_send(conn, rest, &sent);
        if (result != CONN_DONE) return result;
        conn->out_sent += sent;
    }
    buf_wipe(&conn->out);
    conn->out_sent = 0;
    if (!conn_holds(conn) || cloak_flush(conn->cloak, conn->fd) == 0) return CONN_DONE;
    enum conn_result result = broken(conn);
    conn->broken = result == CONN_OVER;
    return result;
}

// All that we have sent has arrived, as far as can be known: a server that closes after it has read a LOGOUT
// has acknowledged it by then; one that closed before has not, and a reset is on its way.
static bool all_arrived(const struct conn *conn) {
    int error = 0, unacknowledged = 0;
    socklen_t len = sizeof error;
    return !conn->broken && !conn_holds(conn) && ioctl(conn->fd, SIOCOUTQ, &unacknowledged) == 0 &&
           unacknowledged == 0 && getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

// An end without a goodbye is not in order: anybody on the path can make one.
static enum conn_result receive_cloaked(struct conn *conn, char *bytes, size_t capacity, size_t *got,
                                        bool *in_order) {
    struct err err;
    assert(capacity >= CONN_INPUT_LEAST);
    ssize_t len = recv(conn->fd, bytes, capacity / 2, MSG_DONTWAIT);
    *got = 0;
    *in_order = len == 0 && cloak_ended(conn->cloak) && all_arrived(conn);
    if (len < 0) return broken(conn);
    if (len == 0) {
        (void)snprintf(conn->why, sizeof conn->why, "%s",
                       cloak_ended(conn->cloak) ? "closed the connection" : "the connection was cut off");
        return CONN_OVER;
    }
    if (cloak_take(conn->cloak, (struct str){bytes, (size_t)len}, &err) != 0) {
        (void)str_copy(str_of(err.text), conn->why, sizeof conn->why);
        return CONN_OVER;
    }
    *got = cloak_plain(conn->cloak, bytes, capacity);
    return *got > 0 ? CONN_DONE : CONN_BLOCKED;
}

enum conn_result conn_receive(struct conn *conn, char *bytes, size_t capacity, size_t *got, bool *in_order) {
    if (conn->cloak) return receive_cloaked(conn, bytes, capacity, got, in_order);
    ssize_t len = recv(conn->fd, bytes, capacity, MSG_DONTWAIT);
    *in_order = len == 0 && all_arrived(conn);
    *got = len > 0 ? (size_t)len : 0;
    if (len < 0) return broken(conn);
    if (len > 0) return CONN_DONE;
    (void)snprintf(conn->why, sizeof conn->why, "closed the connection");
    return CONN_OVER;
}

// Readiness of sockets, by an epoll set of our own that is one handle to libuv.
//
//     libuv's epoll ──► timers, mails, wakes, signals
//              └──────► our epoll ──► up to SOCKS_ROUND sockets a turn ──► ready()
//
// libuv has a handle for this, too (uv_poll_t). Ours takes a third of the memory of an idle connection and
// saves two system calls of the seven that a newcomer costs (docs/decisions/0014-what-fan-out-is-made-of.md).
#include "net/sock.h"

#include "net/loop_private.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WANT_ALL (SOCK_WANT_READ | SOCK_WANT_WRITE)

struct sock {
    struct loop *loop;
    void (*ready)(void *context, unsigned events);
    void *context;
    int fd;
    unsigned wanted;
};

// --- the set ----------------------------------------------------------------------------------------------

// A hang-up is told by epoll whether wanted or not: where nothing is wanted, only once.
static uint32_t interest(unsigned wanted) {
    if (wanted == 0) return EPOLLET;
    return ((wanted & SOCK_WANT_READ) != 0 ? (uint32_t)EPOLLIN : 0) |
           ((wanted & SOCK_WANT_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0);
}

static unsigned happened(const struct sock *sock, uint32_t events) {
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) return sock->wanted;
    return sock->wanted & (((events & EPOLLIN) != 0 ? SOCK_WANT_READ : 0) |
                           ((events & EPOLLOUT) != 0 ? SOCK_WANT_WRITE : 0));
}

static void on_socks(uv_poll_t *handle, int status, int events) {
    struct loop *loop = handle->data;
    (void)status, (void)events; // whatever it is, the set says it
    int count = epoll_wait(loop->socks_epoll, loop->round, SOCKS_ROUND, 0);
    loop->round_count = count > 0 ? count : 0;
    for (loop->round_at = 0; loop->round_at < loop->round_count;) {
        const struct epoll_event *event = &loop->round[loop->round_at++];
        struct sock *sock = event->data.ptr;
        unsigned what = sock != NULL ? happened(sock, event->events) : 0;
        if (what != 0) sock->ready(sock->context, what); // may close this one, and any other
    }
    loop->round_count = loop->round_at = 0;
}

// A sock is going while a round is being told: its turn must not come.
static void round_forget(struct loop *loop, const struct sock *sock) {
    for (int i = loop->round_at; i < loop->round_count; i++)
        if (loop->round[i].data.ptr == sock) loop->round[i].data.ptr = NULL;
}

int socks_init(struct loop *loop, struct err *err) {
    loop->socks_epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->socks_epoll < 0) return err_system(err, errno, "cannot make an event loop");
    int status = uv_poll_init(&loop->uv, &loop->socks, loop->socks_epoll);
    if (status < 0) {
        close(loop->socks_epoll);
        return loop_error(err, status, "make an event loop");
    }
    loop->socks.data = loop;
    status = uv_poll_start(&loop->socks, UV_READABLE, on_socks);
    assert(status == 0); // fails only for a closed handle, or a descriptor that two handles share
    (void)status;
    return 0;
}

static void on_closed(uv_handle_t *handle) {
    struct loop *loop = handle->data;
    close(loop->socks_epoll);
}

void socks_close(struct loop *loop) {
    assert(loop->socks_open == 0);
    uv_close((uv_handle_t *)&loop->socks, on_closed);
}

// --- one of them ------------------------------------------------------------------------------------------

struct sock *sock_open(struct loop *loop, int fd, unsigned wanted,
                       void (*ready)(void *context, unsigned events), void *context, struct err *err) {
    assert((wanted & ~WANT_ALL) == 0);
    struct sock *sock = malloc(sizeof *sock);
    if (sock == NULL) {
        loop_error(err, UV_ENOMEM, "watch a socket");
        return NULL;
    }
    *sock = (struct sock){.loop = loop, .ready = ready, .context = context, .fd = fd, .wanted = wanted};
    struct epoll_event event = {.events = interest(wanted), .data.ptr = sock};
    if (epoll_ctl(loop->socks_epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        err_system(err, errno, "cannot watch a socket");
        free(sock);
        return NULL;
    }
    loop->socks_open++;
    return sock;
}

void sock_tune(int fd) {
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, SOCK_DEAD_MS},
        {IPPROTO_TCP, TCP_KEEPIDLE, SOCK_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, 15},
        {IPPROTO_TCP, TCP_KEEPCNT, 4},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

void sock_want(struct sock *sock, unsigned events) {
    assert((events & ~WANT_ALL) == 0);
    if (events == sock->wanted) return;
    sock->wanted = events;
    struct epoll_event event = {.events = interest(events), .data.ptr = sock};
    int failed = epoll_ctl(sock->loop->socks_epoll, EPOLL_CTL_MOD, sock->fd, &event);
    assert(failed == 0); // it is in the set, and changing needs no memory
    (void)failed;
}

unsigned sock_wanted(const struct sock *sock) {
    return sock->wanted;
}

int sock_fd(const struct sock *sock) {
    return sock->fd;
}

static int sock_free(struct sock *sock) {
    int fd = sock->fd;
    round_forget(sock->loop, sock);
    sock->loop->socks_open--;
    free(sock);
    return fd;
}

int sock_detach(struct sock *sock) {
    (void)epoll_ctl(sock->loop->socks_epoll, EPOLL_CTL_DEL, sock->fd, NULL);
    return sock_free(sock);
}

void sock_close(struct sock *sock) {
    if (sock != NULL) close(sock_free(sock)); // a closed descriptor leaves the set: nobody shares it
}

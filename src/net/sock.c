// Readiness of one socket. There is one of these per connection, so it is kept small: the libuv handle,
// whom to call, what is wanted.
#include "net/sock.h"

#include "net/loop_private.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

static_assert(SOCK_WANT_READ == UV_READABLE && SOCK_WANT_WRITE == UV_WRITABLE,
              "events pass through as they are");
#define WANT_ALL (SOCK_WANT_READ | SOCK_WANT_WRITE)

struct sock {
    uv_poll_t poll;
    void (*ready)(void *context, unsigned events);
    void *context;
    int fd;
    unsigned wanted;
};

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct sock *sock = poll->data;
    unsigned happened = (unsigned)events & sock->wanted;
    if (status < 0) {
        // The socket has an error pending, and libuv stopped polling. The owner learns it from recv() or
        // send(); polling goes on, lest an owner who wants the same again waits for ever.
        happened = sock->wanted;
        sock->wanted = 0;
        sock_want(sock, happened);
    }
    if (happened != 0) sock->ready(sock->context, happened);
}

static void on_closed(uv_handle_t *poll) {
    free(poll->data);
}

struct sock *sock_open(struct loop *loop, int fd, void (*ready)(void *context, unsigned events),
                       void *context, struct err *err) {
    struct sock *sock = calloc(1, sizeof *sock);
    if (sock == NULL) {
        loop_error(err, UV_ENOMEM, "watch a socket");
        return NULL;
    }
    int status = uv_poll_init(&loop->uv, &sock->poll, fd); // makes it non-blocking
    if (status < 0) {
        loop_error(err, status, "watch a socket");
        free(sock);
        return NULL;
    }
    sock->poll.data = sock;
    sock->ready = ready;
    sock->context = context;
    sock->fd = fd;
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
    int status = events != 0 ? uv_poll_start(&sock->poll, (int)events, on_poll) : uv_poll_stop(&sock->poll);
    assert(status == 0); // fails only for a closed sock, or a descriptor that two socks share
    (void)status;
}

unsigned sock_wanted(const struct sock *sock) {
    return sock->wanted;
}

int sock_fd(const struct sock *sock) {
    return sock->fd;
}

int sock_detach(struct sock *sock) {
    int fd = sock->fd;
    sock->wanted = 0;
    uv_close((uv_handle_t *)&sock->poll, on_closed); // out of epoll at once; the memory follows
    return fd;
}

void sock_close(struct sock *sock) {
    if (sock == NULL) return;
    close(sock_detach(sock));
}

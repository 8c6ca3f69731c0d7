// Listening sockets.
//
//     ready ──> accept4() ──┬─ a descriptor ──> accepted()
//                           ├─ nothing left, or a whole round: back to the loop
//                           ├─ the peer is gone already: the next one
//                           └─ out of descriptors: pause ──100 ms, or listener_retry()──> accept4()
//
// Without the pause the loop would turn hot: the waiting connection keeps the socket readable.
#include "net/sock.h"

#include "base/log.h"
#include "net/loop_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG      4096
#define ROUND        256 // accepts in one turn; connections that are there already get their turn, too
#define RETRY_MS     100
#define SAY_EVERY_MS 10000 // a server that lives at its limit pauses often and need not say so each time

struct listener {
    struct loop *loop;
    struct sock *sock;
    struct timer *retry; // runs while accepting is paused
    struct address address;
    void (*accepted)(void *context, int fd, const struct address *from);
    void *context;
    bool paused;
    bool *gone; // set while accepting: tells that `accepted` closed us
    uint64_t say_after;
};

static const char *pause_cure(int errnum) {
    switch (errnum) {
    case EMFILE: return "raise the limit of open files (ulimit -n, LimitNOFILE)";
    case ENFILE: return "raise fs.file-max";
    case ENOBUFS:
    case ENOMEM: return "the system is short of memory for sockets";
    default: return "new connections wait until it passes";
    }
}

static void pause_accepting(struct listener *listener, int errnum) {
    if (listener->paused) return;
    listener->paused = true;
    sock_want(listener->sock, 0);
    timer_start(listener->retry, RETRY_MS, RETRY_MS);
    uint64_t now = loop_now(listener->loop);
    if (now < listener->say_after) return;
    listener->say_after = now + SAY_EVERY_MS;
    char text[ADDRESS_TEXT_SIZE];
    address_format(&listener->address, text);
    log_warn(L_MSG("not accepting connections for now"), L_STR("address", text),
             L_STR("cause", strerror(errnum)), L_STR("cure", pause_cure(errnum)));
}

static void resume_accepting(struct listener *listener) {
    if (!listener->paused) return;
    listener->paused = false;
    timer_stop(listener->retry);
    sock_want(listener->sock, SOCK_WANT_READ);
}

// The connection failed while it waited; accept(2) passes network errors of the new socket on.
static bool is_peer_error(int errnum) {
    switch (errnum) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM: // a firewall's word
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT: return true;
    default: return false;
    }
}

static void accept_round(struct listener *listener) {
    bool gone = false;
    listener->gone = &gone;
    bool stuck = false;
    for (int i = 0; i < ROUND; i++) {
        struct address from = {.len = sizeof from.storage};
        int fd = accept4(sock_fd(listener->sock), &from.storage.any, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->accepted(listener->context, fd, &from);
            if (gone) return;
        } else if (errno == EAGAIN) {
            break;
        } else if (!is_peer_error(errno)) {
            pause_accepting(listener, errno);
            stuck = true;
            break;
        }
    }
    listener->gone = NULL;
    if (!stuck) resume_accepting(listener);
}

static void on_ready(void *context, unsigned events) {
    (void)events;
    accept_round(context);
}

static void on_retry(void *context) {
    accept_round(context);
}

static const char *bind_cure(int errnum) {
    switch (errnum) {
    case EADDRINUSE: return "; another server runs there, or choose another address or port";
    case EADDRNOTAVAIL: return "; this machine does not have that address";
    case EACCES: return "; ports below 1024 are reserved, choose a higher one";
    case EAFNOSUPPORT: return "; this machine has no IPv6, choose an IPv4 address";
    default: return "";
    }
}

// A bound, listening descriptor, or -1.
static int listen_on(const struct address *address, struct err *err) {
    int family = address->storage.any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) goto fail;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0) goto fail;
    sock_tune(fd);
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int)) < 0)
        goto fail;
    if (bind(fd, &address->storage.any, address->len) < 0) goto fail;
    if (listen(fd, BACKLOG) < 0) goto fail;
    return fd;
fail:;
    int errnum = errno;
    char text[ADDRESS_TEXT_SIZE];
    address_format(address, text);
    if (fd >= 0) close(fd);
    return err_set(err, ERR_SYSTEM, "cannot listen on %s: %s%s", text, strerror(errnum), bind_cure(errnum));
}

struct listener *listener_open(struct loop *loop, const struct address *address,
                               void (*accepted)(void *context, int fd, const struct address *from),
                               void *context, struct err *err) {
    int fd = -1;
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        loop_error(err, UV_ENOMEM, "listen");
        return NULL;
    }
    listener->loop = loop;
    listener->accepted = accepted;
    listener->context = context;
    fd = listen_on(address, err);
    if (fd < 0) goto fail;
    listener->address.len = sizeof listener->address.storage;
    if (getsockname(fd, &listener->address.storage.any, &listener->address.len) < 0) {
        err_system(err, errno, "cannot tell the address that is listened on");
        goto fail;
    }
    listener->retry = timer_open(loop, on_retry, listener, err);
    if (listener->retry == NULL) goto fail;
    listener->sock = sock_open(loop, fd, SOCK_WANT_READ, on_ready, listener, err);
    if (listener->sock == NULL) goto fail;
    return listener;
fail:
    timer_close(listener->retry);
    if (fd >= 0) close(fd);
    free(listener);
    return NULL;
}

void listener_address(const struct listener *listener, struct address *address) {
    *address = listener->address;
}

void listener_retry(struct listener *listener) {
    // Not here and now: who frees a descriptor is in the middle of something, and `accepted` may be big.
    if (listener->paused) timer_start(listener->retry, 0, RETRY_MS);
}

void listener_close(struct listener *listener) {
    if (listener == NULL) return;
    if (listener->gone != NULL) *listener->gone = true;
    timer_close(listener->retry);
    sock_close(listener->sock);
    free(listener);
}

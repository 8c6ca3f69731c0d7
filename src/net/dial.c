// Dialling: from a name to a connected descriptor, with one timer for the whole way.
//
//     dial_open ──name──> resolving ──addresses──> connecting to the 1st ──> done(fd)
//         └──numeric──> one timer round ─────────────^   │ fails, or its share of the time is over
//                                                        └──> the 2nd ... the last ──> done(-1, why)
//
// What is left of the time is shared evenly by the addresses that are left: one that swallows packets
// does not keep the others from being tried.
#include "net/sock.h"

#include "net/loop_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESSES_MAX 8 // of one name; more are not tried

// A question to the resolver cannot be taken back once asked, so it outlives a dial that was cancelled.
struct question {
    uv_getaddrinfo_t request;
    struct dial *dial; // NULL: nobody waits for the answer
};

struct dial {
    struct loop *loop;
    struct timer *timer;
    struct question *question; // while resolving
    struct sock *sock;         // while connecting
    struct address addresses[ADDRESSES_MAX];
    unsigned count;
    unsigned next; // the address to try next; the one before is being tried
    uint16_t port;
    bool numeric; // the host is an address, not a name
    uint64_t timeout_ms;
    uint64_t deadline; // in the loop's time
    char host[ADDRESS_HOST_MAX + 1];
    char why[ADDRESS_HOST_MAX + 256];
    void (*done)(void *context, int fd, const struct address *to, const char *why);
    void *context;
};

static void release(struct dial *dial) {
    timer_close(dial->timer);
    sock_close(dial->sock);
    if (dial->question != NULL) {
        dial->question->dial = NULL;
        uv_cancel((uv_req_t *)&dial->question->request); // one that is being answered goes on, unheard
    }
    free(dial);
}

static void succeed(struct dial *dial) {
    int fd = sock_detach(dial->sock);
    dial->sock = NULL;
    dial->done(dial->context, fd, &dial->addresses[dial->next - 1], NULL);
    release(dial);
}

static void fail(struct dial *dial) {
    dial->done(dial->context, -1, NULL, dial->why);
    release(dial);
}

static void cannot_connect(struct dial *dial, const char *cause) {
    char address[ADDRESS_TEXT_SIZE];
    address_format(&dial->addresses[dial->next - 1], address);
    if (dial->numeric) {
        snprintf(dial->why, sizeof dial->why, "cannot connect to %s: %s", address, cause);
    } else {
        snprintf(dial->why, sizeof dial->why, "cannot connect to %s at %s: %s", dial->host, address, cause);
    }
}

// 0, or why it failed as an errno. A port that nobody listens on may be the very one the system picks for
// our end; TCP then connects the socket to itself.
static int connect_result(int fd) {
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0) return errno;
    if (errnum != 0) return errnum;
    struct address here = {.len = sizeof here.storage};
    struct address there = {.len = sizeof there.storage};
    if (getsockname(fd, &here.storage.any, &here.len) < 0) return errno;
    if (getpeername(fd, &there.storage.any, &there.len) < 0) return errno;
    bool same = here.len == there.len && memcmp(&here.storage, &there.storage, here.len) == 0;
    return same ? ECONNREFUSED : 0;
}

static void connect_next(struct dial *dial);

static void on_connected(void *context, unsigned events) {
    struct dial *dial = context;
    (void)events;
    int errnum = connect_result(sock_fd(dial->sock));
    if (errnum == 0) {
        succeed(dial);
        return;
    }
    cannot_connect(dial, strerror(errnum));
    connect_next(dial);
}

// Begins to connect dial->sock; on -1 dial->why says why it could not.
static int start_connecting(struct dial *dial, const struct address *to) {
    struct err err;
    int fd = socket(to->storage.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        cannot_connect(dial, strerror(errno));
        return -1;
    }
    sock_tune(fd);
    dial->sock = sock_open(dial->loop, fd, SOCK_WANT_WRITE, on_connected, dial, &err);
    if (dial->sock == NULL) {
        cannot_connect(dial, err.text);
        close(fd);
        return -1;
    }
    if (connect(fd, &to->storage.any, to->len) < 0 && errno != EINPROGRESS) {
        cannot_connect(dial, strerror(errno));
        return -1;
    }
    return 0;
}

static void connect_next(struct dial *dial) {
    uint64_t now = loop_now(dial->loop);
    for (;;) {
        sock_close(dial->sock);
        dial->sock = NULL;
        bool late = dial->next > 0 && now >= dial->deadline;
        if (late || dial->next == dial->count) break;
        uint64_t left = dial->deadline > now ? dial->deadline - now : 0;
        uint64_t share = left / (dial->count - dial->next);
        const struct address *to = &dial->addresses[dial->next++];
        if (start_connecting(dial, to) == 0) {
            timer_start(dial->timer, share, 0);
            return;
        }
    }
    fail(dial);
}

static void on_timer(void *context) {
    struct dial *dial = context;
    if (dial->question != NULL) {
        snprintf(dial->why, sizeof dial->why, "cannot resolve %s: no answer within %llu ms", dial->host,
                 (unsigned long long)dial->timeout_ms);
        fail(dial);
        return;
    }
    if (dial->sock != NULL) cannot_connect(dial, "no answer in time");
    connect_next(dial);
}

static void take_addresses(struct dial *dial, const struct addrinfo *info) {
    for (; info != NULL && dial->count < ADDRESSES_MAX; info = info->ai_next) {
        struct address *address = &dial->addresses[dial->count];
        if (info->ai_addrlen > sizeof address->storage) continue;
        *address = (struct address){.len = info->ai_addrlen};
        memcpy(&address->storage, info->ai_addr, info->ai_addrlen);
        if (info->ai_family == AF_INET) {
            address->storage.v4.sin_port = htons(dial->port);
        } else if (info->ai_family == AF_INET6) {
            address->storage.v6.sin6_port = htons(dial->port);
        } else {
            continue;
        }
        dial->count++;
    }
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *info) {
    struct question *question = request->data;
    struct dial *dial = question->dial;
    free(question);
    if (dial != NULL) {
        dial->question = NULL;
        if (status == 0) take_addresses(dial, info);
        snprintf(dial->why, sizeof dial->why, "cannot resolve %s: %s", dial->host,
                 status == 0 ? "it has no address" : uv_strerror(status));
        connect_next(dial);
    }
    uv_freeaddrinfo(info);
}

static int ask_resolver(struct dial *dial, struct err *err) {
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL) return loop_error(err, UV_ENOMEM, "resolve a name");
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    question->request.data = question;
    question->dial = dial;
    int status = uv_getaddrinfo(&dial->loop->uv, &question->request, on_answer, dial->host, NULL, &hints);
    if (status < 0) {
        free(question);
        return err_set(err, ERR_INVALID, "cannot resolve %s: %s", dial->host, uv_strerror(status));
    }
    dial->question = question;
    return 0;
}

struct dial *dial_open(struct loop *loop, const char *host, uint16_t port, uint64_t timeout_ms,
                       void (*done)(void *context, int fd, const struct address *to, const char *why),
                       void *context, struct err *err) {
    struct dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL) {
        loop_error(err, UV_ENOMEM, "dial");
        return NULL;
    }
    dial->loop = loop;
    dial->port = port;
    dial->timeout_ms = timeout_ms;
    dial->deadline = loop_now(loop) + timeout_ms;
    dial->done = done;
    dial->context = context;
    if (!str_copy(str_of(host), dial->host, sizeof dial->host)) {
        err_set(err, ERR_INVALID, "a host name has at most %d characters", ADDRESS_HOST_MAX);
        goto out;
    }
    dial->timer = timer_open(loop, on_timer, dial, err);
    if (dial->timer == NULL) goto out;
    dial->numeric = address_parse(host, port, &dial->addresses[0]);
    if (dial->numeric) {
        dial->count = 1;
    } else if (ask_resolver(dial, err) < 0) {
        goto out;
    }
    // An address is dialled from the timer as well: connect() may fail at once, and `done` must not come
    // before this returns.
    timer_start(dial->timer, dial->numeric ? 0 : timeout_ms, 0);
    return dial;
out:
    release(dial);
    return NULL;
}

void dial_cancel(struct dial *dial) {
    if (dial != NULL) release(dial);
}

// Names to addresses. See finder.h.
#include "client/finder.h"

#include <ares.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>

struct finder {
    ares_channel_t *channel;
    int epoll;
    uint64_t tag;
    void (*found)(void *context, uint64_t ticket, const struct spot *spots, unsigned count, const char *why);
    void *context;
};

struct finding {
    struct finder *finder;
    uint64_t ticket;
    uint16_t port;
};

// c-ares opens, uses and closes a descriptor of its own; one that is closed has left the set by itself.
static void on_socket(void *context, ares_socket_t fd, int readable, int writable) {
    struct finder *finder = context;
    struct epoll_event event = {.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
                                .data.u64 = finder->tag | (uint32_t)fd};
    if (event.events == 0)
        (void)epoll_ctl(finder->epoll, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(finder->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
        (void)epoll_ctl(finder->epoll, EPOLL_CTL_ADD, fd, &event);
}

struct finder *finder_open(int epoll, uint64_t tag,
                           void (*found)(void *context, uint64_t ticket, const struct spot *spots,
                                         unsigned count, const char *why),
                           void *context) {
    struct finder *finder = calloc(1, sizeof *finder);
    if (!finder) return NULL;
    *finder = (struct finder){.epoll = epoll, .tag = tag, .found = found, .context = context};
    struct ares_options options = {.sock_state_cb = on_socket, .sock_state_cb_data = finder};
    // ares_library_init is for other systems: here it would only be global state.
    if (ares_init_options(&finder->channel, &options, ARES_OPT_SOCK_STATE_CB) == ARES_SUCCESS) return finder;
    free(finder);
    return NULL;
}

void finder_close(struct finder *finder) {
    if (!finder) return;
    ares_destroy(finder->channel);
    free(finder);
}

static bool spot_from(const struct ares_addrinfo_node *node, uint16_t port, struct spot *spot) {
    if (node->ai_addrlen > sizeof spot->addr) return false;
    memcpy(&spot->addr, node->ai_addr, node->ai_addrlen);
    spot->len = node->ai_addrlen;
    if (node->ai_family == AF_INET)
        spot->addr.v4.sin_port = htons(port);
    else if (node->ai_family == AF_INET6)
        spot->addr.v6.sin6_port = htons(port);
    else
        return false;
    return true;
}

static void on_found(void *context, int status, int timeouts, struct ares_addrinfo *result) {
    struct finding *finding = context;
    struct finder *finder = finding->finder;
    struct spot spots[FINDER_SPOTS];
    unsigned count = 0;
    (void)timeouts;
    if (status == ARES_SUCCESS)
        for (struct ares_addrinfo_node *node = result->nodes; node && count < FINDER_SPOTS;
             node = node->ai_next)
            if (spot_from(node, finding->port, &spots[count])) count++;
    char why[128];
    (void)snprintf(why, sizeof why, "the name cannot be looked up: %s",
                   status == ARES_SUCCESS ? "it has no address" : ares_strerror(status));
    finder->found(finder->context, finding->ticket, spots, count, why);
    ares_freeaddrinfo(result);
    free(finding);
}

void finder_find(struct finder *finder, const struct where *where, uint64_t ticket) {
    struct finding *finding = calloc(1, sizeof *finding);
    if (!finding) {
        finder->found(finder->context, ticket, NULL, 0, "memory is out");
        return;
    }
    *finding = (struct finding){finder, ticket, where->port};
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(finder->channel, where->host, NULL, &hints, on_found, finding);
}

void finder_ready(struct finder *finder, int fd, uint32_t events) {
    bool readable = (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    bool writable = (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
    ares_process_fd(finder->channel, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
}

void finder_due(struct finder *finder) {
    ares_process_fd(finder->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

int finder_timeout(const struct finder *finder) {
    struct timeval left;
    if (!ares_timeout(finder->channel, NULL, &left)) return -1;
    return left.tv_sec > 3600 ? 3600 * 1000 : (int)(left.tv_sec * 1000 + (left.tv_usec + 999) / 1000);
}

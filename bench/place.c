// Addresses of servers. See place.h.
#include "place.h"

#include "base/text.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

int place_find(struct place *place, const char *host, const char *port, struct err *err) {
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int result = 0, status = getaddrinfo(host, port, &hints, &found);
    if (status != 0) return err_set(err, ERR_INVALID, "%s port %s: %s", host, port, gai_strerror(status));
    *place = (struct place){.len = found->ai_addrlen};
    snprintf(place->text, sizeof place->text, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    memcpy(&place->address, found->ai_addr, found->ai_addrlen);
    if (!is_loopback(found->ai_addr))
        result =
            err_set(err, ERR_INVALID, "%s is not on this machine: this program loads loopback addresses only",
                    place->text);
    freeaddrinfo(found);
    return result;
}

int place_parse(struct place *place, const char *address, struct err *err) {
    char host[PLACE_TEXT];
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || (size_t)(colon - address) >= sizeof host)
        return err_set(err, ERR_INVALID, "%s is not HOST:PORT", address);
    struct str name = {address, (size_t)(colon - address)};
    if (name.len > 2 && name.ptr[0] == '[' && colon[-1] == ']')
        name = (struct str){address + 1, name.len - 2};
    str_copy(name, host, sizeof host);
    return place_find(place, host, colon + 1, err);
}

int place_dial(const struct place *place, int room) {
    int fd = socket(place->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (room > 0) (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (connect(fd, (const struct sockaddr *)&place->address, place->len) == 0 || errno == EINPROGRESS)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

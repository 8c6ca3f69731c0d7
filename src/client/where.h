// Where a server is: "host:port", "[v6]:port", or a host alone.
#pragma once

#include "base/text.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define WHERE_PORT     3780 // when none is given
#define WHERE_HOST_MAX 255
#define WHERE_TEXT_MAX (WHERE_HOST_MAX + sizeof "[]:65535")

struct where {
    char host[WHERE_HOST_MAX + 1];
    uint16_t port;
    char text[WHERE_TEXT_MAX]; // for people, and for telling two apart
};

// False: malformed. Nothing is looked up.
bool where_parse(struct str text, struct where *where);
// Of a REDIRECT: host and port apart.
bool where_set(struct str host, uint16_t port, struct where *where);

struct spot { // a socket address
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addr;
    socklen_t len;
};
// True when the host is a numeric address: there is nothing to look up.
bool where_is_numeric(const struct where *where, struct spot *spot);

// Where a server is. Loopback only: these programs load servers of this machine.
#pragma once

#include "base/err.h"

#include <sys/socket.h>

#define PLACE_TEXT 80

struct place {
    struct sockaddr_storage address;
    socklen_t len;
    char text[PLACE_TEXT]; // HOST:PORT
};

// -1: there is no such place, or it is elsewhere.
int place_find(struct place *place, const char *host, const char *port, struct err *err);
int place_parse(struct place *place, const char *address, struct err *err); // HOST:PORT
// A socket that begins to connect without waiting. room: how much the kernel is asked to take for it; 0: its
// default. -1: errno says why not.
int place_dial(const struct place *place, int room);

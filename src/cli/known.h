// Servers that are known by their keys, for nobody vouches for them: ~/.config/herald/known_servers, mode
// 0600, a line each, the first for a server counts:
//
//   herald.example:3781 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
//
// Host names are compared without regard to case.
#pragma once

#include "base/err.h"
#include "client/courier.h"

// `server`: "https://host:port", or "host:port" of the stream. 1: `key`; 0: it is not known; -1: the file
// cannot be used.
int known_find(const char *server, char key[COURIER_KEY_SIZE], struct err *err);
// Tells all of them, with "host:port"; of a server that stands there twice the line that counts comes last.
// What `take` returns, when not 0, ends it and is returned; -1 also when the file cannot be used.
int known_each(int (*take)(void *context, const char *server, const char *key), void *context,
               struct err *err);
// 0, or -1.
int known_add(const char *server, const char *key, struct err *err);
int known_path(char *path, struct err *err); // PLACE_MAX bytes

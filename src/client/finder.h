// Names to addresses, without threads and without waiting. The door to c-ares.
//
// c-ares's own descriptors go into the session's epoll set; finder_step and finder_timeout drive it. Opened
// when the first name has to be looked up: numeric hosts never come here.
#pragma once

#include "client/where.h"

#include <stdbool.h>
#include <stdint.h>

#define FINDER_SPOTS 8 // addresses of one name that are tried

struct finder;

// epoll_data of its descriptors: `tag` | descriptor. `found` is called from finder_find and finder_step, once
// for each finder_find with its `ticket`; count 0: `why` says why not.
struct finder *finder_open(int epoll, uint64_t tag,
                           void (*found)(void *context, uint64_t ticket, const struct spot *spots,
                                         unsigned count, const char *why),
                           void *context); // NULL: memory is out, or the system's settings are unreadable
void finder_close(struct finder *finder);  // calls `found` for what is still open

void finder_find(struct finder *finder, const struct where *where, uint64_t ticket);
void finder_ready(struct finder *finder, int fd, uint32_t events); // of epoll
void finder_due(struct finder *finder);                            // timeouts
int finder_timeout(const struct finder *finder);                   // milliseconds until finder_due; -1: none

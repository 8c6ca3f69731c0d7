// Which lock messages were seen lately (locks.h, rule 5): a part of stream/locks.c with a file of its own.
#pragma once

#include "stream/locks.h"

// True when this message is not a repeat: fewer than `limit` like it came by this link within the window.
// A denial ends the window of its name and secret for requests and permissions, a request that of denials; a
// few times a window. When memory is out: true.
bool lock_seen_admit(struct locks *locks, uint32_t link, const struct message *message, unsigned limit,
                     uint64_t now_ms);
// We ask ourselves: whatever was answered before is to be heard again.
void lock_seen_forget(struct locks *locks, struct str username, struct str secret);
void lock_seen_expire(struct locks *locks, uint64_t now_ms);
void lock_seen_clear(struct locks *locks);

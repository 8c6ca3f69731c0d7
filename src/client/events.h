// What has happened and was not told yet: a bounded queue of copies.
#pragma once

#include "base/text.h"

#include <herald.h>
#include <stdbool.h>
#include <stddef.h>

#define EVENTS_MOST  512             // then, or with
#define EVENTS_BYTES (1024u * 1024u) // so many bytes of text, it is full: add nothing that can wait

struct queued;

struct events {
    struct queued *first;
    struct queued *given; // what the program holds slices of
    size_t count, bytes;
};

void events_fini(struct events *events); // wipes: one of them carries a secret
bool events_full(const struct events *events);
// Copies `event`; its texts may be NULL. Text that holds a NUL byte is cut there by no one: it becomes `?`.
// -1: memory is out.
int events_add(struct events *events, const struct herald_event *event, struct str user);
// The oldest; frees the one given before. The texts are never NULL. False: there is none.
bool events_take(struct events *events, struct herald_event *event);

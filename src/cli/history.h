// What was typed, from one chat to the next: ~/.local/state/herald/history, mode 0600, one line each, the
// newest last. Several chats add to it at a time.
#pragma once

#include "base/err.h"
#include "base/text.h"

#define HISTORY_LINES                                                                                        \
    1000 // so many are given; when there are twice as many, the older ones are left out for good

// Gives each line, the oldest first. Without a history, none. -1: there is one, and it cannot be used.
int history_load(void (*give)(void *context, struct str line), void *context, struct err *err);
void history_add(struct str line); // what cannot be kept is not

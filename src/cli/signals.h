// Signals as something to poll.
#pragma once

#include <stddef.h>

// Blocks these signals and returns a descriptor that is readable while one waits; -1 if there is none to
// have. They stay blocked.
int signals_open(const int *numbers, size_t count);
int signals_take(int fd); // the next one, 0: none waits

// Words to the user, on standard error, and how `herald` ends.
#pragma once

#include "base/text.h"

// Exit status.
enum outcome {
    OUTCOME_DONE = 0,
    OUTCOME_REFUSED = 1,
    OUTCOME_USAGE = 2,
    OUTCOME_UNREACHABLE = 3,
    OUTCOME_UNKNOWN = 4,
};

// "herald: ...", one line; what others have said in it is made plain.
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Writes all of it to the descriptor, waiting where it must. -1: it cannot be written there.
int say_raw(int fd, struct str text);

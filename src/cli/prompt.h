// Asking for a secret at the terminal.
#pragma once

#include "base/buf.h"
#include "base/err.h"

// Asks at the process's terminal, whatever its standard input is, without echo. The answer has no newline.
// -1: there is no terminal (then `instead` is what to use), or the user gave up. It is then as it was.
int prompt_secret(const char *question, const char *instead, struct buf *answer, struct err *err);

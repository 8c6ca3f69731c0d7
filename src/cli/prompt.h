// Asking for a secret at the terminal.
#pragma once

#include "base/buf.h"
#include "base/err.h"

// Asks at the process's terminal, whatever its standard input is, without echo. The answer has no newline.
// -1: there is no terminal, or the user gave up. It is then as it was.
int prompt_secret(const char *question, struct buf *answer, struct err *err);

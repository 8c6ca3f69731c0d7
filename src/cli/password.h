// Where a password comes from: it is given, in a file, a line of standard input, or asked for.
#pragma once

#include "cli/say.h"
#include "cli/wish.h"

// Settles password->text. `option`: "--password"; `question`: what to ask with; `twice`: it is a new one.
// False: it was said what is wrong.
bool password_settle(struct wish_password *password, const char *option, const char *question, bool twice);
// A file that holds one line, which nobody else can read; `what` names it. -1: it was said what is wrong.
int password_file(const char *path, const char *what, struct buf *line);

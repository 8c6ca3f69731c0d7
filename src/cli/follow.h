// herald follow, and the form without a command when it is not at a terminal.
#pragma once

#include "cli/say.h"
#include "cli/wish.h"

enum outcome follow_run(struct wish *wish);
// Posts the lines of standard input, too, and ends with them.
enum outcome follow_course(struct wish *wish);

// herald post: a text, a file, or lines.
#pragma once

#include "cli/say.h"
#include "cli/wish.h"

enum outcome post_run(struct wish *wish);

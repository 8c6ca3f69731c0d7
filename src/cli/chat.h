// herald chat: one terminal window.
#pragma once

#include "cli/say.h"
#include "cli/wish.h"

enum outcome chat_run(struct wish *wish);
// The form without a command, at a terminal: a user without a secret is registered first.
enum outcome chat_course(struct wish *wish);

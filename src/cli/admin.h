// admin: what is done on the server's machine, through its control socket.
#pragma once

#include "cli/say.h"
#include "cli/wish.h"

enum outcome admin_run(struct wish *wish);

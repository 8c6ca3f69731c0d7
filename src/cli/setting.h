// settings get, set, delete, list, watch.
#pragma once

#include "cli/say.h"
#include "cli/wish.h"

enum outcome setting_run(struct wish *wish);

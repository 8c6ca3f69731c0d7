// import, export.
#pragma once

#include "cli/say.h"
#include "cli/wish.h"

enum outcome import_run(struct wish *wish);
enum outcome export_run(struct wish *wish);

// create, lookup, reverse-lookup, modify, delete, list.
#pragma once

#include "cli/say.h"
#include "cli/wish.h"

enum outcome account_create(struct wish *wish);
enum outcome account_lookup(struct wish *wish);
enum outcome account_reverse_lookup(struct wish *wish);
enum outcome account_modify(struct wish *wish);
enum outcome account_delete(struct wish *wish);
enum outcome account_list(struct wish *wish);

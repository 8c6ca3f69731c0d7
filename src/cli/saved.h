// Secrets that were kept with --save: ~/.config/herald/secrets, mode 0600, a line each:
//
//   alice@127.0.0.1:3780 mbwk6xkzxqk7h2f4m5ykk7ltza
//
// A list of servers is one tree: what was saved for one of them is good for all.
#pragma once

#include "cli/wish.h"

// For the wish's user at its servers. A server without a port has port 3780; names are compared without case.
int saved_find(struct wish *wish, struct err *err); // 1: wish->secret is set; 0: none; -1: error
int saved_keep(const struct wish *wish, struct str secret,
               struct err *err);                            // in place of what was there; 0 or -1
int saved_forget(const struct wish *wish, struct err *err); // how many lines; -1: error

// The control socket: DATA/control.sock, for who may be this server's administrator because they already are:
// the same user, or root. One line of JSON asks, one answers (docs/http.md). On the core thread.
#pragma once

#include "cluster/propose.h"
#include "store/store.h"

#define CONTROL_FILE "control.sock"

struct control;
struct control *control_open(struct loop *loop, const char *directory, struct proposer *proposer,
                             struct err *err);
void control_shut(struct control *control);  // takes no more questions; those asked are answered
void control_close(struct control *control); // after the proposer has answered; NULL is fine

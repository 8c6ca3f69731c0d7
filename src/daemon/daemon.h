// The parts of heraldd put together, and what signals do to them. One a process; all on the core thread.
#pragma once

#include "daemon/config.h"

struct daemon;

// Opens the roll, listens, says so in the log. The config is the caller's and must outlive the daemon; a
// secret that had to be made is put into it, SIGHUP changes it.
// NULL: could not start, err says why and what helps; nothing was left running.
struct daemon *daemon_open(struct config *config, const struct machine *machine, struct err *err);

// Serves until SIGTERM or SIGINT, and until the clients have what was pending (drain_timeout). A second
// signal ends the process at once: what was acknowledged is on the disk all the same.
void daemon_run(struct daemon *daemon);

void daemon_close(struct daemon *daemon); // says the totals; NULL is fine

// Where `herald` keeps what is the user's own, and reading and writing it.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

#define PLACE_MAX 4096

// "~/.config/herald/NAME" and "~/.local/state/herald/NAME", or where XDG_CONFIG_HOME and XDG_STATE_HOME say.
// The directories are made (mode 0700) if `make`. -1: there is no such place.
int place_config(const char *name, int make, char path[PLACE_MAX], struct err *err);
int place_state(const char *name, int make, char path[PLACE_MAX], struct err *err);

// Appends the file; `most` bytes at the most. As `secret`, only if nobody but its owner may read or write it.
// -1: ERR_ABSENT if there is none, else ERR_SYSTEM or ERR_INVALID; `out` is then as before.
int place_read(const char *path, size_t most, int secret, struct buf *out, struct err *err);
// Puts the text in place of the file (mode 0600): afterwards there is the old one or the new one.
int place_write(const char *path, struct str text, struct err *err);
// The same of what may be lost when the machine fails: it is not waited for until it is on the disk.
int place_note(const char *path, struct str text, struct err *err);
// One at a time may read the file and write it anew: a lock, to be closed; it waits for others. -1: `err`.
int place_lock(const char *path, struct err *err);

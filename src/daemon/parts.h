// What config.c is put together from: one source of options a file. Private to the floor.
#pragma once

#include "daemon/option.h"

#include <sys/types.h>

// flags.c: sets options (ORIGIN_FLAG), config->file, ->wish and ->course. Wipes secrets out of argv.
void flags_parse(struct config *config, int argc, char **argv, struct complaints *complaints);

// file.c: sets options (ORIGIN_FILE) from the herald.conf `path`, but none that a flag has set.
void file_parse(struct config *config, const char *path, struct complaints *complaints);

// read.c: all of a regular file of at most `max` bytes, appended to `bytes`, and its mode.
int file_read(const char *path, size_t max, struct buf *bytes, mode_t *mode, struct err *err);

// read.c: takes the server secret from config->secret_file; refuses a file that others may read.
int secret_file_read(struct config *config, struct err *err);

// Sets one option and its origin, or complains at `place`. A list starts afresh with a new kind of origin.
void config_set(struct config *config, enum option_id id, struct str value, struct config_origin origin,
                const char *place, struct complaints *complaints);

// Appends `text` quoted, cut when long, with everything unprintable escaped.
void quote(struct buf *out, struct str text);

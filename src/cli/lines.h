// Lines from a descriptor that is polled.
#pragma once

#include "base/text.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stdint.h>

#define LINES_MOST  (4u * 1024 * 1024) // bytes of a line
#define LINES_CHUNK 65536

struct lines {
    struct framer framer;
    struct str input; // read and not yet taken
    bool ended;       // nothing more comes
    uint64_t number;  // of the line given last
    char chunk[LINES_CHUNK];
};

void lines_init(struct lines *lines);
void lines_fini(struct lines *lines);
// Reads once. To be called when the descriptor is ready and lines_next says FRAME_MORE.
void lines_read(struct lines *lines, int fd);
// The next line, without its end. After FRAME_MORE and with `ended` there is none left; the last one need not
// end in a newline.
enum frame_result lines_next(struct lines *lines, struct str *line);

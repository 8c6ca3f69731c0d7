// Lines from a descriptor.
#include "cli/lines.h"

#include <errno.h>
#include <unistd.h>

void lines_init(struct lines *lines) {
    lines->input = (struct str){0};
    lines->ended = false;
    lines->number = 0;
    framer_init(&lines->framer, LINES_MOST);
}

void lines_fini(struct lines *lines) {
    framer_fini(&lines->framer);
}

void lines_read(struct lines *lines, int fd) {
    if (lines->ended) return;
    ssize_t got = read(fd, lines->chunk, sizeof lines->chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    lines->ended = got <= 0;
    lines->input = (struct str){lines->chunk, got > 0 ? (size_t)got : 0};
    if (lines->ended && framer_held(&lines->framer) > 0) lines->input = STR("\n"); // ends the last line
}

enum frame_result lines_next(struct lines *lines, struct str *line) {
    enum frame_result result = framer_next(&lines->framer, &lines->input, line);
    if (result == FRAME_LINE || result == FRAME_TOO_LONG) lines->number++;
    return result;
}

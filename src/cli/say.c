// Words to the user.
#include "cli/say.h"

#include "base/buf.h"
#include "cli/plain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int say_raw(int fd, struct str text) {
    while (text.len > 0) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -1;
        text.ptr += written;
        text.len -= (size_t)written;
    }
    return 0;
}

void say(const char *format, ...) {
    struct buf line = {0};
    char *text = NULL;
    va_list list;
    va_start(list, format);
    if (vasprintf(&text, format, list) < 0) text = NULL;
    va_end(list);
    if (buf_append_text(&line, "herald: ") || plain_append(&line, str_of(text ? text : "memory is out")) ||
        buf_append_text(&line, "\n"))
        line.len = 0;
    (void)say_raw(STDERR_FILENO, line.len > 0 ? buf_str(&line) : STR("herald: memory is out\n"));
    buf_free(&line);
    free(text);
}

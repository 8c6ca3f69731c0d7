// What was typed, from one chat to the next.
#include "cli/history.h"

#include "base/buf.h"
#include "cli/place.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "history"
#define FILE_MOST (16u << 20)

static struct str next_line(struct str *left) {
    const char *end = memchr(left->ptr, '\n', left->len);
    struct str line = {left->ptr, end ? (size_t)(end - left->ptr) : left->len};
    size_t taken = line.len + (end ? 1 : 0);
    left->ptr += taken;
    left->len -= taken;
    return line;
}

int history_load(void (*give)(void *context, struct str line), void *context, struct err *err) {
    char path[PLACE_MAX];
    struct buf all = {0};
    struct err fault = {0};
    size_t lines = 0;
    if (place_state(FILE_NAME, 0, path, NULL)) return 0;
    if (place_read(path, FILE_MOST, 1, &all, &fault)) {
        if (fault.code == ERR_ABSENT) return 0;
        *err = fault;
        return -1;
    }
    for (size_t i = 0; i < all.len; i++) lines += all.data[i] == '\n';
    size_t skipped = lines > HISTORY_LINES ? lines - HISTORY_LINES : 0;
    struct str left = buf_str(&all);
    for (size_t i = 0; i < skipped; i++) (void)next_line(&left);
    if (skipped > HISTORY_LINES) (void)place_write(path, left, NULL);
    while (left.len > 0) {
        struct str line = next_line(&left);
        if (line.len > 0) give(context, line);
    }
    buf_wipe(&all);
    return 0;
}

void history_add(struct str line) {
    char path[PLACE_MAX];
    struct buf whole = {0};
    if (line.len == 0 || memchr(line.ptr, '\n', line.len) || place_state(FILE_NAME, 1, path, NULL)) return;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    // In one write, so that the lines of several chats do not mix.
    if (buf_append_str(&whole, line) == 0 && buf_append_text(&whole, "\n") == 0)
        (void)!write(fd, whole.data, whole.len);
    buf_wipe(&whole);
    close(fd);
}

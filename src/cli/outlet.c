// Standard output. The descriptor may be shared with others, so it is not made non-blocking: it is asked
// before each piece, which is so small that a pipe that can take anything takes it whole (pipe(7), PIPE_BUF).
#include "cli/outlet.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

bool outlet_waits(const struct outlet *outlet) {
    return outlet->written < outlet->pending.len;
}

bool outlet_full(const struct outlet *outlet) {
    return outlet->pending.len - outlet->written > OUTLET_MOST;
}

void outlet_flush(struct outlet *outlet) {
    while (outlet_waits(outlet) && !outlet->broken) {
        struct pollfd ready = {.fd = outlet->fd, .events = POLLOUT};
        size_t left = outlet->pending.len - outlet->written;
        if (poll(&ready, 1, 0) <= 0) break;
        ssize_t written =
            write(outlet->fd, outlet->pending.data + outlet->written, left < PIPE_BUF ? left : PIPE_BUF);
        if (written < 0 && (errno == EINTR || errno == EAGAIN)) break;
        if (written < 0)
            outlet->broken = true;
        else
            outlet->written += (size_t)written;
    }
    if (outlet->written < outlet->pending.len / 2) return;
    buf_consume(&outlet->pending, outlet->written);
    outlet->written = 0;
}

void outlet_fini(struct outlet *outlet) {
    buf_free(&outlet->pending);
}

// How far something long has come.
#include "cli/progress.h"

#include "cli/plain.h"
#include "cli/say.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR      20u
#define EACH_MS  200u
#define FIRST_MS 300u

void progress_begin(struct progress *progress, const char *things, uint64_t now_ms) {
    *progress = (struct progress){.things = things, .began_ms = now_ms, .visible = isatty(STDERR_FILENO)};
}

int progress_number(struct buf *out, uint64_t number) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, number), status = 0;
    for (int i = 0; i < len && !status; i++)
        status = (i > 0 && (len - i) % 3 == 0 && buf_append_text(out, ",")) || buf_append(out, digits + i, 1);
    return status ? -1 : 0;
}

uint64_t progress_rate(const struct progress *progress, uint64_t now_ms) {
    uint64_t ms = now_ms > progress->began_ms ? now_ms - progress->began_ms : 1;
    return progress->count * 1000 / ms;
}

static int write_bar(const struct progress *progress, struct buf *out) {
    char bar[BAR + 1];
    uint64_t done = progress->done < progress->total ? progress->done : progress->total;
    unsigned full = (unsigned)((double)done / (double)progress->total * BAR);
    for (unsigned i = 0; i < BAR; i++) bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    return buf_printf(out, "[%.*s] %u%%  ", (int)BAR, bar,
                      (unsigned)((double)done / (double)progress->total * 100));
}

static int write_left(const struct progress *progress, uint64_t now_ms, struct buf *out) {
    uint64_t made = progress->done - progress->began_done, ms = now_ms - progress->began_ms;
    if (progress->done >= progress->total || made == 0 || ms < 1000) return 0;
    double left = (double)(progress->total - progress->done) / (double)made * (double)ms / 1000;
    unsigned seconds = left < 359999 ? (unsigned)left + 1 : 359999;
    if (seconds >= 3600) return buf_printf(out, "  %u h %02u min left", seconds / 3600, seconds / 60 % 60);
    if (seconds >= 60) return buf_printf(out, "  %u min %02u s left", seconds / 60, seconds % 60);
    return buf_printf(out, "  %u s left", seconds);
}

int progress_write(const struct progress *progress, uint64_t now_ms, unsigned columns, struct buf *out) {
    size_t start = out->len;
    int status = progress->total > 0 ? write_bar(progress, out) : 0;
    if (!status)
        status = progress_number(out, progress->count) || buf_printf(out, " %s  ", progress->things) ||
                 progress_number(out, progress_rate(progress, now_ms)) || buf_append_text(out, "/s");
    if (!status && progress->note) status = buf_printf(out, "  %s", progress->note);
    if (!status && !progress->note && progress->total > 0) status = write_left(progress, now_ms, out);
    if (status) {
        buf_truncate(out, start);
        return -1;
    }
    buf_truncate(out, start + plain_fit((struct str){out->data + start, out->len - start}, columns));
    return 0;
}

void progress_show(struct progress *progress, uint64_t now_ms) {
    struct buf line = {0};
    struct winsize size;
    if (!progress->visible || now_ms < progress->began_ms + FIRST_MS || now_ms < progress->shown_ms + EACH_MS)
        return;
    progress->shown_ms = now_ms;
    unsigned columns =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col - 1u : 79;
    if (buf_append_text(&line, "\r") == 0 && progress_write(progress, now_ms, columns, &line) == 0 &&
        buf_append_text(&line, "\033[K") == 0)
        (void)say_raw(STDERR_FILENO, buf_str(&line));
    buf_free(&line);
}

void progress_hide(struct progress *progress) {
    if (progress->shown_ms) (void)say_raw(STDERR_FILENO, STR("\r\033[K"));
    progress->shown_ms = 0;
}

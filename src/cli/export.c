// export: all identities, page by page, into a file that is there when it is whole, or to standard output.
#include "cli/import.h"

#include "base/clock.h"
#include "cli/csv.h"
#include "cli/pages.h"
#include "cli/place.h"
#include "cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const columns[] = {"login", "name", "uuid", "created_at", "modified_at", "created_from"};
#define COLUMNS (sizeof columns / sizeof *columns)

struct export {
    struct api api;
    int fd;
    char part[PLACE_MAX + 8]; // the file until it is whole
    bool csv;
    struct progress progress;
};

static int add_row(void *context, struct buf *out, const struct value *identity) {
    struct export *export = context;
    int status = 0;
    export->progress.count++;
    progress_show(&export->progress, clock_monotonic_ms());
    if (!export->csv)
        return value_write(export->api.parser, identity, out) || buf_append_text(out, "\n") ? -1 : 0;
    for (size_t i = 0; i < COLUMNS && !status; i++)
        status = csv_write(out, value_member_text(identity, columns[i]), i == 0);
    return status || buf_append_text(out, "\r\n") ? -1 : 0;
}

static int add_heading(struct buf *out) {
    int status = 0;
    for (size_t i = 0; i < COLUMNS && !status; i++) status = csv_write(out, str_of(columns[i]), i == 0);
    return status || buf_append_text(out, "\r\n") ? -1 : 0;
}

static enum outcome write_all(struct export *export) {
    struct buf heading = {0};
    enum outcome outcome = OUTCOME_REFUSED;
    if (export->csv && add_heading(&heading)) {
        say("memory is out");
    } else {
        struct pages pages = {.api = &export->api,
                              .path = "/v1/identities?" PAGES_LIMIT,
                              .things = "identities",
                              .fd = export->fd,
                              .where = export->part[0] ? export->part : "standard output",
                              .heading = buf_str(&heading),
                              .patient = true,
                              .add = add_row,
                              .context = export};
        outcome = pages_write(&pages);
    }
    buf_free(&heading);
    return outcome;
}

static enum outcome begin(struct export *export, const char *path, enum wish_format format) {
    size_t len = path ? strlen(path) : 0;
    export->fd = STDOUT_FILENO;
    export->csv = format == WISH_FORMAT_CSV || (!format && len > 4 && strcmp(path + len - 4, ".csv") == 0);
    if (!path || strcmp(path, "-") == 0) return OUTCOME_DONE;
    if (!export->csv && !format && !(len > 6 && strcmp(path + len - 6, ".jsonl") == 0)) {
        say("%s: say what it is to be with --format csv or --format jsonl", path);
        return OUTCOME_USAGE;
    }
    if (len > PLACE_MAX) {
        say("%s: is too long", path);
        return OUTCOME_USAGE;
    }
    (void)snprintf(export->part, sizeof export->part, "%s.XXXXXX", path);
    export->fd = mkostemp(export->part, O_CLOEXEC); // mode 0600
    if (export->fd >= 0) return OUTCOME_DONE;
    say("cannot write beside %s: %s", path, strerror(errno));
    export->part[0] = '\0';
    return OUTCOME_REFUSED;
}

// Puts it in its place, or takes it away.
static enum outcome end(struct export *export, const char *path, enum outcome outcome) {
    if (!export->part[0]) return outcome;
    bool written = outcome == OUTCOME_DONE && fsync(export->fd) == 0;
    if (close(export->fd) == 0 && written && rename(export->part, path) == 0) return outcome;
    if (outcome == OUTCOME_DONE) say("cannot write %s: %s", path, strerror(errno));
    unlink(export->part);
    return outcome == OUTCOME_DONE ? OUTCOME_REFUSED : outcome;
}

static void report(struct export *export, const char *path) {
    struct buf line = {0};
    uint64_t now = clock_monotonic_ms();
    if (progress_number(&line, export->progress.count) == 0 && buf_append_text(&line, " identities, ") == 0 &&
        progress_number(&line, progress_rate(&export->progress, now)) == 0)
        say("%s: %.*s/s", path, (int)line.len, line.data);
    buf_free(&line);
}

enum outcome export_run(struct wish *wish) {
    static struct export export;
    const char *path = wish->word_count > 0 ? wish->words[0] : NULL;
    enum outcome outcome;
    if (!api_open(&export.api, wish, &outcome)) return outcome;
    outcome =
        api_identify(&export.api, wish->user, false) ? begin(&export, path, wish->format) : OUTCOME_USAGE;
    if (outcome == OUTCOME_DONE) {
        progress_begin(&export.progress, "identities", clock_monotonic_ms());
        outcome = write_all(&export);
        progress_hide(&export.progress);
        outcome = end(&export, path, outcome);
        if (outcome == OUTCOME_DONE && export.part[0]) report(&export, path);
    }
    api_close(&export.api);
    return outcome;
}

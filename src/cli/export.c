// export: all identities, page by page, into a file that is there when it is whole, or to standard output.
#include "cli/import.h"

#include "base/clock.h"
#include "cli/api.h"
#include "cli/csv.h"
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

static int add_row(struct export *export, struct buf *out, const struct value *identity) {
    int status = 0;
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

// 1: `next` is where the page after it begins; 0: it was the last; -1: it was said what is wrong.
static int write_page(struct export *export, const struct ask *ask, struct buf *next) {
    const struct value *page = api_value(&export->api, ask), *identity;
    struct value_walk walk = value_walk(value_member(page, "identities"));
    struct buf out = {0};
    int status = 0;
    if (!page) return -1;
    if (export->csv && next->len == 0) status = add_heading(&out);
    for (; !status && (identity = value_next(&walk)); export->progress.count++)
        status = add_row(export, &out, identity);
    buf_truncate(next, 0);
    if (!status) status = buf_append_str(next, value_member_text(page, "next"));
    if (status) say("memory is out");
    if (!status && (status = say_raw(export->fd, buf_str(&out)))) say("cannot write it: %s", strerror(errno));
    buf_free(&out);
    return status ? -1 : next->len > 0;
}

static enum outcome write_all(struct export *export) {
    struct buf next = {0};
    enum outcome outcome;
    int more = 0;
    do {
        struct ask ask;
        api_fill(&export->api, &ask, "GET", "/v1/identities?limit=1000&after=", buf_str(&next));
        if (next.len == 0) *strchr(ask.path, '&') = '\0';
        ask.patient = true;
        outcome = api_ask(&export->api, &ask);
        if (outcome == OUTCOME_DONE) more = write_page(export, &ask, &next);
        ask_fini(&ask);
        progress_show(&export->progress, clock_monotonic_ms());
    } while (outcome == OUTCOME_DONE && more > 0);
    buf_free(&next);
    return outcome == OUTCOME_DONE && more < 0 ? OUTCOME_REFUSED : outcome;
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

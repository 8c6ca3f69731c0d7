// herald post: what is to be posted goes to libherald as fast as that takes it, then the session is left, and
// the server's close is the receipt.
//
//   text, file, feed ──► session ──► server
#include "cli/post.h"

#include "base/clock.h"
#include "cli/call.h"
#include "cli/feed.h"
#include "cli/place.h"
#include "cli/signals.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVER_PATIENCE_MS 30000 // for a server that takes nothing any more
#define SEARCH_PATIENCE_MS 30000 // for another server when one was lost
#define INTERRUPT_MS       2000
#define PROGRESS_FIRST_MS  1000
#define PROGRESS_EACH_MS   250

struct post {
    struct call call;
    struct wish *wish;
    struct feed feed;
    bool by_lines, interrupted;
    bool apart;                  // from a server, and it was said
    uint64_t began_ms, shown_ms; // progress
    size_t unsent;
    uint64_t moved_ms; // when `unsent` changed
};

// --- one activity ---------------------------------------------------------------------------------------

static enum outcome publish_text(struct post *post) {
    const struct wish *wish = post->wish;
    struct buf text = {0};
    int status = 0;
    for (size_t i = 0; i < wish->word_count && !status; i++)
        status = (i > 0 && buf_append_text(&text, " ")) || buf_append_text(&text, wish->words[i]);
    bool usable = !status && text_is_utf8(buf_str(&text));
    if (usable) status = note_write(&post->feed.scratch, buf_str(&text), wish->user, clock_wall_ms());
    buf_free(&text);
    if (!usable) say("the text is not UTF-8");
    if (!usable) return OUTCOME_USAGE;
    if (!status && herald_publish(post->call.session, post->feed.scratch.data, post->feed.scratch.len) == 0)
        return OUTCOME_DONE;
    say("%s", status ? "memory is out" : herald_error(post->call.session));
    return OUTCOME_REFUSED;
}

static enum outcome publish_file(struct post *post) {
    struct err err = {0};
    const char *path = post->wish->file;
    if (place_read(path, LINES_MOST, 0, &post->feed.scratch, &err)) {
        say("%s", err.text);
        return OUTCOME_REFUSED;
    }
    if (herald_publish(post->call.session, post->feed.scratch.data, post->feed.scratch.len) == 0)
        return OUTCOME_DONE;
    say("%s: %s", path, herald_error(post->call.session));
    say("the file must hold one activity in JSON; for lines: herald post - < %s", path);
    return OUTCOME_REFUSED;
}

// --- waiting --------------------------------------------------------------------------------------------

static void show_progress(struct post *post, uint64_t now) {
    struct buf line = {0};
    if (!isatty(STDERR_FILENO) || now < post->began_ms + PROGRESS_FIRST_MS ||
        now < post->shown_ms + PROGRESS_EACH_MS || post->feed.lines.number == 0)
        return;
    post->shown_ms = now;
    if (buf_printf(&line, "\rherald: %llu lines, %zu bytes still to be sent\033[K",
                   (unsigned long long)post->feed.lines.number, post->unsent) == 0)
        (void)say_raw(STDERR_FILENO, buf_str(&line));
    buf_free(&line);
}

static void hide_progress(struct post *post) {
    if (post->shown_ms) (void)say_raw(STDERR_FILENO, STR("\r\033[K"));
    post->shown_ms = 0;
}

// Once all is given, the server has so long for each step it makes.
static void watch(struct post *post, uint64_t now) {
    size_t unsent = herald_unsent(post->call.session);
    if (unsent != post->unsent || !post->call.leaving || !post->call.logged_in) post->moved_ms = now;
    post->unsent = unsent;
    if (post->call.leaving && post->call.logged_in && !post->interrupted)
        post->call.leave_by_ms = post->moved_ms + SERVER_PATIENCE_MS;
    show_progress(post, now);
}

// True: end at once.
static bool interrupt(struct post *post) {
    signals_take(post->call.signals);
    if (post->interrupted) return true;
    post->interrupted = true;
    feed_stop(&post->feed);
    call_leave(&post->call, INTERRUPT_MS);
    return false;
}

static void wait_more(struct post *post) {
    const struct call_wait wait = {.input = feed_wants(&post->feed) ? STDIN_FILENO : -1,
                                   .output = -1,
                                   .most_ms = isatty(STDERR_FILENO) ? PROGRESS_EACH_MS : -1};
    unsigned ready = call_wait(&post->call, &wait);
    if (ready & CALL_INPUT) feed_read(&post->feed);
    if (ready & CALL_SIGNAL && interrupt(post)) post->call.leave_by_ms = 1;
}

// Said once for each server, not for each try to find another one.
static void lost(struct post *post, const struct herald_event *event) {
    hide_progress(post);
    if (!post->apart)
        say("%s%s%s; looking for a server", event->server, event->server[0] ? ": " : "", event->text);
    post->apart = true;
}

// Until the session has ended: `ended`.
static void run(struct post *post, struct herald_event *ended) {
    for (;;) {
        while (call_next(&post->call, ended)) {
            if (ended->kind == HERALD_ENDED) return;
            if (ended->kind == HERALD_LOGGED_IN) post->apart = false;
            if (ended->kind == HERALD_LOST) lost(post, ended);
        }
        feed_give(&post->feed, post->call.session, post->wish->user, !post->wish->raw);
        if (!post->feed.reads && !post->call.leaving) call_leave(&post->call, 0);
        watch(post, clock_monotonic_ms());
        wait_more(post);
    }
}

static enum outcome conclude(struct post *post, const struct herald_event *ended) {
    unsigned long long lines = (unsigned long long)post->feed.lines.number;
    enum outcome outcome = call_outcome(&post->call, ended);
    if (outcome == OUTCOME_UNKNOWN) say("who listens knows what has arrived; post again what has not");
    if (outcome == OUTCOME_UNKNOWN && post->by_lines) say("%llu lines were read", lines);
    if (outcome == OUTCOME_UNREACHABLE && post->by_lines && post->call.logged_in)
        say("%llu lines were read; the last of them are not posted", lines);
    if (outcome != OUTCOME_DONE || !(post->feed.failed || post->interrupted)) return outcome;
    if (!post->by_lines) return OUTCOME_DONE; // the interrupt came too late
    if (post->feed.failed)
        say("the lines before it are posted, it and what follows is not");
    else
        say("interrupted: %llu lines are posted", lines);
    return OUTCOME_REFUSED;
}

static enum outcome post_all(struct post *post) {
    struct herald_event ended;
    enum outcome outcome;
    const struct call_plan plan = {.once = !post->by_lines,
                                   .patience_ms = post->by_lines ? SEARCH_PATIENCE_MS : 0};
    if (!call_open(&post->call, post->wish, &plan, &outcome)) return outcome;
    post->began_ms = post->moved_ms = clock_monotonic_ms();
    if (!post->by_lines) feed_stop(&post->feed);
    if (!post->by_lines) outcome = post->wish->file ? publish_file(post) : publish_text(post);
    if (outcome == OUTCOME_DONE) {
        run(post, &ended);
        hide_progress(post);
        outcome = conclude(post, &ended);
    }
    call_close(&post->call);
    return outcome;
}

enum outcome post_run(struct wish *wish) {
    bool by_lines = wish->word_count == 1 && strcmp(wish->words[0], "-") == 0;
    if ((wish->word_count > 0) == (wish->file != NULL)) {
        say("post what? a text, - for lines, or --file FILE; see herald post --help");
        return OUTCOME_USAGE;
    }
    if (wish->raw && !by_lines) {
        say("--raw: is for lines: herald post --raw -");
        return OUTCOME_USAGE;
    }
    struct post *post = calloc(1, sizeof *post);
    if (!post) {
        say("memory is out");
        return OUTCOME_REFUSED;
    }
    post->wish = wish;
    post->by_lines = by_lines;
    feed_init(&post->feed);
    enum outcome outcome = post_all(post);
    feed_fini(&post->feed);
    free(post);
    return outcome;
}

// The commands for settings.
#include "cli/setting.h"

#include "cli/pages.h"
#include "cli/place.h"
#include "cli/plain.h"
#include "cli/signals.h"
#include "client/basic.h"
#include "wire/frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS   "/v1/settings"
#define VALUE_MOST (64u * 1024)
#define BYTES_TYPE "Content-Type: application/octet-stream"
#define EVENT_MOST (64u * 1024) // bytes of a line of the change log

static enum outcome printed(bool shown) {
    return shown ? OUTCOME_DONE : OUTCOME_REFUSED;
}

// "\"12\"" ──► 12
static bool version_of(const char *etag, uint64_t *version) {
    size_t len = strlen(etag);
    return len > 2 && etag[0] == '"' && etag[len - 1] == '"' &&
           text_parse_u64((struct str){etag + 1, len - 2}, version);
}

// --- get ------------------------------------------------------------------------------------------------

// {"key":...,"version":...,"value":...}; of a value that is no text, "base64" in its place.
static int write_object(struct buf *line, const char *key, const struct ask *ask) {
    struct str value = buf_str(&ask->answer);
    uint64_t version = 0;
    (void)version_of(ask->etag, &version);
    if (buf_append_text(line, "{\"key\":") || value_write_text(line, str_of(key)) ||
        buf_printf(line, ",\"version\":%" PRIu64, version))
        return -1;
    if (text_is_utf8(value))
        return buf_append_text(line, ",\"value\":") || value_write_text(line, value) ||
               buf_append_text(line, "}");
    return buf_append_text(line, ",\"base64\":\"") || base64_append(line, value) ||
           buf_append_text(line, "\"}");
}

static enum outcome get(struct api *api) {
    struct ask ask;
    struct buf line = {0};
    api_fill(api, &ask, "GET", SETTINGS "/", str_of(api->wish->words[1]));
    enum outcome outcome = api_ask(api, &ask);
    if (outcome == OUTCOME_DONE && api->wish->json) {
        outcome = printed(api_print(&line, write_object(&line, api->wish->words[1], &ask)));
    } else if (outcome == OUTCOME_DONE) {
        // As it is, for files; a terminal gets a line.
        bool open =
            isatty(STDOUT_FILENO) && (ask.answer.len == 0 || ask.answer.data[ask.answer.len - 1] != '\n');
        if (say_raw(STDOUT_FILENO, buf_str(&ask.answer)) || (open && say_raw(STDOUT_FILENO, STR("\n")))) {
            say("cannot write to standard output");
            outcome = OUTCOME_REFUSED;
        }
    }
    buf_free(&line);
    ask_fini(&ask);
    return outcome;
}

// --- set, delete ----------------------------------------------------------------------------------------

static int read_input(struct buf *value) {
    while (value->len <= VALUE_MOST) {
        if (buf_reserve(value, 4096)) return -1;
        ssize_t got = read(STDIN_FILENO, value->data + value->len, 4096);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return (int)got;
        value->len += (size_t)got;
    }
    return 0;
}

static enum outcome take_value(const struct wish *wish, struct buf *value) {
    struct err err = {0};
    int status;
    if ((wish->word_count == 3) == (wish->file != NULL)) {
        say("which value? herald settings set KEY VALUE, or KEY --file FILE, or KEY - for standard input");
        return OUTCOME_USAGE;
    }
    if (wish->file)
        status = place_read(wish->file, VALUE_MOST, 0, value, &err);
    else if (strcmp(wish->words[2], "-") == 0)
        status = read_input(value) ? err_set(&err, ERR_SYSTEM, "cannot read standard input") : 0;
    else
        status = buf_append_text(value, wish->words[2]) ? err_set(&err, ERR_MEMORY, "memory is out") : 0;
    if (!status && value->len > VALUE_MOST) status = err_set(&err, ERR_LIMIT, "a value has at most 64 KiB");
    if (!status && buf_append(value, "", 1)) status = err_set(&err, ERR_MEMORY, "memory is out");
    if (!status) {
        value->len--; // there is memory, also of an empty one
        return OUTCOME_DONE;
    }
    say("%s", err.text);
    return OUTCOME_USAGE;
}

static enum outcome change(struct api *api, const char *method, struct str value, struct ask *ask) {
    const struct wish *wish = api->wish;
    char condition[64] = "";
    struct intent intent;
    struct buf what = {0};
    if (wish->expects && wish->expected == 0 && strcmp(method, "PUT") == 0)
        (void)snprintf(condition, sizeof condition, "If-None-Match: *");
    else if (wish->expects)
        (void)snprintf(condition, sizeof condition, "If-Match: \"%" PRIu64 "\"", wish->expected);
    int status = buf_printf(&what, "%s setting %s %s ", method, wish->words[1], condition) ||
                 buf_append_str(&what, value);
    if (!status) intent_begin(&intent, buf_str(&what));
    buf_free(&what);
    if (status) {
        say("memory is out");
        return OUTCOME_REFUSED;
    }
    api_fill(api, ask, method, SETTINGS "/", str_of(wish->words[1]));
    if (condition[0]) ask->condition = condition;
    if (value.ptr) {
        ask->body = value;
        ask->type = BYTES_TYPE;
    }
    enum outcome outcome = api_change(api, ask, &intent, (struct str){0});
    ask->condition = NULL;
    return outcome;
}

static enum outcome set(struct api *api) {
    struct buf value = {0}, line = {0};
    struct ask ask = {0};
    enum outcome outcome = take_value(api->wish, &value);
    if (outcome == OUTCOME_DONE) outcome = change(api, "PUT", buf_str(&value), &ask);
    const struct value *setting = outcome == OUTCOME_DONE ? api_value(api, &ask) : NULL;
    if (outcome == OUTCOME_DONE && !setting) outcome = OUTCOME_REFUSED;
    if (outcome == OUTCOME_DONE) {
        int status = api->wish->json
                         ? value_write(api->parser, setting, &line)
                         : plain_append_after(&line, "set ", value_member_text(setting, "key")) ||
                               plain_append_after(&line, ", version ", value_member_text(setting, "version"));
        outcome = printed(api_print(&line, status));
    }
    buf_free(&value);
    buf_free(&line);
    ask_fini(&ask);
    return outcome;
}

static enum outcome erase(struct api *api) {
    struct buf line = {0};
    struct ask ask = {0};
    enum outcome outcome = change(api, "DELETE", (struct str){0}, &ask);
    if (outcome == OUTCOME_DONE) {
        int status = api->wish->json ? buf_append_text(&line, "{\"deleted\":") ||
                                           value_write_text(&line, str_of(api->wish->words[1])) ||
                                           buf_append_text(&line, "}")
                                     : plain_append_after(&line, "deleted ", str_of(api->wish->words[1]));
        outcome = printed(api_print(&line, status));
    }
    buf_free(&line);
    ask_fini(&ask);
    return outcome;
}

// --- list -----------------------------------------------------------------------------------------------

static int add_row(void *context, struct buf *out, const struct value *setting) {
    struct api *api = context;
    int status = api->wish->json
                     ? value_write(api->parser, setting, out)
                     : plain_append_after(out, "", value_member_text(setting, "key")) ||
                           plain_append_after(out, "  version ", value_member_text(setting, "version")) ||
                           plain_append_after(out, ", ", value_member_text(setting, "size")) ||
                           plain_append_after(out, " bytes, ", value_member_text(setting, "modified_at"));
    return status || buf_append_text(out, "\n") ? -1 : 0;
}

static enum outcome list(struct api *api) {
    struct pages pages = {.api = api,
                          .path = SETTINGS "?" PAGES_LIMIT "&prefix=",
                          .tail = str_of(api->wish->word_count > 1 ? api->wish->words[1] : ""),
                          .things = "settings",
                          .fd = STDOUT_FILENO,
                          .where = "standard output",
                          .add = add_row,
                          .context = api};
    return pages_write(&pages);
}

// --- watch ----------------------------------------------------------------------------------------------

struct watch {
    struct api *api;
    struct framer framer;
    struct str prefix;
    bool broken; // its lines are too long, or nobody reads ours
    struct ask ask;
};

static bool show_event(struct watch *watch, const struct value *event) {
    struct api *api = watch->api;
    struct str key = value_member_text(event, "key"), kind = value_member_text(event, "kind");
    struct buf line = {0};
    if (key.len < watch->prefix.len || memcmp(key.ptr, watch->prefix.ptr, watch->prefix.len) != 0)
        return true;
    int status =
        api->wish->json
            ? value_write(api->parser, event, &line)
            : plain_append(&line, value_member_text(event, "at")) ||
                  buf_append_text(&line, str_equal_text(kind, "setting_put") ? " set " : " deleted ") ||
                  plain_append(&line, key);
    bool shown = api_print(&line, status);
    buf_free(&line);
    return shown;
}

// A line of Server-Sent Events. What was seen is where it goes on, at whichever server.
static bool take_line(struct watch *watch, struct str line) {
    struct err err = {0};
    if (line.len < 6 || memcmp(line.ptr, "data: ", 6) != 0) return true;
    const struct value *event =
        value_read(watch->api->parser, (struct str){line.ptr + 6, line.len - 6}, &err);
    struct str kind = value_member_text(event, "kind"), clock = value_member_text(event, "clock");
    if (clock.len > 0 && clock.len < 48)
        (void)snprintf(watch->ask.path, sizeof watch->ask.path, "/v1/changes?since=%.*s", (int)clock.len,
                       clock.ptr);
    if (kind.len > 8 && memcmp(kind.ptr, "setting_", 8) == 0) return show_event(watch, event);
    return true;
}

static bool take_bytes(struct ask *ask, struct str bytes) {
    struct watch *watch = ask->context;
    struct str line;
    enum frame_result frame;
    ask->patient = true; // there was a server: another one is looked for when it is lost
    if (!strchr(ask->path, '?') && ask->errand.clock[0])
        (void)snprintf(ask->path, sizeof ask->path, "/v1/changes?since=%s", ask->errand.clock);
    while ((frame = framer_next(&watch->framer, &bytes, &line)) == FRAME_LINE)
        if (!take_line(watch, line)) watch->broken = true;
    if (frame == FRAME_TOO_LONG || frame == FRAME_MEMORY) watch->broken = true;
    return !watch->broken;
}

static enum outcome watch_on(struct watch *watch) {
    struct api *api = watch->api;
    for (;;) {
        roll_start(&api->roll, &watch->ask, 0);
        struct ask *over = NULL;
        while (!over) {
            over = roll_wait(&api->roll, -1, api->signals);
            if (over || signals_take(api->signals) == 0) continue;
            roll_drop(&api->roll, &watch->ask);
            return OUTCOME_DONE;
        }
        if (watch->broken) return OUTCOME_REFUSED;
        if (over->end != ASK_ANSWERED || over->status != 200) return refusal_say(api, over);
        framer_fini(&watch->framer); // the server stops, in good order: the next one goes on
        framer_init(&watch->framer, EVENT_MOST);
    }
}

static enum outcome watch(struct api *api) {
    struct watch watch = {.api = api, .prefix = str_of(api->wish->word_count > 1 ? api->wish->words[1] : "")};
    framer_init(&watch.framer, EVENT_MOST);
    api_fill(api, &watch.ask, "GET", "/v1/changes", (struct str){0});
    watch.ask.on_bytes = take_bytes;
    watch.ask.context = &watch;
    watch.ask.timeout_ms = 0;
    enum outcome outcome = watch_on(&watch);
    framer_fini(&watch.framer);
    ask_fini(&watch.ask);
    return outcome;
}

// --- which ----------------------------------------------------------------------------------------------

static const struct {
    const char *name;
    size_t least, most; // words, itself included
    bool admin;
    enum outcome (*run)(struct api *api);
} actions[] = {{"get", 2, 2, false, get},
               {"set", 2, 3, true, set},
               {"delete", 2, 2, true, erase},
               {"list", 1, 2, false, list},
               {"watch", 1, 2, false, watch}};

enum outcome setting_run(struct wish *wish) {
    struct api api;
    enum outcome outcome = OUTCOME_USAGE;
    size_t i = 0, count = sizeof actions / sizeof *actions;
    while (i < count && strcmp(wish->words[0], actions[i].name) != 0) i++;
    if (i == count || wish->word_count < actions[i].least || wish->word_count > actions[i].most) {
        say("use: herald settings %s", cli_command(CLI_settings)->words);
        return OUTCOME_USAGE;
    }
    if (!actions[i].admin && (wish->file || wish->expects)) {
        say("%s is for settings set%s", wish->file ? "--file" : "--expect", wish->file ? "" : " and delete");
        return OUTCOME_USAGE;
    }
    if (!api_open(&api, wish, &outcome)) return outcome;
    outcome = api_identify(&api, wish->user, false) ? actions[i].run(&api) : OUTCOME_USAGE;
    api_close(&api);
    return outcome;
}

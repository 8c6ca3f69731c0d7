// Activities as a person reads them: the rules of display.h, by their numbers.
//
//   JSON ──► value_read ──► thing_kind, thing_name, thing_text ──► who, what ──► display_line
#include "cli/display.h"

#include "cli/plain.h"
#include "cli/thing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEEPEST     1000         // nesting of JSON; a server permits as much
#define LONG_AGO_MS (10 * 60000) // rule 5

struct display {
    struct parser *parser;
    struct things things;
    struct buf who, what;
};

struct display *display_open(const char *language) {
    struct display *display = calloc(1, sizeof *display);
    if (!display) return NULL;
    display->parser = parser_open(0, DEEPEST);
    if (!display->parser) {
        free(display);
        return NULL;
    }
    size_t len = language ? strcspn(language, ".@") : 0;
    if (len > 1 && str_copy((struct str){language, len}, display->things.language, THING_LANGUAGE_SIZE))
        for (char *c = display->things.language; *c; c++) *c = *c == '_' ? '-' : *c;
    return display;
}

void display_close(struct display *display) {
    if (!display) return;
    parser_close(display->parser);
    buf_free(&display->things.scratch);
    buf_free(&display->who);
    buf_free(&display->what);
    free(display);
}

bool display_colours(void) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return (!no || !no[0]) && term && strcmp(term, "dumb") != 0;
}

const char *display_language(void) {
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && value[0]) return value;
    }
    return NULL;
}

// --- rule 1: who ----------------------------------------------------------------------------------------

// What stands last in an address: "https://herald.example/people/alice".
static struct str last_part(struct str address) {
    for (size_t i = address.len; i > 0; i--)
        if (address.ptr[i - 1] == '/' || address.ptr[i - 1] == ':')
            return (struct str){address.ptr + i, address.len - i};
    return address;
}

static bool same_name(struct str a, struct str b) {
    struct login one, other;
    if (str_equal(a, b)) return true;
    return !login_parse(a, &one, NULL) && !login_parse(b, &other, NULL) && !strcmp(one.fold, other.fold);
}

static int put_who(struct display *display, const struct value *activity, struct str user) {
    struct buf *who = &display->who;
    who->len = 0;
    if (plain_append(who, user)) return -1;
    size_t end = who->len;
    if (buf_append_text(who, " (")) return -1;
    size_t start = who->len;
    if (thing_name(&display->things, value_member(activity, "actor"), who)) return -1;
    struct str actor = {who->data + start, who->len - start};
    if (actor.len > 0 && !same_name(actor, user) && !same_name(last_part(actor), user))
        return buf_append_text(who, ")");
    buf_truncate(who, end);
    return 0;
}

// --- rules 2 and 3: what --------------------------------------------------------------------------------

static bool is_note(const struct value *thing) {
    return value_kind(thing) == VALUE_OBJECT &&
           (thing_is(thing, "Note") || thing_is(thing, "comment") || thing_kind(thing).len == 0);
}

// What is said in it: the note itself, or the one that it creates or posts. NULL: it is not about a note.
static const struct value *note_of(const struct value *activity) {
    const struct value *object = value_member(activity, "object");
    struct str kind = thing_kind(activity);
    if (!object) return thing_is(activity, "Note") || thing_is(activity, "comment") ? activity : NULL;
    bool makes = kind.len == 0 || thing_is(activity, "Create") || thing_is(activity, "post");
    return makes && is_note(object) ? object : NULL;
}

// `before`, and behind it what `thing` is; nothing where there is none.
static int put_part(struct display *display, const char *before, const struct value *thing) {
    struct buf *what = &display->what;
    size_t start = what->len;
    if (buf_append_text(what, start > 0 ? before : "")) return -1;
    size_t end = what->len;
    if (thing_describe(&display->things, thing, what)) return -1;
    if (what->len == end) buf_truncate(what, start);
    return 0;
}

static int put_note(struct display *display, const struct value *activity, const struct value *note) {
    struct buf *what = &display->what;
    if (thing_name(&display->things, note, what)) return -1;
    size_t start = what->len;
    if (start > 0 && buf_append_text(what, ": ")) return -1;
    size_t end = what->len;
    if (thing_text(&display->things, note, what)) return -1;
    if (what->len == end) buf_truncate(what, start);
    if (what->len == 0) return 0; // it says nothing: rule 3
    return put_part(display, " to ", value_member(activity, "target"));
}

static int put_choices(struct display *display, const struct value *choices) {
    struct buf *what = &display->what;
    struct value_walk walk = value_walk(value_kind(choices) == VALUE_ARRAY ? choices : NULL);
    const char *before = " (";
    for (const struct value *each; (each = value_next(&walk)); before = " | ")
        if (buf_append_text(what, before) || thing_name(&display->things, each, what)) return -1;
    return strcmp(before, " (") == 0 ? 0 : buf_append_text(what, ")");
}

static int put_text(struct display *display, const struct value *activity) {
    struct buf *what = &display->what;
    size_t start = what->len;
    if (start == 0) return thing_text(&display->things, activity, what); // no kind: a name would not be all
    if (buf_append_text(what, ": ")) return -1;
    size_t end = what->len;
    if (thing_name(&display->things, activity, what)) return -1;
    size_t named = what->len;
    if (named > end && buf_append_text(what, ": ")) return -1;
    size_t text = what->len;
    if (thing_text(&display->things, activity, what)) return -1;
    if (what->len == text) buf_truncate(what, named > end ? named : start);
    return 0;
}

static int put_activity(struct display *display, const struct value *activity) {
    static const struct {
        const char *member, *before;
    } parts[] = {{"object", " "},
                 {"origin", " from "},
                 {"location", " at "},
                 {"target", " to "},
                 {"instrument", " with "}};
    struct str kind = thing_kind(activity);
    struct buf *what = &display->what;
    if (kind.len > 0 &&
        (buf_append_text(what, "[") || plain_append(what, kind) || buf_append_text(what, "]")))
        return -1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (put_part(display, parts[i].before, value_member(activity, parts[i].member))) return -1;
    if (put_text(display, activity) || put_choices(display, value_member(activity, "oneOf")) ||
        put_choices(display, value_member(activity, "anyOf")))
        return -1;
    return 0;
}

// --- rule 4: JSON ---------------------------------------------------------------------------------------

static int put_members(struct display *display, const struct value *activity) {
    struct buf *json = &display->things.scratch;
    const char *before = "{";
    struct value_walk walk = value_walk(activity);
    json->len = 0;
    for (const struct value *each; (each = value_next(&walk));) {
        if (str_equal_text(walk.name, "authenticated_user")) continue;
        if (buf_append_text(json, before) || value_write_text(json, walk.name) ||
            buf_append_text(json, ":") || value_write(display->parser, each, json))
            return -1;
        before = ",";
    }
    if (buf_append_text(json, before[0] == '{' ? "{}" : "}")) return -1;
    return plain_append(&display->what, buf_str(json));
}

// --- rule 5: when ---------------------------------------------------------------------------------------

// "2016-02-10T15:04:55Z" or with an offset, "+01:00". False when it is something else.
static bool parse_time(struct str text, int64_t *seconds) {
    char copy[40];
    struct tm tm = {0};
    if (!str_copy(text, copy, sizeof copy)) return false;
    char *rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest || tm.tm_year < -900 || tm.tm_year > 8000) return false;
    if (*rest == '.') rest += 1 + strspn(rest + 1, "0123456789");
    int offset = 0;
    unsigned hours, minutes;
    if (*rest == '+' || *rest == '-') {
        if (sscanf(rest + 1, "%2u:%2u", &hours, &minutes) != 2) return false;
        offset = (*rest == '-' ? -60 : 60) * (int)(hours * 60 + minutes);
    }
    *seconds = (int64_t)timegm(&tm) - offset;
    return true;
}

static int put_published(struct display *display, const struct value *activity, int64_t now_ms) {
    int64_t seconds;
    char text[40];
    struct tm tm;
    if (!parse_time(value_member_text(activity, "published"), &seconds)) return 0;
    int64_t off = now_ms - seconds * 1000;
    time_t time = (time_t)seconds;
    if ((off < LONG_AGO_MS && off > -LONG_AGO_MS) || !localtime_r(&time, &tm) ||
        strftime(text, sizeof text, " (of %Y-%m-%d %H:%M)", &tm) == 0)
        return 0;
    return buf_append_text(&display->what, text);
}

// --- the line -------------------------------------------------------------------------------------------

int display_activity(struct display *display, struct str json, struct str user, int64_t now_ms,
                     struct shown *shown) {
    struct err err = {0};
    const struct value *activity = value_read(display->parser, json, &err);
    const struct value *note = note_of(activity);
    display->what.len = 0;
    if (!activity && err.code == ERR_MEMORY) return -1;
    if (put_who(display, activity, user)) return -1;
    if (note && put_note(display, activity, note)) return -1;
    if (display->what.len == 0 && put_activity(display, activity)) return -1;
    if (display->what.len == 0 && (value_kind(activity) == VALUE_OBJECT ? put_members(display, activity)
                                                                        : plain_append(&display->what, json)))
        return -1;
    if (put_published(display, activity, now_ms)) return -1;
    *shown = (struct shown){buf_str(&display->who), buf_str(&display->what)};
    return 0;
}

// One of six colours that are seen on dark and on light, always the same for a name.
static unsigned colour_of(struct str who) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < who.len; i++) hash = (hash ^ (unsigned char)who.ptr[i]) * 16777619u;
    return 31 + hash % 6;
}

static int put_cut(struct str plain, size_t *columns, struct buf *out) {
    size_t fits = plain_fit(plain, *columns);
    *columns -= plain_width((struct str){plain.ptr, fits});
    return buf_append(out, plain.ptr, fits) || (fits < plain.len && buf_append_text(out, "…")) ? -1 : 0;
}

int display_line(const struct shown *shown, int64_t now_ms, size_t columns, bool colours, struct buf *out) {
    char time_text[16];
    struct tm tm;
    time_t now = (time_t)(now_ms / 1000);
    size_t start = out->len;
    if (!localtime_r(&now, &tm) || strftime(time_text, sizeof time_text, "%H:%M:%S ", &tm) == 0)
        time_text[0] = '\0';
    size_t left = columns == 0 ? SIZE_MAX : columns > 13 ? columns - 13 : 0; // the time, ": ", two ellipses
    int status = buf_printf(out, colours ? "\033[2m%s\033[0m" : "%s", time_text);
    if (!status && colours) status = buf_printf(out, "\033[1;%um", colour_of(shown->who));
    if (!status) status = put_cut(shown->who, &left, out);
    if (!status) status = buf_append_text(out, colours ? "\033[0m: " : ": ");
    if (!status) status = put_cut(shown->what, &left, out);
    if (status) buf_truncate(out, start);
    return status;
}

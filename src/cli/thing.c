// What Activity Streams 2.0 and 1.0 write in so many ways, read in one.
//
//            2.0                          1.0
//   kind     type                         verb, objectType
//   name     name, nameMap                displayName, title
//   text     content, contentMap, summary content, summary
#include "cli/thing.h"

#include "cli/plain.h"

#include <string.h>
#include <strings.h>

#define DEEPEST 3   // of things within things
#define MOST    3   // of several things, so many are named
#define COLUMNS 100 // of a text that stands for a name

// A text or a number, also as the first of an array.
static struct str text_of(const struct value *value) {
    if (value_kind(value) == VALUE_ARRAY) {
        struct value_walk walk = value_walk(value);
        value = value_next(&walk);
    }
    return value_text(value);
}

static struct str member_text(const struct value *thing, const char *name) {
    return text_of(value_member(thing, name));
}

// --- kinds ----------------------------------------------------------------------------------------------

struct str thing_kind(const struct value *thing) {
    static const char *const members[] = {"type", "verb", "objectType", "@type"};
    struct str kind = {0};
    for (size_t i = 0; i < sizeof members / sizeof *members && kind.len == 0; i++)
        if (value_kind(value_member(thing, members[i])) != VALUE_NUMBER)
            kind = member_text(thing, members[i]);
    for (size_t i = kind.len; i > 0; i--) {
        char c = kind.ptr[i - 1];
        if (c == '#' || c == '/' || c == ':') return (struct str){kind.ptr + i, kind.len - i};
    }
    return kind;
}

bool thing_is(const struct value *thing, const char *kind) {
    struct str said = thing_kind(thing);
    return said.len == strlen(kind) && strncasecmp(said.ptr, kind, said.len) == 0;
}

// --- languages ------------------------------------------------------------------------------------------

static size_t primary_len(const char *tag, size_t len) {
    size_t i = 0;
    while (i < len && tag[i] != '-' && tag[i] != '_') i++;
    return i;
}

// How well a language tag answers the one asked for: 2 the same, 1 the same language, 0 another one.
static int fit(struct str tag, const char *wanted) {
    size_t len = strlen(wanted);
    if (len == 0) return 0;
    if (tag.len == len && strncasecmp(tag.ptr, wanted, len) == 0) return 2;
    size_t primary = primary_len(wanted, len);
    return primary_len(tag.ptr, tag.len) == primary && strncasecmp(tag.ptr, wanted, primary) == 0;
}

static struct str of_language(const struct value *map, const char *wanted) {
    struct str best = {0};
    int best_fit = 0;
    struct value_walk walk = value_walk(value_kind(map) == VALUE_OBJECT ? map : NULL);
    for (const struct value *each; (each = value_next(&walk));) {
        int this_fit = fit(walk.name, wanted);
        if (this_fit <= best_fit || value_kind(each) != VALUE_TEXT) continue;
        best = value_text(each);
        best_fit = this_fit;
    }
    return best;
}

// In the reader's language, or as it stands, or in English, or in the first there is.
static struct str in_language(const struct things *things, const struct value *thing, const char *name,
                              const char *map_name) {
    const struct value *map = value_member(thing, map_name);
    struct str text = of_language(map, things->language);
    if (text.len == 0) text = member_text(thing, name);
    if (text.len == 0) text = of_language(map, "en");
    if (text.len == 0 && value_kind(map) == VALUE_OBJECT) {
        struct value_walk walk = value_walk(map);
        text = value_text(value_next(&walk));
    }
    return text;
}

// --- names and texts ------------------------------------------------------------------------------------

// What is HTML unless it is said to be something else (Activity Streams 2.0, content and summary).
static int append_html(struct things *things, struct str html, bool is_html, struct buf *out) {
    if (!is_html) return plain_append(out, html);
    things->scratch.len = 0;
    return plain_html(&things->scratch, html) || plain_append(out, buf_str(&things->scratch)) ? -1 : 0;
}

int thing_text(struct things *things, const struct value *thing, struct buf *out) {
    struct str media = member_text(thing, "mediaType");
    bool is_html = media.len == 0 || (media.len == 9 && strncasecmp(media.ptr, "text/html", 9) == 0);
    struct str text = in_language(things, thing, "content", "contentMap");
    if (text.len == 0) {
        text = in_language(things, thing, "summary", "summaryMap");
        is_html = true;
    }
    return append_html(things, text, is_html, out);
}

int thing_name(struct things *things, const struct value *thing, struct buf *out) {
    static const char *const others[] = {"displayName", "title", "preferredUsername"};
    if (value_kind(thing) != VALUE_OBJECT) return plain_append(out, text_of(thing));
    struct str name = in_language(things, thing, "name", "nameMap");
    for (size_t i = 0; i < sizeof others / sizeof *others && name.len == 0; i++)
        name = member_text(thing, others[i]);
    return plain_append(out, name);
}

// --- altogether -----------------------------------------------------------------------------------------

// Kinds that say nothing that a name does not.
static bool is_common(struct str kind) {
    static const char *const common[] = {"Note", "Object", "Person", "Place", "Link", "Mention", "comment"};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (kind.len == strlen(common[i]) && strncasecmp(kind.ptr, common[i], kind.len) == 0) return true;
    return false;
}

static int describe(struct things *things, const struct value *thing, unsigned depth, struct buf *out);

static int describe_several(struct things *things, const struct value *array, unsigned depth,
                            struct buf *out) {
    size_t count = value_count(array), named = 0;
    struct value_walk walk = value_walk(array);
    for (const struct value *each; named < MOST && (each = value_next(&walk)); named++)
        if ((named > 0 && buf_append_text(out, ", ")) || describe(things, each, depth + 1, out)) return -1;
    return count > named ? buf_printf(out, " and %zu more", count - named) : 0;
}

// What stands in for a name: a text, what it is about, or where it is to be found.
static int append_other(struct things *things, const struct value *thing, unsigned depth, struct buf *out) {
    static const char *const places[] = {"id", "url", "href"};
    size_t start = out->len;
    if (thing_text(things, thing, out)) return -1;
    size_t fits = plain_fit((struct str){out->data + start, out->len - start}, COLUMNS);
    if (start + fits < out->len) {
        buf_truncate(out, start + fits);
        if (buf_append_text(out, "…")) return -1;
    }
    if (out->len == start && describe(things, value_member(thing, "object"), depth + 1, out)) return -1;
    for (size_t i = 0; i < sizeof places / sizeof *places && out->len == start; i++)
        if (plain_append(out, member_text(thing, places[i]))) return -1;
    return 0;
}

static int describe(struct things *things, const struct value *thing, unsigned depth, struct buf *out) {
    if (depth > DEEPEST) return buf_append_text(out, "…");
    if (value_kind(thing) == VALUE_ARRAY) return describe_several(things, thing, depth, out);
    if (value_kind(thing) != VALUE_OBJECT) return plain_append(out, value_text(thing));
    struct str kind = thing_kind(thing);
    size_t start = out->len;
    if (!is_common(kind) && plain_append(out, kind)) return -1;
    size_t blank = out->len;
    if (blank > start && buf_append_text(out, " ")) return -1;
    size_t before = out->len;
    if (buf_append_text(out, "\"") || thing_name(things, thing, out)) return -1;
    if (out->len > before + 1) return buf_append_text(out, "\"");
    buf_truncate(out, before);
    if (append_other(things, thing, depth, out)) return -1;
    if (out->len > before) return 0;
    buf_truncate(out, blank);
    return blank > start ? 0 : plain_append(out, kind);
}

int thing_describe(struct things *things, const struct value *thing, struct buf *out) {
    return describe(things, thing, 0, out);
}

// The text of HTML, as simply as a line on a terminal needs it.
//
//   <p>Cut it &lt; 5&nbsp;mm.</p>  ──►  Cut it < 5 mm.
//
// Never slower than in proportion to the length: a search that has failed once is not made again.
#include "base/glyph.h"
#include "cli/plain.h"

#include <string.h>
#include <strings.h>

struct html {
    struct str left;
    bool no_tag_ends, no_comment_ends; // from here on
    struct buf *out;
};

static void skip(struct html *html, size_t len) {
    html->left.ptr += len;
    html->left.len -= len;
}

static bool begins(struct str text, const char *with) {
    size_t len = strlen(with);
    return text.len >= len && strncasecmp(text.ptr, with, len) == 0;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// --- tags -----------------------------------------------------------------------------------------------

static bool is_tag(struct str tag, const char *name) {
    size_t len = strlen(name);
    return begins(tag, name) && (tag.len == len || !is_letter(tag.ptr[len]));
}

// Tags inside a line; all others separate what stands before and behind.
static bool is_inline(struct str tag) {
    static const char *const names[] = {"a",     "abbr", "b",   "bdi", "bdo",    "cite", "code", "del",
                                        "em",    "i",    "ins", "kbd", "mark",   "q",    "s",    "samp",
                                        "small", "span", "sub", "sup", "strong", "tt",   "u",    "var"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_tag(tag, names[i])) return true;
    return false;
}

// Past the end of an element whose content is not text; past everything when it has none.
static void skip_element(struct html *html, const char *end) {
    while (html->left.len > 0 && !begins(html->left, end)) skip(html, 1);
    const char *close = html->left.len > 0 ? memchr(html->left.ptr, '>', html->left.len) : NULL;
    skip(html, close ? (size_t)(close - html->left.ptr) + 1 : html->left.len);
}

static int take_comment(struct html *html) {
    const char *end = html->no_comment_ends ? NULL : memmem(html->left.ptr, html->left.len, "-->", 3);
    if (end) {
        skip(html, (size_t)(end - html->left.ptr) + 3);
        return 0;
    }
    html->no_comment_ends = true;
    skip(html, 1);
    return buf_append(html->out, "<", 1);
}

// At a `<`.
static int take_tag(struct html *html) {
    struct str text = html->left;
    if (begins(text, "<!--")) return take_comment(html);
    bool closing = text.len > 1 && text.ptr[1] == '/';
    size_t name = closing ? 2 : 1;
    char first = name < text.len ? text.ptr[name] : ' ';
    bool is_one = is_letter(first) || (!closing && (first == '!' || first == '?'));
    const char *end = is_one && !html->no_tag_ends ? memchr(text.ptr, '>', text.len) : NULL;
    html->no_tag_ends |= is_one && !end;
    if (!end) {
        skip(html, 1);
        return buf_append(html->out, "<", 1);
    }
    struct str tag = {text.ptr + name, (size_t)(end - text.ptr) - name};
    skip(html, (size_t)(end - text.ptr) + 1);
    if (!closing && is_tag(tag, "script")) skip_element(html, "</script");
    if (!closing && is_tag(tag, "style")) skip_element(html, "</style");
    return is_inline(tag) ? 0 : buf_append(html->out, " ", 1);
}

// --- character references -------------------------------------------------------------------------------

static const struct {
    const char *name;
    uint32_t character;
} references[] = {
    {"amp", '&'},      {"lt", '<'},        {"gt", '>'},       {"quot", '"'},     {"apos", '\''},
    {"nbsp", 0xA0},    {"copy", 0xA9},     {"deg", 0xB0},     {"middot", 0xB7},  {"laquo", 0xAB},
    {"raquo", 0xBB},   {"times", 0xD7},    {"auml", 0xE4},    {"ouml", 0xF6},    {"uuml", 0xFC},
    {"Auml", 0xC4},    {"Ouml", 0xD6},     {"Uuml", 0xDC},    {"szlig", 0xDF},   {"eacute", 0xE9},
    {"egrave", 0xE8},  {"agrave", 0xE0},   {"ccedil", 0xE7},  {"ntilde", 0xF1},  {"ndash", 0x2013},
    {"mdash", 0x2014}, {"lsquo", 0x2018},  {"rsquo", 0x2019}, {"ldquo", 0x201C}, {"rdquo", 0x201D},
    {"bull", 0x2022},  {"hellip", 0x2026}, {"euro", 0x20AC},  {"larr", 0x2190},  {"rarr", 0x2192},
};

static uint32_t digit_of(char c) {
    if (c >= '0' && c <= '9') return (uint32_t)(c - '0');
    return is_letter(c) ? (uint32_t)((c | 0x20) - 'a') + 10 : 36;
}

// "#65" and "#x41"; 0 when it is none. What no character has becomes the replacement character.
static uint32_t number_of(struct str name) {
    uint32_t base = 10, number = 0;
    size_t i = 1;
    if (name.len > 1 && (name.ptr[1] | 0x20) == 'x') base = 16, i = 2;
    if (i == name.len) return 0;
    for (; i < name.len; i++) {
        uint32_t digit = digit_of(name.ptr[i]);
        if (digit >= base) return 0;
        number = number * base + digit;
        if (number > 0x10FFFF) number = 0x110000; // stays so, and does not wrap
    }
    return number == 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF) ? 0xFFFD : number;
}

static uint32_t referred(struct str name) {
    if (name.len > 1 && name.ptr[0] == '#') return number_of(name);
    for (size_t i = 0; i < sizeof references / sizeof *references; i++)
        if (str_equal_text(name, references[i].name)) return references[i].character;
    return 0;
}

// At a `&`.
static int take_reference(struct html *html) {
    size_t near = html->left.len < 12 ? html->left.len : 12;
    const char *end = memchr(html->left.ptr, ';', near);
    size_t len = end ? (size_t)(end - html->left.ptr) : 0;
    uint32_t character = end ? referred((struct str){html->left.ptr + 1, len - 1}) : 0;
    char bytes[GLYPH_MAX_BYTES] = "&";
    unsigned count = character ? glyph_encode(character, bytes) : 1;
    skip(html, character ? len + 1 : 1);
    return buf_append(html->out, bytes, count);
}

int plain_html(struct buf *out, struct str text) {
    struct html html = {.left = text, .out = out};
    int status = 0;
    while (html.left.len > 0 && !status) {
        size_t plain = 0;
        while (plain < html.left.len && html.left.ptr[plain] != '<' && html.left.ptr[plain] != '&') plain++;
        status = buf_append(out, html.left.ptr, plain);
        skip(&html, plain);
        if (status || html.left.len == 0) break;
        status = html.left.ptr[0] == '<' ? take_tag(&html) : take_reference(&html);
    }
    return status;
}

// herald.conf: INI, `key = value`; a section is decoration, but a wrong one is a mistake. The door to inih.
//
//   file ──► whole in memory ──► next_line (counts them) ──► inih ──► take_pair ──► config_set
//
// inih tells no line numbers; it asks for a line, then hands over what that line says, so that the last
// line it asked for is the place.

#include "base/secret.h"
#include "daemon/parts.h"

#include <ini.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX       (1 << 20) // bytes of a herald.conf
#define LINE_MAX_BYTES 8192

struct reading {
    struct config *config;
    struct config ignored; // takes what a flag overrules: a mistake there is still one
    struct complaints *complaints;
    const char *path;
    struct str left;             // not yet read
    unsigned line;               // number of the line read last
    unsigned seen[OPTION_COUNT]; // line that set it; 0: none yet
};

static void complain_here(struct reading *reading, unsigned line, const char *text) {
    char place[CONFIG_PATH_MAX + 16];
    snprintf(place, sizeof place, "%s:%u", reading->path, line);
    complain(reading->complaints, place, "%s", text);
}

// fgets() of inih's. A line that is too long is said so and read as an empty one.
static char *next_line(char *to, int capacity, void *stream) {
    struct reading *reading = stream;
    if (reading->left.len == 0) return NULL;
    const char *newline = memchr(reading->left.ptr, '\n', reading->left.len);
    size_t len = newline ? (size_t)(newline - reading->left.ptr) : reading->left.len;
    reading->line++;
    if (len < (size_t)capacity - 1) {
        str_copy((struct str){reading->left.ptr, len}, to, (size_t)capacity);
    } else {
        complain_here(reading, reading->line, "the line is too long");
        to[0] = '\0';
    }
    len += newline != NULL;
    reading->left.ptr += len;
    reading->left.len -= len;
    return to;
}

static void complain_key(struct reading *reading, const char *key) {
    enum option_id near;
    struct buf text = {0};
    buf_append_text(&text, "unknown option ");
    quote(&text, str_of(key));
    if (option_nearest(str_of(key), &near))
        buf_printf(&text, "; did you mean %s?", option_of(near)->key);
    else
        buf_append_text(&text, "; heraldd --print-config prints a file with all of them");
    buf_append(&text, "", 1);
    complain_here(reading, reading->line, text.data ? text.data : "unknown option");
    buf_free(&text);
}

// False, and said, when `key` must not stand in `section`.
static bool section_fits(struct reading *reading, const char *section, enum option_id id) {
    char text[256];
    enum option_section found;
    enum option_section right = option_of(id)->section;
    if (!section[0] || (section_find(str_of(section), &found) && found == right)) return true;
    snprintf(text, sizeof text, "%s belongs to section [%s], or before the first section", option_of(id)->key,
             section_name(right));
    complain_here(reading, reading->line, text);
    return false;
}

static int take_pair(void *user, const char *section, const char *key, const char *value) {
    struct reading *reading = user;
    enum option_id id;
    char place[CONFIG_PATH_MAX + 16];
    if (!option_find(str_of(key), &id)) {
        complain_key(reading, key);
        return 1;
    }
    if (!section_fits(reading, section, id)) return 1;
    if (reading->seen[id] != 0 && option_of(id)->type != TYPE_TARGETS) {
        char text[128];
        snprintf(text, sizeof text, "%s is given twice, first in line %u", key, reading->seen[id]);
        complain_here(reading, reading->line, text);
        return 1;
    }
    reading->seen[id] = reading->line;
    bool flag_wins = reading->config->origin[id].kind == ORIGIN_FLAG;
    snprintf(place, sizeof place, "%s:%u", reading->path, reading->line);
    config_set(flag_wins ? &reading->ignored : reading->config, id, str_of(value),
               (struct config_origin){.kind = ORIGIN_FILE, .line = reading->line}, place,
               reading->complaints);
    return 1;
}

static void set_up_inih(void) {
    ini_allow_multiline = false;       // an indented key is a key, not the rest of the line above
    ini_allow_inline_comments = false; // a value may hold `;`
    ini_use_stack = false;
    ini_allow_realloc = false;
    ini_initial_alloc = ini_max_line = LINE_MAX_BYTES;
}

void file_parse(struct config *config, const char *path, struct complaints *complaints) {
    struct buf bytes = {0};
    struct reading reading = {.config = config, .complaints = complaints, .path = path};
    struct err err = {0};
    mode_t mode;
    if (file_read(path, FILE_MAX, &bytes, &mode, &err) != 0) {
        complain(complaints, path, "%s", err.text);
        goto out;
    }
    if (!text_is_utf8(buf_str(&bytes)) || (bytes.len > 0 && memchr(bytes.data, '\0', bytes.len))) {
        complain(complaints, path, "is not UTF-8 text");
        goto out;
    }
    set_up_inih();
    reading.left = buf_str(&bytes);
    int wrong = ini_parse_stream(next_line, &reading, take_pair, &reading);
    if (wrong > 0)
        complain_here(&reading, (unsigned)wrong, "is neither `key = value` nor `[section]` nor a comment");
    if (wrong < 0) complain(complaints, path, "memory is out");
    if (reading.seen[OPTION_secret] != 0 && mode & 077)
        buf_printf(&complaints->warnings,
                   "%s:%u: the secret stands in a file that others may read: chmod 600 %s\n", path,
                   reading.seen[OPTION_secret], path);
out:
    buf_wipe(&bytes);
    secret_wipe(&reading, sizeof reading);
}

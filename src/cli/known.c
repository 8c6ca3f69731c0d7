// Servers that are known by their keys.
#include "cli/known.h"

#include "cli/place.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MOST (1u << 20)

int known_path(char *path, struct err *err) {
    return place_config("known_servers", 0, path, err);
}

// "https://host" ──► "host:443", "host" ──► "host:3780"
static void name_of(const char *server, char name[PLACE_MAX]) {
    const char *rest = strstr(server, "://");
    const char *host = rest ? rest + 3 : server, *colon = strrchr(host, ':'), *bracket = strrchr(host, ']');
    bool bare_v6 = colon && host[0] != '[' && strchr(host, ':') != colon;
    bool has_port = colon && !bare_v6 && (!bracket || colon > bracket);
    (void)snprintf(name, PLACE_MAX, bare_v6 ? "[%.*s]%s" : "%.*s%s", PLACE_MAX - 16, host,
                   has_port ? ""
                   : rest   ? ":443"
                            : ":3780");
}

struct line {
    char name[PLACE_MAX], key[COURIER_KEY_SIZE];
};

static bool read_line(struct str text, struct line *line) {
    const char *blank = memchr(text.ptr, ' ', text.len);
    if (!blank) return false;
    struct str name = {text.ptr, (size_t)(blank - text.ptr)};
    struct str key = {blank + 1, text.len - name.len - 1};
    return key.len > 7 && memcmp(key.ptr, "SHA256:", 7) == 0 && str_copy(name, line->name, PLACE_MAX) &&
           str_copy(key, line->key, COURIER_KEY_SIZE);
}

// The last line that is one, off `text`. False: there is none.
static bool last_line(struct str *text, struct line *line) {
    while (text->len > 0) {
        if (text->ptr[text->len - 1] == '\n') text->len--;
        const char *before = text->len > 0 ? memrchr(text->ptr, '\n', text->len) : NULL;
        size_t start = before ? (size_t)(before + 1 - text->ptr) : 0;
        struct str one = {text->ptr + start, text->len - start};
        text->len = start;
        if (one.len > 0 && read_line(one, line)) return true;
    }
    return false;
}

static int find(struct str text, const char *name, char key[COURIER_KEY_SIZE]) {
    struct line line;
    int found = 0;
    while (last_line(&text, &line)) { // the first one counts
        if (strcasecmp(line.name, name) != 0) continue;
        memcpy(key, line.key, COURIER_KEY_SIZE);
        found = 1;
    }
    return found;
}

static int read_all(const char *path, struct buf *text, struct err *err) {
    struct err fault = {0};
    if (place_read(path, MOST, 1, text, &fault) == 0 || fault.code == ERR_ABSENT) return 0;
    *err = fault;
    return -1;
}

int known_find(const char *server, char key[COURIER_KEY_SIZE], struct err *err) {
    char path[PLACE_MAX], name[PLACE_MAX];
    struct buf text = {0};
    if (known_path(path, NULL)) return 0;
    name_of(server, name);
    int found = read_all(path, &text, err);
    if (!found) found = find(buf_str(&text), name, key);
    buf_free(&text);
    return found;
}

int known_each(int (*take)(void *context, const char *server, const char *key), void *context,
               struct err *err) {
    char path[PLACE_MAX];
    struct buf text = {0};
    struct line line;
    if (known_path(path, NULL)) return 0;
    int status = read_all(path, &text, err);
    struct str rest = buf_str(&text);
    while (!status && last_line(&rest, &line)) status = take(context, line.name, line.key);
    buf_free(&text);
    return status;
}

int known_add(const char *server, const char *key, struct err *err) {
    char path[PLACE_MAX], name[PLACE_MAX];
    struct buf text = {0};
    if (place_config("known_servers", 1, path, err)) return -1;
    name_of(server, name);
    int locked = place_lock(path, err);
    if (locked < 0) return -1;
    int status = read_all(path, &text, err);
    bool open_line = text.len > 0 && text.data[text.len - 1] != '\n';
    if (!status && buf_printf(&text, "%s%s %s\n", open_line ? "\n" : "", name, key))
        status = err_set(err, ERR_MEMORY, "memory is out");
    if (!status) status = place_write(path, buf_str(&text), err);
    close(locked);
    buf_free(&text);
    return status;
}

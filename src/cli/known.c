// Servers that are known by their keys.
#include "cli/known.h"

#include "cli/place.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
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

static bool take_line(struct str line, const char *name, char key[COURIER_KEY_SIZE]) {
    size_t len = strlen(name);
    if (line.len <= len + 1 || memcmp(line.ptr, name, len) != 0 || line.ptr[len] != ' ') return false;
    struct str found = {line.ptr + len + 1, line.len - len - 1};
    return found.len > 7 && memcmp(found.ptr, "SHA256:", 7) == 0 && str_copy(found, key, COURIER_KEY_SIZE);
}

static int find(struct str text, const char *name, char key[COURIER_KEY_SIZE]) {
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        if (take_line((struct str){text.ptr, len}, name, key)) return 1;
        text = end ? (struct str){end + 1, text.len - len - 1} : (struct str){0};
    }
    return 0;
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

// Secrets that were kept: the file read, looked through, and written anew as a whole.
#include "cli/saved.h"

#include "cli/place.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define FILE_NAME "secrets"
#define FILE_MOST (1u << 20)

struct line {
    struct str whole, user, server, secret;
};

// The next line of `left`; false at the end. One that is not as ours are has no user.
static bool next_line(struct str *left, struct line *line) {
    if (left->len == 0) return false;
    const char *end = memchr(left->ptr, '\n', left->len);
    size_t len = end ? (size_t)(end - left->ptr) : left->len;
    *line = (struct line){.whole = {left->ptr, len}};
    left->ptr += len + (end ? 1 : 0);
    left->len -= len + (end ? 1 : 0);
    const char *blank = memchr(line->whole.ptr, ' ', len);
    const char *at = blank ? memrchr(line->whole.ptr, '@', (size_t)(blank - line->whole.ptr)) : NULL;
    if (!at) return true;
    line->user = (struct str){line->whole.ptr, (size_t)(at - line->whole.ptr)};
    line->server = (struct str){at + 1, (size_t)(blank - at) - 1};
    line->secret = (struct str){blank + 1, len - (size_t)(blank + 1 - line->whole.ptr)};
    return true;
}

static void full_name(const char *server, char full[WISH_SERVER_MAX + 8]) {
    const char *colon = strrchr(server, ':'), *bracket = strrchr(server, ']');
    bool has_port = colon && (bracket ? colon > bracket : strchr(server, ':') == colon);
    snprintf(full, WISH_SERVER_MAX + 8, "%s%s", server, has_port ? "" : ":3780");
}

static bool same_user(struct str one, const char *other) {
    struct login a, b;
    if (login_parse(one, &a, NULL) || login_parse(str_of(other), &b, NULL)) return str_equal_text(one, other);
    return strcmp(a.fold, b.fold) == 0;
}

static bool is_for(const struct line *line, const struct wish *wish) {
    if (!line->user.ptr || !same_user(line->user, wish->user)) return false;
    for (size_t i = 0; i < wish->server_count; i++) {
        char full[WISH_SERVER_MAX + 8];
        full_name(wish->servers[i], full);
        if (line->server.len == strlen(full) && strncasecmp(line->server.ptr, full, line->server.len) == 0)
            return true;
    }
    return false;
}

static int read_all(struct buf *all, char path[PLACE_MAX], struct err *err) {
    struct err fault = {0};
    if (place_read(path, FILE_MOST, 1, all, &fault) == 0 || fault.code == ERR_ABSENT) return 0;
    *err = fault;
    return -1;
}

int saved_find(struct wish *wish, struct err *err) {
    char path[PLACE_MAX];
    struct buf all = {0};
    struct line line;
    int found = 0;
    if (wish_is_anonymous(wish) || place_config(FILE_NAME, 0, path, NULL)) return 0;
    if (read_all(&all, path, err)) found = -1;
    for (struct str left = buf_str(&all); !found && next_line(&left, &line);)
        if (is_for(&line, wish)) found = wish_set_secret(wish, line.secret) ? -1 : 1;
    buf_wipe(&all);
    return found;
}

// Writes the file anew without the lines for the wish, and with such for `secret` if there is one. How many
// lines went; -1: error.
static int rewrite(const struct wish *wish, struct str secret, struct err *err) {
    char path[PLACE_MAX], full[WISH_SERVER_MAX + 8];
    struct buf old = {0}, new = {0};
    struct line line;
    int gone = 0, status = -1, locked = -1;
    if (place_config(FILE_NAME, 1, path, err)) return -1;
    locked = place_lock(path, err);
    if (locked < 0 || read_all(&old, path, err)) goto out;
    for (struct str left = buf_str(&old); next_line(&left, &line);) {
        if (is_for(&line, wish))
            gone++;
        else if (buf_append_str(&new, line.whole) || buf_append_text(&new, "\n"))
            goto memory;
    }
    for (size_t i = 0; secret.len > 0 && i < wish->server_count; i++) {
        full_name(wish->servers[i], full);
        if (buf_printf(&new, "%s@%s %.*s\n", wish->user, full, (int)secret.len, secret.ptr)) goto memory;
    }
    status = gone == 0 && secret.len == 0 ? 0 : place_write(path, buf_str(&new), err);
    goto out;
memory:
    err_set(err, ERR_MEMORY, "memory is out");
out:
    buf_wipe(&old);
    buf_wipe(&new);
    if (locked >= 0) close(locked);
    return status ? -1 : gone;
}

int saved_keep(const struct wish *wish, struct str secret, struct err *err) {
    if (memchr(secret.ptr, '\n', secret.len) || strpbrk(wish->user, " \n"))
        return err_set(err, ERR_INVALID, "a secret of several lines cannot be saved");
    return rewrite(wish, secret, err) < 0 ? -1 : 0;
}

int saved_forget(const struct wish *wish, struct err *err) {
    return rewrite(wish, (struct str){0}, err);
}

// How far an import has come.
#include "cli/import_mark.h"

#include "cli/place.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void to_hex(const uint8_t *bytes, size_t len, char *text) {
    for (size_t i = 0; i < len; i++) (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static bool from_hex(const char *text, uint8_t *bytes, size_t len) {
    unsigned byte;
    if (strlen(text) != 2 * len || strspn(text, "0123456789abcdef") != 2 * len) return false;
    for (size_t i = 0; i < len && sscanf(text + 2 * i, "%2x", &byte) == 1; i++) bytes[i] = (uint8_t)byte;
    return true;
}

void import_mark_name(const struct wish *wish, char name[IMPORT_MARK_NAME]) {
    static const struct secret_key key = {.bytes = "herald import mark"};
    struct secret_digest digest;
    struct buf what = {0};
    char hex[33], *path = strcmp(wish->words[0], "-") == 0 ? NULL : realpath(wish->words[0], NULL);
    name[0] = '\0';
    int status = path ? buf_append(&what, path, strlen(path) + 1) : -1;
    for (size_t i = 0; i < wish->server_count && !status; i++)
        status = buf_append(&what, wish->servers[i], strlen(wish->servers[i]) + 1);
    if (!status) {
        secret_digest(&key, buf_str(&what), &digest);
        to_hex(digest.bytes, 16, hex);
        (void)snprintf(name, IMPORT_MARK_NAME, "imports/%s", hex);
    }
    buf_free(&what);
    free(path);
}

bool import_mark_read(const char *name, struct import_mark *mark) {
    char path[PLACE_MAX], chain[65];
    struct buf text = {0};
    if (!name[0] || place_state(name, 0, path, NULL)) return false;
    bool found =
        place_read(path, 1024, 1, &text, NULL) == 0 && buf_append(&text, "", 1) == 0 &&
        sscanf(text.data, "%" SCNu64 " %" SCNu64 " %64s %" SCNu64 " %" SCNu64 " %" SCNu64, &mark->offset,
               &mark->lines, chain, &mark->created, &mark->present, &mark->refused) == 6 &&
        from_hex(chain, mark->chain.bytes, sizeof mark->chain.bytes);
    buf_free(&text);
    return found;
}

void import_mark_write(const char *name, const struct import_mark *mark) {
    char path[PLACE_MAX], chain[65];
    struct buf text = {0};
    if (!name[0] || place_state(name, 1, path, NULL)) return;
    to_hex(mark->chain.bytes, sizeof mark->chain.bytes, chain);
    if (buf_printf(&text, "%" PRIu64 " %" PRIu64 " %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", mark->offset,
                   mark->lines, chain, mark->created, mark->present, mark->refused) == 0)
        (void)place_note(path, buf_str(&text), NULL);
    buf_free(&text);
}

void import_mark_forget(const char *name) {
    char path[PLACE_MAX];
    if (name[0] && place_state(name, 0, path, NULL) == 0) (void)unlink(path);
}

void import_key(struct secret_key *key) {
    char path[PLACE_MAX], hex[2 * SECRET_KEY_SIZE + 1];
    struct buf text = {0};
    secret_random(key, sizeof *key);
    if (place_state("import_key", 1, path, NULL)) return;
    int locked = place_lock(path, NULL);
    if (locked < 0) return;
    bool found = place_read(path, 1024, 1, &text, NULL) == 0 && text.len == 2 * SECRET_KEY_SIZE &&
                 str_copy(buf_str(&text), hex, sizeof hex) && from_hex(hex, key->bytes, sizeof key->bytes);
    if (!found) {
        to_hex(key->bytes, sizeof key->bytes, hex);
        (void)place_note(path, str_of(hex), NULL);
    }
    close(locked);
    secret_wipe(hex, sizeof hex);
    buf_wipe(&text);
}

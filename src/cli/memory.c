// What is remembered from call to call: two files, each read as a whole and written anew under a lock.
#include "cli/memory.h"

#include "base/clock.h"
#include "base/secret.h"
#include "cli/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST (1u << 20) // bytes of a file

static int64_t now_s(void) {
    return clock_wall_ms() / 1000;
}

// --- servers --------------------------------------------------------------------------------------------

static void read_servers(struct ranking *ranking, const char *path) {
    struct buf text = {0};
    *ranking = (struct ranking){0};
    if (place_read(path, MOST, 1, &text, NULL) == 0) ranking_read(ranking, buf_str(&text));
    buf_free(&text);
}

void memory_read(struct ranking *ranking) {
    char path[PLACE_MAX];
    *ranking = (struct ranking){0};
    if (place_state("servers", 0, path, NULL) == 0) read_servers(ranking, path);
}

static void rewrite(void (*edit)(struct ranking *ranking, const void *context), const void *context) {
    struct ranking *ranking = malloc(sizeof *ranking);
    struct buf text = {0};
    char path[PLACE_MAX];
    int locked = -1;
    if (!ranking || place_state("servers", 1, path, NULL)) goto out;
    locked = place_lock(path, NULL);
    if (locked < 0) goto out;
    read_servers(ranking, path);
    edit(ranking, context);
    if (ranking_write(ranking, &text) == 0) (void)place_note(path, buf_str(&text), NULL);
out:
    if (locked >= 0) close(locked);
    buf_free(&text);
    free(ranking);
}

static void add_news(struct ranking *ranking, const void *context) {
    const struct roll *roll = context;
    const struct stamp none = {0};
    int64_t now = now_s();
    for (size_t i = 0; i < roll->options.count; i++) {
        const struct roll_server *server = &roll->servers[i];
        if (server->failed || server->behind) // it would hold the next command up, too
            ranking_failed(ranking, server->url, now);
        else if (server->reached)
            ranking_reached(ranking, server->url, server->connect_us, now);
        if (stamp_later(&server->clock, &none)) ranking_saw(ranking, server->url, &server->clock, now);
    }
}

void memory_learn(const struct roll *roll) {
    rewrite(add_news, roll);
}

struct urls {
    const char *const *all;
    size_t count;
};

static void forget(struct ranking *ranking, const void *context) {
    const struct urls *urls = context;
    for (size_t i = 0; i < urls->count; i++) ranking_forget(ranking, urls->all[i]);
}

void memory_forget(const char *const *urls, size_t count) {
    const struct urls all = {urls, count};
    rewrite(forget, &all);
}

// --- intents --------------------------------------------------------------------------------------------
// A line: NAME NONCE PID START WHEN NOTE; the process that has begun it, by its number and its start (clock
// ticks since boot), for numbers are used again.

struct line {
    char name[33], nonce[65], note[INTENT_NOTE_MAX + 1];
    long pid;
    unsigned long long start, when;
};

static unsigned long long start_of(long pid) {
    char path[64], text[1024];
    unsigned long long start = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *at = strrchr(text, ')'); // field 2 may hold anything; the start is field 22
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    return at && sscanf(at, " %llu", &start) == 1 ? start : 0;
}

static void to_hex(const void *bytes, size_t len, char *text) {
    for (size_t i = 0; i < len; i++) (void)snprintf(text + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
}

static bool from_hex(const char *text, uint8_t *bytes, size_t len) {
    unsigned byte;
    if (strlen(text) != 2 * len || strspn(text, "0123456789abcdef") != 2 * len) return false;
    for (size_t i = 0; i < len && sscanf(text + 2 * i, "%2x", &byte) == 1; i++) bytes[i] = (uint8_t)byte;
    return true;
}

static bool parse(const char *text, struct line *line) {
    return sscanf(text, "%32s %64s %ld %llu %llu %64s", line->name, line->nonce, &line->pid, &line->start,
                  &line->when, line->note) == 6 &&
           strlen(line->name) == 32 && strlen(line->nonce) == 64;
}

static void put(struct buf *out, const struct line *line) {
    (void)buf_printf(out, "%s %s %ld %llu %llu %s\n", line->name, line->nonce, line->pid, line->start,
                     line->when, line->note);
}

// Goes through the file: lines that are too old or broken go, `keep` says of the others, and may change them;
// then `more`, when there is one, is added. False: it could not be written.
static bool edit(bool (*keep)(struct line *line, struct intent *intent), struct intent *intent,
                 const struct line *(*more)(struct intent *intent, struct line *room)) {
    struct buf old = {0}, new = {0};
    struct line line, room;
    char path[PLACE_MAX], *rest = NULL;
    bool done = false;
    if (place_state("intents", 1, path, NULL)) return false;
    int locked = place_lock(path, NULL);
    if (locked < 0) return false;
    (void)place_read(path, MOST, 1, &old, NULL);
    unsigned long long now = (unsigned long long)now_s();
    if (buf_append(&old, "", 1) == 0)
        for (char *text = strtok_r(old.data, "\n", &rest); text; text = strtok_r(NULL, "\n", &rest))
            if (parse(text, &line) && line.when <= now && now - line.when < INTENT_KEPT_S &&
                keep(&line, intent))
                put(&new, &line);
    const struct line *added = more ? more(intent, &room) : NULL;
    if (added) put(&new, added);
    done = place_note(path, buf_str(&new), NULL) == 0;
    close(locked);
    buf_wipe(&old);
    buf_wipe(&new);
    return done;
}

static bool adopt(struct line *line, struct intent *intent) {
    if (intent->again || strcmp(line->name, intent->name) != 0) return true;
    if (line->pid != getpid() && start_of(line->pid) == line->start && line->start != 0)
        return true; // it still runs
    if (!from_hex(line->nonce, intent->nonce.bytes, sizeof intent->nonce.bytes)) return false;
    str_copy(str_of(strcmp(line->note, "-") == 0 ? "" : line->note), intent->note, sizeof intent->note);
    intent->again = true;
    line->pid = getpid();
    line->start = start_of(line->pid);
    return true;
}

static const struct line *unless_adopted(struct intent *intent, struct line *room) {
    if (intent->again) return NULL;
    *room = (struct line){
        .pid = getpid(), .start = start_of(getpid()), .when = (unsigned long long)now_s(), .note = "-"};
    str_copy(str_of(intent->name), room->name, sizeof room->name);
    to_hex(&intent->nonce, sizeof intent->nonce, room->nonce);
    return room;
}

static bool is_ours(const struct line *line, const struct intent *intent) {
    char nonce[65];
    to_hex(&intent->nonce, sizeof intent->nonce, nonce);
    return strcmp(line->name, intent->name) == 0 && strcmp(line->nonce, nonce) == 0;
}

static bool renote(struct line *line, struct intent *intent) {
    if (is_ours(line, intent)) str_copy(str_of(intent->note), line->note, sizeof line->note);
    return true;
}

static bool remove_ours(struct line *line, struct intent *intent) {
    return !is_ours(line, intent);
}

void intent_begin(struct intent *intent, struct str what) {
    static const struct secret_key key = {.bytes = "herald intent"};
    struct secret_digest digest;
    *intent = (struct intent){0};
    secret_digest(&key, what, &digest);
    to_hex(&digest, 16, intent->name);
    secret_random(&intent->nonce, sizeof intent->nonce);
    intent->kept = edit(adopt, intent, unless_adopted);
}

void intent_note(struct intent *intent, const char *note) {
    str_copy(str_of(note), intent->note, sizeof intent->note);
    if (intent->kept) (void)edit(renote, intent, NULL);
}

void intent_end(struct intent *intent) {
    if (intent->kept) (void)edit(remove_ours, intent, NULL);
    secret_wipe(intent, sizeof *intent);
}

void intent_header(const struct intent *intent, struct str password, char line[INTENT_HEADER_SIZE]) {
    struct secret_digest digest;
    char hex[65];
    secret_digest(&intent->nonce, password, &digest);
    to_hex(&digest, sizeof digest, hex);
    (void)snprintf(line, INTENT_HEADER_SIZE, "Idempotency-Key: %s", hex);
}

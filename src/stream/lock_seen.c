// Which lock messages were seen lately. Names and secrets are remembered only as a digest under the process's
// key. One record per (name, secret), in order of age; its marks say what came by which link.
// Memory may run out while a table grows: the element then has hh.tbl == NULL.
#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include "stream/lock_seen.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define MARKS_MAX 1024u // per record: commands x links x servers; more are taken for repeats
#define ROUNDS_MAX                                                                                           \
    8u // per record: how often a denial may end the window early, so that a circle cannot run for ever

struct lock_mark {
    uint32_t link;
    enum command command;
    unsigned times;
    char server[PEER_ID_MAX + 1];
};

struct lock_seen {
    struct secret_digest digest; // of name and secret
    uint64_t since_ms;
    struct lock_mark *marks;
    size_t count, capacity;
    unsigned rounds;
    struct lock_seen *prev, *next; // by age
    UT_hash_handle hh;
};

static void seen_drop(struct locks *locks, struct lock_seen *seen) {
    HASH_DEL(locks->seen, seen);
    DL_DELETE(locks->seen_oldest, seen);
    locks->marks -= seen->capacity;
    free(seen->marks);
    free(seen);
}

void lock_seen_clear(struct locks *locks) {
    while (locks->seen_oldest != NULL) seen_drop(locks, locks->seen_oldest);
}

void lock_seen_expire(struct locks *locks, uint64_t now_ms) {
    while (locks->seen_oldest != NULL && locks->seen_oldest->since_ms + locks->window_ms <= now_ms)
        seen_drop(locks, locks->seen_oldest);
}

static struct lock_seen *seen_find(struct locks *locks, struct str username, struct str secret,
                                   struct secret_digest *digest) {
    secret_digest2(&locks->key, username, secret, digest);
    struct lock_seen *seen;
    HASH_FIND(hh, locks->seen, digest, sizeof *digest, seen);
    return seen;
}

static struct lock_seen *seen_of(struct locks *locks, const struct message *message, uint64_t now_ms) {
    struct secret_digest digest;
    struct lock_seen *seen = seen_find(locks, message->username, message->secret, &digest);
    if (seen != NULL) return seen;
    if (HASH_COUNT(locks->seen) >= LOCKS_MAX_SEEN) seen_drop(locks, locks->seen_oldest);
    seen = calloc(1, sizeof *seen);
    if (seen == NULL) return NULL;
    seen->digest = digest;
    seen->since_ms = now_ms;
    HASH_ADD(hh, locks->seen, digest, sizeof digest, seen);
    if (seen->hh.tbl == NULL) {
        free(seen);
        return NULL;
    }
    DL_APPEND(locks->seen_oldest, seen);
    return seen;
}

void lock_seen_forget(struct locks *locks, struct str username, struct str secret) {
    struct secret_digest digest;
    struct lock_seen *seen = seen_find(locks, username, secret, &digest);
    if (seen != NULL) seen_drop(locks, seen);
}

// Room for one more mark; the oldest records make it.
static bool marks_grow(struct locks *locks, struct lock_seen *seen) {
    if (seen->count == MARKS_MAX) return false;
    if (seen->count < seen->capacity) return true;
    size_t capacity = seen->capacity == 0 ? 2 : seen->capacity * 2;
    while (locks->marks + capacity - seen->capacity > LOCKS_MAX_MARKS && locks->seen_oldest != seen)
        seen_drop(locks, locks->seen_oldest);
    struct lock_mark *marks = realloc(seen->marks, capacity * sizeof *marks);
    if (marks == NULL) return false;
    locks->marks += capacity - seen->capacity;
    seen->marks = marks;
    seen->capacity = capacity;
    return true;
}

static struct lock_mark *mark_of(struct locks *locks, struct lock_seen *seen, uint32_t link,
                                 enum command command, const char *server) {
    for (size_t i = 0; i < seen->count; i++) {
        struct lock_mark *mark = &seen->marks[i];
        if (mark->link == link && mark->command == command && strcmp(mark->server, server) == 0) return mark;
    }
    if (!marks_grow(locks, seen)) return NULL;
    struct lock_mark *mark = &seen->marks[seen->count++];
    *mark = (struct lock_mark){.link = link, .command = command};
    strcpy(mark->server, server);
    return mark;
}

// A denial settles the matter: what was asked and allowed before it may be asked and allowed again; and
// asking again, it may be denied again.
static void seen_new_round(struct lock_seen *seen, enum command command) {
    if (command == COMMAND_LOCK_ALLOWED || seen->rounds >= ROUNDS_MAX) return;
    bool denial = command == COMMAND_LOCK_DENIED;
    if (denial) seen->rounds++;
    size_t kept = 0;
    for (size_t i = 0; i < seen->count; i++) {
        if ((seen->marks[i].command == COMMAND_LOCK_DENIED) == denial) seen->marks[kept++] = seen->marks[i];
    }
    seen->count = kept;
}

bool lock_seen_admit(struct locks *locks, uint32_t link, const struct message *message, unsigned limit,
                     uint64_t now_ms) {
    char server[PEER_ID_MAX + 1] = "";
    if (message->server.ptr != NULL && !str_copy(message->server, server, sizeof server)) return false;
    struct lock_seen *seen = seen_of(locks, message, now_ms);
    if (seen == NULL) return true;
    struct lock_mark *mark = mark_of(locks, seen, link, message->command, server);
    if (mark == NULL) return seen->count < MARKS_MAX; // memory is out; or a peer invents servers
    if (mark->times >= limit) return false;
    mark->times++;
    seen_new_round(seen, message->command);
    return true;
}

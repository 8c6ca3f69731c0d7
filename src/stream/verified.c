// A short memory of secrets found right.
//
//   account ‖ version, secret ──► BLAKE2b under the process's key ──► 32 bytes: looked up, and all that is
//   kept
//
// Entries are in a hash table for finding and in a list for making room: the one least lately used is first.
#include "stream/verified.h"

#include "base/secret.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((void)(entry)) // hh.tbl stays NULL: seen by the caller
#include <uthash.h>
#include <utlist.h>

struct entry {
    struct secret_digest digest;
    uint64_t added_ms;
    struct entry *prev, *next;
    UT_hash_handle hh;
};

struct verified {
    struct secret_key key; // made at open: a digest is worthless outside this process
    struct entry *table;
    struct entry *list; // least lately used first
    size_t count, most;
    uint64_t keep_ms;
};

struct verified *verified_open(size_t entries, uint64_t keep_ms) {
    struct verified *verified = calloc(1, sizeof *verified);
    if (!verified) return NULL;
    secret_random(&verified->key, sizeof verified->key);
    verified->most = entries;
    verified->keep_ms = keep_ms;
    return verified;
}

static void drop(struct verified *verified, struct entry *entry) {
    HASH_DELETE(hh, verified->table, entry);
    DL_DELETE(verified->list, entry);
    verified->count--;
    secret_wipe(entry, sizeof *entry);
    free(entry);
}

static void clear(struct verified *verified) {
    while (verified->list) drop(verified, verified->list);
}

void verified_close(struct verified *verified) {
    if (!verified) return;
    clear(verified);
    secret_wipe(verified, sizeof *verified);
    free(verified);
}

void verified_set_keep(struct verified *verified, uint64_t keep_ms) {
    verified->keep_ms = keep_ms;
    if (keep_ms == 0) clear(verified);
}

static struct secret_digest digest_of(const struct verified *verified, const struct uuid *account,
                                      uint64_t version, struct str secret) {
    uint8_t credential[sizeof account->bytes + sizeof version];
    struct secret_digest digest;
    memcpy(credential, account->bytes, sizeof account->bytes);
    memcpy(credential + sizeof account->bytes, &version, sizeof version);
    secret_digest2(&verified->key, (struct str){(const char *)credential, sizeof credential}, secret,
                   &digest);
    return digest;
}

static struct entry *find(struct verified *verified, const struct secret_digest *digest) {
    struct entry *entry;
    HASH_FIND(hh, verified->table, digest, sizeof *digest, entry);
    return entry;
}

// The time is monotonic; an entry "from the future" is as old as now.
static bool expired(const struct verified *verified, const struct entry *entry, uint64_t now_ms) {
    return now_ms > entry->added_ms && now_ms - entry->added_ms >= verified->keep_ms;
}

void verified_add(struct verified *verified, const struct uuid *account, uint64_t version, struct str secret,
                  uint64_t now_ms) {
    if (verified->most == 0 || verified->keep_ms == 0) return;
    struct secret_digest digest = digest_of(verified, account, version, secret);
    struct entry *entry = find(verified, &digest);
    if (entry)
        drop(verified, entry);
    else if (verified->count == verified->most)
        drop(verified, verified->list);
    entry = calloc(1, sizeof *entry);
    if (!entry) return; // not remembered: the next login is hashed again
    entry->digest = digest;
    entry->added_ms = now_ms;
    HASH_ADD(hh, verified->table, digest, sizeof entry->digest, entry);
    if (!entry->hh.tbl) {
        secret_wipe(entry, sizeof *entry);
        free(entry);
        return;
    }
    DL_APPEND(verified->list, entry);
    verified->count++;
}

bool verified_has(struct verified *verified, const struct uuid *account, uint64_t version, struct str secret,
                  uint64_t now_ms) {
    struct secret_digest digest = digest_of(verified, account, version, secret);
    struct entry *entry = find(verified, &digest);
    if (!entry) return false;
    if (expired(verified, entry, now_ms)) {
        drop(verified, entry);
        return false;
    }
    DL_DELETE(verified->list, entry); // lately used: others make room before it
    DL_APPEND(verified->list, entry);
    return true;
}

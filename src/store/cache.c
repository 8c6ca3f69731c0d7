// Parts of a hash table. See cache.h.
//
// Accounts are copied in and out, in as few bytes as they have: of a struct account three quarters are room
// for longer texts. When a part is full a hand goes round its buckets: who was asked for since it last came
// by stays once more ("second chance").
#include "store/cache.h"

#include "base/secret.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PARTS          64 // more than there are threads that look, by far
#define PART_SHIFT     58 // the highest bits of a hash choose the part, the lowest the bucket
#define BUCKETS        16 // of a part, at first
#define ALLOCATION     16 // bytes that malloc keeps for itself, about
#define PART_BYTES_MIN (BUCKETS * sizeof(struct kept *))

struct kept {
    struct kept *next; // in its bucket
    uint64_t hash;
    int64_t created_ms, modified_ms;
    uint64_t created, version, credential_version;
    struct uuid uuid;
    uint16_t fold, login, name, from; // lengths of the texts, with their terminators
    bool has_secret;
    bool asked; // since the hand last came by
    char texts[];
};

struct part {
    pthread_mutex_t mutex; // of all that follows
    struct kept **buckets;
    size_t bucket_count, hand;
    uint64_t changed; // the latest change of an account of this part
    struct cache_counts counts;
};

struct cache {
    struct secret_table_key key; // strangers choose logins: they cannot choose where they lie
    size_t part_bytes;
    struct part parts[PARTS];
};

// --- texts ------------------------------------------------------------------------------------------------

static char *put_text(char *at, const char *text, uint16_t *len) {
    *len = (uint16_t)(strlen(text) + 1);
    memcpy(at, text, *len);
    return at + *len;
}

static const char *take_text(const char *at, uint16_t len, char *to) {
    memcpy(to, at, len);
    return at + len;
}

static size_t kept_bytes(const struct kept *kept) {
    return sizeof *kept + kept->fold + kept->login + kept->name + kept->from + ALLOCATION;
}

static struct kept *kept_new(uint64_t hash, const char *fold, const struct account *account) {
    size_t texts =
        strlen(fold) + strlen(account->login) + strlen(account->name) + strlen(account->created_from) + 4;
    struct kept *kept = malloc(sizeof *kept + texts);
    if (!kept) return NULL;
    *kept = (struct kept){.hash = hash,
                          .created_ms = account->created_ms,
                          .modified_ms = account->modified_ms,
                          .created = account->created,
                          .version = account->version,
                          .credential_version = account->credential_version,
                          .uuid = account->uuid,
                          .has_secret = account->has_secret};
    char *at = put_text(kept->texts, fold, &kept->fold);
    at = put_text(at, account->login, &kept->login);
    at = put_text(at, account->name, &kept->name);
    put_text(at, account->created_from, &kept->from);
    return kept;
}

static void kept_copy(const struct kept *kept, struct account *account) {
    const char *at = take_text(kept->texts + kept->fold, kept->login, account->login);
    at = take_text(at, kept->name, account->name);
    take_text(at, kept->from, account->created_from);
    account->uuid = kept->uuid;
    account->created_ms = kept->created_ms;
    account->modified_ms = kept->modified_ms;
    account->created = kept->created;
    account->version = kept->version;
    account->credential_version = kept->credential_version;
    account->has_secret = kept->has_secret;
}

// --- a part -----------------------------------------------------------------------------------------------

static struct kept **bucket_of(struct part *part, uint64_t hash) {
    return &part->buckets[hash & (part->bucket_count - 1)];
}

// What points to the account of that login, or to the NULL behind the last of its bucket.
static struct kept **seek(struct part *part, uint64_t hash, const char *fold) {
    struct kept **at = bucket_of(part, hash);
    while (*at && ((*at)->hash != hash || strcmp((*at)->texts, fold) != 0)) at = &(*at)->next;
    return at;
}

static void drop(struct part *part, struct kept **at) {
    struct kept *kept = *at;
    *at = kept->next;
    part->counts.bytes -= kept_bytes(kept);
    part->counts.accounts--;
    free(kept);
}

// Twice as many buckets, as long as there is memory; else chains are longer.
static void grow(struct part *part) {
    size_t count = part->bucket_count * 2;
    struct kept **wider = calloc(count, sizeof *wider), **old = part->buckets;
    if (!wider) return;
    part->buckets = wider;
    part->bucket_count = count;
    part->counts.bytes += count / 2 * sizeof *wider;
    for (size_t i = 0; i < count / 2; i++)
        for (struct kept *kept = old[i], *next; kept; kept = next) {
            struct kept **bucket = bucket_of(part, kept->hash);
            next = kept->next;
            kept->next = *bucket;
            *bucket = kept;
        }
    free(old);
}

static void hand_on(struct part *part) {
    struct kept **at = &part->buckets[part->hand];
    while (*at) {
        if (!(*at)->asked) {
            drop(part, at);
            return; // it stands here still
        }
        (*at)->asked = false;
        at = &(*at)->next;
    }
    part->hand = (part->hand + 1) & (part->bucket_count - 1);
}

static bool has_room(const struct cache *cache, const struct part *part, size_t bytes) {
    return part->counts.bytes + bytes <= cache->part_bytes;
}

static struct part *part_of(struct cache *cache, const char *fold, uint64_t *hash) {
    *hash = secret_table_hash(&cache->key, str_of(fold));
    return &cache->parts[*hash >> PART_SHIFT];
}

// True: it is here, or must not be.
static bool keep(struct cache *cache, const char *fold, const struct account *account, uint64_t as_of,
                 bool make_room) {
    uint64_t hash;
    struct part *part = part_of(cache, fold, &hash);
    struct kept *kept = kept_new(hash, fold, account);
    if (!kept) return false;
    bool kept_it = false, refused = false;
    size_t bytes = kept_bytes(kept);
    pthread_mutex_lock(&part->mutex);
    refused = as_of < part->changed || account->version > as_of || *seek(part, hash, fold);
    while (!refused && make_room && part->counts.accounts > 0 && !has_room(cache, part, bytes)) hand_on(part);
    if (!refused && has_room(cache, part, bytes)) {
        struct kept **bucket = bucket_of(part, hash);
        kept->next = *bucket;
        *bucket = kept;
        part->counts.bytes += bytes;
        kept_it = true;
        if (++part->counts.accounts > part->bucket_count) grow(part);
    }
    pthread_mutex_unlock(&part->mutex);
    if (!kept_it) free(kept);
    return kept_it || refused;
}

// --- for others -------------------------------------------------------------------------------------------

struct cache *cache_open(size_t bytes, struct err *err) {
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache) {
        (void)err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    secret_random(&cache->key, sizeof cache->key);
    cache->part_bytes = bytes / PARTS;
    for (size_t i = 0; i < PARTS; i++) {
        struct part *part = &cache->parts[i];
        pthread_mutex_init(&part->mutex, NULL);
        part->buckets = calloc(BUCKETS, sizeof *part->buckets);
        part->bucket_count = BUCKETS;
        part->counts.bytes = PART_BYTES_MIN;
        if (part->buckets) continue;
        (void)err_set(err, ERR_MEMORY, "memory is out");
        cache_close(cache);
        return NULL;
    }
    return cache;
}

void cache_close(struct cache *cache) {
    if (!cache) return;
    for (size_t i = 0; i < PARTS && cache->parts[i].buckets; i++) {
        struct part *part = &cache->parts[i];
        for (size_t bucket = 0; bucket < part->bucket_count; bucket++)
            while (part->buckets[bucket]) drop(part, &part->buckets[bucket]);
        free(part->buckets);
        pthread_mutex_destroy(&part->mutex);
    }
    free(cache);
}

bool cache_find(struct cache *cache, const char *fold, struct account *account) {
    uint64_t hash;
    struct part *part = part_of(cache, fold, &hash);
    pthread_mutex_lock(&part->mutex);
    struct kept *kept = *seek(part, hash, fold);
    if (kept) {
        kept->asked = true;
        kept_copy(kept, account);
        part->counts.hits++;
    } else {
        part->counts.misses++;
    }
    pthread_mutex_unlock(&part->mutex);
    return kept;
}

void cache_put(struct cache *cache, const char *fold, const struct account *account, uint64_t as_of) {
    (void)keep(cache, fold, account, as_of, true);
}

bool cache_offer(struct cache *cache, const char *fold, const struct account *account, uint64_t as_of) {
    return keep(cache, fold, account, as_of, false);
}

void cache_forget(struct cache *cache, const char *fold, uint64_t clock) {
    uint64_t hash;
    struct part *part = part_of(cache, fold, &hash);
    pthread_mutex_lock(&part->mutex);
    struct kept **at = seek(part, hash, fold);
    if (*at) drop(part, at);
    if (part->changed < clock) part->changed = clock; // clocks of a batch that failed come again
    pthread_mutex_unlock(&part->mutex);
}

void cache_counts(struct cache *cache, struct cache_counts *counts) {
    *counts = (struct cache_counts){0};
    for (size_t i = 0; i < PARTS; i++) {
        struct part *part = &cache->parts[i];
        pthread_mutex_lock(&part->mutex);
        counts->accounts += part->counts.accounts;
        counts->bytes += part->counts.bytes;
        counts->hits += part->counts.hits;
        counts->misses += part->counts.misses;
        pthread_mutex_unlock(&part->mutex);
    }
}

// Slowing down guessers and flooders.
//
//   address, fold ──► pairs     ┐ failures, when the last was ──► how long the next attempt waits
//   address ────────► addresses ┘ attempts under way              (the longer of the two)
//   address ────────► buckets     an allowance that fills with time
//
// A name is not kept: entries are found by a digest under a key of this process, so they are of one size
// and nobody can choose where in the table they fall. In each table the least lately changed makes room.
#include "stream/throttle.h"

#include "base/secret.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((void)(entry)) // hh.tbl stays NULL: seen by the caller
#include <uthash.h>
#include <utlist.h>

#define MINUTE_MS   60000u
#define PER_ADDRESS 10u // an address may fail so many times more than a pair of address and name

struct entry {
    struct secret_digest digest;
    uint64_t at_ms;     // of the last failure; when `allowance` was true
    uint64_t amount;    // failures; allowance in 1/60000 of a registration, so that it fills by whole numbers
    uint64_t under_way; // attempts that are being verified
    struct entry *prev, *next;
    UT_hash_handle hh;
};

struct table {
    struct entry *hash;
    struct entry *list; // least lately changed first
    size_t count;
};

struct throttle {
    struct secret_key key;
    struct throttle_limits limits;
    struct table pairs, addresses, buckets;
};

// --- tables ---------------------------------------------------------------------------------------------

static struct entry *find(const struct table *table, const struct secret_digest *digest) {
    struct entry *entry;
    HASH_FIND(hh, table->hash, digest, sizeof *digest, entry);
    return entry;
}

static void unlink_entry(struct table *table, struct entry *entry) {
    HASH_DELETE(hh, table->hash, entry);
    DL_DELETE(table->list, entry);
    table->count--;
}

static void drop(struct table *table, struct entry *entry) {
    unlink_entry(table, entry);
    free(entry);
}

// A new entry, in the oldest one's memory when there is no other. NULL: there is none at all.
static struct entry *add(struct table *table, const struct secret_digest *digest) {
    struct entry *entry = table->count < THROTTLE_MAX_ENTRIES ? malloc(sizeof *entry) : NULL;
    if (!entry) {
        entry = table->list;
        if (!entry) return NULL;
        unlink_entry(table, entry);
    }
    *entry = (struct entry){.digest = *digest};
    HASH_ADD(hh, table->hash, digest, sizeof entry->digest, entry);
    if (!entry->hh.tbl) {
        free(entry);
        return NULL;
    }
    DL_APPEND(table->list, entry);
    table->count++;
    return entry;
}

static void touch(struct table *table, struct entry *entry, uint64_t now_ms) {
    entry->at_ms = now_ms;
    DL_DELETE(table->list, entry);
    DL_APPEND(table->list, entry);
}

static uint64_t since(uint64_t then_ms, uint64_t now_ms) {
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

// What has meant nothing for so long is dropped, but that attempts are under way.
static void forget(struct table *table, struct entry *entry, uint64_t now_ms) {
    entry->amount = 0;
    if (entry->under_way > 0)
        touch(table, entry, now_ms);
    else
        drop(table, entry);
}

// Forgets what has meant nothing for `forget_ms`; the list is in that order.
static void sweep(struct table *table, uint64_t forget_ms, uint64_t now_ms) {
    while (table->list && since(table->list->at_ms, now_ms) >= forget_ms) forget(table, table->list, now_ms);
}

// `fold` NULL: the address alone.
static struct secret_digest digest_of(const struct throttle *throttle, struct address_key from,
                                      const char *fold) {
    char address[sizeof from.bytes + 1];
    struct secret_digest digest;
    memcpy(address, from.bytes, sizeof from.bytes);
    address[sizeof from.bytes] = (char)from.family;
    secret_digest2(&throttle->key, (struct str){address, sizeof address}, str_of(fold), &digest);
    return digest;
}

// --- failed logins --------------------------------------------------------------------------------------

static uint64_t forget_after(const struct throttle *throttle) {
    uint64_t most = throttle->limits.delay_max_ms;
    return most > MINUTE_MS ? most : MINUTE_MS;
}

// What is left to wait after the last failure: delay, 2·delay, 4·delay ... for each one past `free_failures`.
static uint64_t left_to_wait(struct throttle *throttle, struct table *table,
                             const struct secret_digest *digest, uint64_t free_failures, uint64_t now_ms) {
    struct entry *entry = find(table, digest);
    if (!entry) return 0;
    uint64_t passed = since(entry->at_ms, now_ms);
    if (passed >= forget_after(throttle)) {
        forget(table, entry, now_ms);
        return 0;
    }
    if (entry->amount == 0 || entry->amount < free_failures) return 0;
    uint64_t delay = throttle->limits.delay_ms, most = throttle->limits.delay_max_ms;
    for (uint64_t more = entry->amount - free_failures; more > 0 && delay > 0 && delay < most; more--)
        delay = delay > most / 2 ? most : delay * 2;
    if (delay > most) delay = most;
    return delay > passed ? delay - passed : 0;
}

uint64_t throttle_login_delay(struct throttle *throttle, struct address_key from, const char *fold,
                              uint64_t now_ms) {
    uint64_t free_failures = throttle->limits.free_failures;
    struct secret_digest pair = digest_of(throttle, from, fold), address = digest_of(throttle, from, NULL);
    uint64_t a = left_to_wait(throttle, &throttle->pairs, &pair, free_failures, now_ms);
    uint64_t b = left_to_wait(throttle, &throttle->addresses, &address, free_failures * PER_ADDRESS, now_ms);
    return a > b ? a : b;
}

static bool is_full(const struct table *table, const struct secret_digest *digest, uint64_t free_failures) {
    const struct entry *entry = find(table, digest);
    if (!entry) return false;
    uint64_t free_now = entry->amount < free_failures ? free_failures - entry->amount : 1;
    return entry->under_way >= free_now;
}

enum throttle_room throttle_login_room(struct throttle *throttle, struct address_key from, const char *fold) {
    uint64_t free_failures = throttle->limits.free_failures;
    struct secret_digest pair = digest_of(throttle, from, fold), address = digest_of(throttle, from, NULL);
    if (is_full(&throttle->addresses, &address, free_failures * PER_ADDRESS)) return THROTTLE_ADDRESS_FULL;
    return is_full(&throttle->pairs, &pair, free_failures) ? THROTTLE_PAIR_FULL : THROTTLE_ROOM;
}

static void count_begun(struct table *table, const struct secret_digest *digest, uint64_t now_ms) {
    struct entry *entry = find(table, digest);
    if (!entry && (entry = add(table, digest))) touch(table, entry, now_ms);
    if (entry) entry->under_way++; // else memory is out: this one is free
}

static void count_ended(struct table *table, const struct secret_digest *digest) {
    struct entry *entry = find(table, digest);
    if (!entry || entry->under_way == 0) return; // it has made room, or had not been counted
    entry->under_way--;
    if (entry->under_way == 0 && entry->amount == 0) drop(table, entry);
}

void throttle_login_begin(struct throttle *throttle, struct address_key from, const char *fold,
                          uint64_t now_ms) {
    struct secret_digest pair = digest_of(throttle, from, fold), address = digest_of(throttle, from, NULL);
    count_begun(&throttle->pairs, &pair, now_ms);
    count_begun(&throttle->addresses, &address, now_ms);
}

void throttle_login_end(struct throttle *throttle, struct address_key from, const char *fold) {
    struct secret_digest pair = digest_of(throttle, from, fold), address = digest_of(throttle, from, NULL);
    count_ended(&throttle->pairs, &pair);
    count_ended(&throttle->addresses, &address);
}

static void count_failure(struct throttle *throttle, struct table *table, const struct secret_digest *digest,
                          uint64_t now_ms) {
    sweep(table, forget_after(throttle), now_ms);
    struct entry *entry = find(table, digest);
    if (!entry) entry = add(table, digest);
    if (!entry) return; // memory is out and nothing was counted yet: this one is free
    entry->amount++;
    touch(table, entry, now_ms);
}

void throttle_login_failed(struct throttle *throttle, struct address_key from, const char *fold,
                           uint64_t now_ms) {
    struct secret_digest pair = digest_of(throttle, from, fold), address = digest_of(throttle, from, NULL);
    count_failure(throttle, &throttle->pairs, &pair, now_ms);
    count_failure(throttle, &throttle->addresses, &address, now_ms);
}

void throttle_login_succeeded(struct throttle *throttle, struct address_key from, const char *fold) {
    struct secret_digest pair = digest_of(throttle, from, fold);
    struct entry *entry = find(&throttle->pairs, &pair);
    if (!entry) return;
    entry->amount = 0;
    if (entry->under_way == 0) drop(&throttle->pairs, entry);
}

// --- registrations --------------------------------------------------------------------------------------

uint64_t throttle_register(struct throttle *throttle, struct address_key from, uint64_t now_ms) {
    uint64_t rate = throttle->limits.registers_per_minute, full = rate * MINUTE_MS;
    if (rate == 0) return 0;
    sweep(&throttle->buckets, MINUTE_MS, now_ms); // after a minute a bucket is full, as a new one is
    struct secret_digest address = digest_of(throttle, from, NULL);
    struct entry *bucket = find(&throttle->buckets, &address);
    if (!bucket) {
        bucket = add(&throttle->buckets, &address);
        if (!bucket) return 0; // memory is out: rather one too many than nobody
        bucket->amount = full;
    } else {
        bucket->amount += since(bucket->at_ms, now_ms) * rate; // under a minute, or it had been swept
    }
    if (bucket->amount > full) bucket->amount = full;
    touch(&throttle->buckets, bucket, now_ms);
    if (bucket->amount < MINUTE_MS) return (MINUTE_MS - bucket->amount + rate - 1) / rate;
    bucket->amount -= MINUTE_MS;
    return 0;
}

// --- opening and closing --------------------------------------------------------------------------------

struct throttle *throttle_open(const struct throttle_limits *limits) {
    struct throttle *throttle = calloc(1, sizeof *throttle);
    if (!throttle) return NULL;
    secret_random(&throttle->key, sizeof throttle->key);
    throttle->limits = *limits;
    return throttle;
}

static void clear(struct table *table) {
    while (table->list) drop(table, table->list);
}

void throttle_close(struct throttle *throttle) {
    if (!throttle) return;
    clear(&throttle->pairs);
    clear(&throttle->addresses);
    clear(&throttle->buckets);
    secret_wipe(&throttle->key, sizeof throttle->key);
    free(throttle);
}

void throttle_set_limits(struct throttle *throttle, const struct throttle_limits *limits) {
    throttle->limits = *limits;
}

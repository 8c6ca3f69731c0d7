// Accounts in memory, by case-folded login: what readers found, and what the storage thread read ahead of
// them. A lookup that meets its account here asks SQLite nothing.
//
//   reader          found in a view of the roll ──► cache_put      an older view than the last change:
//   refused storage thread  while it has nothing to do  ──► cache_offer    only where there is room
//                   applies a change            ──► cache_forget   before anybody can see the change
//
// So what is here is never older than what was acknowledged, and never newer than the clock that readers are
// told. It holds accounts that are there, and nobody's password: whoever is not found is looked for in
// SQLite. Each account lies in one of some parts with a lock each; nothing is done under a lock but copying.
#pragma once

#include "store/store.h"

struct cache;

// Any thread, but for opening and closing. `bytes`: as much memory as it may take, about; then accounts that
// were not asked for lately make room. NULL: memory is out.
struct cache *cache_open(size_t bytes, struct err *err);
void cache_close(struct cache *cache); // NULL is fine

bool cache_find(struct cache *cache, const char *fold, struct account *account);
// An account as a view has it that was begun when `as_of` was durable.
void cache_put(struct cache *cache, const char *fold, const struct account *account, uint64_t as_of);
// The same, without anybody making room for it. False: there is none.
bool cache_offer(struct cache *cache, const char *fold, const struct account *account, uint64_t as_of);
// The change that will be `clock` is about to change or delete the account of this login. If it comes to
// nothing, no more is lost than what was here.
void cache_forget(struct cache *cache, const char *fold, uint64_t clock);

struct cache_counts {
    uint64_t accounts, bytes; // now
    uint64_t hits, misses;    // so far
};
void cache_counts(struct cache *cache, struct cache_counts *counts);

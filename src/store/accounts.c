// Looking up accounts, and the row of `meta`.
#include "store/internal.h"

#include <assert.h>
#include <string.h>

static bool copy_credential(struct row *row, const struct account *account, struct credential *credential) {
    if (!account->has_secret) {
        memset(credential, 0, sizeof *credential);
        return true;
    }
    return row_bytes(row, 10, credential->key.bytes, sizeof credential->key.bytes) &&
           row_text(row, 11, credential->hash, sizeof credential->hash);
}

// Takes the one row that there may be, and ends it. `fold` may be NULL, as `credential`.
static int take_account(struct row *row, struct account *account, struct credential *credential, char *fold,
                        struct err *err) {
    int found = row_next(row, err);
    if (found == 1 &&
        (!row_account(row, account) || (credential && !copy_credential(row, account, credential)) ||
         (fold && !row_text(row, 12, fold, sizeof((struct holding *)0)->fold))))
        found = row_damaged(row, err);
    if (found < 0 && credential) secret_wipe(credential, sizeof *credential);
    row_end(row);
    return found;
}

static int find_in_roll(struct store *store, const char *fold, struct account *account,
                        struct credential *credential, struct err *err) {
    struct row row = row_begin(store, STATEMENT_FIND);
    row_put_text(&row, fold);
    return take_account(&row, account, credential, NULL, err);
}

int store_find(struct store *store, const char *fold, struct account *account, struct credential *credential,
               struct err *err) {
    bool remembers = store->cache && !store->writer && !credential;
    if (remembers && cache_find(store->cache, fold, account)) return 1;
    int found = find_in_roll(store, fold, account, credential, err);
    if (remembers && found == 1) cache_put(store->cache, fold, account, store->as_of);
    return found;
}

int store_find_uuid(struct store *store, const struct uuid *uuid, struct account *account,
                    struct credential *credential, struct err *err) {
    struct row row = row_begin(store, STATEMENT_FIND_UUID);
    row_put_bytes(&row, uuid->bytes, sizeof uuid->bytes);
    return take_account(&row, account, credential, NULL, err);
}

int holding_find(struct store *store, const struct uuid *uuid, struct holding *holding, struct err *err) {
    struct row row = row_begin(store, STATEMENT_FIND_UUID);
    row_put_bytes(&row, uuid->bytes, sizeof uuid->bytes);
    return take_account(&row, &holding->account, &holding->credential, holding->fold, err);
}

int fold_owner(struct store *store, const char *fold, uint64_t *created, struct err *err) {
    struct row row = row_begin(store, STATEMENT_FIND);
    row_put_text(&row, fold);
    int found = row_next(&row, err);
    if (found == 1) *created = row_natural(&row, 6);
    row_end(&row);
    return found;
}

int store_accounts(struct store *store, uint64_t after, unsigned limit,
                   bool (*each)(const struct account *account, void *context), void *context,
                   struct err *err) {
    struct row row = row_begin(store, STATEMENT_ACCOUNTS);
    struct account account;
    int count = 0, more;
    row_put_natural(&row, after);
    row_put_natural(&row, limit);
    while ((more = row_next(&row, err)) == 1) {
        if (!row_account(&row, &account)) {
            more = row_damaged(&row, err);
            break;
        }
        count++;
        if (!each(&account, context)) break;
    }
    row_end(&row);
    return more < 0 ? -1 : count;
}

int store_warm(struct store *store, uint64_t *after, unsigned limit, struct err *err) {
    assert(store->writer && sqlite3_get_autocommit(store->db));
    struct row row = row_begin(store, STATEMENT_ACCOUNTS);
    struct account account;
    char fold[sizeof((struct holding *)0)->fold];
    unsigned count = 0;
    int more;
    bool room = true;
    row_put_natural(&row, *after);
    row_put_natural(&row, limit);
    while (room && (more = row_next(&row, err)) == 1) {
        if (!row_account(&row, &account) || !row_text(&row, 12, fold, sizeof fold)) {
            more = row_damaged(&row, err);
            break;
        }
        room = cache_offer(store->cache, fold, &account, UINT64_MAX); // no change is under way
        *after = account.created;
        count++;
    }
    row_end(&row);
    if (more < 0) return -1;
    return room && count == limit;
}

// --- the whole --------------------------------------------------------------------------------------------

int meta_read(struct store *store, struct store_meta *meta, struct err *err) {
    struct row row = row_begin(store, STATEMENT_META);
    int found = row_next(&row, err);
    if (found == 1)
        *meta = (struct store_meta){
            .epoch = row_natural(&row, 0),
            .clock = row_natural(&row, 1),
            .at_ms = row_number(&row, 2),
            .accounts = row_natural(&row, 3),
            .settings = row_natural(&row, 4),
            .tokens = row_natural(&row, 5),
            .changes_after = row_natural(&row, 6),
            .requests = row_natural(&row, 7),
        };
    else if (found == 0)
        (void)store_refused(store, SQLITE_CORRUPT, err); // the row has always been there
    row_end(&row);
    return found == 1 ? 0 : -1;
}

int store_meta(struct store *store, struct store_meta *meta, struct err *err) {
    if (!store->writer || sqlite3_get_autocommit(store->db)) return meta_read(store, meta, err);
    *meta = store->meta; // the row is as it was before the transaction
    return 0;
}

int store_clock(struct store *store, uint64_t *clock, struct err *err) {
    struct store_meta meta;
    if (store_meta(store, &meta, err) != 0) return -1;
    *clock = meta.clock;
    return 0;
}

int store_count(struct store *store, uint64_t *accounts, struct err *err) {
    struct store_meta meta;
    if (store_meta(store, &meta, err) != 0) return -1;
    *accounts = meta.accounts;
    return 0;
}

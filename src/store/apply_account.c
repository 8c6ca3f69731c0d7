// What changes of accounts do.
#include "store/internal.h"

#include <assert.h>
#include <string.h>

static bool terminated(const char *text, size_t size) {
    return memchr(text, '\0', size) != NULL;
}

// What change_decode ensures, and who makes a change.
static void check(const struct change *change) {
    assert(terminated(change->login.name, sizeof change->login.name));
    assert(terminated(change->login.fold, sizeof change->login.fold));
    assert(terminated(change->name, sizeof change->name));
    assert(terminated(change->created_from, sizeof change->created_from));
    assert(terminated(change->secret_hash, sizeof change->secret_hash));
    assert(terminated(change->request.key, sizeof change->request.key));
}

static void put_secret(struct row *row, const struct secret_key *key, const char *hash) {
    if (hash[0]) {
        row_put_bytes(row, key->bytes, sizeof key->bytes);
        row_put_text(row, hash);
    } else {
        row_put_nothing(row);
        row_put_nothing(row);
    }
}

static void copy_text(char *to, size_t capacity, const char *from) {
    memset(to, 0, capacity); // so that equal answers are equal bytes
    bool whole = str_copy(str_of(from), to, capacity);
    assert(whole);
}

enum outcome apply_create(struct store *store, const struct change *change, struct answer *answer,
                          struct err *err) {
    struct account *account = &answer->account;
    uint64_t clock = store->meta.clock + 1;
    check(change);
    assert(change->login.name[0] && change->login.fold[0]);
    struct row row = row_begin(store, STATEMENT_CREATE);
    row_put_natural(&row, clock);
    row_put_bytes(&row, change->uuid.bytes, sizeof change->uuid.bytes);
    row_put_text(&row, change->login.name);
    row_put_text(&row, change->login.fold);
    row_put_text(&row, change->name);
    row_put_text(&row, change->created_from);
    row_put_number(&row, change->at_ms);
    put_secret(&row, &change->secret_key, change->secret_hash);
    if (row_run(&row, err) != 0) return OUTCOME_FAILED;
    if (sqlite3_changes(store->db) == 0) return OUTCOME_TAKEN;

    account->uuid = change->uuid;
    copy_text(account->login, sizeof account->login, change->login.name);
    copy_text(account->name, sizeof account->name, change->name);
    copy_text(account->created_from, sizeof account->created_from, change->created_from);
    account->created_ms = account->modified_ms = change->at_ms;
    account->created = account->version = clock;
    account->credential_version = 1;
    account->has_secret = change->secret_hash[0] != '\0';
    store->meta.accounts++;
    return OUTCOME_DONE;
}

// Finds the account, and sees that what the change builds upon still holds.
static enum outcome meet(struct store *store, const struct change *change, struct holding *holding,
                         struct answer *answer, struct err *err) {
    int found = holding_find(store, &change->uuid, holding, err);
    if (found < 0) return OUTCOME_FAILED;
    if (found == 0) return OUTCOME_ABSENT;
    answer->version = holding->account.version;
    if (change->credential && change->credential != holding->account.credential_version)
        return OUTCOME_CREDENTIAL;
    if (change->expects && change->expected != holding->account.version) return OUTCOME_VERSION;
    return OUTCOME_DONE;
}

static enum outcome rename_account(struct store *store, const struct change *change, struct holding *holding,
                                   struct err *err) {
    uint64_t owner;
    int found = fold_owner(store, change->login.fold, &owner, err);
    if (found < 0) return OUTCOME_FAILED;
    if (found == 1 && owner != holding->account.created) return OUTCOME_TAKEN;
    struct row row = row_begin(store, STATEMENT_RENAME);
    row_put_natural(&row, holding->account.created);
    row_put_text(&row, change->login.name);
    row_put_text(&row, change->login.fold);
    if (row_run(&row, err) != 0) return OUTCOME_FAILED;
    copy_text(holding->account.login, sizeof holding->account.login, change->login.name);
    return OUTCOME_DONE;
}

static int modify_account(struct store *store, const struct change *change, struct holding *holding,
                          struct err *err) {
    struct account *account = &holding->account;
    account->version = store->meta.clock + 1;
    account->modified_ms = change->at_ms;
    if (change->sets & CHANGE_SETS_NAME) copy_text(account->name, sizeof account->name, change->name);
    if (change->sets & CHANGE_SETS_SECRET) {
        account->credential_version++;
        account->has_secret = change->secret_hash[0] != '\0';
        holding->credential.key = change->secret_key;
        copy_text(holding->credential.hash, sizeof holding->credential.hash, change->secret_hash);
    }
    struct row row = row_begin(store, STATEMENT_MODIFY);
    row_put_natural(&row, account->created);
    row_put_natural(&row, account->version);
    row_put_number(&row, account->modified_ms);
    row_put_text(&row, account->name);
    row_put_natural(&row, account->credential_version);
    put_secret(&row, &holding->credential.key, holding->credential.hash);
    return row_run(&row, err);
}

static void end_sessions(struct answer *answer) {
    answer->ended = true;
    answer->whose = answer->account.uuid;
}

enum outcome apply_modify(struct store *store, const struct change *change, struct answer *answer,
                          struct err *err) {
    struct holding holding = {0};
    check(change);
    assert(change->sets >= 1 && change->sets <= 7);
    enum outcome outcome = meet(store, change, &holding, answer, err);
    if (outcome != OUTCOME_DONE) goto out;
    // Another spelling is another name: sessions speak under the old one.
    bool renames = change->sets & CHANGE_SETS_LOGIN && strcmp(holding.account.login, change->login.name) != 0;
    if (renames) outcome = rename_account(store, change, &holding, err);
    if (outcome == OUTCOME_DONE && modify_account(store, change, &holding, err) != 0)
        outcome = OUTCOME_FAILED;
    if (outcome != OUTCOME_DONE) goto out;
    answer->account = holding.account;
    if (store->cache) cache_forget(store->cache, holding.fold, holding.account.version);
    if (renames || change->sets & CHANGE_SETS_SECRET) end_sessions(answer);
out:
    secret_wipe(&holding, sizeof holding);
    return outcome;
}

enum outcome apply_delete(struct store *store, const struct change *change, struct answer *answer,
                          struct err *err) {
    struct holding holding = {0};
    check(change);
    enum outcome outcome = meet(store, change, &holding, answer, err);
    if (outcome == OUTCOME_DONE) {
        struct row row = row_begin(store, STATEMENT_DELETE);
        row_put_natural(&row, holding.account.created);
        if (row_run(&row, err) != 0) outcome = OUTCOME_FAILED;
    }
    if (outcome == OUTCOME_DONE) {
        answer->account = holding.account;
        if (store->cache) cache_forget(store->cache, holding.fold, store->meta.clock + 1);
        end_sessions(answer);
        store->meta.accounts--;
    }
    secret_wipe(&holding, sizeof holding);
    return outcome;
}

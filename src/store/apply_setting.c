// What changes of settings and admin tokens do.
#include "store/internal.h"

#include <assert.h>
#include <string.h>

// The version of a setting; 0: there is none.
static int version_of(struct store *store, const char *key, uint64_t *version, struct err *err) {
    struct row row = row_begin(store, STATEMENT_SETTING_VERSION);
    row_put_text(&row, key);
    int found = row_next(&row, err);
    *version = found == 1 ? row_natural(&row, 0) : 0;
    row_end(&row);
    return found < 0 ? -1 : 0;
}

static enum outcome meet(struct store *store, const struct change *change, struct answer *answer,
                         struct err *err) {
    assert(
        setting_key_valid((struct str){change->setting, strnlen(change->setting, sizeof change->setting)}));
    if (version_of(store, change->setting, &answer->version, err) != 0) return OUTCOME_FAILED;
    if (answer->version == 0 && change->kind == CHANGE_SETTING_DELETE) return OUTCOME_ABSENT;
    if (change->expects && change->expected != answer->version) return OUTCOME_VERSION;
    return OUTCOME_DONE;
}

enum outcome apply_setting_put(struct store *store, const struct change *change, struct answer *answer,
                               struct err *err) {
    assert(change->value.len <= CHANGE_VALUE_MAX);
    enum outcome outcome = meet(store, change, answer, err);
    if (outcome != OUTCOME_DONE) return outcome;
    struct row row = row_begin(store, STATEMENT_SETTING_PUT);
    row_put_text(&row, change->setting);
    row_put_natural(&row, store->meta.clock + 1);
    row_put_number(&row, change->at_ms);
    row_put_bytes(&row, change->value.ptr, change->value.len);
    if (row_run(&row, err) != 0) return OUTCOME_FAILED;
    if (answer->version == 0) store->meta.settings++;
    return OUTCOME_DONE;
}

enum outcome apply_setting_delete(struct store *store, const struct change *change, struct answer *answer,
                                  struct err *err) {
    enum outcome outcome = meet(store, change, answer, err);
    if (outcome != OUTCOME_DONE) return outcome;
    struct row row = row_begin(store, STATEMENT_SETTING_DELETE);
    row_put_text(&row, change->setting);
    if (row_run(&row, err) != 0) return OUTCOME_FAILED;
    store->meta.settings--;
    return OUTCOME_DONE;
}

// --- admin tokens -----------------------------------------------------------------------------------------

enum outcome apply_token_add(struct store *store, const struct change *change, struct answer *answer,
                             struct err *err) {
    (void)answer;
    assert(memchr(change->label, '\0', sizeof change->label));
    struct row row = row_begin(store, STATEMENT_TOKEN_ADD);
    row_put_natural(&row, store->meta.clock + 1);
    row_put_bytes(&row, change->uuid.bytes, sizeof change->uuid.bytes);
    row_put_text(&row, change->label);
    row_put_bytes(&row, change->token.bytes, sizeof change->token.bytes);
    row_put_number(&row, change->at_ms);
    if (row_run(&row, err) != 0) return OUTCOME_FAILED;
    if (sqlite3_changes(store->db) == 0) return OUTCOME_TAKEN;
    store->meta.tokens++;
    return OUTCOME_DONE;
}

enum outcome apply_token_revoke(struct store *store, const struct change *change, struct answer *answer,
                                struct err *err) {
    struct row row = row_begin(store, STATEMENT_TOKEN_REVOKE);
    row_put_bytes(&row, change->uuid.bytes, sizeof change->uuid.bytes);
    if (row_run(&row, err) != 0) return OUTCOME_FAILED;
    if (sqlite3_changes(store->db) == 0) return OUTCOME_ABSENT;
    answer->ended = true;
    answer->whose = change->uuid;
    store->meta.tokens--;
    return OUTCOME_DONE;
}

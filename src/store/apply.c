// The state, as a function: (state, change) ──► (state, clock, outcome). No time, no randomness, nothing that
// differs from one server to the next: every server that applies the same changes in the same order holds the
// same state, byte for byte. Here, and nowhere else, it is decided whether a login is free, whether a version
// is the current one, and whether a request was done before.
//
//   change ──► done before? ──► still allowed? ──► apply_KIND ──► DONE: the clock ticks, the change log and
//   the
//                   │                  │                │         request are noted
//                   ▼                  ▼                ▼
//               REPEATED          CREDENTIAL     TAKEN, ABSENT, VERSION, ...: nothing has happened
#include "store/internal.h"

#include <assert.h>
#include <string.h>

static apply_function *const functions[] = {
    [CHANGE_CREATE] = apply_create,
    [CHANGE_MODIFY] = apply_modify,
    [CHANGE_DELETE] = apply_delete,
    [CHANGE_SETTING_PUT] = apply_setting_put,
    [CHANGE_SETTING_DELETE] = apply_setting_delete,
    [CHANGE_TOKEN_ADD] = apply_token_add,
    [CHANGE_TOKEN_REVOKE] = apply_token_revoke,
};

// The bookkeeping of every change that is done.
static int note_done(struct store *store, const struct change *change, struct answer *answer,
                     struct err *err) {
    struct store_meta *meta = &store->meta;
    store->changed = true;
    answer->clock = ++meta->clock;
    answer->at_ms = change->at_ms;
    answer->version = change_deletes(change->kind) ? 0 : answer->clock;
    if (change->at_ms > meta->at_ms) meta->at_ms = change->at_ms;
    if (changes_note(store, change, answer, err) != 0) return -1;
    return change->request.key[0] ? request_note(store, change, answer, err) : 0;
}

enum outcome store_apply(struct store *store, const struct change *change, struct answer *answer,
                         struct err *err) {
    int known = 0;
    assert(store->writer && !sqlite3_get_autocommit(store->db)); // within begin ... commit
    memset(answer, 0, sizeof *answer);

    if (!change_kind_name(change->kind)) {
        (void)err_set(err, ERR_VERSION, "the change is of kind %d, which this Herald does not know",
                      (int)change->kind);
        return answer->outcome = OUTCOME_FAILED;
    }
    if (change->request.key[0]) known = request_find(store, &store->meta, &change->request, answer, err);
    if (known < 0) return answer->outcome = OUTCOME_FAILED;
    if (known > 0) return answer->outcome;

    answer->kind = change->kind;
    known = uuid_is_nil(&change->admin) ? 1 : store_knows_token(store, &change->admin, err);
    if (known < 0) return answer->outcome = OUTCOME_FAILED;
    if (known == 0) return answer->outcome = OUTCOME_CREDENTIAL;
    answer->outcome = functions[change->kind](store, change, answer, err);
    if (answer->outcome == OUTCOME_DONE && note_done(store, change, answer, err) != 0)
        answer->outcome = OUTCOME_FAILED;
    return answer->outcome;
}

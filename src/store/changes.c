// The change log: what was done, for those who follow. One row for each tick of the clock, without secrets.
#include "store/internal.h"

static bool of_account(enum change_kind kind) {
    return kind == CHANGE_CREATE || kind == CHANGE_MODIFY || kind == CHANGE_DELETE;
}

static bool of_setting(enum change_kind kind) {
    return kind == CHANGE_SETTING_PUT || kind == CHANGE_SETTING_DELETE;
}

int changes_note(struct store *store, const struct change *change, const struct answer *answer,
                 struct err *err) {
    struct row row = row_begin(store, STATEMENT_LOG);
    row_put_natural(&row, answer->clock);
    row_put_number(&row, change->kind);
    row_put_number(&row, change->kind == CHANGE_MODIFY ? (int64_t)change->sets : 0);
    if (of_setting(change->kind))
        row_put_nothing(&row);
    else
        row_put_bytes(&row, change->uuid.bytes, sizeof change->uuid.bytes);
    if (of_account(change->kind)) {
        row_put_text(&row, answer->account.login);
        row_put_text(&row, answer->account.name);
    } else {
        row_put_nothing(&row);
        row_put_text(&row, of_setting(change->kind) ? change->setting : change->label);
    }
    row_put_number(&row, change->at_ms);
    return row_run(&row, err);
}

int changes_forget(struct store *store, struct err *err) {
    struct store_meta *meta = &store->meta;
    if (meta->clock - meta->changes_after <= store->changes_kept) return 0;
    meta->changes_after = meta->clock - store->changes_kept;
    struct row row = row_begin(store, STATEMENT_LOG_FORGET);
    row_put_natural(&row, meta->changes_after);
    return row_run(&row, err);
}

static bool copy_logged(struct row *row, struct logged *logged) {
    *logged = (struct logged){
        .clock = row_natural(row, 0),
        .kind = (enum change_kind)row_number(row, 1),
        .sets = (unsigned)row_number(row, 2),
        .at_ms = row_number(row, 6),
    };
    if (!row_str(row, 4, &logged->login) || !row_str(row, 5, &logged->name)) return false;
    return of_setting(logged->kind) || row_bytes(row, 3, logged->uuid.bytes, sizeof logged->uuid.bytes);
}

int store_changes(struct store *store, uint64_t since, unsigned limit,
                  bool (*each)(const struct logged *logged, void *context), void *context, struct err *err) {
    struct store_meta meta;
    if (store_meta(store, &meta, err) != 0) return -1;
    if (since < meta.changes_after || since > meta.clock) return STORE_CHANGES_GONE;
    struct row row = row_begin(store, STATEMENT_CHANGES);
    int count = 0, more;
    row_put_natural(&row, since);
    row_put_natural(&row, limit);
    while ((more = row_next(&row, err)) == 1) {
        struct logged logged;
        if (!copy_logged(&row, &logged)) {
            more = row_damaged(&row, err);
            break;
        }
        if (logged.clock != since + 1 + (uint64_t)count) { // forgotten since we looked
            row_end(&row);
            return STORE_CHANGES_GONE;
        }
        count++;
        if (!each(&logged, context)) break;
    }
    row_end(&row);
    if (more == 0 && count == 0 && since < meta.clock && limit > 0) return STORE_CHANGES_GONE;
    return more < 0 ? -1 : count;
}

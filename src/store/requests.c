// Requests with an idempotency key that were done, and how they were answered, so that a repeat is answered
// alike. They are forgotten by number and by age; age is counted in replicated time, so that every server
// forgets the same ones at the same change.
//
// Of a setting there is nothing to keep: a repeat asks for the same value as the request did.
#include "store/internal.h"

#include <string.h>

static uint64_t forgotten_until(const struct store *store, const struct store_meta *meta) {
    return meta->requests > store->requests_kept ? meta->requests - store->requests_kept : 0;
}

static bool copy_answer(struct row *row, struct answer *answer) {
    answer->kind = (enum change_kind)row_number(row, 10);
    answer->clock = row_natural(row, 11);
    answer->at_ms = row_number(row, 12);
    answer->version = change_deletes(answer->kind) ? 0 : answer->clock;
    return row_account(row, &answer->account);
}

int request_find(struct store *store, const struct store_meta *meta, const struct change_request *request,
                 struct answer *answer, struct err *err) {
    struct secret_digest fingerprint;
    struct row row = row_begin(store, STATEMENT_REQUEST);
    row_put_bytes(&row, request->scope.bytes, sizeof request->scope.bytes);
    row_put_text(&row, request->key);
    row_put_natural(&row, forgotten_until(store, meta));
    row_put_number(&row, meta->at_ms - STORE_REQUESTS_KEPT_MS);
    int found = row_next(&row, err);
    if (found == 1) {
        if (!row_bytes(&row, 13, fingerprint.bytes, sizeof fingerprint.bytes) || !copy_answer(&row, answer))
            found = row_damaged(&row, err);
        else if (memcmp(&fingerprint, &request->fingerprint, sizeof fingerprint) == 0)
            answer->outcome = OUTCOME_REPEATED;
        else
            *answer = (struct answer){.outcome = OUTCOME_KEY_REUSED};
    }
    row_end(&row);
    return found;
}

int store_repeat(struct store *store, const struct change_request *request, struct answer *answer,
                 struct err *err) {
    struct store_meta meta;
    memset(answer, 0, sizeof *answer);
    if (store_meta(store, &meta, err) != 0) return -1;
    return request_find(store, &meta, request, answer, err);
}

int request_note(struct store *store, const struct change *change, const struct answer *answer,
                 struct err *err) {
    const struct account *account = &answer->account;
    struct row row = row_begin(store, STATEMENT_REQUEST_KEEP);
    row_put_natural(&row, ++store->meta.requests);
    row_put_number(&row, store->meta.at_ms);
    row_put_bytes(&row, change->request.scope.bytes, sizeof change->request.scope.bytes);
    row_put_text(&row, change->request.key);
    row_put_bytes(&row, change->request.fingerprint.bytes, sizeof change->request.fingerprint.bytes);
    row_put_number(&row, change->kind);
    row_put_natural(&row, answer->clock);
    row_put_number(&row, answer->at_ms);
    row_put_natural(&row, account->version);
    row_put_bytes(&row, account->uuid.bytes, sizeof account->uuid.bytes);
    row_put_text(&row, account->login);
    row_put_text(&row, account->name);
    row_put_text(&row, account->created_from);
    row_put_number(&row, account->created_ms);
    row_put_number(&row, account->modified_ms);
    row_put_natural(&row, account->created);
    row_put_natural(&row, account->credential_version);
    row_put_number(&row, account->has_secret);
    return row_run(&row, err);
}

int requests_forget(struct store *store, struct err *err) {
    const struct store_meta *meta = &store->meta;
    if (meta->requests == 0) return 0;
    struct row oldest = row_begin(store, STATEMENT_REQUEST_OLDEST);
    row_put_number(&oldest, meta->at_ms - STORE_REQUESTS_KEPT_MS);
    int found = row_next(&oldest, err);
    uint64_t keep = found == 1 ? row_natural(&oldest, 0) : meta->requests + 1;
    row_end(&oldest);
    if (found < 0) return -1;
    if (keep <= forgotten_until(store, meta)) keep = forgotten_until(store, meta) + 1;
    struct row row = row_begin(store, STATEMENT_REQUEST_FORGET);
    row_put_natural(&row, keep);
    return row_run(&row, err);
}

// Looking up settings and admin tokens.
#include "store/internal.h"

#include <string.h>

static bool copy_setting(struct row *row, struct setting *setting) {
    setting->version = row_natural(row, 1);
    setting->modified_ms = row_number(row, 2);
    setting->size = (size_t)row_natural(row, 3);
    return row_text(row, 0, setting->key, sizeof setting->key);
}

// False: memory is out, or what is there is shorter than it says.
static bool borrow_value(struct row *row, struct setting *setting) {
    return row_str(row, 4, &setting->value) && setting->value.len == setting->size;
}

int store_setting(struct store *store, const char *key, struct setting *setting, struct buf *value,
                  struct err *err) {
    struct row row = row_begin(store, STATEMENT_SETTING);
    row_put_text(&row, key);
    int found = row_next(&row, err);
    if (found == 1 && (!copy_setting(&row, setting) || (value && !borrow_value(&row, setting))))
        found = row_damaged(&row, err);
    if (found == 1 && value && buf_append_str(value, setting->value) != 0)
        found = err_set(err, ERR_MEMORY, "memory is out");
    setting->value = (struct str){0};
    row_end(&row);
    return found;
}

int store_settings(struct store *store, const char *prefix, const char *after, unsigned limit, bool values,
                   bool (*each)(const struct setting *setting, void *context), void *context,
                   struct err *err) {
    struct row row = row_begin(store, STATEMENT_SETTINGS);
    int count = 0, more;
    row_put_text(&row, strcmp(after, prefix) > 0 ? after : prefix);
    row_put_text(&row, after);
    row_put_natural(&row, limit);
    row_put_number(&row, values);
    while ((more = row_next(&row, err)) == 1) {
        struct setting setting = {0};
        if (!copy_setting(&row, &setting) || (values && !borrow_value(&row, &setting))) {
            more = row_damaged(&row, err);
            break;
        }
        if (strncmp(setting.key, prefix, strlen(prefix)) != 0) break; // those that begin so lie together
        count++;
        if (!each(&setting, context)) break;
    }
    row_end(&row);
    return more < 0 ? -1 : count;
}

// --- admin tokens -----------------------------------------------------------------------------------------

static bool copy_token(struct row *row, struct admin_token *token) {
    token->created_ms = row_number(row, 2);
    token->created = row_natural(row, 3);
    return row_bytes(row, 0, token->id.bytes, sizeof token->id.bytes) &&
           row_text(row, 1, token->label, sizeof token->label);
}

int store_find_token(struct store *store, const struct secret_digest *token, struct admin_token *found,
                     struct err *err) {
    struct row row = row_begin(store, STATEMENT_FIND_TOKEN);
    row_put_bytes(&row, token->bytes, sizeof token->bytes);
    int there = row_next(&row, err);
    if (there == 1 && !copy_token(&row, found)) there = row_damaged(&row, err);
    row_end(&row);
    return there;
}

int store_knows_token(struct store *store, const struct uuid *id, struct err *err) {
    struct row row = row_begin(store, STATEMENT_KNOWS_TOKEN);
    row_put_bytes(&row, id->bytes, sizeof id->bytes);
    int there = row_next(&row, err);
    row_end(&row);
    return there;
}

int store_tokens(struct store *store, uint64_t after, unsigned limit,
                 bool (*each)(const struct admin_token *token, void *context), void *context,
                 struct err *err) {
    struct row row = row_begin(store, STATEMENT_TOKENS);
    struct admin_token token;
    int count = 0, more;
    row_put_natural(&row, after);
    row_put_natural(&row, limit);
    while ((more = row_next(&row, err)) == 1) {
        if (!copy_token(&row, &token)) {
            more = row_damaged(&row, err);
            break;
        }
        count++;
        if (!each(&token, context)) break;
    }
    row_end(&row);
    return more < 0 ? -1 : count;
}

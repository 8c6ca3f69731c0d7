// See model.h. Written for plainness: everything is searched from one end to the other.
#include "model.h"

#include "place.h"

// --- dice -------------------------------------------------------------------------------------------------

static struct change random_account_change(const struct model *model, struct dice *dice) {
    unsigned roll = (unsigned)dice_below(dice, 10);
    // Those that are gone are asked for, too.
    unsigned number = model->account_count ? (unsigned)dice_below(dice, model->account_count) : 0;
    char login[16];
    snprintf(login, sizeof login, dice_below(dice, 2) ? "user%u" : "USER%u",
             (unsigned)dice_below(dice, MODEL_MOST));
    if (roll < 4 || model->account_count == 0) return change_creating(login, model->account_count);
    struct change change = roll < 6   ? change_renaming(number, login)
                           : roll < 7 ? change_calling(number, login)
                           : roll < 8 ? change_securing(number, login)
                                      : change_of(CHANGE_DELETE, number);
    const struct model_account *account = &model->accounts[number];
    change.expects = dice_below(dice, 3) == 0;
    if (change.expects) change.expected = account->version + dice_below(dice, 2);
    if (dice_below(dice, 3) == 0) change.credential = account->credential_version + dice_below(dice, 2);
    return change;
}

static struct change random_setting_change(const struct model *model, struct dice *dice, char value[24]) {
    unsigned number = (unsigned)dice_below(dice, MODEL_MOST);
    char key[8];
    snprintf(key, sizeof key, "k%u", number);
    snprintf(value, 24, "%llx", (unsigned long long)dice_roll(dice));
    struct change change =
        change_setting(dice_below(dice, 3) ? CHANGE_SETTING_PUT : CHANGE_SETTING_DELETE, key, value);
    change.expects = dice_below(dice, 2) == 0;
    if (change.expects) change.expected = model->settings[number].version + (dice_below(dice, 4) == 0);
    return change;
}

struct change model_random(const struct model *model, struct dice *dice, char value[24]) {
    struct change change;
    unsigned roll = (unsigned)dice_below(dice, 20);
    if (roll < 12)
        change = random_account_change(model, dice);
    else if (roll < 18)
        change = random_setting_change(model, dice, value);
    else
        change = change_token(roll == 18 ? CHANGE_TOKEN_ADD : CHANGE_TOKEN_REVOKE,
                              (unsigned)dice_below(dice, MODEL_MOST));
    if (dice_below(dice, 3) == 0) {
        char key[8];
        snprintf(key, sizeof key, "r%u", (unsigned)dice_below(dice, 40));
        request(&change, (unsigned)dice_below(dice, 2), key, (unsigned)dice_below(dice, 2));
    }
    // Time goes on, mostly: by seconds, now and then by most of a day, and clocks differ.
    change.at_ms = model->at_ms + (int64_t)dice_below(dice, 10000) - 3000;
    if (dice_below(dice, 30) == 0) change.at_ms += 20 * 3600 * 1000;
    return change;
}

// --- what becomes of a change
// -------------------------------------------------------------------------------

static int holder(const struct model *model, const char *fold) {
    for (unsigned i = 0; i < model->account_count; i++)
        if (model->accounts[i].created && strcmp(model->accounts[i].made.login.fold, fold) == 0)
            return (int)i;
    return -1;
}

static unsigned number_of(const struct change *change) {
    unsigned number = 0;
    for (unsigned i = 0; i < 4; i++) number |= (unsigned)change->uuid.bytes[i] << (8 * i);
    return number;
}

static enum outcome create(struct model *model, const struct change *change) {
    if (holder(model, change->login.fold) >= 0) return OUTCOME_TAKEN;
    assert_int_equal(number_of(change), model->account_count);
    model->accounts[model->account_count++] = (struct model_account){
        .made = *change, .created = model->clock + 1, .version = model->clock + 1, .credential_version = 1};
    return OUTCOME_DONE;
}

static enum outcome modify(struct model *model, const struct change *change, uint64_t *version) {
    struct model_account *account = &model->accounts[number_of(change)];
    if (number_of(change) >= model->account_count || !account->created) return OUTCOME_ABSENT;
    *version = account->version;
    if (change->credential && change->credential != account->credential_version) return OUTCOME_CREDENTIAL;
    if (change->expects && change->expected != account->version) return OUTCOME_VERSION;
    if (change->kind == CHANGE_DELETE) {
        account->created = 0;
        return OUTCOME_DONE;
    }
    if (change->sets & CHANGE_SETS_LOGIN) {
        int other = holder(model, change->login.fold);
        if (other >= 0 && (unsigned)other != number_of(change)) return OUTCOME_TAKEN;
        account->made.login = change->login;
    }
    if (change->sets & CHANGE_SETS_NAME) strcpy(account->made.name, change->name);
    if (change->sets & CHANGE_SETS_SECRET) {
        strcpy(account->made.secret_hash, change->secret_hash);
        account->credential_version++;
    }
    account->version = model->clock + 1;
    return OUTCOME_DONE;
}

static enum outcome set(struct model *model, const struct change *change, uint64_t *version) {
    struct model_setting *setting = &model->settings[atoi(change->setting + 1)];
    *version = setting->version;
    bool deletes = change->kind == CHANGE_SETTING_DELETE;
    if (deletes && !setting->version) return OUTCOME_ABSENT;
    if (change->expects && change->expected != setting->version) return OUTCOME_VERSION;
    if (!deletes) snprintf(setting->value, sizeof setting->value, "%s", change->value.ptr);
    setting->version = deletes ? 0 : model->clock + 1;
    return OUTCOME_DONE;
}

static enum outcome token(struct model *model, const struct change *change) {
    uint64_t *added = &model->tokens[number_of(change)];
    bool adds = change->kind == CHANGE_TOKEN_ADD;
    if (adds == (*added != 0)) return adds ? OUTCOME_TAKEN : OUTCOME_ABSENT;
    *added = adds ? model->clock + 1 : 0;
    return OUTCOME_DONE;
}

static const struct model_request *remembered(const struct model *model, const struct change *change) {
    for (unsigned i = model->request_count; i-- > 0 && i + MODEL_REQUESTS >= model->request_count;) {
        const struct model_request *request = &model->requests[i];
        if (strcmp(request->key, change->request.key) == 0 &&
            request->scope == change->request.scope.bytes[0])
            return request->kept_ms > model->at_ms - STORE_REQUESTS_KEPT_MS ? request : NULL;
    }
    return NULL;
}

enum outcome model_apply(struct model *model, const struct change *change, uint64_t *clock,
                         uint64_t *version) {
    enum outcome outcome;
    *clock = *version = 0;
    const struct model_request *before = change->request.key[0] ? remembered(model, change) : NULL;
    if (before) {
        if (before->fingerprint != change->request.fingerprint.bytes[0]) return OUTCOME_KEY_REUSED;
        *clock = before->clock;
        return OUTCOME_REPEATED;
    }
    switch (change->kind) {
    case CHANGE_CREATE: outcome = create(model, change); break;
    case CHANGE_MODIFY:
    case CHANGE_DELETE: outcome = modify(model, change, version); break;
    case CHANGE_SETTING_PUT:
    case CHANGE_SETTING_DELETE: outcome = set(model, change, version); break;
    default: outcome = token(model, change); break;
    }
    if (outcome != OUTCOME_DONE) return outcome;
    *clock = ++model->clock;
    *version = change_deletes(change->kind) ? 0 : model->clock;
    if (change->at_ms > model->at_ms) model->at_ms = change->at_ms;
    if (change->request.key[0]) {
        struct model_request *request = &model->requests[model->request_count++];
        *request = (struct model_request){.scope = change->request.scope.bytes[0],
                                          .fingerprint = change->request.fingerprint.bytes[0],
                                          .clock = model->clock,
                                          .kept_ms = model->at_ms};
        strcpy(request->key, change->request.key);
    }
    return outcome;
}

// --- is the store like it?
// ------------------------------------------------------------------------------------

struct listing {
    const struct model *model;
    unsigned at; // accounts: the next to look at; settings: how many were met
};

static bool meets_account(const struct account *account, void *context) {
    struct listing *listing = context;
    while (listing->at < listing->model->account_count && !listing->model->accounts[listing->at].created)
        listing->at++;
    assert_true(listing->at < listing->model->account_count);
    const struct model_account *expected = &listing->model->accounts[listing->at++];
    assert_string_equal(account->login, expected->made.login.name);
    assert_string_equal(account->name, expected->made.name);
    assert_int_equal(account->created, expected->created);
    assert_int_equal(account->version, expected->version);
    assert_int_equal(account->credential_version, expected->credential_version);
    assert_int_equal(account->created_ms, expected->made.at_ms);
    return true;
}

static bool meets_setting(const struct setting *setting, void *context) {
    struct listing *listing = context;
    const struct model_setting *expected = &listing->model->settings[atoi(setting->key + 1)];
    assert_int_equal(setting->version, expected->version);
    assert_true(str_equal_text(setting->value, expected->value));
    listing->at++;
    return true;
}

void model_check(const struct model *model, struct store *store) {
    struct listing accounts = {.model = model}, settings = {.model = model};
    unsigned living = 0, set = 0, tokens = 0;
    for (unsigned i = 0; i < model->account_count; i++) {
        const struct model_account *expected = &model->accounts[i];
        struct account account;
        struct credential credential;
        int found = store_find_uuid(store, &expected->made.uuid, &account, &credential, NULL);
        assert_int_equal(found, expected->created ? 1 : 0);
        if (!found) continue;
        living++;
        assert_string_equal(credential.hash, expected->made.secret_hash);
        assert_int_equal(store_find(store, expected->made.login.fold, &account, NULL, NULL), 1);
        assert_memory_equal(&account.uuid, &expected->made.uuid, sizeof account.uuid);
    }
    for (unsigned i = 0; i < MODEL_MOST; i++) {
        struct admin_token found;
        struct change add = change_token(CHANGE_TOKEN_ADD, i);
        set += model->settings[i].version != 0;
        tokens += model->tokens[i] != 0;
        assert_int_equal(store_find_token(store, &add.token, &found, NULL), model->tokens[i] ? 1 : 0);
    }
    assert_int_equal(store_accounts(store, 0, 100000, meets_account, &accounts, NULL), living);
    assert_int_equal(store_settings(store, "", "", 1000, true, meets_setting, &settings, NULL), set);
    struct store_meta meta = meta_of(store);
    assert_int_equal(meta.accounts, living);
    assert_int_equal(meta.settings, set);
    assert_int_equal(meta.tokens, tokens);
    assert_int_equal(meta.clock, model->clock);
    assert_int_equal(meta.at_ms, model->at_ms);
    assert_int_equal(meta.requests, model->request_count);
}

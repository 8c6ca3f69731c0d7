// Accounts over HTTP.
#include "base/clock.h"
#include "gateway/cursor.h"
#include "gateway/fields.h"
#include "gateway/handlers.h"

#include <inttypes.h>
#include <string.h>

#define SECRET_MAX 1024u // bytes of a password

int identity_write(struct buf *out, const struct account *account) {
    char uuid[UUID_TEXT_SIZE];
    uuid_format(&account->uuid, uuid);
    int rc = buf_append_text(out, "{\"uuid\":\"") | buf_append_text(out, uuid);
    rc |= buf_append_text(out, "\",\"login\":");
    rc |= value_write_text(out, str_of(account->login)) | buf_append_text(out, ",\"name\":");
    rc |= value_write_text(out, str_of(account->name));
    rc |= time_write(out, "created_at", account->created_ms);
    rc |= time_write(out, "modified_at", account->modified_ms);
    rc |= buf_append_text(out, ",\"created_from\":") | value_write_text(out, str_of(account->created_from));
    return rc | buf_append_text(out, "}");
}

// --- reading --------------------------------------------------------------------------------------------

static void give(struct call *call, const struct account *account) {
    struct gate *gate = call->gate;
    bool same;
    if (!call_not_modified(call, account->version, &same)) return;
    call_fresh(call);
    call_put_tag(call, account->version);
    if (identity_write(&gate->body, account) != 0) call->conn->doomed = true;
    if (same)
        call_reply(call, 304, NULL);
    else
        call_json(call, 200);
}

static void give_found(struct call *call, int found, const struct account *account, const struct err *err) {
    if (found < 0) {
        call_broken(call, err);
    } else if (found == 1) {
        call_saw(call, account->version);
        give(call, account);
    } else if (call_saw_all(call)) {
        call_problem(call, PROBLEM_NO_IDENTITY, "look at the spelling; it may have been renamed or deleted",
                     NULL);
    }
}

void identities_get(struct call *call) {
    struct account account;
    struct err err;
    int found = store_find_uuid(gate_store(call->gate), &call->target, &account, NULL, &err);
    give_found(call, found, &account, &err);
}

static void give_login(struct call *call, struct str text) {
    struct login login;
    struct account account;
    struct err err;
    if (login_parse(text, &login, &err) != 0) {
        call_problem(call, PROBLEM_PARAMETER, err.text, "login");
        return;
    }
    int found = store_find(gate_store(call->gate), login.fold, &account, NULL, &err);
    give_found(call, found, &account, &err);
}

struct page {
    struct buf *out;
    uint64_t last;
    int rc;
    bool begun;
};

static bool add_to_page(const struct account *account, void *context) {
    struct page *page = context;
    page->rc |= buf_append_text(page->out, page->begun ? "," : "") | identity_write(page->out, account);
    page->begun = true;
    page->last = account->created;
    return page->rc == 0;
}

void identities_list(struct call *call) {
    struct gate *gate = call->gate;
    struct page page = {.out = &gate->body};
    struct str login, after;
    bool by_login, resumes;
    unsigned limit;
    uint64_t from = 0;
    struct err err;
    if (!call_parameter(call, "login", &by_login, &login)) return;
    if (by_login) {
        give_login(call, login);
        return;
    }
    if (!call_limit(call, &limit) || !call_parameter(call, "after", &resumes, &after)) return;
    if (resumes && !cursor_parse(after, &from)) {
        call_problem(call, PROBLEM_PARAMETER, "send what the page before had as \"next\"", "after");
        return;
    }
    struct store *store = gate_store(gate);
    if (!call_saw_all(call)) return;
    call_fresh(call);
    page.rc |= buf_append_text(&gate->body, "{\"identities\":[");
    int count = store_accounts(store, from, limit, add_to_page, &page, &err);
    if (count < 0) {
        call_broken(call, &err);
        return;
    }
    page.rc |= buf_append_text(&gate->body, "],\"next\":");
    page.rc |= (unsigned)count == limit ? cursor_write(&gate->body, page.last)
                                        : buf_append_text(&gate->body, "null");
    page.rc |= buf_append_text(&gate->body, "}");
    if (page.rc != 0) call->conn->doomed = true;
    call_json(call, 200);
}

// --- changing -------------------------------------------------------------------------------------------

enum { FIELD_LOGIN, FIELD_NAME, FIELD_PASSWORD, FIELDS };

static bool take_login(struct call *call, const struct value *value, struct change *change) {
    struct err err;
    if (login_parse(value_text(value), &change->login, &err) != 0) {
        call_problem(call, PROBLEM_FIELD, err.text, "login");
        return false;
    }
    if (!login_is_anonymous(&change->login)) return true;
    call_problem(call, PROBLEM_FIELD, "\"anonymous\" is nobody's; choose another one", "login");
    return false;
}

// A line of text: what is shown beside the login.
static bool take_name(struct call *call, const struct value *value, struct change *change) {
    struct str name = value_text(value); // of null: empty
    bool fits = str_copy(name, change->name, sizeof change->name);
    for (size_t i = 0; i < name.len; i++) fits &= (unsigned char)name.ptr[i] >= 0x20 && name.ptr[i] != 0x7f;
    if (!fits)
        call_problem(call, PROBLEM_FIELD, "permitted: at most 256 bytes of UTF-8 without control characters",
                     "name");
    return fits;
}

static bool take_password(struct call *call, const struct value *value) {
    struct str secret = value_text(value);
    if (value_kind(value) == VALUE_NULL) return true;
    if (secret.len == 0 || secret.len > SECRET_MAX) {
        call_problem(call, PROBLEM_FIELD, "permitted: 1 to 1024 bytes, or null for none", "password");
        return false;
    }
    errand_secret(call->errand, secret);
    return true;
}

// What is asked, without the password: only whether there is one.
static void fingerprint(struct call *call, unsigned has) {
    static const struct secret_key key = {.bytes = "herald request fingerprint"};
    struct change *change = &call->errand->proposal.change;
    struct buf text = {0};
    char uuid[UUID_TEXT_SIZE];
    if (change->request.key[0] == '\0') return;
    uuid_format(&call->target, uuid);
    int rc = buf_printf(&text, "%s %s %u %d %" PRIu64 " ", call->route->operation, uuid, has, change->expects,
                        change->expected);
    rc |= value_write_text(&text, str_of(change->login.name)) | value_write_text(&text, str_of(change->name));
    if (rc != 0) change->request.key[0] = '\0'; // no memory: it is done, but a repeat will not be known
    secret_digest(&key, buf_str(&text), &change->request.fingerprint);
    buf_free(&text);
}

static bool take_fields(struct call *call, struct field fields[FIELDS], unsigned *sets) {
    struct change *change = &call->errand->proposal.change;
    *sets = 0;
    if (!fields_read(call, fields, FIELDS)) return false;
    if (fields[FIELD_LOGIN].value != NULL) {
        *sets |= CHANGE_SETS_LOGIN;
        if (!take_login(call, fields[FIELD_LOGIN].value, change)) return false;
    }
    if (fields[FIELD_NAME].value != NULL) {
        *sets |= CHANGE_SETS_NAME;
        if (!take_name(call, fields[FIELD_NAME].value, change)) return false;
    }
    if (fields[FIELD_PASSWORD].value != NULL) {
        *sets |= CHANGE_SETS_SECRET;
        if (!take_password(call, fields[FIELD_PASSWORD].value)) return false;
    }
    parser_forget(call->gate->parser); // the password is not kept in it
    return true;
}

bool identities_create(struct call *call) {
    struct field fields[FIELDS] = {[FIELD_LOGIN] = {.name = "login", .required = true},
                                   [FIELD_NAME] = {.name = "name", .nullable = true},
                                   [FIELD_PASSWORD] = {.name = "password", .nullable = true}};
    unsigned sets;
    if (!call_new_errand(call, CHANGE_CREATE) || !take_fields(call, fields, &sets)) return false;
    struct change *change = &call->errand->proposal.change;
    uuid_timed(&change->uuid, clock_wall_ms());
    char from[ADDRESS_TEXT_SIZE];
    address_format_host(&call->conn->from, from);
    str_copy(str_of(from), change->created_from, sizeof change->created_from);
    fingerprint(call, call->errand->hashes);
    return true;
}

bool identities_modify(struct call *call) {
    struct field fields[FIELDS] = {[FIELD_LOGIN] = {.name = "login"},
                                   [FIELD_NAME] = {.name = "name", .nullable = true},
                                   [FIELD_PASSWORD] = {.name = "password", .nullable = true}};
    unsigned sets;
    if (!call_new_errand(call, CHANGE_MODIFY) || !take_fields(call, fields, &sets)) return false;
    struct change *change = &call->errand->proposal.change;
    if (sets == 0) {
        call_problem(call, PROBLEM_FIELD, "nothing is to be changed; send login, name or password", "login");
        return false;
    }
    change->uuid = call->target;
    change->sets = sets;
    if (!call_if_match(call, change)) return false;
    fingerprint(call, sets | (call->errand->hashes ? 8u : 0));
    return true;
}

bool identities_delete(struct call *call) {
    if (!call_new_errand(call, CHANGE_DELETE)) return false;
    struct change *change = &call->errand->proposal.change;
    change->uuid = call->target;
    if (!call_if_match(call, change)) return false;
    fingerprint(call, 0);
    return true;
}

// Settings over HTTP: bytes under a key, in the same log under the same clock as the accounts.
#include "gateway/cursor.h"
#include "gateway/handlers.h"
#include "wire/value.h"

#include <inttypes.h>
#include <string.h>

int setting_write(struct buf *out, const struct setting *setting) {
    int rc = buf_append_text(out, "{\"key\":") | value_write_text(out, str_of(setting->key));
    rc |= buf_printf(out, ",\"version\":%" PRIu64 ",\"size\":%zu", setting->version, setting->size);
    return rc | time_write(out, "modified_at", setting->modified_ms) | buf_append_text(out, "}");
}

// The key in the path. False: has answered.
static bool take_key(struct call *call, char key[CHANGE_SETTING_MAX + 1]) {
    struct buf *text = &call->gate->text;
    struct err err;
    if (http_decode(call->conn->param, text, &err) == 0 && setting_key_valid(buf_str(text)) &&
        str_copy(buf_str(text), key, CHANGE_SETTING_MAX + 1))
        return true;
    call_problem(
        call, PROBLEM_PARAMETER,
        "permitted: 1 to 255 printable ASCII characters without blanks, and neither . nor .. between "
        "slashes",
        "key");
    return false;
}

// --- reading --------------------------------------------------------------------------------------------

void settings_get(struct call *call) {
    struct gate *gate = call->gate;
    struct setting setting;
    char key[CHANGE_SETTING_MAX + 1];
    struct err err;
    bool same;
    if (!take_key(call, key)) return;
    buf_truncate(&gate->body, 0);
    int found = store_setting(gate_store(gate), key, &setting, &gate->body, &err);
    if (found < 0) {
        call_broken(call, &err);
        return;
    }
    if (found == 0) {
        if (call_saw_all(call))
            call_problem(call, PROBLEM_NO_SETTING, "look at the spelling; GET /v1/settings lists them",
                         "key");
        return;
    }
    call_saw(call, setting.version);
    if (!call_not_modified(call, setting.version, &same)) return;
    buf_truncate(&gate->header, 0);
    // What is put here must never be taken for a page of ours.
    if (buf_append_text(&gate->header, "X-Content-Type-Options: nosniff\r\n") != 0) call->conn->doomed = true;
    call_put_tag(call, setting.version);
    if (same)
        call_reply(call, 304, NULL);
    else
        call_reply(call, 200, "application/octet-stream");
}

struct page {
    struct buf *out;
    char last[CHANGE_SETTING_MAX + 1];
    bool begun;
    int rc;
};

static bool add_to_page(const struct setting *setting, void *context) {
    struct page *page = context;
    page->rc |= buf_append_text(page->out, page->begun ? "," : "") | setting_write(page->out, setting);
    page->begun = true;
    str_copy(str_of(setting->key), page->last, sizeof page->last);
    return page->rc == 0;
}

void settings_list(struct call *call) {
    struct gate *gate = call->gate;
    struct page page = {.out = &gate->body};
    char prefix[CHANGE_SETTING_MAX + 1] = "", from[CHANGE_SETTING_MAX + 1] = "";
    struct str value;
    bool found;
    unsigned limit;
    struct err err;
    if (!call_parameter(call, "prefix", &found, &value)) return;
    if (found && !str_copy(value, prefix, sizeof prefix)) {
        call_problem(call, PROBLEM_PARAMETER, "no key is as long", "prefix");
        return;
    }
    if (!call_limit(call, &limit) || !call_parameter(call, "after", &found, &value)) return;
    if (found && !cursor_parse_key(value, from, sizeof from)) {
        call_problem(call, PROBLEM_PARAMETER, "send what the page before had as \"next\"", "after");
        return;
    }
    struct store *store = gate_store(gate);
    if (!call_saw_all(call)) return;
    call_fresh(call);
    page.rc |= buf_append_text(&gate->body, "{\"settings\":[");
    int count = store_settings(store, prefix, from, limit, false, add_to_page, &page, &err);
    if (count < 0) {
        call_broken(call, &err);
        return;
    }
    page.rc |= buf_append_text(&gate->body, "],\"next\":");
    page.rc |= (unsigned)count == limit ? cursor_write_key(&gate->body, page.last)
                                        : buf_append_text(&gate->body, "null");
    page.rc |= buf_append_text(&gate->body, "}");
    if (page.rc != 0) call->conn->doomed = true;
    call_json(call, 200);
}

// --- changing -------------------------------------------------------------------------------------------

static void fingerprint(struct call *call) {
    static const struct secret_key key = {.bytes = "herald request fingerprint"};
    struct change *change = &call->errand->proposal.change;
    struct buf text = {0};
    if (change->request.key[0] == '\0') return;
    int rc = buf_printf(&text, "%s %s %d %" PRIu64 " ", call->route->operation, change->setting,
                        change->expects, change->expected);
    if (rc != 0) change->request.key[0] = '\0'; // no memory: it is done, but a repeat will not be known
    secret_digest2(&key, buf_str(&text), change->value, &change->request.fingerprint);
    buf_free(&text);
}

static bool prepare(struct call *call, enum change_kind kind) {
    if (!call_new_errand(call, kind)) return false;
    struct change *change = &call->errand->proposal.change;
    if (!take_key(call, change->setting) || !call_if_match(call, change)) return false;
    if (kind == CHANGE_SETTING_PUT) change->value = call->request->body; // which lives as long as the call
    fingerprint(call);
    return true;
}

bool settings_put(struct call *call) {
    return prepare(call, CHANGE_SETTING_PUT);
}

bool settings_delete(struct call *call) {
    return prepare(call, CHANGE_SETTING_DELETE);
}

// What handlers ask of a request: parameters, headers, preconditions.
#include "gateway/call.h"

#include <stdlib.h>
#include <string.h>

bool call_header(struct call *call, const char *name, bool *found, struct str *value) {
    int count = http_header(call->request, name, value);
    *found = count != 0;
    if (count >= 0) return true;
    call_problem(call, PROBLEM_HEADER, "it stands there more than once; send it once", name);
    return false;
}

bool call_parameter(struct call *call, const char *name, bool *found, struct str *value) {
    struct str query = call->request->query, at, encoded;
    struct err err;
    *found = false;
    *value = (struct str){0};
    while (http_parameter(&query, &at, &encoded)) {
        if (!str_equal_text(at, name)) continue;
        if (*found) {
            call_problem(call, PROBLEM_PARAMETER, "it stands there more than once; give it once", name);
            return false;
        }
        *found = true;
        if (http_decode(encoded, &call->gate->text, &err) != 0) {
            call_problem(call, PROBLEM_PARAMETER, err.text, name);
            return false;
        }
        *value = buf_str(&call->gate->text);
    }
    return true;
}

bool call_limit(struct call *call, unsigned *limit) {
    struct str value;
    bool found;
    uint64_t number = CALL_PAGE_DEFAULT;
    if (!call_parameter(call, "limit", &found, &value)) return false;
    if (found &&
        (value.len == 0 || !text_parse_u64(value, &number) || number < 1 || number > CALL_PAGE_MAX)) {
        call_problem(call, PROBLEM_PARAMETER, "permitted: a whole number from 1 to 1000", "limit");
        return false;
    }
    *limit = (unsigned)number;
    return true;
}

// --- preconditions --------------------------------------------------------------------------------------

// An entity tag of ours, "42" with its quotes. One that is not is no version of anything: UINT64_MAX. So are
// "0", which no version is, and "042", which is not how we write it.
static bool parse_tag(struct str tag, uint64_t *version) {
    bool weak = tag.len > 2 && memcmp(tag.ptr, "W/", 2) == 0;
    if (weak) tag = (struct str){tag.ptr + 2, tag.len - 2};
    if (tag.len < 2 || tag.ptr[0] != '"' || tag.ptr[tag.len - 1] != '"') return false;
    struct str inner = {tag.ptr + 1, tag.len - 2};
    if (memchr(inner.ptr, '"', inner.len) != NULL) return false;
    if (weak || inner.len == 0 || inner.ptr[0] == '0' || !text_parse_u64(inner, version))
        *version = UINT64_MAX;
    return true;
}

// Of a list the change could carry one version only.
bool call_if_match(struct call *call, struct change *change) {
    struct str value, none;
    bool found, refuses, makes = change->kind == CHANGE_SETTING_PUT;
    if (!call_header(call, "If-Match", &found, &value) ||
        !call_header(call, "If-None-Match", &refuses, &none))
        return false;
    bool any = found && !makes && str_equal_text(value, "*"); // what is not there is not changed anyway
    if (found && !any && !parse_tag(value, &change->expected)) {
        call_problem(call, PROBLEM_HEADER,
                     makes ? "send one ETag as an answer had it, with its quotes"
                           : "send one ETag as an answer had it, with its quotes, or *",
                     "If-Match");
        return false;
    }
    if (refuses && (!makes || found || !str_equal_text(none, "*"))) {
        call_problem(call, PROBLEM_HEADER,
                     makes ? "permitted: * without If-Match" : "a change has If-Match only; leave this out",
                     "If-None-Match");
        return false;
    }
    change->expects = (found && !any) || refuses;
    if (refuses) change->expected = 0;
    return true;
}

bool call_not_modified(struct call *call, uint64_t version, bool *same) {
    struct str value;
    bool found;
    uint64_t known;
    *same = false;
    if (!call_header(call, "If-None-Match", &found, &value)) return false;
    if (!found) return true;
    while (value.len > 0) { // a list; of weak ones, too: what we give is the same byte for byte
        const char *comma = memchr(value.ptr, ',', value.len);
        struct str one = {value.ptr, comma ? (size_t)(comma - value.ptr) : value.len};
        size_t taken = one.len + (comma != NULL);
        value = (struct str){value.ptr + taken, value.len - taken};
        while (one.len > 0 && (one.ptr[0] == ' ' || one.ptr[0] == '\t')) one.ptr++, one.len--;
        while (one.len > 0 && (one.ptr[one.len - 1] == ' ' || one.ptr[one.len - 1] == '\t')) one.len--;
        if (one.len > 2 && memcmp(one.ptr, "W/", 2) == 0) one = (struct str){one.ptr + 2, one.len - 2};
        if (str_equal_text(one, "*") || (parse_tag(one, &known) && known == version)) *same = true;
    }
    return true;
}

// --- errands --------------------------------------------------------------------------------------------

static bool is_key(struct str key) {
    if (key.len == 0 || key.len > CHANGE_REQUEST_MAX) return false;
    for (size_t i = 0; i < key.len; i++)
        if (key.ptr[i] < 0x20 || key.ptr[i] > 0x7e) return false;
    return true;
}

bool call_new_errand(struct call *call, enum change_kind kind) {
    struct str key;
    bool found;
    if (!call_header(call, "Idempotency-Key", &found, &key)) return false;
    if (found && !is_key(key)) {
        call_problem(call, PROBLEM_HEADER, "permitted: 1 to 255 printable ASCII characters",
                     "Idempotency-Key");
        return false;
    }
    call->errand = calloc(1, sizeof *call->errand);
    if (call->errand == NULL) {
        call_problem(call, PROBLEM_BUSY, "the server is out of memory; try again later", NULL);
        return false;
    }
    struct change *change = &call->errand->proposal.change;
    call->errand->call = call;
    change->kind = kind;
    if (found) str_copy(key, change->request.key, sizeof change->request.key);
    return true;
}

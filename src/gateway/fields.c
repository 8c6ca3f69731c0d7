// Members of a body.
#include "gateway/fields.h"

#include <string.h>

static struct field *find(struct field *fields, size_t count, struct str name) {
    for (size_t i = 0; i < count; i++)
        if (str_equal_text(name, fields[i].name)) return &fields[i];
    return NULL;
}

// All fields here are texts.
static const char *fault_of(const struct field *field, const struct value *value) {
    if (field->value != NULL) return "it stands there twice; send it once";
    if (value_kind(value) == VALUE_NULL && field->nullable) return NULL;
    return value_kind(value) == VALUE_TEXT ? NULL : "send a string";
}

bool fields_read(struct call *call, struct field *fields, size_t count) {
    struct err err;
    const struct value *body = value_read(call->gate->parser, call->request->body, &err), *value;
    if (body == NULL || value_kind(body) != VALUE_OBJECT) {
        call_problem(call, PROBLEM_JSON, body == NULL ? err.text : "send one JSON object", NULL);
        return false;
    }
    struct value_walk walk = value_walk(body);
    while ((value = value_next(&walk)) != NULL) {
        struct field *field = find(fields, count, walk.name);
        const char *fault =
            field != NULL ? fault_of(field, value) : "this member is not known here; leave it out";
        if (fault != NULL) {
            char name[64];
            str_copy(walk.name, name, sizeof name); // of theirs only as much as names it
            if (!text_is_utf8(str_of(name))) name[0] = '\0';
            call_problem(call, PROBLEM_FIELD, fault, field != NULL ? field->name : name);
            return false;
        }
        field->value = value;
    }
    for (size_t i = 0; i < count; i++) {
        if (!fields[i].required || fields[i].value != NULL) continue;
        call_problem(call, PROBLEM_FIELD, "it is missing", fields[i].name);
        return false;
    }
    return true;
}

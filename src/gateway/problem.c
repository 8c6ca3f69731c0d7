// Problems: the list of problem.h, and one of them in JSON.
#include "gateway/problem.h"

#include "wire/value.h"

static const struct {
    const char *code;
    unsigned status;
    const char *title;
} problems[PROBLEM_COUNT] = {
#define PROBLEM_ROW(name, code, status, title) [PROBLEM_##name] = {code, status, title},
    PROBLEMS(PROBLEM_ROW)
#undef PROBLEM_ROW
};

unsigned problem_status(enum problem problem) {
    return problems[problem].status;
}

const char *problem_code(enum problem problem) {
    return problems[problem].code;
}

enum problem problem_of_status(unsigned status) {
    for (int i = 0; i < PROBLEM_COUNT; i++)
        if (problems[i].status == status) return (enum problem)i;
    return PROBLEM_INTERNAL;
}

static int write_text(struct buf *out, const char *name, const char *text) {
    return buf_printf(out, ",\"%s\":", name) | value_write_text(out, str_of(text));
}

int problem_write(struct buf *out, enum problem problem, const char *detail, const char *field) {
    int rc = buf_printf(out, "{\"type\":\"urn:herald:problem:%s\"", problems[problem].code);
    rc |= write_text(out, "title", problems[problem].title);
    rc |= buf_printf(out, ",\"status\":%u", problems[problem].status);
    rc |= write_text(out, "code", problems[problem].code);
    if (detail[0] != '\0') rc |= write_text(out, "detail", detail);
    if (field != NULL) rc |= write_text(out, "field", field);
    return rc | buf_append_text(out, "}\n");
}

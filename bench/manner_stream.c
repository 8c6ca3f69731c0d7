// Logins over Herald's stream: each on a connection of its own, as clients do.
//
//     {"command":"LOGIN","username":...,"secret":...}  ──►  {"command":"LOGIN_SUCCESS",...}
#include "inquiry.h"

#include "wire/message.h"

#include <string.h>

static bool does(enum work work) {
    return work == WORK_LOGIN;
}

static int ask(struct line *line, uint32_t slot) {
    const struct inquiry *inquiry = &line->slots[slot];
    return message_write_login(&line->out, COMMAND_LOGIN, str_of(inquiry->name), str_of(inquiry->secret));
}

// One line answers; what may come behind it is for who stays.
static size_t take(struct line *line, const char *data, size_t len) {
    const char *end = memchr(data, '\n', len);
    if (end == NULL) return 0;
    struct str answer = {data, (size_t)(end - data)};
    if (data[0] != '{') return INQUIRY_GARBLED;
    line_answered_next(line, record_has(answer, "\"command\":\"", "LOGIN_SUCCESS", "\"") ? NULL : "refused",
                       answer);
    return len;
}

const struct manner manner_stream = {.name = "stream", .once = true, .does = does, .ask = ask, .take = take};

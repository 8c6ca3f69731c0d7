// What is typed, as an activity.
#include "cli/note.h"

#include "base/clock.h"
#include "wire/value.h"

#include <string.h>

int note_write(struct buf *out, struct str text, const char *user, int64_t now_ms) {
    char published[CLOCK_RFC3339_SIZE];
    size_t start = out->len;
    clock_rfc3339(now_ms, published);
    if (buf_append_text(out, "{\"@context\":\"https://www.w3.org/ns/activitystreams\",\"type\":\"Create\","
                             "\"actor\":{\"type\":\"Person\",\"name\":") == 0 &&
        value_write_text(out, str_of(user ? user : LOGIN_ANONYMOUS)) == 0 &&
        buf_printf(out, "},\"published\":\"%s\",", published) == 0 &&
        buf_append_text(out, "\"object\":{\"type\":\"Note\",\"mediaType\":\"text/plain\",\"content\":") ==
            0 &&
        value_write_text(out, text) == 0 && buf_append_text(out, "}}") == 0)
        return 0;
    buf_truncate(out, start);
    return -1;
}

static struct str trim_left(struct str line) {
    while (line.len > 0 && strchr(" \t\r\n", line.ptr[0]) && line.ptr[0]) line.ptr++, line.len--;
    return line;
}

int note_publish(herald *session, struct str line, const char *user, bool notes, struct buf *scratch) {
    struct str rest = trim_left(line);
    if (rest.len == 0) return 0;
    int status = -1;
    if (rest.ptr[0] == '{' || !notes) status = herald_publish(session, line.ptr, line.len);
    if (status != -1 || !notes) return status;
    scratch->len = 0;
    if (note_write(scratch, line, user, clock_wall_ms())) return -1;
    return herald_publish(session, scratch->data, scratch->len);
}

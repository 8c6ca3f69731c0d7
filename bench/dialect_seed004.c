// Seed 004: lines of JSON; and the same without a server's part in it, for bench/limit.
//
//     seed004   {"command":"ACTIVITY_MESSAGE",...,"activity":{...}}  ──►  ACTIVITY_BROADCAST to everyone
//     bare      {"command":"ACTIVITY_BROADCAST","activity":{...}}    ──►  the same bytes to everyone
//
// What clients hear has as many bytes in both, so that a server of `bare` has the same sends to make.
#include "dialect.h"

#include <string.h>

static int greet(struct buf *out, const struct greeter *greeter) {
    if (buf_append_text(out, "{\"command\":\"LOGIN\",") != 0 ||
        buf_append_str(out, greeter->credentials) != 0)
        return -1;
    return buf_append_text(out, "}\n");
}

static size_t frame(const char *data, size_t len) {
    const char *end = memchr(data, '\n', len);
    return end == NULL ? 0 : (size_t)(end - data) + 1;
}

static enum sight judge(const struct message *message, struct sighting *seen) {
    switch (message->command) {
    case COMMAND_ACTIVITY_BROADCAST: return SIGHT_NOTHING; // somebody else's
    case COMMAND_LOGIN_SUCCESS: return SIGHT_IN;
    case COMMAND_REDIRECT:
        seen->port = (uint16_t)message->port;
        if (str_copy(message->hostname, seen->what, sizeof seen->what)) return SIGHT_MOVE;
        strcpy(seen->what, "REDIRECT to too long a hostname");
        return SIGHT_WRONG;
    default: break;
    }
    struct buf what = {0};
    if (buf_append_text(&what, command_name(message->command)) == 0 &&
        (message->info.len == 0 || buf_append_text(&what, ": ") == 0) &&
        buf_append_str(&what, message->info) == 0)
        str_copy(buf_str(&what), seen->what, sizeof seen->what);
    buf_free(&what);
    return SIGHT_WRONG;
}

static enum sight look(struct parser *parser, struct str line, struct sighting *seen) {
    struct message message;
    struct err err;
    enum sight sight = SIGHT_WRONG;
    line.len--;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') line.len--;
    if (message_parse(parser, line, &message, &err) == 0)
        sight = judge(&message, seen);
    else
        (void)str_copy(str_of(err.text), seen->what, sizeof seen->what);
    parser_forget(parser);
    return sight;
}

static int before(struct buf *out, struct str credentials, size_t size) {
    (void)size;
    if (buf_append_text(out, "{\"command\":\"ACTIVITY_MESSAGE\",") != 0 ||
        buf_append_str(out, credentials) != 0)
        return -1;
    return buf_append_text(out, ",\"activity\":");
}

// As heraldd writes it; its own member, which it puts into the activity, stands beside it here.
static int before_bare(struct buf *out, struct str credentials, size_t size) {
    (void)credentials, (void)size;
    return buf_append_text(
        out, "{\"command\":\"ACTIVITY_BROADCAST\",\"authenticated_user\":\"anonymous\",\"activity\":");
}

const struct dialect dialect_seed004 = {.name = "seed004",
                                        .last = '\n',
                                        .after = "}\n",
                                        .greet = greet,
                                        .frame = frame,
                                        .look = look,
                                        .before = before};

const struct dialect dialect_bare = {.name = "bare",
                                     .last = '\n',
                                     .after = "}\n",
                                     .greet = greet,
                                     .frame = frame,
                                     .look = look,
                                     .before = before_bare};

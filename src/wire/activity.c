// Activities on their way into the reel: passed through value for value, with one truth about who sent them.
//
//   {"type":"Note","authenticated\u005fuser":"mallory","n":1.10}
//
//   ──►  {"command":"ACTIVITY_BROADCAST","activity":{"type":"Note","n":1.10,"authenticated_user":"alice"}}
#include "wire/json.h"
#include "wire/message.h"

#define USER_MEMBER "authenticated_user"

// Keys are compared as they are after unescaping, so no spelling slips through.
static bool names_user(yyjson_val *key) {
    return yyjson_equals_strn(key, USER_MEMBER, sizeof USER_MEMBER - 1);
}

// The object without its closing brace, when none of its members has to go: written in one piece.
static int put_all_members(struct parser *parser, yyjson_val *activity, struct buf *out) {
    if (json_write_value(parser, activity, out)) return -1;
    buf_truncate(out, out->len - 1);
    return 0;
}

static int put_other_members(struct parser *parser, yyjson_val *activity, struct buf *out) {
    const char *before = "{";
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(activity, index, count, key, value) {
        if (names_user(key)) continue;
        if (buf_append_text(out, before) || json_write_text(out, json_text(key)) ||
            buf_append_text(out, ":") || json_write_value(parser, value, out))
            return -1;
        before = ",";
    }
    return before[0] == '{' ? buf_append_text(out, before) : 0;
}

static int put_user(struct str user, struct buf *out) {
    const char *before = out->data[out->len - 1] == '{' ? "" : ",";
    return buf_append_text(out, before) || buf_append_text(out, "\"" USER_MEMBER "\":") ||
           json_write_text(out, user);
}

int activity_encode(struct parser *parser, const struct message *message, struct str user, struct buf *out) {
    yyjson_val *activity = message->activity;
    size_t start = out->len;
    bool has_user = yyjson_obj_getn(activity, USER_MEMBER, sizeof USER_MEMBER - 1) != NULL;
    if (buf_append_text(out, ACTIVITY_FRAME_PREFIX "\"activity\":") == 0 &&
        (has_user ? put_other_members : put_all_members)(parser, activity, out) == 0 &&
        put_user(user, out) == 0 && buf_append_text(out, "}}\n") == 0)
        return 0;
    buf_truncate(out, start);
    return -1;
}

struct str activity_user(const struct message *message) {
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach((yyjson_val *)message->activity, index, count, key, value) {
        if (names_user(key) && yyjson_is_str(value)) return json_text(value);
    }
    return STR(LOGIN_ANONYMOUS);
}

int activity_envelope(struct buf *out, struct str origin, uint64_t sequence) {
    size_t start = out->len;
    if (buf_append_text(out, ACTIVITY_FRAME_PREFIX "\"origin\":") == 0 && json_write_text(out, origin) == 0 &&
        buf_printf(out, ",\"sequence\":%llu,", (unsigned long long)sequence) == 0)
        return 0;
    buf_truncate(out, start);
    return -1;
}

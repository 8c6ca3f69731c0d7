// Activities on their way into the reel: passed through value for value, with one truth about who sent them.
//
//   {"type":"Note","authenticated\u005fuser":"mallory","n":1.10}
//
//   ──►  {"command":"ACTIVITY_BROADCAST","activity":{"type":"Note","n":1.10,"authenticated_user":"alice"}}
#include "wire/json.h"
#include "wire/message.h"

#include <string.h>

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

// Moves `text` behind `head`, when it begins so.
static bool skip(struct str *text, struct str head) {
    if (text->len < head.len || memcmp(text->ptr, head.ptr, head.len) != 0) return false;
    *text = (struct str){text->ptr + head.len, text->len - head.len};
    return true;
}

// Whether the text of a line begins as activity_envelope writes it; *rest is what follows.
static bool begins_as_sent(const struct message *message, struct str *rest) {
    *rest = message->line;
    if (!skip(rest, STR(ACTIVITY_FRAME_PREFIX "\"origin\":\"")) || !skip(rest, message->origin) ||
        !skip(rest, STR("\",\"sequence\":")))
        return false;
    while (rest->len > 0 && rest->ptr[0] >= '0' && rest->ptr[0] <= '9')
        skip(rest, (struct str){rest->ptr, 1});
    if (!skip(rest, STR(","))) return false;
    struct str ahead = *rest;
    return skip(&ahead, STR("\"activity\":{"));
}

// Whether it says once who sent it, at its end, and that this is `user`.
static bool ends_with(yyjson_val *activity, struct str user) {
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(activity, index, count, key, value) {
        if (names_user(key))
            return index + 1 == count && yyjson_is_str(value) && str_equal(json_text(value), user);
    }
    return false;
}

// What another Herald has encoded goes on as it is: the line was read, so its text is sound, and it has no
// more members than those that are looked for here. `body` follows the prefix; its newline is missing.
static bool is_encoded(const struct message *message, struct str user, struct str *body) {
    enum { MEMBERS = 4 }; // command, origin, sequence, activity
    return message->origin.len > 0 && message->members == MEMBERS && begins_as_sent(message, body) &&
           ends_with(message->activity, user);
}

static int put_as_sent(struct str body, struct buf *out) {
    return buf_append_text(out, ACTIVITY_FRAME_PREFIX) || buf_append_str(out, body) ||
           buf_append_text(out, "\n");
}

static int put_anew(struct parser *parser, yyjson_val *activity, struct str user, struct buf *out) {
    bool has_user = yyjson_obj_getn(activity, USER_MEMBER, sizeof USER_MEMBER - 1) != NULL;
    return buf_append_text(out, ACTIVITY_FRAME_PREFIX "\"activity\":") ||
           (has_user ? put_other_members : put_all_members)(parser, activity, out) || put_user(user, out) ||
           buf_append_text(out, "}}\n");
}

int activity_encode(struct parser *parser, const struct message *message, struct str user, struct buf *out) {
    struct str body;
    size_t start = out->len;
    int failed = is_encoded(message, user, &body) ? put_as_sent(body, out)
                                                  : put_anew(parser, message->activity, user, out);
    if (failed) buf_truncate(out, start);
    return failed ? -1 : 0;
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
        buf_append_text(out, ",\"sequence\":") == 0 && buf_append_u64(out, sequence) == 0 &&
        buf_append_text(out, ",") == 0)
        return 0;
    buf_truncate(out, start);
    return -1;
}

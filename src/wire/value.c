// A look into JSON: yyjson's values under a name of ours.
#include "wire/value.h"

#include "wire/json.h"

static yyjson_val *inner(const struct value *value) {
    return (yyjson_val *)(uintptr_t)value;
}

static const struct value *outer(yyjson_val *value) {
    return (const struct value *)value;
}

const struct value *value_read(struct parser *parser, struct str text, struct err *err) {
    parser_forget(parser);
    return outer(json_read(parser, text, parser->max_depth, err));
}

enum value_kind value_kind(const struct value *value) {
    switch (yyjson_get_type(inner(value))) {
    case YYJSON_TYPE_NULL: return VALUE_NULL;
    case YYJSON_TYPE_BOOL: return VALUE_BOOL;
    case YYJSON_TYPE_RAW:
    case YYJSON_TYPE_NUM: return VALUE_NUMBER;
    case YYJSON_TYPE_STR: return VALUE_TEXT;
    case YYJSON_TYPE_ARR: return VALUE_ARRAY;
    case YYJSON_TYPE_OBJ: return VALUE_OBJECT;
    default: return VALUE_NONE;
    }
}

struct str value_text(const struct value *value) {
    enum value_kind kind = value_kind(value);
    return kind == VALUE_TEXT || kind == VALUE_NUMBER ? json_text(inner(value)) : (struct str){0};
}

size_t value_count(const struct value *value) {
    yyjson_val *whole = inner(value);
    return yyjson_is_arr(whole) ? yyjson_arr_size(whole) : yyjson_obj_size(whole);
}

const struct value *value_member(const struct value *object, const char *name) {
    return outer(yyjson_obj_get(inner(object), name));
}

struct value_walk value_walk(const struct value *whole) {
    struct value_walk walk = {.whole = whole, .left = value_count(whole)};
    if (walk.left > 0) walk.at = outer(unsafe_yyjson_get_first(inner(whole)));
    return walk;
}

const struct value *value_next(struct value_walk *walk) {
    if (walk->left == 0) return NULL;
    yyjson_val *at = inner(walk->at);
    if (yyjson_is_obj(inner(walk->whole))) {
        walk->name = json_text(at);
        at++; // a member's value stands behind its name
    }
    walk->left--;
    walk->at = walk->left > 0 ? outer(unsafe_yyjson_get_next(at)) : NULL;
    return outer(at);
}

int value_write(struct parser *parser, const struct value *value, struct buf *out) {
    return value ? json_write_value(parser, inner(value), out) : 0;
}

int value_write_text(struct buf *out, struct str text) {
    return json_write_text(out, text);
}

struct str value_member_text(const struct value *value, const char *name) {
    return value_text(value_member(value, name));
}

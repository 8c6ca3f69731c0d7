// The decoder: a line becomes JSON, and a row of tables says what its command must contain.
//
//   line ──► json_read ──► no member twice ──► COMMANDS ──► FIELDS[command] ──► settle ──► struct message
//
// A sentence about a fault names the field and the rule, never the value: values are secrets or a stranger's.
#include "wire/message.h"

#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

#define LOAD_MOST (UINT64_C(1) << 31)

// --- commands -------------------------------------------------------------------------------------------

static const struct row {
    struct str name;
    unsigned from;
} ROWS[COMMAND_COUNT] = {
#define COMMAND_ROW(name, from) [COMMAND_##name] = {{#name, sizeof #name - 1}, from},
    COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

const char *command_name(enum command command) {
    return ROWS[command].name.ptr;
}

unsigned command_from(enum command command) {
    return ROWS[command].from;
}

// COMMAND_COUNT when there is no such command.
static enum command command_of(struct str name) {
    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        if (str_equal(name, ROWS[i].name)) return (enum command)i;
    if (str_equal_text(name, "AUTHTENTICATION_FAIL")) return COMMAND_AUTHENTICATION_FAIL; // a peer's spelling
    return COMMAND_COUNT;
}

// --- kinds of fields ------------------------------------------------------------------------------------

// What a taker of a field knows: `slot` is where in the message it goes.
struct taking {
    struct parser *parser;
    struct message *message;
    void *slot;
    yyjson_val *value;
};

// Each takes a value that is there and not null: ERR_NONE, ERR_INVALID (wrong type) or ERR_MEMORY.
typedef enum err_code take_fn(const struct taking *taking);

static enum err_code take_text(const struct taking *taking) {
    if (!yyjson_is_str(taking->value)) return ERR_INVALID;
    *(struct str *)taking->slot = json_text(taking->value);
    return ERR_NONE;
}

static enum err_code take_port(const struct taking *taking) {
    uint64_t port;
    if (!json_natural(taking->value, UINT16_MAX, &port) || port == 0) return ERR_INVALID;
    *(uint16_t *)taking->slot = (uint16_t)port;
    return ERR_NONE;
}

static enum err_code take_load(const struct taking *taking) {
    return json_natural(taking->value, LOAD_MOST, taking->slot) ? ERR_NONE : ERR_INVALID;
}

static enum err_code take_version(const struct taking *taking) {
    uint64_t version;
    if (!json_natural(taking->value, UINT32_MAX, &version) || version == 0) return ERR_INVALID;
    *(uint32_t *)taking->slot = (uint32_t)version;
    return ERR_NONE;
}

static enum err_code take_object(const struct taking *taking) {
    if (!yyjson_is_obj(taking->value)) return ERR_INVALID;
    *(void **)taking->slot = taking->value;
    return ERR_NONE;
}

// One peer sends an activity as a string that holds it. It will go on as an object, one level down in the
// command: hence its depth.
static enum err_code take_object_or_text(const struct taking *taking) {
    if (!yyjson_is_str(taking->value)) return take_object(taking);
    struct taking inner = *taking;
    struct err err = {0};
    inner.value = json_read(taking->parser, json_text(taking->value), taking->parser->max_depth - 1, &err);
    return inner.value ? take_object(&inner) : err.code;
}

// Of origin and sequence a malformed one is as good as none: they only spare us duplicates.
static enum err_code take_origin(const struct taking *taking) {
    (void)take_text(taking);
    return ERR_NONE;
}

static enum err_code take_sequence(const struct taking *taking) {
    (void)json_natural(taking->value, UINT64_MAX, taking->slot);
    return ERR_NONE;
}

// {"version", "id"} in AUTHENTICATE: whoever sends something else there is not one of us, and welcome.
static enum err_code take_greeting(const struct taking *taking) {
    struct message *message = taking->message;
    struct taking id = {.slot = &message->herald_id, .value = yyjson_obj_get(taking->value, "id")};
    struct taking version = {.slot = &message->herald_version,
                             .value = yyjson_obj_get(taking->value, "version")};
    if (!id.value || !version.value || take_text(&id) || take_version(&version)) {
        message->herald_id = (struct str){0};
        message->herald_version = 0;
    }
    return ERR_NONE;
}

static enum err_code take_hints(const struct taking *taking) {
    struct message *message = taking->message;
    size_t index, count;
    yyjson_val *entry;
    if (!yyjson_is_arr(taking->value)) return ERR_INVALID;
    yyjson_arr_foreach(taking->value, index, count, entry) {
        struct message_hint *hint = &message->hints[message->hint_count];
        yyjson_val *id = yyjson_obj_get(entry, "id");
        uint64_t clients;
        if (!yyjson_is_str(id) || !json_natural(yyjson_obj_get(entry, "count"), UINT32_MAX, &clients))
            return ERR_INVALID;
        *hint = (struct message_hint){json_text(id), (uint32_t)clients};
        if (++message->hint_count == MESSAGE_MAX_HINTS) break;
    }
    return ERR_NONE;
}

enum kind { TEXT, PORT, LOAD, VERSION, OBJECT, OBJECT_OR_TEXT, ORIGIN, SEQUENCE, GREETING, HINTS };

static const struct {
    take_fn *take;
    const char *must_be; // completes "the field NAME must be"
} KINDS[] = {
    [TEXT] = {take_text, "a string"},
    [PORT] = {take_port, "a number from 1 to 65535"},
    [LOAD] = {take_load, "a whole number from 0 to 2147483648"},
    [VERSION] = {take_version, "a whole number from 1 to 4294967295"},
    [OBJECT] = {take_object, "an object"},
    [OBJECT_OR_TEXT] = {take_object_or_text, "an object"},
    [ORIGIN] = {take_origin, ""},
    [SEQUENCE] = {take_sequence, ""},
    [GREETING] = {take_greeting, ""},
    [HINTS] = {take_hints, "an array of objects with id and count"},
};

// --- fields per command ---------------------------------------------------------------------------------

enum need { OPTIONAL, REQUIRED };

#define MOST_FIELDS 7

#define AT(member) offsetof(struct message, member)

// Commands without a row (LOGOUT) have no fields.
static const struct field {
    const char *name; // NULL ends the list
    size_t at;
    enum kind kind;
    enum need need;
} FIELDS[COMMAND_COUNT][MOST_FIELDS + 1] = {
    [COMMAND_AUTHENTICATE] = {{"secret", AT(secret), TEXT, REQUIRED}, {"herald", 0, GREETING, OPTIONAL}},
    [COMMAND_INVALID_MESSAGE] = {{"info", AT(info), TEXT, OPTIONAL}},
    [COMMAND_AUTHENTICATION_FAIL] = {{"info", AT(info), TEXT, OPTIONAL}},
    [COMMAND_LOGIN] = {{"username", AT(username), TEXT, REQUIRED}, {"secret", AT(secret), TEXT, OPTIONAL}},
    [COMMAND_LOGIN_SUCCESS] = {{"info", AT(info), TEXT, OPTIONAL}},
    [COMMAND_LOGIN_FAILED] = {{"info", AT(info), TEXT, OPTIONAL}},
    [COMMAND_REDIRECT] = {{"hostname", AT(hostname), TEXT, REQUIRED}, {"port", AT(port), PORT, REQUIRED}},
    [COMMAND_ACTIVITY_MESSAGE] = {{"username", AT(username), TEXT, REQUIRED},
                                  {"secret", AT(secret), TEXT, OPTIONAL},
                                  {"activity", AT(activity), OBJECT, REQUIRED}},
    [COMMAND_ACTIVITY_BROADCAST] = {{"activity", AT(activity), OBJECT_OR_TEXT, REQUIRED},
                                    {"origin", AT(origin), ORIGIN, OPTIONAL},
                                    {"sequence", AT(sequence), SEQUENCE, OPTIONAL}},
    [COMMAND_SERVER_ANNOUNCE] = {{"id", AT(id), TEXT, REQUIRED},
                                 {"load", AT(load), LOAD, REQUIRED},
                                 {"hostname", AT(hostname), TEXT, REQUIRED},
                                 {"port", AT(port), PORT, REQUIRED}},
    [COMMAND_REGISTER] = {{"username", AT(username), TEXT, REQUIRED}, {"secret", AT(secret), TEXT, REQUIRED}},
    [COMMAND_REGISTER_SUCCESS] = {{"info", AT(info), TEXT, OPTIONAL}},
    [COMMAND_REGISTER_FAILED] = {{"info", AT(info), TEXT, OPTIONAL}},
    [COMMAND_LOCK_REQUEST] = {{"username", AT(username), TEXT, REQUIRED},
                              {"secret", AT(secret), TEXT, OPTIONAL}},
    [COMMAND_LOCK_DENIED] = {{"username", AT(username), TEXT, REQUIRED},
                             {"secret", AT(secret), TEXT, OPTIONAL}},
    [COMMAND_LOCK_ALLOWED] = {{"username", AT(username), TEXT, REQUIRED},
                              {"secret", AT(secret), TEXT, OPTIONAL},
                              {"server", AT(server), TEXT, OPTIONAL}},
    [COMMAND_HERALD] = {{"version", AT(herald_version), VERSION, OPTIONAL},
                        {"id", AT(herald_id), TEXT, OPTIONAL},
                        {"redirected", 0, HINTS, OPTIONAL},
                        {"expected", AT(server), TEXT, OPTIONAL},
                        {"goodbye", AT(id), TEXT, OPTIONAL},
                        {"by", AT(origin), ORIGIN, OPTIONAL},
                        {"round", AT(sequence), SEQUENCE, OPTIONAL}},
};

static int take_fields(struct parser *parser, yyjson_val *root, struct message *message, struct err *err) {
    for (const struct field *field = FIELDS[message->command]; field->name; field++) {
        yyjson_val *value = yyjson_obj_get(root, field->name);
        if (!value || yyjson_is_null(value)) {
            if (field->need == OPTIONAL) continue;
            return err_set(err, ERR_INVALID, "the field %s is missing", field->name);
        }
        struct taking taking = {parser, message, (char *)message + field->at, value};
        enum err_code fault = KINDS[field->kind].take(&taking);
        if (fault == ERR_MEMORY) return err_set(err, ERR_MEMORY, "memory is out");
        if (fault)
            return err_set(err, ERR_INVALID, "the field %s must be %s", field->name,
                           KINDS[field->kind].must_be);
    }
    return 0;
}

static bool is_anonymous(struct str username) {
    struct login login;
    return login_parse(username, &login, NULL) == 0 && login_is_anonymous(&login);
}

// The rules that span fields.
static int settle(struct message *message, struct err *err) {
    switch (message->command) {
    case COMMAND_LOGIN:
        if (!message->secret.ptr && !is_anonymous(message->username))
            return err_set(err, ERR_INVALID, "the field secret is missing");
        return 0;
    case COMMAND_ACTIVITY_BROADCAST:
        if (message->origin.len == 0 || message->sequence == 0) {
            message->origin = (struct str){0};
            message->sequence = 0;
        }
        return 0;
    case COMMAND_HERALD:
        if (message->hint_count == 0 && message->server.len == 0 && message->id.len == 0 &&
            (!message->herald_id.ptr || message->herald_version == 0))
            return err_set(err, ERR_INVALID,
                           "HERALD must carry the fields version and id, or redirected, expected or goodbye");
        return 0;
    default: return 0;
    }
}

// --- duplicated members ---------------------------------------------------------------------------------

static int by_text(const void *a, const void *b) {
    struct str one = *(const struct str *)a, two = *(const struct str *)b;
    if (one.len != two.len) return one.len < two.len ? -1 : 1;
    return one.len > 0 ? memcmp(one.ptr, two.ptr, one.len) : 0;
}

// Compares names as they are after unescaping. Sorted when there are many: a stranger chooses the names, and
// a line has room for some 200,000.
static int refuse_duplicates(struct parser *parser, yyjson_val *object, struct err *err) {
    enum { FEW = 16 };
    struct str few[FEW], *names = few;
    size_t count = yyjson_obj_size(object), i, most;
    yyjson_val *key, *value;
    if (count > FEW && !(names = arena_alloc(&parser->arena, count * sizeof *names)))
        return err_set(err, ERR_MEMORY, "memory is out");
    yyjson_obj_foreach(object, i, most, key, value) names[i] = json_text(key);
    if (count > FEW) qsort(names, count, sizeof *names, by_text);
    for (i = 1; i < count; i++)
        for (size_t j = count > FEW ? i - 1 : 0; j < i; j++)
            if (by_text(&names[i], &names[j]) == 0)
                return err_set(err, ERR_INVALID, "a member appears twice");
    return 0;
}

// --- decoding -------------------------------------------------------------------------------------------

static int decode(struct parser *parser, struct str line, struct message *message, struct err *err) {
    if (line.len > parser->max_line)
        return err_set(err, ERR_INVALID, "the message is longer than %zu bytes", parser->max_line);
    yyjson_val *root = json_read(parser, line, parser->max_depth, err);
    if (!root) return -1;
    if (!yyjson_is_obj(root)) return err_set(err, ERR_INVALID, "the received message is not a JSON object");
    if (refuse_duplicates(parser, root, err)) return -1;
    message->line = line;
    message->members = yyjson_obj_size(root);
    yyjson_val *command = yyjson_obj_get(root, "command");
    if (!command || yyjson_is_null(command))
        return err_set(err, ERR_INVALID, "the received message did not contain a command");
    if (!yyjson_is_str(command)) return err_set(err, ERR_INVALID, "the field command must be a string");
    message->command = command_of(json_text(command));
    if (message->command == COMMAND_COUNT) return err_set(err, ERR_INVALID, "unknown command");
    return take_fields(parser, root, message, err) || settle(message, err) ? -1 : 0;
}

int message_parse(struct parser *parser, struct str line, struct message *message, struct err *err) {
    parser_forget(parser);
    memset(message, 0, offsetof(struct message, hints)); // the rest only as far as hint_count says
    message->hint_count = 0;
    if (decode(parser, line, message, err) == 0) return 0;
    memset(message, 0, offsetof(struct message, hints));
    message->hint_count = 0;
    parser_forget(parser);
    return -1;
}

// The encoders: one line each, members in the order of seed 004.
#include "wire/message.h"

#include "wire/json.h"

#include <assert.h>

int message_write_info(struct buf *out, enum command command, const char *info) {
    struct json_line line = json_line_begin(out, command_name(command));
    json_line_text(&line, "info", str_of(info));
    return json_line_end(&line);
}

int message_write_redirect(struct buf *out, struct str hostname, uint16_t port) {
    struct json_line line = json_line_begin(out, command_name(COMMAND_REDIRECT));
    json_line_text(&line, "hostname", hostname);
    json_line_number(&line, "port", port);
    return json_line_end(&line);
}

static void put_identity(struct json_line *line, struct str herald_id) {
    json_line_number(line, "version", HERALD_PROTOCOL_VERSION);
    json_line_text(line, "id", herald_id);
}

int message_write_authenticate(struct buf *out, struct str secret, struct str herald_id) {
    struct json_line line = json_line_begin(out, command_name(COMMAND_AUTHENTICATE));
    json_line_text(&line, "secret", secret);
    if (herald_id.len > 0) {
        json_line_name(&line, "herald");
        json_line_raw(&line, "{");
        put_identity(&line, herald_id);
        json_line_raw(&line, "}");
    }
    return json_line_end(&line);
}

int message_write_herald(struct buf *out, struct str herald_id) {
    struct json_line line = json_line_begin(out, command_name(COMMAND_HERALD));
    put_identity(&line, herald_id);
    return json_line_end(&line);
}

int message_write_hints(struct buf *out, const struct message_hint *hints, size_t count, struct str by,
                        uint64_t round) {
    struct json_line line = json_line_begin(out, command_name(COMMAND_HERALD));
    json_line_name(&line, "redirected");
    for (size_t i = 0; i < count; i++) {
        json_line_raw(&line, i == 0 ? "[{" : ",{");
        json_line_text(&line, "id", hints[i].id);
        json_line_number(&line, "count", hints[i].count);
        json_line_raw(&line, "}");
    }
    json_line_raw(&line, count == 0 ? "[]" : "]");
    json_line_text(&line, "by", by);
    json_line_number(&line, "round", round);
    return json_line_end(&line);
}

int message_write_expected(struct buf *out, struct str id, struct str by, uint64_t round) {
    struct json_line line = json_line_begin(out, command_name(COMMAND_HERALD));
    json_line_text(&line, "expected", id);
    json_line_text(&line, "by", by);
    json_line_number(&line, "round", round);
    return json_line_end(&line);
}

int message_write_goodbye(struct buf *out, struct str id) {
    struct json_line line = json_line_begin(out, command_name(COMMAND_HERALD));
    json_line_text(&line, "goodbye", id);
    return json_line_end(&line);
}

int message_write_announce(struct buf *out, struct str id, uint64_t load, struct str hostname,
                           uint16_t port) {
    struct json_line line = json_line_begin(out, command_name(COMMAND_SERVER_ANNOUNCE));
    json_line_text(&line, "id", id);
    json_line_number(&line, "load", load);
    json_line_text(&line, "hostname", hostname);
    json_line_number(&line, "port", port);
    return json_line_end(&line);
}

int message_write_lock(struct buf *out, enum command command, struct str username, struct str secret,
                       struct str server) {
    assert(command == COMMAND_LOCK_REQUEST || command == COMMAND_LOCK_DENIED ||
           command == COMMAND_LOCK_ALLOWED);
    struct json_line line = json_line_begin(out, command_name(command));
    json_line_text(&line, "username", username);
    if (secret.ptr) json_line_text(&line, "secret", secret);
    if (server.ptr) json_line_text(&line, "server", server);
    return json_line_end(&line);
}

int message_write_login(struct buf *out, enum command command, struct str username, struct str secret) {
    assert(command == COMMAND_LOGIN || command == COMMAND_REGISTER);
    struct json_line line = json_line_begin(out, command_name(command));
    json_line_text(&line, "username", username);
    if (secret.ptr) json_line_text(&line, "secret", secret);
    return json_line_end(&line);
}

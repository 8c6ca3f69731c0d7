// Activities as a client sees them.
//
//   herald_publish ──► json_read, json_write_value ──► {"command":"ACTIVITY_MESSAGE",..,"activity":{...}}\n
//   ACTIVITY_BROADCAST ──► message_parse ──► json_write_value ──► text for the program
//
// Written anew rather than cut out of the line: white space may hold newlines, and one peer sends an activity
// as a string that holds it.
#include "wire/client_view.h"

#include "wire/json.h"

static int put_activity(struct parser *parser, const yyjson_val *activity, struct json_line *line) {
    json_line_name(line, "activity");
    if (!line->status) line->status = json_write_value(parser, activity, line->out);
    return json_line_end(line);
}

int activity_message(struct parser *parser, struct str username, struct str secret, struct str activity,
                     struct buf *out, struct err *err) {
    parser_forget(parser);
    yyjson_val *value = json_read(parser, activity, parser->max_depth - 1, err);
    int status = -1;
    if (value && !yyjson_is_obj(value)) {
        err_set(err, ERR_INVALID, "an activity must be a JSON object");
    } else if (value) {
        struct json_line line = json_line_begin(out, command_name(COMMAND_ACTIVITY_MESSAGE));
        json_line_text(&line, "username", username);
        if (secret.ptr) json_line_text(&line, "secret", secret);
        status = put_activity(parser, value, &line);
        if (status) err_set(err, ERR_MEMORY, "memory is out");
    }
    parser_forget(parser);
    return status;
}

int activity_text(struct parser *parser, const struct message *message, struct buf *out) {
    return json_write_value(parser, message->activity, out);
}

int logout_message(struct buf *out) {
    struct json_line line = json_line_begin(out, command_name(COMMAND_LOGOUT));
    return json_line_end(&line);
}

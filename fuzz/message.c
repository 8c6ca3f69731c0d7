// The decoder, and what goes on from it: an activity that was accepted is encoded, decoded again, and then
// says once who sent it; encoding it again changes nothing.
#include "wire/message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define USER "m\"al\x01ory"

static void check(int holds) {
    if (!holds) abort();
}

// Reads all that the decoder has set, so that a slice that points astray is noticed.
static void look_at(struct str text) {
    check(text.ptr != NULL || text.len == 0);
    char *copy = malloc(text.len + 1);
    check(copy != NULL);
    if (text.len > 0) memcpy(copy, text.ptr, text.len);
    free(copy);
}

static void look_at_all(const struct message *message) {
    check(message->command < COMMAND_COUNT);
    look_at(message->username);
    look_at(message->secret);
    look_at(message->info);
    look_at(message->id);
    look_at(message->hostname);
    look_at(message->server);
    look_at(message->herald_id);
    look_at(message->origin);
    check((message->origin.ptr != NULL) == (message->sequence != 0));
    check(message->load <= UINT64_C(1) << 31);
    check(message->hint_count <= MESSAGE_MAX_HINTS);
    for (size_t i = 0; i < message->hint_count; i++) look_at(message->hints[i].id);
}

static void check_activity(struct parser *parser, const struct message *message, size_t line_len) {
    struct buf once = {0}, twice = {0};
    struct message again;
    struct err err;
    look_at(activity_user(message));
    check(activity_encode(parser, message, STR(USER), &once) == 0);
    check(once.len <= line_len + ACTIVITY_FRAME_SLACK);
    check(once.data[once.len - 1] == '\n' && !memchr(once.data, '\n', once.len - 1));
    static const char end[] = "\"authenticated_user\":\"m\\\"al\\u0001ory\"}}\n";
    check(once.len > sizeof end && memcmp(once.data + once.len - (sizeof end - 1), end, sizeof end - 1) == 0);
    check(message_parse(parser, (struct str){once.data, once.len - 1}, &again, &err) == 0);
    check(again.command == COMMAND_ACTIVITY_BROADCAST);
    check(str_equal_text(activity_user(&again), USER)); // the first is the last: there is one
    check(activity_encode(parser, &again, STR(USER), &twice) == 0);
    check(str_equal(buf_str(&once), buf_str(&twice)));
    buf_free(&once);
    buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct parser *parser;
    if (!parser) parser = parser_open(1 << 20, 16);
    check(parser != NULL);
    struct message message;
    struct err err = {0};
    if (message_parse(parser, (struct str){(const char *)data, size}, &message, &err) == 0) {
        look_at_all(&message);
        if (message.activity) check_activity(parser, &message, size);
    } else {
        check(err.code == ERR_INVALID && err.text[0] != '\0');
    }
    parser_forget(parser);
    return 0;
}

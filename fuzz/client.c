// A hostile server against a whole session of libherald: its bytes in any pieces, while the program
// publishes, takes events, logs out, and time passes.
//
// Input: a byte of options; then commands, each a byte: below 0xE0 so many bytes follow and are sent by the
// server, else what COMMANDS says. Besides memory: whatever the session says is a client's message, events
// are as herald.h promises, nothing follows the end.
#include "../tests/unit/client/pair.h"

#include "wire/message.h"

#include <herald.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET "hush"

static void check(int holds) {
    if (!holds) abort();
}

struct run {
    struct pair pair;
    struct parser *parser;
    struct framer heard[PLAN_SLOTS];
    int fds[PLAN_SLOTS]; // whose bytes those are
    bool ended;
    uint64_t now;
};

static void check_line(struct run *run, struct str line) {
    struct message message;
    struct err err;
    check(message_parse(run->parser, line, &message, &err) == 0);
    check(message.command == COMMAND_LOGIN || message.command == COMMAND_REGISTER ||
          message.command == COMMAND_ACTIVITY_MESSAGE || message.command == COMMAND_LOGOUT ||
          message.command == COMMAND_INVALID_MESSAGE);
    if (message.command == COMMAND_INVALID_MESSAGE)
        check(!memmem(message.info.ptr, message.info.len, SECRET, sizeof SECRET - 1));
    parser_forget(run->parser);
}

static void listen_to_session(struct run *run) {
    static char bytes[256 * 1024];
    for (unsigned slot = 0; slot < PLAN_SLOTS; slot++) {
        if (run->fds[slot] != run->pair.others[slot]) {
            framer_fini(&run->heard[slot]);
            framer_init(&run->heard[slot], 1 << 20);
            run->fds[slot] = run->pair.others[slot];
        }
        size_t got = pair_received(&run->pair, slot, bytes, sizeof bytes);
        struct str input = {bytes, got}, line;
        while (framer_next(&run->heard[slot], &input, &line) == FRAME_LINE) check_line(run, line);
    }
}

static void take_events(struct run *run) {
    struct herald_event event;
    while (herald_next(run->pair.session, &event)) {
        check(!run->ended);
        check(event.kind >= HERALD_CONNECTED && event.kind <= HERALD_ENDED);
        check(event.server && event.user && event.text && event.json);
        check(strlen(event.json) == event.json_len &&
              (event.kind == HERALD_ACTIVITY) == (event.json_len > 0));
        check(text_is_utf8(str_of(event.text)) && text_is_utf8(str_of(event.user)));
        if (event.kind == HERALD_ENDED) run->ended = true;
    }
    check(!run->ended || herald_timeout(run->pair.session) == -1);
}

static void step(struct run *run) {
    herald_step(run->pair.session);
    listen_to_session(run);
}

static void pass(struct run *run) {
    struct plan *plan = &run->pair.session->plan;
    uint64_t due = plan_due(plan);
    if (due != UINT64_MAX && !events_full(&run->pair.session->events)) plan_tick(plan, due);
}

static void obey(struct run *run, uint8_t command) {
    struct herald *session = run->pair.session;
    static const char note[] = "{\"type\":\"Note\"}";
    switch (command & 0x0F) {
    case 0: herald_publish(session, note, sizeof note - 1); break;
    case 1: take_events(run); break;
    case 2: pass(run); break;
    case 3: herald_logout(session); break;
    case 4: // the server closes its side
        for (unsigned i = 0; i < PLAN_SLOTS; i++)
            if (run->pair.others[i] >= 0) shutdown(run->pair.others[i], SHUT_WR);
        break;
    default: break;
    }
}

static unsigned some_slot(const struct run *run) {
    for (unsigned i = 0; i < PLAN_SLOTS; i++)
        if (run->pair.others[i] >= 0) return i;
    return 0;
}

static void play(struct run *run, const uint8_t *data, size_t size) {
    while (size > 0) {
        uint8_t command = *data++;
        size--;
        if (command >= 0xE0) {
            obey(run, command);
        } else {
            size_t len = command < size ? command : size;
            if (len > 0) (void)pair_send(&run->pair, some_slot(run), data, len);
            data += len;
            size -= len;
        }
        step(run);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct run run = {.parser = parser_open(1 << 20, 64)};
    uint8_t options = data[0];
    check(run.parser != NULL);
    for (unsigned i = 0; i < PLAN_SLOTS; i++) run.fds[i] = -1;
    check(pair_open(&run.pair, (struct herald_options){
                                   .server_count = options & 1 ? 2 : 1,
                                   .user = options & 2 ? "ann" : NULL,
                                   .secret = SECRET,
                                   .do_register = (options & 6) == 6,
                                   .once = (options & 8) != 0,
                                   .give_up_ms = options & 16 ? 60000 : 0,
                                   .max_redirects = 3,
                                   .max_message = 4096,
                                   .max_unsent = 1000,
                               }));
    play(&run, data + 1, size - 1);
    take_events(&run);
    pair_close(&run.pair);
    for (unsigned i = 0; i < PLAN_SLOTS; i++) framer_fini(&run.heard[i]);
    parser_close(run.parser);
    return 0;
}

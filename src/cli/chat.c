// herald chat: activities above, the typed line below, one loop.
//
//   server ──► session ──► display ──► screen ──► terminal
//                 ▲                      ▲            │ keys
//                 └── note ◄── line ◄── typing ◄──────┘
//
// typing_line asks for a key whenever it needs one (next_key), and while there is none all else goes on
// there.
#include "cli/chat.h"

#include "base/clock.h"
#include "base/glyph.h"
#include "cli/call.h"
#include "cli/display.h"
#include "cli/enter.h"
#include "cli/history.h"
#include "cli/note.h"
#include "cli/plain.h"
#include "cli/screen.h"
#include "cli/signals.h"
#include "cli/typing.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS  1000 // of an activity; what is longer is there with herald follow --json
#define LEAVE_MS 2000

#define CONTROL_L 0x0C

struct chat {
    struct call call;
    struct wish *wish;
    struct screen screen;
    struct typing *typing;
    struct display *display;
    bool colours;
    bool connected, ended, quits;
    bool unsent;  // at the end
    bool resumed; // a SIGCONT is still to come for what was done already
    unsigned losses;
    struct herald_event end; // once `ended`
    char keys[1024];         // read and not taken yet
    size_t keys_at, keys_len;
    struct buf line, plain, scratch;
};

// --- what is shown --------------------------------------------------------------------------------------

static void print_activity(struct chat *chat, const struct herald_event *event) {
    struct shown shown;
    int64_t now = clock_wall_ms();
    chat->line.len = chat->plain.len = 0;
    if (display_activity(chat->display, (struct str){event->json, event->json_len}, str_of(event->user), now,
                         &shown) ||
        display_line(&shown, now, COLUMNS, chat->colours, &chat->line) ||
        display_line(&shown, now, COLUMNS, false, &chat->plain))
        return;
    screen_print(&chat->screen, buf_str(&chat->line), plain_width(buf_str(&chat->plain)));
}

// A line of the program's own; others' words in it are made plain.
static void print_own(struct chat *chat, const char *text) {
    chat->plain.len = chat->line.len = 0;
    if (buf_append_text(&chat->plain, "-- ") || plain_append(&chat->plain, str_of(text)) ||
        buf_append_text(&chat->line, chat->colours ? "\033[2m" : "") ||
        buf_append_str(&chat->line, buf_str(&chat->plain)))
        return;
    screen_print(&chat->screen, buf_str(&chat->line), plain_width(buf_str(&chat->plain)));
}

// Two or three texts in one line.
static void print_about(struct chat *chat, const char *first, const char *second, const char *third) {
    chat->scratch.len = 0;
    if (buf_append_text(&chat->scratch, first) || buf_append_text(&chat->scratch, second) ||
        buf_append_text(&chat->scratch, third) || buf_append(&chat->scratch, "", 1))
        return;
    print_own(chat, chat->scratch.data);
}

static void show_status(struct chat *chat) {
    const char *user = chat->wish->user ? chat->wish->user : LOGIN_ANONYMOUS;
    const char *state = chat->quits ? "leaving" : "not connected";
    size_t unsent = herald_unsent(chat->call.session);
    chat->scratch.len = chat->plain.len = 0;
    int status = buf_printf(&chat->scratch, "%s | %s | ", chat->call.server, user);
    if (!status && chat->connected && !chat->quits)
        status = buf_printf(&chat->scratch, "%u ms", chat->call.latency_ms);
    else if (!status)
        status = buf_append_text(&chat->scratch, state);
    if (!status)
        status = buf_printf(&chat->scratch, " | %u reconnect%s", chat->losses, chat->losses == 1 ? "" : "s");
    if (!status && unsent > 0) status = buf_printf(&chat->scratch, " | %zu bytes unsent", unsent);
    if (status || buf_append_text(&chat->plain, " ") || plain_append(&chat->plain, buf_str(&chat->scratch)))
        return;
    screen_status(&chat->screen, buf_str(&chat->plain));
}

static void show(struct chat *chat) {
    struct typed typed = typing_now(chat->typing);
    show_status(chat);
    screen_typed(&chat->screen, typed.text, typed.len, typed.cursor);
    screen_show(&chat->screen);
}

// --- what happens ---------------------------------------------------------------------------------------

static void take_registered(const struct wish *wish) {
    if (wish->made_secret) say("registered %s; the secret is %s", wish->user, wish->secret.data);
    (void)enter_save(wish);
}

static void take_event(struct chat *chat, const struct herald_event *event) {
    switch (event->kind) {
    case HERALD_REGISTERED: take_registered(chat->wish); break;
    case HERALD_ACTIVITY: print_activity(chat, event); break;
    case HERALD_LOGGED_IN:
        if (!chat->screen.is_on && !chat->wish->made_secret) (void)enter_save(chat->wish);
        if (chat->losses > 0 && !chat->connected) print_about(chat, "back, at ", event->server, "");
        chat->connected = true;
        break;
    case HERALD_MET:
        if (chat->screen.is_on) print_about(chat, event->server, " is new here; its key is ", event->text);
        break;
    case HERALD_LOST:
        if (chat->connected) print_about(chat, event->server, ": ", event->text);
        if (chat->connected) chat->losses++;
        chat->connected = false;
        break;
    case HERALD_ENDED:
        chat->end = *event;
        chat->ended = true;
        break;
    default: break;
    }
}

static void take_events(struct chat *chat) {
    struct herald_event event;
    chat->call.silent = chat->screen.is_on;
    while (!chat->ended && call_next(&chat->call, &event)) take_event(chat, &event);
}

// Stops as Ctrl-Z asks, and goes on when the shell says so.
static void stop(struct chat *chat) {
    sigset_t set;
    screen_leave(&chat->screen);
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGTSTP); // returns when it is continued
    sigprocmask(SIG_BLOCK, &set, NULL);
    screen_enter(&chat->screen);
    chat->resumed = true;
}

static void take_signal(struct chat *chat) {
    for (int number; (number = signals_take(chat->call.signals));) {
        switch (number) {
        case SIGWINCH:
            typing_resize(chat->typing);
            screen_enter(&chat->screen);
            break;
        case SIGTSTP: stop(chat); break;
        case SIGCONT: // after a SIGSTOP nothing is known of the terminal
            if (!chat->resumed) chat->screen.is_on = false;
            if (!chat->resumed) screen_enter(&chat->screen);
            chat->resumed = false;
            break;
        default: chat->quits = true; break;
        }
    }
}

// --- keys -----------------------------------------------------------------------------------------------

static void read_keys(struct chat *chat) {
    memmove(chat->keys, chat->keys + chat->keys_at, chat->keys_len - chat->keys_at);
    chat->keys_len -= chat->keys_at;
    chat->keys_at = 0;
    ssize_t got = read(STDIN_FILENO, chat->keys + chat->keys_len, sizeof chat->keys - chat->keys_len);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0)
        chat->quits = true; // the terminal is gone
    else
        chat->keys_len += (size_t)got;
}

// A character of UTF-8 may come in pieces; what is none becomes the replacement character.
static bool take_key(struct chat *chat, wchar_t *character) {
    struct str left = {chat->keys + chat->keys_at, chat->keys_len - chat->keys_at};
    if (left.len == 0) return false;
    unsigned char first = (unsigned char)left.ptr[0];
    size_t wanted = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    struct glyph glyph = glyph_next(left);
    if (glyph.kind == GLYPH_BROKEN && left.len < wanted) return false;
    *character = glyph.kind == GLYPH_BROKEN ? 0xFFFD : (wchar_t)glyph.character;
    chat->keys_at += glyph.len;
    return true;
}

static int next_key(void *context, wchar_t *character) {
    struct chat *chat = context;
    for (;;) {
        take_events(chat);
        if (chat->quits || chat->ended) return 0;
        if (take_key(chat, character)) {
            if (*character != CONTROL_L) return 1;
            screen_enter(&chat->screen);
        }
        show(chat);
        const struct call_wait wait = {.input = STDIN_FILENO,
                                       .output = chat->screen.fd,
                                       .writes = screen_waits(&chat->screen),
                                       .most_ms = -1};
        unsigned ready = call_wait(&chat->call, &wait);
        if (ready & CALL_SIGNAL) take_signal(chat);
        if (ready & CALL_INPUT) read_keys(chat);
        if (ready & CALL_BROKEN) chat->quits = true;
    }
}

// --- lines ----------------------------------------------------------------------------------------------

static void help(struct chat *chat) {
    static const char *const lines[] = {
        "what you type is posted as a note; a JSON object is posted as it is",
        "/quit: end; so do Ctrl-D on an empty line, and Ctrl-C",
        "/help: this",
        "//text: post a text that begins with /",
        "up, down: what was typed before; Ctrl-A, Ctrl-E: begin, end; Ctrl-W, Ctrl-U: delete a word, all",
        "Ctrl-L: draw the window anew; Ctrl-Z: stop, until the shell's fg",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) print_own(chat, lines[i]);
}

static void post(struct chat *chat, struct str line) {
    int status = note_publish(chat->call.session, line, chat->wish->user, true, &chat->scratch);
    if (status == -2) print_own(chat, "not posted: too much waits to be sent; try again when it is less");
    if (status == -1) print_about(chat, "not posted: ", herald_error(chat->call.session), "");
}

static void take_line(struct chat *chat, struct str line) {
    typing_remember(chat->typing, line);
    history_add(line);
    if (line.len == 0 || line.ptr[0] != '/')
        post(chat, line);
    else if (line.len > 1 && line.ptr[1] == '/')
        post(chat, (struct str){line.ptr + 1, line.len - 1});
    else if (str_equal_text(line, "/quit"))
        chat->quits = true;
    else if (str_equal_text(line, "/help"))
        help(chat);
    else
        print_own(chat, "there is no such command; /help lists them, and // begins a text with /");
}

static void remember(void *context, struct str line) {
    typing_remember(context, line);
}

// --- from the beginning to the end ----------------------------------------------------------------------

// Without the window, so that whatever is to be said stands where errors do.
static bool log_in(struct chat *chat) {
    const struct call_wait wait = {.input = -1, .output = -1, .most_ms = -1};
    for (;;) {
        take_events(chat);
        if (chat->ended || chat->connected) return chat->connected && !chat->ended;
        if (!(call_wait(&chat->call, &wait) & CALL_SIGNAL)) continue;
        int number = signals_take(chat->call.signals);
        if (number == SIGINT || number == SIGTERM || number == SIGHUP) return false;
    }
}

static void leave(struct chat *chat) {
    const struct call_wait wait = {.input = -1, .output = -1, .most_ms = -1};
    chat->quits = true;
    show_status(chat);
    screen_show(&chat->screen);
    chat->unsent = herald_unsent(chat->call.session) > 0;
    call_leave(&chat->call, LEAVE_MS);
    for (take_events(chat); !chat->ended; take_events(chat))
        if (call_wait(&chat->call, &wait) & CALL_SIGNAL && signals_take(chat->call.signals) != SIGWINCH)
            return;
}

static enum outcome converse(struct chat *chat) {
    struct err err = {0};
    struct buf line = {0};
    chat->typing = typing_open(next_key, chat, &err);
    if (!chat->typing) {
        say("%s", err.text);
        return OUTCOME_REFUSED;
    }
    if (history_load(remember, chat->typing, &err)) print_about(chat, "no history: ", err.text, "");
    screen_enter(&chat->screen);
    print_own(chat, "/help lists what can be typed, /quit ends");
    while (!chat->quits && !chat->ended && typing_line(chat->typing, &line)) take_line(chat, buf_str(&line));
    if (!chat->ended) leave(chat);
    buf_wipe(&line);
    return OUTCOME_DONE;
}

// What was in doubt when a server was lost was told then; at the end only what was not sent is.
static bool is_well(const struct chat *chat) {
    return chat->quits && chat->end.status == HERALD_UNKNOWN && !chat->unsent;
}

static enum outcome run(struct chat *chat, bool registers) {
    struct err err = {0};
    enum outcome outcome;
    const struct call_plan plan = {.registers = registers, .terminal = true};
    if (screen_open(&chat->screen, &err)) {
        say("chat %s; without one: herald follow, herald post", err.text);
        return OUTCOME_USAGE;
    }
    if (!call_open(&chat->call, chat->wish, &plan, &outcome)) {
        screen_close(&chat->screen);
        return outcome;
    }
    if (log_in(chat)) outcome = converse(chat);
    typing_close(chat->typing);
    screen_close(&chat->screen);
    if (chat->ended && !is_well(chat)) outcome = call_outcome(&chat->call, &chat->end);
    call_close(&chat->call);
    return outcome;
}

static enum outcome start(struct wish *wish, bool registers) {
    enum outcome outcome = OUTCOME_REFUSED;
    struct chat *chat = calloc(1, sizeof *chat);
    if (chat) chat->display = display_open(display_language());
    if (chat && chat->display) {
        chat->wish = wish;
        chat->colours = display_colours();
        outcome = run(chat, registers);
    } else {
        say("memory is out");
    }
    if (!chat) return outcome;
    display_close(chat->display);
    buf_free(&chat->line);
    buf_free(&chat->plain);
    buf_free(&chat->scratch);
    free(chat);
    return outcome;
}

enum outcome chat_run(struct wish *wish) {
    return start(wish, false);
}

enum outcome chat_course(struct wish *wish) {
    return start(wish, enter_registers(wish));
}

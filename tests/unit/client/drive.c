// A program around libherald for tests/system/test_library.py: commands on stdin, events as JSON lines on
// stdout, its own poll() loop over both as herald.h asks for it.
//
//     drive SERVER... [user=U] [secret=S] [register=1] [once=1] [connect_timeout=MS] [give_up=MS]
//           [max_redirects=N] [max_message=N] [max_unsent=N] [tls=1|2] [ca=FILE] [know=KEY]
//
//     know: the key that every SERVER has.
//
//     publish JSON    burst N (activities {"n":0} to {"n":N-1})    logout    deaf    hear    stats    close
//
// Exit status: the session's, 64 for a wrong option, 65 after `close` or the end of stdin.
#include <herald.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct drive {
    herald *session;
    bool deaf;            // takes no events
    long burst, burst_at; // activities of a burst
    unsigned long steps;
    int status; // -1: goes on
    char line[1 << 20];
    size_t len;
};

static void put_text(const char *name, const char *text) {
    printf(",\"%s\":\"", name);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void put_event(const struct herald_event *event) {
    static const char *const names[] = {"",           "CONNECTED", "REGISTERED", "LOGGED_IN", "ACTIVITY",
                                        "REDIRECTED", "LOST",      "ENDED",      "MET"};
    printf("{\"event\":\"%s\",\"status\":%d,\"latency_ms\":%" PRIu32 ",\"wait_ms\":%" PRIu32,
           names[event->kind], (int)event->status, event->latency_ms, event->wait_ms);
    put_text("server", event->server);
    put_text("user", event->user);
    put_text("text", event->text);
    put_text("json", event->json);
    printf("}\n");
    if (strlen(event->json) != event->json_len) abort();
}

static void put_stats(const struct drive *drive) {
    printf("{\"event\":\"STATS\",\"steps\":%lu,\"unsent\":%zu,\"cpu_ms\":%ld}\n", drive->steps,
           herald_unsent(drive->session), (long)(clock() * 1000 / CLOCKS_PER_SEC));
}

static void publish(struct drive *drive, const char *json) {
    int result = herald_publish(drive->session, json, strlen(json));
    if (result == 0) return;
    printf("{\"event\":\"NOT_TAKEN\",\"status\":%d", result);
    put_text("text", herald_error(drive->session));
    printf("}\n");
}

static void go_on_with_burst(struct drive *drive) {
    char json[64];
    while (drive->burst_at < drive->burst) {
        int len = snprintf(json, sizeof json, "{\"n\":%ld}", drive->burst_at);
        if (herald_publish(drive->session, json, (size_t)len) != 0) return;
        drive->burst_at++;
    }
}

static void obey(struct drive *drive, char *line) {
    if (strncmp(line, "publish ", 8) == 0)
        publish(drive, line + 8);
    else if (strncmp(line, "burst ", 6) == 0)
        drive->burst = strtol(line + 6, NULL, 10), drive->burst_at = 0;
    else if (strcmp(line, "logout") == 0)
        herald_logout(drive->session);
    else if (strcmp(line, "deaf") == 0)
        drive->deaf = true;
    else if (strcmp(line, "hear") == 0)
        drive->deaf = false;
    else if (strcmp(line, "stats") == 0)
        put_stats(drive);
    else if (strcmp(line, "close") == 0)
        drive->status = 65;
    else
        abort();
}

static void read_commands(struct drive *drive) {
    if (drive->len >= sizeof drive->line) abort(); // a command that long is a mistake
    ssize_t got = read(STDIN_FILENO, drive->line + drive->len, sizeof drive->line - drive->len);
    if (got <= 0) {
        drive->status = 65;
        return;
    }
    drive->len += (size_t)got;
    char *end, *line = drive->line;
    size_t left = drive->len;
    while (drive->status < 0 && (end = memchr(line, '\n', left))) {
        *end = '\0';
        obey(drive, line);
        left -= (size_t)(end + 1 - line);
        line = end + 1;
    }
    memmove(drive->line, line, left);
    drive->len = left;
}

static void take_events(struct drive *drive) {
    struct herald_event event;
    while (!drive->deaf && herald_next(drive->session, &event)) {
        put_event(&event);
        if (event.kind == HERALD_ENDED) drive->status = (int)event.status;
    }
    fflush(stdout);
}

static int run(struct drive *drive) {
    while (drive->status < 0) {
        take_events(drive);
        go_on_with_burst(drive);
        if (drive->status >= 0) break;
        int events = herald_events(drive->session);
        struct pollfd polled[] = {
            {.fd = herald_fd(drive->session),
             .events = (short)((events & HERALD_READ ? POLLIN : 0) | (events & HERALD_WRITE ? POLLOUT : 0))},
            {.fd = STDIN_FILENO, .events = POLLIN},
        };
        if (poll(polled, 2, herald_timeout(drive->session)) < 0 && errno != EINTR) return 66;
        if (polled[1].revents) read_commands(drive);
        drive->steps++;
        herald_step(drive->session);
    }
    put_stats(drive);
    return drive->status;
}

// "name=value" into the options; false: unknown.
static bool set_option(struct herald_options *options, const char **key, const char *word) {
    const char *value = strchr(word, '=') + 1;
    size_t len = (size_t)(value - word) - 1;
    uint32_t number = (uint32_t)strtoul(value, NULL, 10);
#define IS(name) (len == sizeof(name) - 1 && memcmp(word, name, len) == 0)
    if (IS("user"))
        options->user = value;
    else if (IS("secret"))
        options->secret = value;
    else if (IS("register"))
        options->do_register = (int)number;
    else if (IS("once"))
        options->once = (int)number;
    else if (IS("connect_timeout"))
        options->connect_timeout_ms = number;
    else if (IS("give_up"))
        options->give_up_ms = number;
    else if (IS("max_redirects"))
        options->max_redirects = number;
    else if (IS("max_message"))
        options->max_message = number;
    else if (IS("max_unsent"))
        options->max_unsent = number;
    else if (IS("tls"))
        options->tls = (int)number;
    else if (IS("ca"))
        options->ca_file = value;
    else if (IS("know"))
        *key = value;
    else
        return false;
#undef IS
    return true;
}

int main(int argc, char **argv) {
    static struct drive drive = {.status = -1};
    const char *servers[64], *key = NULL;
    struct herald_options options = {.size = sizeof options, .servers = servers};
    for (int i = 1; i < argc; i++) {
        if (!strchr(argv[i], '='))
            servers[options.server_count++ % 64] = argv[i];
        else if (!set_option(&options, &key, argv[i]))
            return 64;
    }
    char error[256];
    drive.session = herald_open(&options, error, sizeof error);
    if (!drive.session) {
        fprintf(stderr, "%s\n", error);
        return 64;
    }
    for (size_t i = 0; key && i < options.server_count; i++) {
        if (herald_know(drive.session, servers[i], key) == 0) continue;
        fprintf(stderr, "%s\n", herald_error(drive.session));
        return 64;
    }
    int status = run(&drive);
    herald_close(drive.session);
    return status;
}

// Many connections that ask. See inquirer.h.
//
//   epoll ──► recv into `input`, behind the line's tail ──► manner->take ──► line_answered: checked, counted
//                                                                                 └──► manner->ask the next
//             send what has gathered in line->out ◄───────────────────────────────────┘
#include "inquirer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT     (256u * 1024) // bytes read from one socket in one turn
#define LONGEST   (1u << 20)    // of an answer
#define EVENTS    1024
#define SECOND_NS 1e9
#define FOREVER   UINT64_MAX

static void fail(struct line *line, const char *what, const char *detail) {
    struct inquirer *inquirer = line->owner;
    if (inquirer->failed) return;
    inquirer->failed = true;
    err_set(&inquirer->err, ERR_SYSTEM, "connection %u to %s: %s%s%s", line->index, inquirer->place.text,
            what, detail[0] != '\0' ? ": " : "", detail);
}

// --- questions ------------------------------------------------------------------------------------------

static void name_next(struct inquirer *inquirer, struct inquiry *inquiry) {
    const struct inquirer_options *options = inquirer->options;
    uint32_t number = (uint32_t)inquirer->report->asked;
    if (options->work == WORK_LOGIN) {
        const struct credential *one =
            &inquirer->credentials[inquirer->next_credential++ % inquirer->credential_count];
        memcpy(inquiry->name, one->name, sizeof inquiry->name);
        inquiry->secret = one->secret;
    } else if (options->work == WORK_CREATE && !options->fill)
        snprintf(inquiry->name, sizeof inquiry->name, "made%08x%08u", inquirer->run, number);
    else {
        if (!options->fill) number = (uint32_t)dice_below(&inquirer->dice, options->records);
        snprintf(inquiry->name, sizeof inquiry->name, "user%08u", number);
    }
}

static void ask(struct line *line, uint32_t slot, uint64_t since_ns) {
    struct inquirer *inquirer = line->owner;
    struct inquiry *inquiry = &line->slots[slot];
    if (inquirer->budget == 0 || inquirer->failed) return;
    inquirer->budget--;
    name_next(inquirer, inquiry);
    inquiry->asked_ns = since_ns;
    inquirer->report->asked++;
    inquirer->under_way++;
    if (inquirer->options->manner->ask(line, slot) != 0) fail(line, "memory is out", "");
}

static void say(struct line *line) {
    struct inquirer *inquirer = line->owner;
    const struct manner *manner = inquirer->options->manner;
    if (manner->flush != NULL && manner->flush(line) != 0) fail(line, "there is no saying it", "");
    while (line->out.len > 0) {
        ssize_t sent = send(line->fd, line->out.data, line->out.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) {
            fail(line, "send", strerror(errno));
            return;
        }
        buf_consume(&line->out, (size_t)sent);
    }
    bool more = line->out.len > 0;
    if (more == line->writing) return;
    struct epoll_event event = {.events = EPOLLIN | (more ? EPOLLOUT : 0u), .data.ptr = line};
    line->writing = more;
    if (epoll_ctl(inquirer->epoll, EPOLL_CTL_MOD, line->fd, &event) != 0)
        fail(line, "epoll_ctl", strerror(errno));
}

void line_ready(struct line *line) {
    struct inquirer *inquirer = line->owner;
    line->state = LINE_READY;
    inquirer->ready++;
}

void line_refused(struct line *line, const char *wrong, struct str what) {
    char detail[INQUIRER_DETAIL];
    str_copy(what, detail, sizeof detail);
    fail(line, wrong, detail);
}

void line_answered(struct line *line, uint32_t slot, const char *wrong, struct str what) {
    struct inquirer *inquirer = line->owner;
    struct inquirer_report *report = inquirer->report;
    struct inquiry *inquiry = &line->slots[slot];
    if (inquiry->asked_ns == 0) {
        fail(line, "an answer that nobody asked for", "");
        return;
    }
    if (wrong == NULL) {
        report->right++;
        if (inquirer->measure_ns != 0 && inquiry->asked_ns >= inquirer->measure_ns)
            histogram_add(&report->latency, inquirer->now_ns - inquiry->asked_ns);
    } else if (report->wrong++ == 0) {
        char detail[INQUIRER_DETAIL];
        str_copy(what, detail, sizeof detail);
        detail[strcspn(detail, "\r\n")] = '\0';
        snprintf(report->first_wrong, sizeof report->first_wrong, "%s: %s: %s", inquiry->name, wrong, detail);
    }
    inquiry->asked_ns = 0;
    inquirer->under_way--;
    if (!inquirer->options->manner->once) ask(line, slot, inquirer->now_ns);
}

void line_answered_next(struct line *line, const char *wrong, struct str what) {
    uint32_t slot = line->oldest;
    line->oldest = (slot + 1) % line->depth;
    line_answered(line, slot, wrong, what);
}

// --- connections ----------------------------------------------------------------------------------------

static void dial(struct line *line) {
    struct inquirer *inquirer = line->owner;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = line};
    line->fd = place_dial(&inquirer->place, 0);
    if (line->fd < 0) {
        fail(line, "connect", strerror(errno));
        return;
    }
    line->state = LINE_DIALLING;
    line->writing = true;
    if (epoll_ctl(inquirer->epoll, EPOLL_CTL_ADD, line->fd, &event) != 0)
        fail(line, "epoll_ctl", strerror(errno));
}

static void hang_up(struct line *line) {
    if (line->fd >= 0) close(line->fd);
    line->fd = -1;
    line->state = LINE_CLOSED;
    buf_truncate(&line->out, 0);
    buf_truncate(&line->tail, 0);
}

// Whoever asks once a connection begins each question with it.
static void ask_anew(struct line *line) {
    struct inquirer *inquirer = line->owner;
    hang_up(line);
    if (inquirer->budget == 0 || inquirer->failed) return;
    ask(line, 0, gauge_now_ns());
    dial(line);
}

static void connected(struct line *line) {
    struct inquirer *inquirer = line->owner;
    const struct manner *manner = inquirer->options->manner;
    int failure = 0;
    socklen_t len = sizeof failure;
    (void)getsockopt(line->fd, SOL_SOCKET, SO_ERROR, &failure, &len);
    if (failure != 0) {
        fail(line, "connect", strerror(failure));
        return;
    }
    line->state = LINE_GREETING;
    if (manner->greet == NULL)
        line_ready(line);
    else if (manner->greet(line) != 0)
        fail(line, "memory is out", "");
    say(line);
}

static void readable(struct line *line) {
    struct inquirer *inquirer = line->owner;
    const struct manner *manner = inquirer->options->manner;
    size_t before = line->tail.len, taken;
    ssize_t got = recv(line->fd, inquirer->input + before, INPUT, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        fail(line, "the server closed the connection", got < 0 ? strerror(errno) : "");
        return;
    }
    inquirer->now_ns = gauge_now_ns();
    if (before > 0) memcpy(inquirer->input, line->tail.data, before);
    size_t len = before + (size_t)got;
    buf_truncate(&line->tail, 0);
    taken = manner->take(line, inquirer->input, len);
    if (taken == INQUIRY_GARBLED)
        fail(line, "the server sent what is not the protocol", "");
    else if (len - taken > LONGEST)
        fail(line, "the server sent more at once than it should", "");
    else if (len > taken && buf_append(&line->tail, inquirer->input + taken, len - taken) != 0)
        fail(line, "memory is out", "");
    if (inquirer->failed) return;
    if (manner->once && line->state == LINE_READY && line->slots[0].asked_ns == 0)
        ask_anew(line);
    else
        say(line);
}

static void turn(struct inquirer *inquirer, uint64_t until_ns) {
    struct epoll_event events[EVENTS];
    uint64_t now = gauge_now_ns(), wait = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
    int count = epoll_pwait2(inquirer->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count && !inquirer->failed; i++) {
        struct line *line = events[i].data.ptr;
        if (line->state == LINE_DIALLING) {
            connected(line);
            continue;
        }
        if ((events[i].events & EPOLLOUT) != 0) say(line);
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0 && line->fd >= 0) readable(line);
    }
}

// --- phases ---------------------------------------------------------------------------------------------

static uint64_t after(double seconds) {
    return gauge_now_ns() + (uint64_t)(seconds * SECOND_NS);
}

static int gather(struct inquirer *inquirer, struct err *err) {
    const struct inquirer_options *options = inquirer->options;
    if (options->manner->once) return 0; // each question has its own
    for (uint32_t i = 0; i < options->connections && !inquirer->failed; i++) dial(&inquirer->lines[i]);
    uint64_t end_ns = after(options->deadline);
    while (inquirer->ready < options->connections && !inquirer->failed) {
        if (gauge_now_ns() >= end_ns)
            return err_set(err, ERR_SYSTEM, "only %u of %u connections are ready after %g s", inquirer->ready,
                           options->connections, options->deadline);
        turn(inquirer, end_ns);
    }
    return 0;
}

static void begin(struct inquirer *inquirer) {
    for (uint32_t i = 0; i < inquirer->options->connections && !inquirer->failed; i++) {
        struct line *line = &inquirer->lines[i];
        if (inquirer->options->manner->once) {
            ask_anew(line);
            continue;
        }
        uint64_t now_ns = gauge_now_ns();
        for (uint32_t slot = 0; slot < line->depth; slot++) ask(line, slot, now_ns);
        say(line);
    }
}

static void go_on(struct inquirer *inquirer, uint64_t end_ns, bool to_the_last) {
    while (!inquirer->failed && gauge_now_ns() < end_ns && !(to_the_last && inquirer->under_way == 0))
        turn(inquirer, end_ns);
}

static int measure(struct inquirer *inquirer, struct err *err) {
    const struct inquirer_options *options = inquirer->options;
    struct inquirer_report *report = inquirer->report;
    inquirer->budget = options->fill ? options->records : FOREVER;
    if (!options->fill) {
        begin(inquirer);
        go_on(inquirer, after(options->warmup), false);
    }
    if (gauge_read(&options->gauge, &report->from, err) != 0) return -1;
    uint64_t right = report->right;
    inquirer->measure_ns = report->from.at_ns;
    if (options->fill) begin(inquirer);
    // What is to be filled takes as long as it takes, while something happens.
    for (uint64_t answers = 0; options->fill && inquirer->under_way > 0 && !inquirer->failed;) {
        answers = report->right + report->wrong;
        go_on(inquirer, after(options->deadline), true);
        if (answers == report->right + report->wrong) break;
    }
    if (!options->fill) go_on(inquirer, after(options->seconds), false);
    report->measured = report->right - right;
    if (gauge_read(&options->gauge, &report->to, err) != 0) return -1;
    inquirer->budget = 0;
    go_on(inquirer, after(options->deadline), true);
    report->missing = inquirer->under_way;
    return 0;
}

// --- life -----------------------------------------------------------------------------------------------

static int read_credentials(struct inquirer *inquirer, struct err *err) {
    const char *path = inquirer->options->login;
    struct credential one;
    FILE *file = fopen(path, "re");
    int result = 0;
    if (file == NULL) return err_system(err, errno, "cannot read %s", path);
    while (result == 0 && fscanf(file, "%31s %127s", one.name, one.secret) == 2) {
        struct credential *grown =
            realloc(inquirer->credentials, (inquirer->credential_count + 1) * sizeof *grown);
        if (grown == NULL) {
            result = err_set(err, ERR_MEMORY, "memory is out");
            break;
        }
        inquirer->credentials = grown;
        grown[inquirer->credential_count++] = one;
    }
    fclose(file);
    if (result == 0 && inquirer->credential_count == 0)
        return err_set(err, ERR_INVALID, "%s has no line NAME SECRET", path);
    return result;
}

static int open_lines(struct inquirer *inquirer) {
    const struct inquirer_options *options = inquirer->options;
    inquirer->lines = calloc(options->connections, sizeof *inquirer->lines);
    inquirer->input = malloc(INPUT + LONGEST);
    if (inquirer->lines == NULL || inquirer->input == NULL) return -1;
    for (uint32_t i = 0; i < options->connections; i++) {
        struct line *line = &inquirer->lines[i];
        *line = (struct line){
            .index = i, .fd = -1, .depth = options->depth, .work = options->work, .owner = inquirer};
        line->slots = calloc(options->depth, sizeof *line->slots);
        if (line->slots == NULL) return -1;
        if (options->manner->open != NULL && options->manner->open(line) != 0) return -1;
    }
    return 0;
}

static void close_all(struct inquirer *inquirer) {
    const struct manner *manner = inquirer->options->manner;
    for (uint32_t i = 0; inquirer->lines != NULL && i < inquirer->options->connections; i++) {
        struct line *line = &inquirer->lines[i];
        if (line->owner == NULL) break; // never opened
        hang_up(line);
        if (manner->close != NULL) manner->close(line);
        buf_wipe(&line->out); // it may have had a secret
        buf_free(&line->tail);
        free(line->slots);
    }
    if (inquirer->epoll >= 0) close(inquirer->epoll);
    free(inquirer->lines);
    free(inquirer->input);
    free(inquirer->credentials);
}

int inquirer_run(const struct inquirer_options *options, struct inquirer_report *report, struct err *err) {
    struct inquirer inquirer = {.options = options, .report = report, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    int result = inquirer.epoll < 0 ? err_system(err, errno, "epoll_create1") : 0;
    inquirer.run = (uint32_t)gauge_now_ns() ^ (uint32_t)getpid();
    dice_seed(&inquirer.dice, 1); // the same names in the same order for everyone
    if (result == 0) result = place_parse(&inquirer.place, options->server, err);
    if (result == 0 && options->work == WORK_LOGIN) result = read_credentials(&inquirer, err);
    if (result == 0 && open_lines(&inquirer) != 0) result = err_set(err, ERR_MEMORY, "memory is out");
    if (result == 0) result = gauge_read(&options->gauge, &report->before, err);
    if (result == 0) result = gather(&inquirer, err);
    if (result == 0 && !inquirer.failed) result = measure(&inquirer, err);
    if (result == 0 && inquirer.failed) {
        *err = inquirer.err;
        result = -1;
    }
    close_all(&inquirer);
    return result;
}

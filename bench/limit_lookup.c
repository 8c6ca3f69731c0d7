// The bare limit of lookups: the least that a server can do which is asked over HTTP. A yardstick for
// scripts/bench.
//
//     GET /v1/identities?login=NAME ──recv──► which NAME?
//     as Herald answers             ◄──send── the record that every name has
//
//     bench/limit_lookup      prints its address, and runs until it is stopped
//
// Questions are expected whole in one recv, as bench/inquire asks them. Nothing is parsed, nothing is looked
// up, nothing is kept: what is left is what the kernel takes for it.
#include "door.h"
#include "inquiry.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS       1024
#define QUESTIONS    16384 // bytes, at a time
#define ASKS         "GET /v1/identities?login="
#define ASKS_LEN     (sizeof ASKS - 1)
#define HEAD_END     "\r\n\r\n"
#define HEAD_END_LEN (sizeof HEAD_END - 1)

// The answer about one name, and where the name stands in it: those of the same length differ there only.
struct answer {
    struct buf text;
    size_t name_len, at[2];
};

static void answer_make(struct answer *answer, const char *name) {
    struct buf record = {0};
    buf_truncate(&answer->text, 0);
    answer->name_len = strlen(name);
    if (record_write(&record, name) != 0 || buf_append_text(&record, "\n") != 0 ||
        buf_printf(
            &answer->text,
            "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n"
            "Content-Length: %zu\r\nETag: \"1000\"\r\nHerald-Clock: 1.1000\r\n\r\n",
            record.len) != 0)
        die("memory");
    size_t head = answer->text.len;
    if (buf_append_str(&answer->text, buf_str(&record)) != 0) die("memory");
    const char *body = answer->text.data + head, *end = answer->text.data + answer->text.len;
    const char *login = memmem(body, (size_t)(end - body), "\"login\":\"", 9);
    if (login == NULL) die("the record has no login");
    answer->at[0] = (size_t)(login + 9 - answer->text.data);
    const char *called = memmem(login, (size_t)(end - login), RECORD_CALLED, strlen(RECORD_CALLED));
    if (called == NULL) die("the record has no name");
    answer->at[1] = (size_t)(called + strlen(RECORD_CALLED) - answer->text.data);
    buf_free(&record);
}

// Puts the answer to the first question behind what is in `out`. What is behind that question; NULL: it is
// none of ours.
static const char *answer_next(struct answer *answer, const char *question, const char *end,
                               struct buf *out) {
    char name[INQUIRY_NAME];
    if ((size_t)(end - question) < ASKS_LEN || memcmp(question, ASKS, ASKS_LEN) != 0) return NULL;
    const char *from = question + ASKS_LEN;
    const char *until = memchr(from, ' ', (size_t)(end - from));
    const char *last = memmem(from, (size_t)(end - from), HEAD_END, HEAD_END_LEN);
    if (until == NULL || last == NULL || (size_t)(until - from) >= sizeof name) return NULL;
    size_t len = (size_t)(until - from);
    memcpy(name, from, len);
    name[len] = '\0';
    if (len != answer->name_len) answer_make(answer, name);
    for (int i = 0; i < 2; i++) memcpy(answer->text.data + answer->at[i], name, len);
    if (buf_append_str(out, buf_str(&answer->text)) != 0) die("memory");
    return last + HEAD_END_LEN;
}

// False: not all of it were questions of ours, or the other side has gone.
static bool answer_all(struct answer *answer, int fd, struct buf *out) {
    char questions[QUESTIONS];
    ssize_t got = recv(fd, questions, sizeof questions, 0);
    if (got <= 0) return false;
    buf_truncate(out, 0);
    const char *at = questions, *end = questions + got;
    while (at != NULL && at < end) at = answer_next(answer, at, end, out);
    return at != NULL && send(fd, out->data, out->len, MSG_NOSIGNAL) == (ssize_t)out->len;
}

int main(void) {
    struct answer answer = {0};
    struct buf out = {0};
    struct epoll_event events[EVENTS];
    (void)door_room();
    int door = door_open(), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event at_door = {.events = EPOLLIN, .data.fd = door};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, door, &at_door) != 0) die("epoll");
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != door) {
                if (!answer_all(&answer, fd, &out)) close(fd);
                continue;
            }
            while ((fd = door_next(door)) >= 0) {
                struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
                if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
            }
        }
    }
}

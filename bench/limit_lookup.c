// The bare limit of lookups: the least that a server can do which is asked over HTTP. A yardstick for
// scripts/bench.
//
//     GET /v1/identities?login=NAME ──recv──► which NAME? ──► the record that every name has ──send──► as
//     Herald answers
//
//     bench/limit_lookup      prints its address, and runs until it is stopped
//
// A question is expected whole in one recv, as bench/inquire asks it. Nothing is parsed, nothing is looked
// up, nothing is kept: what is left is what the kernel takes for it.
#include "door.h"
#include "inquiry.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS   1024
#define QUESTION 4096
#define ASKS     "GET /v1/identities?login="
#define ASKS_LEN (sizeof ASKS - 1)

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

// False: this is no question of ours, or the other side has gone.
static bool answer_one(struct answer *answer, int fd) {
    char question[QUESTION], name[INQUIRY_NAME];
    ssize_t got = recv(fd, question, sizeof question, 0);
    if (got < (ssize_t)ASKS_LEN || memcmp(question, ASKS, ASKS_LEN) != 0) return false;
    const char *from = question + ASKS_LEN;
    const char *end = memchr(from, ' ', (size_t)got - ASKS_LEN);
    if (end == NULL || (size_t)(end - from) >= sizeof name) return false;
    size_t len = (size_t)(end - from);
    memcpy(name, from, len);
    name[len] = '\0';
    if (len != answer->name_len) answer_make(answer, name);
    for (int i = 0; i < 2; i++) memcpy(answer->text.data + answer->at[i], name, len);
    return send(fd, answer->text.data, answer->text.len, MSG_NOSIGNAL) == (ssize_t)answer->text.len;
}

int main(void) {
    struct answer answer = {0};
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
                if (!answer_one(&answer, fd)) close(fd);
                continue;
            }
            while ((fd = door_next(door)) >= 0) {
                struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
                if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
            }
        }
    }
}

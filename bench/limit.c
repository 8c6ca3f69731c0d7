// The bare limit: the least that a server of broadcasts can do. A yardstick for scripts/bench, no server.
//
//     publishers ──recv, 256 KiB at most each a turn──► ring: whole lines, one after the other, mapped twice
//     in a row
//                                                         │   so that any part of it is one piece of memory
//     readers    ◄──one send each a turn: all that it has not had──┘   who is a whole ring behind is closed
//
//     bench/limit [RING IN MIB]      prints its address, and runs until it is stopped
//
// It speaks the dialect `bare` (dialect.h): the first line of a connection is answered LOGIN_SUCCESS, every
// later one goes to everyone as it is. Nothing is parsed, nothing is checked.
#include "door.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING   64           // MiB
#define READ   (256u << 10) // from one connection in one turn
#define EVENTS 1024

static const char welcome[] = "{\"command\":\"LOGIN_SUCCESS\",\"info\":\"logged in as user anonymous\"}\n";

struct client {
    uint64_t cursor;   // how much of all that was ever said it has been sent
    char *tail;        // the beginning of a line
    uint32_t tail_len; // READ at most
    bool open, in, blocked;
};

struct limit {
    int epoll, listener;
    char *ring;             // twice
    size_t size;            // of it
    uint64_t head;          // how much was ever said
    struct client *clients; // by descriptor
    int end, room;          // no client is at `end` or beyond it; room for so many
    bool news;              // there is something to tell somebody
};

static char *make_ring(size_t size) {
    int fd = memfd_create("ring", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) die("memfd_create");
    char *ring = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED) die("mmap");
    for (size_t half = 0; half < 2; half++) {
        if (mmap(ring + half * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
            MAP_FAILED)
            die("mmap");
    }
    close(fd);
    return ring;
}

static void watch(struct limit *limit, int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(limit->epoll, operation, fd, &event) != 0) die("epoll_ctl");
}

static void hang_up(struct limit *limit, int fd) {
    struct client *client = &limit->clients[fd];
    close(fd);
    free(client->tail);
    *client = (struct client){0};
    while (limit->end > 0 && !limit->clients[limit->end - 1].open) limit->end--;
}

static void welcome_all(struct limit *limit) {
    for (;;) {
        int fd = door_next(limit->listener);
        if (fd < 0) return;
        if (fd >= limit->room) {
            close(fd);
            continue;
        }
        limit->clients[fd] = (struct client){.open = true};
        if (fd >= limit->end) limit->end = fd + 1;
        watch(limit, EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

// The first line has come, perhaps with more behind it, at the ring's head: its length; 0 if not yet.
static size_t let_in(struct limit *limit, int fd, const char *data, size_t len) {
    const char *end = memchr(data, '\n', len);
    if (end == NULL) return 0;
    limit->clients[fd].in = send(fd, welcome, sizeof welcome - 1, MSG_NOSIGNAL) > 0;
    limit->clients[fd].cursor = limit->head;
    return (size_t)(end - data) + 1;
}

// Bytes go straight into the ring; what is behind the last newline comes out again. -1: the client has left.
static int hear(struct limit *limit, int fd) {
    struct client *client = &limit->clients[fd];
    char *at = limit->ring + limit->head % limit->size;
    size_t tail = client->tail_len;
    if (tail == READ) return -1; // a line without end
    ssize_t got = recv(fd, at + tail, READ - tail, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) return -1;
    if (tail > 0) memcpy(at, client->tail, tail);
    size_t len = tail + (size_t)got;
    if (!client->in) {
        size_t first = let_in(limit, fd, at, len);
        if (first > 0 && !client->in) return -1;
        memmove(at, at + first, len -= first);
    }
    const char *last = client->in ? memrchr(at, '\n', len) : NULL;
    size_t whole = last == NULL ? 0 : (size_t)(last - at) + 1;
    client->tail_len = (uint32_t)(len - whole);
    if (client->tail_len > 0) {
        char *kept = client->tail != NULL ? client->tail : malloc(READ);
        if (kept == NULL) return -1;
        client->tail = memcpy(kept, at + whole, client->tail_len);
    }
    limit->head += whole;
    limit->news |= whole > 0;
    return 0;
}

static void tell(struct limit *limit, int fd) {
    struct client *client = &limit->clients[fd];
    uint64_t pending = limit->head - client->cursor;
    if (pending > limit->size - READ) { // what it has not had is about to be written over
        hang_up(limit, fd);
        return;
    }
    if (pending == 0 || client->blocked) return;
    ssize_t sent = send(fd, limit->ring + client->cursor % limit->size, pending, MSG_NOSIGNAL);
    if (sent > 0) client->cursor += (uint64_t)sent;
    if (sent >= 0 && (uint64_t)sent == pending) return;
    if (sent < 0 && errno != EAGAIN) {
        hang_up(limit, fd);
        return;
    }
    client->blocked = true;
    watch(limit, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT);
}

static void turn(struct limit *limit) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(limit->epoll, events, EVENTS, -1);
    uint64_t room = limit->size - READ; // of what is read in one turn, nobody may have had any
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;
        if (fd == limit->listener) {
            welcome_all(limit);
            continue;
        }
        if ((events[i].events & EPOLLOUT) != 0) {
            limit->clients[fd].blocked = false;
            limit->news = true;
            watch(limit, EPOLL_CTL_MOD, fd, EPOLLIN);
        }
        if ((events[i].events & ~(uint32_t)EPOLLOUT) == 0 || room < READ)
            continue; // the rest in the next turn
        uint64_t head = limit->head;
        if (hear(limit, fd) != 0)
            hang_up(limit, fd);
        else
            room -= limit->head - head;
    }
    for (int fd = 0; limit->news && fd < limit->end; fd++) {
        if (limit->clients[fd].in) tell(limit, fd);
    }
    limit->news = false;
}

int main(int argc, char **argv) {
    static struct limit limit;
    limit.room = door_room();
    limit.epoll = epoll_create1(EPOLL_CLOEXEC);
    limit.clients = calloc((size_t)limit.room, sizeof *limit.clients);
    if (limit.epoll < 0 || limit.clients == NULL) die("epoll_create1");
    int mebibytes = argc > 1 ? atoi(argv[1]) : RING;
    if (mebibytes < 1) return 2;
    limit.size = (size_t)mebibytes << 20;
    limit.ring = make_ring(limit.size);
    limit.listener = door_open();
    watch(&limit, EPOLL_CTL_ADD, limit.listener, EPOLLIN);
    for (;;) turn(&limit);
}

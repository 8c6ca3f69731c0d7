// What a pass costs, by how it is sent: the sends of a shard without a server around them. The figures are
// those of docs/decisions/0014-what-fan-out-is-made-of.md.
//
//     this thread, processor 0: `readers` TCP connections, a pass of `frames` frames to each, again and again
//         each     a send for every frame                    span     one send of what lies in one piece
//         copy     copied for each reader, then one send     iovec    one sendmsg with a piece for every
//         frame uring    one submission for all readers            zc       MSG_ZEROCOPY
//     another thread, processor 1: reads everything
//
// A pass begins when the readers have all of the one before, so nothing queues and no send is refused.
#include "median.h"

#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FRAME       378u // bytes: an activity of 300, with its envelope
#define FRAMES_MOST 128u
#define READERS     1000u
#define ROUNDS      5
#define ROUND_NS    400000000u
#define EVENTS      512

struct field { // where it happens
    int out[READERS], in[READERS];
    unsigned readers, frames;
    char *bytes; // of a pass
    char *own;   // for `copy`
    struct io_uring ring;
    atomic_uint_fast64_t heard; // bytes
    uint64_t said;
    atomic_bool over;
    clockid_t listening; // CPU of the thread that reads
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) die("clock_gettime");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// --- the ways ---------------------------------------------------------------------------------------------

static void send_whole(int fd, const char *data, size_t len, int flags) {
    if (send(fd, data, len, MSG_NOSIGNAL | flags) != (ssize_t)len) die("send");
}

static void pass_each(struct field *field) {
    for (unsigned i = 0; i < field->readers; i++)
        for (unsigned at = 0; at < field->frames; at++)
            send_whole(field->out[i], field->bytes + at * FRAME, FRAME, MSG_DONTWAIT);
}

static void pass_span(struct field *field) {
    for (unsigned i = 0; i < field->readers; i++)
        send_whole(field->out[i], field->bytes, field->frames * FRAME, MSG_DONTWAIT);
}

static void pass_copy(struct field *field) {
    for (unsigned i = 0; i < field->readers; i++) {
        for (unsigned at = 0; at < field->frames; at++)
            memcpy(field->own + at * FRAME, field->bytes + at * FRAME, FRAME);
        send_whole(field->out[i], field->own, field->frames * FRAME, MSG_DONTWAIT);
    }
}

static void pass_iovec(struct field *field) {
    struct iovec pieces[FRAMES_MOST];
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = field->frames};
    for (unsigned at = 0; at < field->frames; at++)
        pieces[at] = (struct iovec){field->bytes + at * FRAME, FRAME};
    for (unsigned i = 0; i < field->readers; i++)
        if (sendmsg(field->out[i], &message, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)(field->frames * FRAME))
            die("sendmsg");
}

static void pass_uring(struct field *field) {
    for (unsigned i = 0; i < field->readers; i++) {
        struct io_uring_sqe *entry = io_uring_get_sqe(&field->ring);
        io_uring_prep_send(entry, field->out[i], field->bytes, field->frames * FRAME,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (io_uring_submit_and_wait(&field->ring, field->readers) != (int)field->readers) die("io_uring_submit");
    struct io_uring_cqe *done;
    unsigned at, count = 0;
    io_uring_for_each_cqe(&field->ring, at, done) {
        if (done->res != (int)(field->frames * FRAME)) die("io_uring send");
        count++;
    }
    io_uring_cq_advance(&field->ring, count);
}

// The notices that memory is free again are read in bulk, as a server would.
static void pass_zc(struct field *field) {
    char control[128];
    for (unsigned i = 0; i < field->readers; i++) {
        struct msghdr notice = {.msg_control = control, .msg_controllen = sizeof control};
        send_whole(field->out[i], field->bytes, field->frames * FRAME, MSG_DONTWAIT | MSG_ZEROCOPY);
        while (recvmsg(field->out[i], &notice, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
            notice.msg_controllen = sizeof control;
    }
}

static const struct {
    const char *name;
    void (*pass)(struct field *field);
} ways[] = {{"each", pass_each},   {"span", pass_span},   {"copy", pass_copy},
            {"iovec", pass_iovec}, {"uring", pass_uring}, {"zc", pass_zc}};
#define WAYS (sizeof ways / sizeof *ways)

// --- the field --------------------------------------------------------------------------------------------

static void bind_to(unsigned processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) die("sched_setaffinity: this needs two processors");
}

static void *listen_all(void *context) {
    struct field *field = context;
    static char input[256 * 1024];
    struct epoll_event events[EVENTS];
    bind_to(1);
    int epoll = epoll_create1(0);
    for (unsigned i = 0; i < READERS; i++) {
        events[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = field->in[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, field->in[i], &events[0]) != 0) die("epoll_ctl");
    }
    while (!atomic_load(&field->over)) {
        int count = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            ssize_t got = recv(events[i].data.fd, input, sizeof input, MSG_DONTWAIT);
            if (got > 0) atomic_fetch_add(&field->heard, (uint64_t)got);
        }
    }
    close(epoll);
    return NULL;
}

static void connect_all(struct field *field) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int door = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (door < 0 || bind(door, (struct sockaddr *)&address, sizeof address) != 0 || listen(door, 64) != 0 ||
        getsockname(door, (struct sockaddr *)&address, &len) != 0)
        die("listen");
    for (unsigned i = 0; i < READERS; i++) {
        field->in[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (field->in[i] < 0 || connect(field->in[i], (struct sockaddr *)&address, sizeof address) != 0)
            die("connect");
        field->out[i] = accept(door, NULL, NULL);
        if (field->out[i] < 0) die("accept");
        (void)setsockopt(field->out[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)setsockopt(field->out[i], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one);
    }
    close(door);
}

static void wait_heard(const struct field *field) {
    while (atomic_load(&field->heard) < field->said) sched_yield();
}

// CPU of this thread for one delivery, ns; waiting is not counted.
static double measure(struct field *field, void (*pass)(struct field *field)) {
    uint64_t used = 0, deliveries = 0, end = clock_ns(CLOCK_MONOTONIC) + ROUND_NS;
    while (clock_ns(CLOCK_MONOTONIC) < end) {
        uint64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        pass(field);
        used += clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
        deliveries += (uint64_t)field->readers * field->frames;
        field->said += (uint64_t)field->readers * field->frames * FRAME;
        wait_heard(field);
    }
    return (double)used / (double)deliveries;
}

static void measure_all(struct field *field) {
    double figures[WAYS][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) // in turn, so that a disturbance meets everyone
        for (size_t way = 0; way < WAYS; way++) figures[way][round] = measure(field, ways[way].pass);
    printf("%7u %6u", field->readers, field->frames);
    for (size_t way = 0; way < WAYS; way++) {
        printf(" %8.3f", median(figures[way], ROUNDS) / 1000);
    }
    printf("\n");
    fflush(stdout);
}

// The kernel may hand what io_uring is asked to threads of its own, whose CPU would be missing from the
// figures.
static void nobody_else_worked(const struct field *field) {
    uint64_t all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t ours = clock_ns(CLOCK_THREAD_CPUTIME_ID) + clock_ns(field->listening);
    if (all > ours + ours / 50) printf("other threads used CPU, too: %.2f s\n", (double)(all - ours) / 1e9);
}

int main(void) {
    static struct field field;
    static const unsigned readers[] = {100, READERS}, frames[] = {1, 4, 16, FRAMES_MOST};
    struct rlimit files;
    pthread_t listener;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) die("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) die("setrlimit");
    field.bytes = malloc(FRAME * FRAMES_MOST);
    field.own = malloc(FRAME * FRAMES_MOST);
    if (field.bytes == NULL || field.own == NULL) die("malloc");
    memset(field.bytes, 'x', FRAME * FRAMES_MOST);
    connect_all(&field);
    if (io_uring_queue_init(READERS, &field.ring, IORING_SETUP_SINGLE_ISSUER) != 0)
        die("io_uring_queue_init");
    if (pthread_create(&listener, NULL, listen_all, &field) != 0) die("pthread_create");
    if (pthread_getcpuclockid(listener, &field.listening) != 0) die("pthread_getcpuclockid");
    bind_to(0);
    printf("microseconds of CPU for a delivery of %u bytes, median of %d\nreaders frames", FRAME, ROUNDS);
    for (size_t way = 0; way < WAYS; way++) printf(" %8s", ways[way].name);
    printf("\n");
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        for (size_t j = 0; j < sizeof frames / sizeof *frames; j++) {
            field.readers = readers[i];
            field.frames = frames[j];
            measure_all(&field);
        }
    nobody_else_worked(&field);
    atomic_store(&field.over, true);
    pthread_join(listener, NULL);
    io_uring_queue_exit(&field.ring);
    return 0;
}

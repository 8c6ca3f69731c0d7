// What TLS costs, without sockets: sealing and opening by the length of what is said at once, greeting, and
// the memory of a connection that is idle.
//
//     scripts/env meson setup build-bench --buildtype=release
//     scripts/env ninja -C build-bench bench/bench_tls
//     scripts/env build-bench/bench/bench_tls FOLDER        (for a key and a certificate)
//
// Time is this thread's on the processor; every line is the median of nine runs over the same work.
#include "median.h"

#include "base/secret.h"
#include "net/tls.h"
#include "net/tls_certificate.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS      9
#define WORK      (64u << 20) // bytes of a run
#define GREETINGS 200
#define IDLE      1000

struct pair {
    struct tls *client, *server;
    struct buf to_server, to_client, heard;
    double server_s; // greeting
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(int holds, const struct err *err) {
    if (holds) return;
    fprintf(stderr, "bench_tls: %s\n", err->text);
    exit(1);
}

static bool anyone(void *context, const struct tls_peer *peer) {
    (void)context, (void)peer;
    return true;
}

static void greet(struct pair *pair, struct tls_context *asking, struct tls_context *serving) {
    struct err err = {0};
    struct tls_wish wish = {.host = "localhost", .accept = anyone};
    *pair = (struct pair){0};
    pair->client = tls_connect(asking, &wish, &pair->to_server, &err);
    check(pair->client != NULL, &err);
    double start = now();
    pair->server = tls_accept(serving, NULL, &err);
    pair->server_s = now() - start;
    check(pair->server != NULL, &err);
    while (pair->to_server.len + pair->to_client.len > 0) {
        start = now();
        check(!tls_receive(pair->server, buf_str(&pair->to_server), &pair->heard, &pair->to_client, &err),
              &err);
        pair->server_s += now() - start;
        buf_truncate(&pair->to_server, 0);
        check(!tls_receive(pair->client, buf_str(&pair->to_client), &pair->heard, &pair->to_server, &err),
              &err);
        buf_truncate(&pair->to_client, 0);
    }
}

static void part(struct pair *pair) {
    tls_close(pair->client);
    tls_close(pair->server);
    buf_free(&pair->to_server);
    buf_free(&pair->to_client);
    buf_free(&pair->heard);
}

// Seals `len` bytes at a time, and opens it again.
static void measure_records(struct pair *pair, size_t len) {
    double sealing[RUNS], opening[RUNS];
    struct err err = {0};
    char *said = calloc(1, len);
    check(said != NULL, &err);
    for (int run = 0; run < RUNS; run++) {
        sealing[run] = opening[run] = 0;
        for (size_t done = 0; done < WORK;) {
            double start = now();
            for (size_t batch = 0; batch < (1u << 20) && done < WORK; batch += len, done += len)
                check(!tls_send(pair->server, (struct str){said, len}, &pair->to_client, &err), &err);
            double between = now();
            check(!tls_receive(pair->client, buf_str(&pair->to_client), &pair->heard, &pair->to_server, &err),
                  &err);
            sealing[run] += between - start;
            opening[run] += now() - between;
            buf_truncate(&pair->to_client, 0);
            buf_truncate(&pair->heard, 0);
        }
    }
    double seal = median(sealing, RUNS), open = median(opening, RUNS), calls = (double)WORK / (double)len;
    printf("%6zu bytes a call: sealing %5.0f MB/s, %5.2f us a call; opening %5.0f MB/s\n", len,
           WORK / seal / 1e6, seal / calls * 1e6, WORK / open / 1e6);
    free(said);
}

static void measure_greeting(struct tls_context *asking, struct tls_context *serving) {
    double runs[RUNS];
    for (int run = 0; run < RUNS; run++) {
        runs[run] = 0;
        for (int i = 0; i < GREETINGS; i++) {
            struct pair pair;
            greet(&pair, asking, serving);
            runs[run] += pair.server_s;
            part(&pair);
        }
    }
    printf("greeting: %.0f us of the server's\n", median(runs, RUNS) / GREETINGS * 1e6);
}

static void measure_memory(struct tls_context *asking, struct tls_context *serving) {
    static struct tls *idle[IDLE];
    struct err err = {0};
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < IDLE; i++) {
        struct pair pair;
        greet(&pair, asking, serving);
        check(!tls_send(pair.server, STR("oyez"), &pair.to_client, &err), &err);
        check(!tls_send(pair.client, STR("hear ye"), &pair.to_server, &err), &err);
        check(!tls_receive(pair.server, buf_str(&pair.to_server), &pair.heard, &pair.to_client, &err), &err);
        idle[i] = pair.server;
        pair.server = NULL;
        part(&pair);
    }
    printf("an idle connection: %zu bytes\n", (mallinfo2().uordblks - before) / IDLE);
    for (int i = 0; i < IDLE; i++) tls_close(idle[i]);
}

int main(int argc, char **argv) {
    const size_t lengths[] = {TLS_RECORD_MAX * 4, TLS_RECORD_MAX, 4096, 1400, 378, 64};
    const struct str names[] = {STR("localhost")};
    struct err err = {0};
    struct pair pair;
    if (argc != 2) return fprintf(stderr, "bench_tls FOLDER\n"), 2;
    check(secret_init(&err) == 0, &err);
    struct tls_certificate *own = tls_certificate_own(argv[1], names, 1, &err);
    check(own != NULL, &err);
    struct tls_context *serving = tls_context_server(own, &err);
    check(serving != NULL, &err);
    struct tls_context *asking = tls_context_client(&(struct tls_authorities){0}, &err);
    check(asking != NULL, &err);
    measure_memory(asking, serving);
    measure_greeting(asking, serving);
    greet(&pair, asking, serving);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) measure_records(&pair, lengths[i]);
    part(&pair);
    tls_context_close(serving);
    tls_context_close(asking);
    tls_certificate_close(own);
    return 0;
}

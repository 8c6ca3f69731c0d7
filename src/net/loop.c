// One thread's event loop.
//
//     loop_turn:  poll ──> sockets, mails, wakes, signals ──> timers ──> turn(): the flush pass
//                  ^          (libuv: uv_run, one round)                   │
//                  └───────────────────────────────────────────────────────┘
//
// libuv runs its timers after its "check" handles, so a flush pass in one of those would leave what a timer
// did lying until the next event. Hence we take libuv's rounds one by one and end each with the pass.
#include "net/loop_private.h"

#include <assert.h>
#include <stdlib.h>

int loop_error(struct err *err, int status, const char *what) {
    return err_set(err, status == UV_ENOMEM ? ERR_MEMORY : ERR_SYSTEM, "cannot %s: %s", what,
                   uv_strerror(status));
}

void loop_refresh(struct loop *loop) {
    if (!loop->turning) uv_update_time(&loop->uv);
}

struct loop *loop_open(struct err *err) {
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        loop_error(err, UV_ENOMEM, "make an event loop");
        return NULL;
    }
    int status = uv_loop_init(&loop->uv);
    if (status < 0) {
        loop_error(err, status, "make an event loop");
        free(loop);
        return NULL;
    }
    if (socks_init(loop, err) == 0) return loop;
    uv_loop_close(&loop->uv);
    free(loop);
    return NULL;
}

static void must_be_closing(uv_handle_t *handle, void *unused) {
    (void)unused;
    assert(uv_is_closing(handle));
}

void loop_close(struct loop *loop) {
    if (loop == NULL) return;
    assert(!loop->turning);
    socks_close(loop);
    uv_walk(&loop->uv, must_be_closing, NULL);
    // Frees what waits for its close callback; a resolver that was cancelled in mid-question is waited for.
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int status = uv_loop_close(&loop->uv);
    assert(status == 0);
    (void)status;
    free(loop);
}

void loop_run(struct loop *loop) {
    while (!loop->stopped) loop_turn(loop, true);
    loop->stopped = false;
}

void loop_stop(struct loop *loop) {
    loop->stopped = true;
}

void loop_turn(struct loop *loop, bool wait) {
    assert(!loop->turning);
    loop->turning = true;
    uv_update_time(&loop->uv); // how long to poll is reckoned from now, not from before the last flush pass
    uv_run(&loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    if (loop->turn != NULL) loop->turn(loop->turn_context);
    loop->turning = false;
}

uint64_t loop_now(struct loop *loop) {
    loop_refresh(loop);
    return uv_now(&loop->uv);
}

void loop_on_turn(struct loop *loop, void (*turn)(void *context), void *context) {
    assert(loop->turn == NULL || turn == NULL);
    loop->turn = turn;
    loop->turn_context = context;
}

// Timers on a loop.
#include "net/loop_private.h"

#include <assert.h>
#include <stdlib.h>

struct timer {
    uv_timer_t uv;
    struct loop *loop;
    void (*fired)(void *context);
    void *context;
};

static void on_timer(uv_timer_t *uv) {
    struct timer *timer = uv->data;
    timer->fired(timer->context);
}

static void on_closed(uv_handle_t *uv) {
    free(uv->data);
}

struct timer *timer_open(struct loop *loop, void (*fired)(void *context), void *context, struct err *err) {
    struct timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL) {
        loop_error(err, UV_ENOMEM, "make a timer");
        return NULL;
    }
    uv_timer_init(&loop->uv, &timer->uv); // cannot fail
    timer->uv.data = timer;
    timer->loop = loop;
    timer->fired = fired;
    timer->context = context;
    return timer;
}

void timer_start(struct timer *timer, uint64_t after_ms, uint64_t repeat_ms) {
    loop_refresh(timer->loop);
    int status = uv_timer_start(&timer->uv, on_timer, after_ms, repeat_ms);
    assert(status == 0); // fails only for a closed timer
    (void)status;
}

void timer_stop(struct timer *timer) {
    uv_timer_stop(&timer->uv);
}

void timer_close(struct timer *timer) {
    if (timer == NULL) return;
    uv_close((uv_handle_t *)&timer->uv, on_closed);
}

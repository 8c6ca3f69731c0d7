// Wakes: any thread tells a loop that there is something to do.
//
// libuv merges sends, too, but without promising that what a merged sender wrote before is seen: `pending`
// gives that order (release by each sender, acquire by the woken) and spares merged senders the call.
#include "net/loop_private.h"

#include <stdatomic.h>
#include <stdlib.h>

struct wake {
    uv_async_t async;
    atomic_bool pending; // sent, and not yet called back
    void (*woken)(void *context);
    void *context;
};

static void on_async(uv_async_t *async) {
    struct wake *wake = async->data;
    atomic_exchange_explicit(&wake->pending, false, memory_order_acq_rel);
    wake->woken(wake->context);
}

static void on_closed(uv_handle_t *async) {
    free(async->data);
}

struct wake *wake_open(struct loop *loop, void (*woken)(void *context), void *context, struct err *err) {
    struct wake *wake = calloc(1, sizeof *wake);
    if (wake == NULL) {
        loop_error(err, UV_ENOMEM, "make a wake");
        return NULL;
    }
    int status = uv_async_init(&loop->uv, &wake->async, on_async);
    if (status < 0) {
        loop_error(err, status, "make a wake");
        free(wake);
        return NULL;
    }
    wake->async.data = wake;
    wake->woken = woken;
    wake->context = context;
    return wake;
}

void wake_send(struct wake *wake) {
    if (atomic_exchange_explicit(&wake->pending, true, memory_order_acq_rel)) return;
    uv_async_send(&wake->async);
}

void wake_close(struct wake *wake) {
    if (wake == NULL) return;
    uv_close((uv_handle_t *)&wake->async, on_closed);
}

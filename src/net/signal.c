// Signals, delivered on a loop's thread like any other event.
#include "net/loop_private.h"

#include <stdlib.h>

struct signal_watch {
    uv_signal_t uv;
    void (*caught)(void *context, int signal);
    void *context;
};

static void on_signal(uv_signal_t *uv, int number) {
    struct signal_watch *watch = uv->data;
    watch->caught(watch->context, number);
}

static void on_closed(uv_handle_t *uv) {
    free(uv->data);
}

struct signal_watch *signal_open(struct loop *loop, int signal, void (*caught)(void *context, int signal),
                                 void *context, struct err *err) {
    struct signal_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        loop_error(err, UV_ENOMEM, "watch for a signal");
        return NULL;
    }
    watch->caught = caught;
    watch->context = context;
    int status = uv_signal_init(&loop->uv, &watch->uv);
    if (status < 0) {
        loop_error(err, status, "watch for a signal");
        free(watch);
        return NULL;
    }
    watch->uv.data = watch;
    status = uv_signal_start(&watch->uv, on_signal, signal);
    if (status < 0) {
        loop_error(err, status, "watch for a signal");
        signal_close(watch);
        return NULL;
    }
    return watch;
}

void signal_close(struct signal_watch *watch) {
    if (watch == NULL) return;
    uv_close((uv_handle_t *)&watch->uv, on_closed);
}

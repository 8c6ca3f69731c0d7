// What the files of net/ share of a loop. Only net/ includes this.
#pragma once

#include "net/loop.h"

#include <uv.h>

struct loop {
    uv_loop_t uv;
    uv_async_t stay; // never sent: with it open, libuv polls even when nothing else is
    void (*turn)(void *context);
    void *turn_context;
    bool turning; // inside loop_turn
    bool stopped;
};

// Fills `err` for a failed libuv call and returns -1: "cannot WHAT: cause".
int loop_error(struct err *err, int status, const char *what);

// Between turns the loop's clock stands still; this sets it right before it is used.
void loop_refresh(struct loop *loop);

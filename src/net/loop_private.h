// What the files of net/ share of a loop. Only net/ includes this.
#pragma once

#include "net/loop.h"

#include <stddef.h>
#include <sys/epoll.h>
#include <uv.h>

#define SOCKS_ROUND 1024 // sockets served in one turn; the others' turn is the next one

struct loop {
    uv_loop_t uv;
    // All sockets, behind one handle of libuv (sock.c). With it open libuv polls even when nothing else is.
    uv_poll_t socks;
    int socks_epoll;
    size_t socks_open;
    struct epoll_event round[SOCKS_ROUND];
    int round_at, round_count; // those from round_at on have not been told yet
    void (*turn)(void *context);
    void *turn_context;
    bool turning; // inside loop_turn
    bool stopped;
};

// Fills `err` for a failed libuv call and returns -1: "cannot WHAT: cause".
int loop_error(struct err *err, int status, const char *what);

// The sockets of a loop. -1: nothing was left behind.
int socks_init(struct loop *loop, struct err *err);
void socks_close(struct loop *loop); // the handle closes in the next round

// Between turns the loop's clock stands still; this sets it right before it is used.
void loop_refresh(struct loop *loop);

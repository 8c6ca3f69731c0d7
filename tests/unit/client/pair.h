// A session whose servers are the other ends of socket pairs: its whole rim without a network.
//
//   struct pair pair;            pair_open; pair_send(&pair, slot, bytes) ──► herald_step ──► pair_received
#pragma once

#include "client/session.h"

#include "base/clock.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
    struct herald *session;
    int others[PLAN_SLOTS]; // -1: not connected
    unsigned dials;
    char error[256];
};

static struct pair *pair_current; // the plan's context is the session

static void pair_dial(void *context, unsigned slot, const struct where *where) {
    struct herald *session = context;
    struct conn *conn = &session->conns[slot];
    int ends[2];
    (void)where;
    pair_current->dials++;
    conn_begin(conn, session->max_message, clock_monotonic_ms() + session->connect_timeout_ms);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) abort();
    conn->fd = ends[0];
    conn->state = CONN_OPEN;
    conn_want(conn, true, false);
    pair_current->others[slot] = ends[1];
}

static void pair_hang_up(void *context, unsigned slot) {
    session_plan_ops.hang_up(context, slot);
    if (pair_current->others[slot] >= 0) close(pair_current->others[slot]);
    pair_current->others[slot] = -1;
}

// False: herald_open failed, and pair->error says why.
static bool pair_open(struct pair *pair, struct herald_options options) {
    static const char *const nowhere[] = {"192.0.2.1:1", "192.0.2.2:1"}; // never reached: RFC 5737
    static struct plan_ops ops;
    options.size = sizeof options;
    options.servers = nowhere;
    if (options.server_count == 0) options.server_count = 1;
    *pair = (struct pair){0};
    for (unsigned i = 0; i < PLAN_SLOTS; i++) pair->others[i] = -1;
    pair_current = pair;
    pair->session = herald_open(&options, pair->error, sizeof pair->error);
    if (!pair->session) return false;
    ops = session_plan_ops;
    ops.dial = pair_dial;
    ops.hang_up = pair_hang_up;
    pair->session->plan.ops = &ops;
    for (unsigned i = 0; i < PLAN_SLOTS; i++) { // what herald_open began, once more
        conn_close(&pair->session->conns[i]);
        if (pair->session->plan.slots[i].state == SLOT_DIALLING) pair_dial(pair->session, i, NULL);
    }
    return true;
}

static void pair_close(struct pair *pair) {
    for (unsigned i = 0; i < PLAN_SLOTS; i++)
        if (pair->others[i] >= 0) close(pair->others[i]);
    herald_close(pair->session);
    pair->session = NULL;
}

// False: not connected, or no room.
static bool pair_send(struct pair *pair, unsigned slot, const void *bytes, size_t len) {
    return pair->others[slot] >= 0 && send(pair->others[slot], bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

// What the session has sent, up to `capacity`.
static size_t pair_received(struct pair *pair, unsigned slot, char *bytes, size_t capacity) {
    ssize_t got = pair->others[slot] >= 0 ? recv(pair->others[slot], bytes, capacity, 0) : -1;
    return got > 0 ? (size_t)got : 0;
}

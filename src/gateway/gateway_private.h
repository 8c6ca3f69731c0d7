// The gateway as its files see it. On the core thread, but for what is said of a gate.
#pragma once

#include "gateway/control.h"
#include "gateway/gate.h"

// A gate's thread is done with it: it is counted out and freed.
void gateway_conn_gone(struct gateway *gateway, struct conn *conn);

struct gateway {
    struct loop *loop;
    struct gateway_settings settings;
    struct stream *stream;
    struct proposer *proposer;
    struct mailbox *mailbox; // connections on their way out
    struct listener *listener;
    struct control *control;
    struct gate *gates;
    unsigned gate_count, gates_open;
    unsigned next_gate;
    uint64_t turned_away;
    int64_t started_ms;

    // draining
    unsigned gates_draining;
    struct mail *drain_mails;
    void (*drained)(void *context);
    void *drained_context;
};

// A gate: the gateway's part on one of the stream's shards. Everything here but gate_open and gate_close
// belongs to that shard's thread.
#pragma once

#include "base/log.h"
#include "base/timing.h"
#include "gateway/conn.h"
#include "gateway/gateway.h"
#include "gateway/metrics.h"
#include "store/store.h"
#include "stream/guest.h"
#include "wire/message.h"

#define GATE_INPUT   (64u * 1024) // bytes read from one connection at a time
#define GATE_TICK_MS 250u         // how often deadlines are looked at

struct gateway;
struct call;

struct gate {
    struct gateway *gateway;
    unsigned shard;
    struct loop *loop;
    struct mailbox *mailbox; // the shard's
    struct stream *stream;
    struct proposer *proposer;
    struct gateway_settings settings; // a copy; the gate's own
    struct store *store;              // a reader: gate_store
    uint64_t held_clock;              // durable when what it holds was begun
    bool holds;                       // one view for the whole turn
    struct parser *parser;
    struct timer *timer;
    bool ticking;
    struct watch *watch;
    uint64_t told;           // all up to that clock, and who had to go for it, has
    char *input;             // GATE_INPUT bytes
    struct buf plain;        // what was read under TLS
    struct buf scratch;      // what is being answered to the connection that is served just now
    struct buf body, header; // of the reply that is being made
    struct buf text;         // decoded parameters
    char date[HTTP_DATE_SIZE];
    int64_t date_s; // the second that `date` says
    struct conn *all;
    struct conn *waits[CONN_WAITS]; // by what for; soonest first
    struct call *parked;            // calls that wait for the clock
    struct follow *followers;
    bool draining;
    uint64_t drain_until_ms;
    struct mail *drained;
    struct metrics metrics;
};

// On the core thread, before or after the loop's thread runs. -1: nothing was left behind.
int gate_open(struct gate *gate, struct gateway *gateway, unsigned shard, const char *directory,
              struct err *err);
void gate_reload(struct gate *gate, const struct gateway_settings *settings);
void gate_drain(struct gate *gate, struct mail *drained); // posted to the gateway's mailbox when done
void gate_stop(struct gate *gate);  // when the thread has ended: watches the proposer no more
void gate_close(struct gate *gate); // after it

void gate_tick_soon(struct gate *gate); // there is a connection: deadlines are looked at from now on
void gate_conn_gone(struct gate *gate); // a connection has left its list
const char *gate_date(struct gate *gate);
// The roll as of now, or later: whoever was answered before this sees what was answered. Until the turn ends,
// or something changes, all who look see the same.
struct store *gate_store(struct gate *gate);

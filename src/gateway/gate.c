// A gate: what the connections of one shard share. See gate.h.
#include "gateway/gate.h"

#include "base/clock.h"
#include "gateway/call.h"
#include "gateway/follow.h"
#include "gateway/gateway_private.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define GATE_DEPTH 8u // of the JSON of accounts

const char *gate_date(struct gate *gate) {
    int64_t now = clock_wall_ms();
    if (now / 1000 != gate->date_s) {
        gate->date_s = now / 1000;
        http_date(now, gate->date);
    }
    return gate->date;
}

// --- the roll -------------------------------------------------------------------------------------------

static void let_go(struct gate *gate) {
    if (gate->holds) store_release(gate->store);
    gate->holds = false;
}

// The clock is read first: what was durable by then is in what is seen from then on (proposer_clock).
struct store *gate_store(struct gate *gate) {
    struct err err;
    uint64_t clock = proposer_clock(gate->proposer);
    if (gate->held_clock != clock) let_go(gate);
    if (gate->holds) return gate->store;
    gate->held_clock = clock;
    gate->holds = store_hold(gate->store, clock, &err) == 0;
    return gate->store;
}

static void on_turned(void *context) {
    let_go(context);
}

// --- time -----------------------------------------------------------------------------------------------

static void on_tick(void *context) {
    struct gate *gate = context;
    uint64_t now = loop_now(gate->loop);
    for (int i = 0; i < CONN_WAITS; i++)
        while (gate->waits[i] != NULL && gate->waits[i]->due_ms <= now) conn_late(gate->waits[i]);
    call_clock(gate);
    follow_tick(gate);
    if (gate->draining && now >= gate->drain_until_ms) {
        struct conn *conn, *next;
        DL_FOREACH_SAFE2(gate->all, conn, next, all_next) conn_close(conn);
    }
    if (gate->all != NULL) return;
    timer_stop(gate->timer);
    gate->ticking = false;
}

void gate_tick_soon(struct gate *gate) {
    if (gate->ticking) return;
    gate->ticking = true;
    timer_start(gate->timer, GATE_TICK_MS, GATE_TICK_MS);
}

static void on_told(uint64_t clock, const struct ended *ended, void *context) {
    struct gate *gate = context;
    gate->told = clock;
    if (gate->parked != NULL) call_clock(gate);
    if (gate->followers != NULL) follow_told(gate, ended);
}

// --- life -----------------------------------------------------------------------------------------------

struct opening {
    struct mail mail;
    struct gate *gate;
};

// Timers belong to the loop's own thread.
static void on_open(struct mail *mail, void *shard) {
    (void)shard;
    struct gate *gate = ((struct opening *)mail)->gate;
    free(mail);
    gate->told = proposer_clock(gate->proposer);               // there are no followers yet
    gate->timer = timer_open(gate->loop, on_tick, gate, NULL); // NULL: no connection is taken
    stream_on_turned(gate->stream, gate->shard, on_turned, gate);
}

int gate_open(struct gate *gate, struct gateway *gateway, unsigned shard, const char *directory,
              struct err *err) {
    *gate = (struct gate){.gateway = gateway,
                          .shard = shard,
                          .stream = gateway->stream,
                          .proposer = gateway->proposer,
                          .loop = stream_shard_loop(gateway->stream, shard),
                          .mailbox = stream_shard_mailbox(gateway->stream, shard),
                          .settings = gateway->settings,
                          .date_s = -1};
    struct opening *opening = calloc(1, sizeof *opening);
    gate->input = malloc(GATE_INPUT);
    gate->parser = parser_open(GATE_INPUT, GATE_DEPTH);
    gate->store = store_open_reader(directory, err);
    if (gate->store == NULL) goto fail;
    store_use(gate->store, proposer_cache(gate->proposer));
    gate->watch = proposer_watch(gate->proposer, gate->mailbox, on_told, gate);
    if (opening == NULL || gate->input == NULL || gate->parser == NULL || gate->watch == NULL) {
        err_set(err, ERR_MEMORY, "memory is out");
        goto fail;
    }
    *opening = (struct opening){.gate = gate, .mail.deliver = on_open};
    mailbox_post(gate->mailbox, &opening->mail);
    return 0;
fail:
    free(opening);
    gate_stop(gate);
    gate_close(gate);
    return -1;
}

void gate_stop(struct gate *gate) {
    if (gate->watch != NULL) proposer_unwatch(gate->proposer, gate->watch);
    gate->watch = NULL;
    gate->draining = true; // whoever goes on from here on is refused
}

void gate_close(struct gate *gate) {
    struct conn *conn, *next;
    DL_FOREACH_SAFE2(gate->all, conn, next, all_next) {
        if (conn->call != NULL) call_end(conn, 503);
        conn_close(conn);
    }
    timer_close(gate->timer);
    gate->timer = NULL;
    if (gate->store != NULL) let_go(gate);
    stream_on_turned(gate->stream, gate->shard, NULL, NULL);
    store_close(gate->store);
    if (gate->parser != NULL) parser_close(gate->parser);
    if (gate->input != NULL) secret_wipe(gate->input, GATE_INPUT);
    free(gate->input);
    buf_wipe(&gate->plain);
    buf_free(&gate->scratch);
    buf_free(&gate->body);
    buf_free(&gate->header);
    buf_free(&gate->text);
    gate->store = NULL;
    gate->parser = NULL;
    gate->input = NULL;
}

// --- from the core --------------------------------------------------------------------------------------

struct order {
    struct mail mail;
    struct gate *gate;
    struct gateway_settings settings;
    struct mail *drained;
};

static void gate_order(struct gate *gate, struct order order) {
    struct order *mailed = malloc(sizeof *mailed);
    if (mailed == NULL) {
        log_error(L_MSG("memory is out: a gate is not told of an order"));
        if (order.drained != NULL) mailbox_post(gate->gateway->mailbox, order.drained);
        return;
    }
    *mailed = order;
    mailed->gate = gate;
    mailbox_post(gate->mailbox, &mailed->mail);
}

static void on_reload(struct mail *mail, void *shard) {
    (void)shard;
    struct order *order = (struct order *)mail;
    order->gate->settings = order->settings;
    follow_reload(order->gate);
    free(order);
}

void gate_reload(struct gate *gate, const struct gateway_settings *settings) {
    gate_order(gate, (struct order){.mail.deliver = on_reload, .settings = *settings});
}

static void on_drain(struct mail *mail, void *shard) {
    (void)shard;
    struct order *order = (struct order *)mail;
    struct gate *gate = order->gate;
    gate->draining = true;
    gate->drain_until_ms = loop_now(gate->loop) + gate->settings.drain_ms;
    gate->drained = order->drained;
    free(order);
    call_clock(gate);
    struct conn *conn, *next;
    DL_FOREACH_SAFE2(gate->all, conn, next, all_next) conn_drain(conn);
    gate_conn_gone(gate);
}

void gate_drain(struct gate *gate, struct mail *drained) {
    gate_order(gate, (struct order){.mail.deliver = on_drain, .drained = drained});
}

void gate_conn_gone(struct gate *gate) {
    if (gate->all != NULL || gate->drained == NULL) return;
    mailbox_post(gate->gateway->mailbox, gate->drained);
    gate->drained = NULL;
}

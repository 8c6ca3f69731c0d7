// The gateway: its listener, its gates, start and end.
#include "gateway/gateway_private.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// --- accepting ------------------------------------------------------------------------------------------

static void turn_away(struct gateway *gateway, int fd, const struct address *from, const char *why) {
    struct buf body = {0}, out = {0};
    char date[HTTP_DATE_SIZE], text[ADDRESS_TEXT_SIZE];
    http_date(clock_wall_ms(), date);
    struct http_reply reply = {
        .status = 503, .type = PROBLEM_TYPE, .headers = STR("Retry-After: 1\r\n"), .close = true};
    if (problem_write(&body, PROBLEM_BUSY, why, NULL) == 0) {
        reply.body = buf_str(&body);
        if (http_write(&out, NULL, &reply, date) == 0)
            (void)!send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT); // a courtesy
    }
    buf_free(&body);
    buf_free(&out);
    close(fd);
    address_format(from, text);
    // In a storm one line in a thousand is enough.
    if (gateway->turned_away++ % 1000 == 0)
        log_warn(L_MSG("HTTP connection refused"), L_STR("client", text), L_STR("why", why));
}

static void on_accepted(void *context, int fd, const struct address *from) {
    struct gateway *gateway = context;
    const char *why = stream_admit(gateway->stream, from);
    if (why != NULL) {
        turn_away(gateway, fd, from, why);
        return;
    }
    struct gate *gate = &gateway->gates[gateway->next_gate++ % gateway->gate_count];
    struct conn *conn = conn_new(fd, from, gate);
    if (conn == NULL) {
        stream_left(gateway->stream, from);
        turn_away(gateway, fd, from, "the server is out of memory");
        return;
    }
    mailbox_post(gate->mailbox, &conn->mail);
}

static void on_gone(struct mail *mail, void *context) {
    struct gateway *gateway = context;
    struct conn *conn = (struct conn *)mail;
    stream_left(gateway->stream, &conn->from);
    if (gateway->listener != NULL) listener_retry(gateway->listener); // a descriptor is free
    conn_free(conn);
}

void gateway_conn_gone(struct gateway *gateway, struct conn *conn) {
    conn->mail.deliver = on_gone;
    mailbox_post(gateway->mailbox, &conn->mail);
}

// --- start ----------------------------------------------------------------------------------------------

static void leave(void *context) {
    struct gateway *gateway = context;
    for (unsigned i = 0; i < gateway->gates_open; i++) gate_close(&gateway->gates[i]);
    mailbox_drain(gateway->mailbox); // its connections are counted out while the stream is there
}

static const struct guest_ops guest_ops = {.leave = leave};

struct gateway *gateway_open(struct loop *loop, const struct gateway_settings *settings,
                             struct stream *stream, struct proposer *proposer, struct err *err) {
    struct gateway *gateway = calloc(1, sizeof *gateway);
    if (gateway == NULL) {
        err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    *gateway = (struct gateway){.loop = loop,
                                .settings = *settings,
                                .stream = stream,
                                .proposer = proposer,
                                .started_ms = clock_wall_ms()};
    return gateway;
}

int gateway_start(struct gateway *gateway, const char *directory, struct err *err) {
    gateway->mailbox = mailbox_open(gateway->loop, gateway, err);
    if (gateway->mailbox == NULL) return -1;
    gateway->gate_count = stream_shards(gateway->stream);
    gateway->gates = calloc(gateway->gate_count, sizeof *gateway->gates);
    gateway->drain_mails = calloc(gateway->gate_count, sizeof *gateway->drain_mails);
    if (gateway->gates == NULL || gateway->drain_mails == NULL)
        return err_set(err, ERR_MEMORY, "memory is out");
    stream_host(gateway->stream, &guest_ops, gateway);
    for (; gateway->gates_open < gateway->gate_count; gateway->gates_open++) {
        unsigned i = gateway->gates_open;
        if (gate_open(&gateway->gates[i], gateway, i, directory, err) != 0) return -1;
    }
    gateway->control = control_open(gateway->loop, directory, gateway->proposer, err);
    return gateway->control != NULL ? 0 : -1;
}

int gateway_listen(struct gateway *gateway, struct err *err) {
    gateway->listener = listener_open(gateway->loop, &gateway->settings.listen, on_accepted, gateway, err);
    return gateway->listener != NULL ? 0 : -1;
}

void gateway_address(const struct gateway *gateway, struct address *address) {
    listener_address(gateway->listener, address);
}

void gateway_reload(struct gateway *gateway, const struct gateway_settings *settings) {
    struct address listen = gateway->settings.listen;
    gateway->settings = *settings;
    gateway->settings.listen = listen;
    for (unsigned i = 0; i < gateway->gates_open; i++) gate_reload(&gateway->gates[i], &gateway->settings);
}

// --- end ------------------------------------------------------------------------------------------------

static void on_gate_drained(struct mail *mail, void *context) {
    (void)mail; // one of drain_mails
    struct gateway *gateway = context;
    if (--gateway->gates_draining > 0) return;
    gateway->drained(gateway->drained_context);
}

void gateway_drain(struct gateway *gateway, void (*drained)(void *context), void *context) {
    gateway->drained = drained;
    gateway->drained_context = context;
    listener_close(gateway->listener);
    gateway->listener = NULL;
    if (gateway->control != NULL) control_shut(gateway->control);
    gateway->gates_draining = gateway->gate_count;
    for (unsigned i = 0; i < gateway->gate_count; i++) {
        gateway->drain_mails[i].deliver = on_gate_drained;
        gate_drain(&gateway->gates[i], &gateway->drain_mails[i]);
    }
}

void gateway_stop(struct gateway *gateway) {
    if (gateway == NULL) return;
    listener_close(gateway->listener);
    gateway->listener = NULL;
    for (unsigned i = 0; i < gateway->gates_open; i++) gate_stop(&gateway->gates[i]);
}

void gateway_close(struct gateway *gateway) {
    if (gateway == NULL) return;
    control_close(gateway->control);
    if (gateway->mailbox != NULL) mailbox_close(gateway->mailbox);
    free(gateway->drain_mails);
    free(gateway->gates);
    free(gateway);
}

// Is this server alive, can it be given work, and how is it?
#include "gateway/handlers.h"

static void answer_health(struct call *call, unsigned status, const char *word) {
    call_fresh(call);
    if (buf_append_text(&call->gate->header, "Cache-Control: no-store\r\n") != 0 ||
        buf_printf(&call->gate->body, "{\"status\":\"%s\"}", word) != 0)
        call->conn->doomed = true;
    call_json(call, status);
}

void health_live(struct call *call) {
    answer_health(call, 200, "live");
}

void health_ready(struct call *call) {
    struct store_meta meta;
    struct err err;
    if (call->gate->draining)
        call_problem(call, PROBLEM_STOPPING, "ask another server", NULL);
    else if (store_meta(gate_store(call->gate), &meta, &err) != 0)
        call_broken(call, &err);
    else
        answer_health(call, 200, "ready");
}

void metrics_get(struct call *call) {
    call_fresh(call);
    if (metrics_write(call->gate->gateway, call->gate, &call->gate->body) != 0) {
        call_problem(call, PROBLEM_BUSY, "the server is out of memory; try again later", NULL);
        return;
    }
    call_reply(call, 200, "text/plain; version=0.0.4; charset=utf-8");
}

// An activity over HTTP: stamped and heard like any other.
#include "gateway/handlers.h"

#include "wire/value.h"

#define TRIES_MAX 1000u // turns of the loop in which the reel may be busy

static void answer_heard(struct call *call) {
    struct buf *body = &call->gate->body;
    call_fresh(call);
    if (buf_append_text(body, "{\"authenticated_user\":") != 0 ||
        value_write_text(body, str_of(call->account.login)) != 0 || buf_append_text(body, "}") != 0)
        call->conn->doomed = true;
    call_json(call, 202);
}

void activities_post(struct call *call) {
    struct gate *gate = call->gate;
    const struct speaker speaker = {.uuid = call->account.uuid,
                                    .as_of = call->as_of,
                                    .user = str_of(call->account.login),
                                    .paid_us = &call->conn->paid_us};
    uint64_t wait_ms = 0;
    struct str key;
    struct err err;
    if (http_header(call->request, "idempotency-key", &key) != 0) {
        call_problem(call, PROBLEM_HEADER,
                     "activities are not kept, so a repeat cannot be known; send it without this header",
                     "Idempotency-Key");
        return;
    }
    switch (stream_say(gate->stream, gate->shard, &speaker, call->request->body, &wait_ms, &err)) {
    case SAID_HEARD: answer_heard(call); break;
    case SAID_INVALID: call_problem(call, PROBLEM_JSON, err.text, NULL); break;
    case SAID_LONG:
        call_problem(call, PROBLEM_TOO_LARGE,
                     "with what is put around it, it is longer than max_message; send a shorter one", NULL);
        break;
    case SAID_ENDED:
        call_problem(call, PROBLEM_CREDENTIALS_WRONG,
                     "the account has just changed; send its new credentials", "Authorization");
        break;
    case SAID_BUSY:
        if (wait_ms > 1)
            call_problem_wait(call, PROBLEM_WAIT, "you say more than your share (publish_limit)", wait_ms);
        else if (call->tries++ < TRIES_MAX && !gate->draining)
            call_again(call);
        else
            call_problem(call, PROBLEM_BUSY, "the stream is busy; nothing was published, try again", NULL);
        break;
    case SAID_MEMORY:
        call_problem(call, PROBLEM_BUSY, "the server is out of memory; try again later", NULL);
        break;
    }
}

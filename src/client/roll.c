// Asking the servers of one roll: the rules of roll.h.
#include "client/roll.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define REST_MS 300u // between two rounds

static void settle(struct ask *ask, enum ask_end end);
static void ask_next(struct ask *ask);

int roll_open(struct roll *roll, const struct roll_options *options, struct err *err) {
    *roll = (struct roll){.options = *options, .clock = options->clock};
    for (size_t i = 0; i < options->count; i++) roll->servers[i].url = options->urls[i];
    roll->courier = courier_open(err);
    return roll->courier ? 0 : -1;
}

void roll_close(struct roll *roll) {
    courier_close(roll->courier);
    roll->courier = NULL;
}

void ask_fini(struct ask *ask) {
    buf_wipe(&ask->answer);
    buf_free(&ask->why);
    buf_wipe(&ask->errand.answer);
}

// --- one attempt ----------------------------------------------------------------------------------------

static void add_header(struct errand *errand, const char *line) {
    for (size_t i = 0; line && i < COURIER_HEADERS; i++) {
        if (errand->headers[i]) continue;
        errand->headers[i] = line;
        errand->headers[i + 1] = NULL;
        return;
    }
}

static bool pass_bytes(struct errand *errand, struct str bytes) {
    struct ask *ask = errand->context;
    return ask->on_bytes(ask, bytes);
}

static uint64_t bit_of(size_t server) {
    return UINT64_C(1) << server;
}

static bool others_left(const struct ask *ask) {
    for (size_t i = 0; i < ask->roll->options.count; i++)
        if (!(ask->tried & bit_of(i))) return true;
    return false;
}

static unsigned least(unsigned a, uint64_t b) {
    return b < a ? (unsigned)b : a;
}

static void give_up_memory(struct ask *ask) {
    (void)buf_append_text(&ask->why, "memory is out");
    settle(ask, ask->doubt ? ASK_UNKNOWN : ASK_UNREACHED);
}

static void attempt(struct ask *ask, size_t server, uint64_t now) {
    struct roll *roll = ask->roll;
    struct stamp none = {0};
    char stamp[STAMP_SIZE];
    struct err err;
    ask->server = server;
    struct buf kept = ask->errand.answer;
    if (!ask->tried) buf_truncate(&ask->why, 0); // it tells of the last round
    ask->tried |= bit_of(server);
    ask->sent = roll->clock;
    ask->errand = (struct errand){.method = ask->method,
                                  .url = ask->url,
                                  .body = ask->body,
                                  .ca = roll->options.ca,
                                  .key = roll->servers[server].key[0] ? roll->servers[server].key : NULL,
                                  .connect_ms = ROLL_CONNECT_MS,
                                  .on_bytes = ask->on_bytes ? pass_bytes : NULL,
                                  .context = ask,
                                  .answer = kept};
    uint64_t left = ask->due_ms > now ? ask->due_ms - now : 1;
    if (ask->due_ms) {
        ask->errand.connect_ms = least(ROLL_CONNECT_MS, left);
        ask->errand.answer_ms = others_left(ask) ? least(ROLL_ANSWER_MS, left) : (unsigned)left;
    }
    (void)snprintf(ask->url, sizeof ask->url, "%s%s", roll->servers[server].url, ask->path);
    stamp_format(&ask->sent, stamp);
    (void)snprintf(ask->clock, sizeof ask->clock, "Herald-Clock: %s", stamp);
    add_header(&ask->errand, stamp_later(&ask->sent, &none) ? ask->clock : NULL);
    add_header(&ask->errand, ask->type);
    add_header(&ask->errand, ask->authorization);
    add_header(&ask->errand, ask->key);
    add_header(&ask->errand, ask->condition);
    if (courier_send(roll->courier, &ask->errand, &err)) give_up_memory(ask);
}

// --- which server ---------------------------------------------------------------------------------------

// Rule 7.
static bool has_time(const struct ask *ask, size_t server, uint64_t now) {
    if (!(ask->behind & bit_of(server)) || !ask->due_ms) return true;
    return ask->due_ms >= now + ROLL_ANSWER_MS;
}

// Rule 1: in order, those that have failed or were busy in this run after the others.
static bool choose(const struct ask *ask, uint64_t now, size_t *chosen) {
    const struct roll *roll = ask->roll;
    for (int last = 0; last < 2; last++) {
        for (size_t i = 0; i < roll->options.count; i++) {
            size_t server = roll->options.order[i];
            const struct roll_server *one = &roll->servers[server];
            if (ask->tried & bit_of(server) || (one->failed || one->busy) != last) continue;
            if (!has_time(ask, server, now)) continue;
            *chosen = server;
            return true;
        }
    }
    return false;
}

// In the order of their coming: of many that are started at once the first is asked first.
static void rest_behind(struct roll *roll, struct ask *ask) {
    struct ask **end = &roll->resting;
    while (*end) end = &(*end)->next;
    ask->next = NULL;
    *end = ask;
}

static void rest(struct ask *ask, uint64_t until_ms) {
    ask->begin_ms = until_ms;
    rest_behind(ask->roll, ask);
}

static void settle(struct ask *ask, enum ask_end end) {
    ask->end = end;
    if (ask->end != ASK_ANSWERED) ask->status = 0;
    // Terminated, for those who look at them as text; without that there is no room for a word either.
    if (buf_append(&ask->answer, "", 1) == 0) ask->answer.len--;
    if (buf_append(&ask->why, "", 1) == 0) ask->why.len--;
    ask->next = ask->roll->over;
    ask->roll->over = ask;
}

// Rules 3 to 5, and 7: a round in which nobody can be asked any more is the end.
static void ask_next(struct ask *ask) {
    uint64_t now = clock_monotonic_ms();
    size_t server;
    bool in_time = !ask->due_ms || now < ask->due_ms;
    if (in_time && choose(ask, now, &server)) {
        attempt(ask, server, now);
    } else if (in_time && ask->patient && ask->tried) {
        ask->tried = 0;
        rest(ask, now + REST_MS);
    } else if (ask->doubt) {
        settle(ask, ASK_UNKNOWN);
    } else if (ask->status) {
        settle(ask, ASK_ANSWERED);
    } else {
        settle(ask, ask->strange || ask->misnamed ? ASK_DISTRUSTED : ASK_UNREACHED);
    }
}

// --- what came of an attempt ----------------------------------------------------------------------------

static void add_why(struct ask *ask, const char *words) {
    (void)buf_printf(&ask->why, "%s%s: %s", ask->why.len ? "; " : "", ask->roll->servers[ask->server].url,
                     words);
}

// Does the answer's clock say that the server has less than it was asked for?
static bool is_behind(const struct ask *ask) {
    struct stamp clock;
    return stamp_parse(str_of(ask->errand.clock), &clock) && stamp_later(&ask->sent, &clock);
}

static void learn(struct ask *ask, bool failed) {
    struct roll_server *server = &ask->roll->servers[ask->server];
    struct stamp clock;
    unsigned status = failed ? 0 : ask->errand.status;
    server->failed = failed;
    server->busy = status == 502 || status == 503 || status == 504;
    server->behind = status == 503 && is_behind(ask);
    ask->behind &= ~bit_of(ask->server);
    if (server->behind) {
        ask->behind |= bit_of(ask->server);
        ask->held = true;
    }
    if (!failed) server->reached = true;
    if (!failed && ask->errand.connect_us) server->connect_us = ask->errand.connect_us;
    if (failed || !stamp_parse(str_of(ask->errand.clock), &clock)) return;
    if (stamp_later(&clock, &server->clock)) server->clock = clock;
    if (stamp_later(&clock, &ask->roll->clock)) ask->roll->clock = clock;
}

static void take_answer(struct ask *ask) {
    struct errand *errand = &ask->errand;
    struct buf before = ask->answer;
    learn(ask, false);
    ask->status = errand->status;
    ask->retry_after_s = errand->retry_after_s;
    str_copy(str_of(errand->etag), ask->etag, sizeof ask->etag);
    ask->answer = errand->answer;
    errand->answer = before; // its memory is used again
    if (!ask->roll->servers[ask->server].busy) {
        settle(ask, ASK_ANSWERED);
        return;
    }
    if (ask->status != 503) {
        if (ask->changes) ask->doubt = true; // of a proxy: who knows what is behind it
        add_why(ask, "a proxy before it does not reach it");
    }
    ask_next(ask);
}

static void take_stranger(struct ask *ask) {
    struct roll *roll = ask->roll;
    struct roll_server *server = &roll->servers[ask->server];
    struct err err = {0};
    bool known = ask->errand.key != NULL;
    if (!known && !roll->options.ca) {
        if (server->key[0] ||
            (roll->options.meet && roll->options.meet(roll->options.context, server, &err))) {
            attempt(ask, ask->server, clock_monotonic_ms());
            return;
        }
    }
    learn(ask, true);
    if (ask->errand.misnamed && roll->options.ca)
        ask->misnamed = true;
    else
        ask->strange = true;
    add_why(ask, err.text[0] ? err.text : ask->errand.err.text);
    ask_next(ask);
}

// One that was given less time than a server waits for a clock may have been waiting for it.
static bool may_wait(const struct ask *ask) {
    const struct errand *errand = &ask->errand;
    const struct stamp none = {0};
    return errand->late && errand->answer_ms > 0 && errand->answer_ms < ROLL_ANSWER_MS &&
           stamp_later(&ask->sent, &none);
}

static void take(struct ask *ask) {
    switch (ask->errand.end) {
    case ERRAND_STOPPED:
    case ERRAND_ANSWERED: take_answer(ask); break;
    case ERRAND_DISTRUSTED: take_stranger(ask); break;
    case ERRAND_LOST:
        if (ask->changes) ask->doubt = true;
        if (may_wait(ask)) ask->held = true;
        // fall through
    case ERRAND_UNREACHED:
        learn(ask, true);
        add_why(ask, ask->errand.err.text);
        ask_next(ask);
        break;
    }
}

// --- from outside ---------------------------------------------------------------------------------------

void roll_start(struct roll *roll, struct ask *ask, unsigned delay_ms) {
    uint64_t now = clock_monotonic_ms();
    ask->roll = roll;
    ask->tried = ask->behind = 0;
    ask->doubt = ask->strange = ask->misnamed = ask->held = false;
    ask->status = ask->retry_after_s = 0;
    ask->etag[0] = '\0';
    buf_truncate(&ask->why, 0);
    ask->due_ms = ask->timeout_ms ? now + delay_ms + ask->timeout_ms : 0;
    roll->asks++;
    rest(ask, now + delay_ms);
}

static void take_out(struct ask **list, const struct ask *ask) {
    while (*list && *list != ask) list = &(*list)->next;
    if (*list) *list = ask->next;
}

void roll_drop(struct roll *roll, struct ask *ask) {
    courier_drop(roll->courier, &ask->errand);
    take_out(&roll->resting, ask);
    take_out(&roll->over, ask);
    roll->asks--;
}

// Begins those whose rest is over. How long until the next one; -1: there is none.
static int wake(struct roll *roll) {
    uint64_t now = clock_monotonic_ms(), soonest = 0;
    struct ask *resting = roll->resting;
    roll->resting = NULL;
    while (resting) {
        struct ask *ask = resting;
        resting = ask->next;
        if (ask->begin_ms <= now) {
            ask_next(ask);
            continue;
        }
        if (!soonest || ask->begin_ms < soonest) soonest = ask->begin_ms;
        rest_behind(roll, ask);
    }
    return soonest ? (int)(soonest - now) : -1;
}

static struct ask *take_over(struct roll *roll) {
    struct ask *ask = roll->over;
    if (!ask) return NULL;
    roll->over = ask->next;
    roll->asks--;
    return ask;
}

struct ask *roll_wait(struct roll *roll, int timeout_ms, int also) {
    uint64_t until = clock_monotonic_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
    for (;;) {
        int pause = wake(roll);
        if (roll->over) return take_over(roll);
        uint64_t now = clock_monotonic_ms();
        int left = timeout_ms < 0 ? -1 : now >= until ? 0 : (int)(until - now);
        if (pause >= 0 && (left < 0 || pause < left)) left = pause;
        // While nobody waits for anything but us, a second is as good as for ever.
        struct errand *errand = courier_wait(roll->courier, left < 0 ? 1000 : left, also);
        if (errand) take(errand->context);
        if (roll->over) return take_over(roll);
        if (errand) continue;
        if (also >= 0 || (timeout_ms >= 0 && clock_monotonic_ms() >= until)) {
            if (timeout_ms < 0 && also < 0) continue;
            return NULL;
        }
    }
}

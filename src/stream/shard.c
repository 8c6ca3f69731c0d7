// A shard: one event-loop thread and its flush passes. See shard.h.
#include "stream/shard.h"

#include "base/log.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

// --- lists
// --------------------------------------------------------------------------------------------------

void shard_touch(struct shard *shard, struct client *client) {
    if (client->touched) return;
    client->touched = true;
    LL_PREPEND2(shard->touched, client, touched_next);
}

void shard_doom(struct shard *shard, struct client *client, enum close_reason reason) {
    if (client->doomed) return;
    client->doomed = true;
    client->doom = reason;
    LL_PREPEND2(shard->doomed, client, doomed_next);
}

void shard_stall(struct shard *shard, struct client *client) {
    if (client->waits_for_reel) return;
    client->waits_for_reel = true;
    LL_PREPEND2(shard->stalled, client, stalled_next);
}

void shard_place(struct shard *shard, struct client *client, enum client_place place) {
    if (client->place == place) return;
    if (client->place == PLACE_READY) DL_DELETE(shard->ready, client);
    if (client->place == PLACE_BLOCKED) DL_DELETE(shard->blocked, client);
    if (client->place == PLACE_NONE) atomic_fetch_add(&shard->listeners, 1);
    if (place == PLACE_NONE) atomic_fetch_sub(&shard->listeners, 1);
    if (place == PLACE_READY) DL_APPEND(shard->ready, client);
    if (place == PLACE_BLOCKED) DL_APPEND(shard->blocked, client);
    client->place = place;
}

static struct deadlines *deadlines_of(struct shard *shard, const struct client *client) {
    if (client->phase != CLIENT_OPEN) return &shard->finishing;
    return client->resting ? &shard->resting : &shard->newcomers;
}

void shard_no_deadline(struct shard *shard, struct client *client) {
    if (client->deadline_ms == 0) return;
    // A client is in the list of the newcomers, the resting or the finishing: whichever holds it.
    struct deadlines *list = deadlines_of(shard, client);
    DL_DELETE2(list->list, client, due_prev, due_next);
    client->deadline_ms = 0;
    client->resting = false;
}

void shard_deadline(struct shard *shard, struct client *client, struct deadlines *list, uint64_t after_ms) {
    client->deadline_ms = loop_now(shard->loop) + after_ms;
    // Nearly always the last place: lengths of wait change only by a reload and at the stop; rests are alike.
    struct client *before = list->list != NULL ? list->list->due_prev : NULL;
    while (before != NULL && before->deadline_ms > client->deadline_ms)
        before = before == list->list ? NULL : before->due_prev;
    DL_APPEND_ELEM2(list->list, before, client, due_prev, due_next);
}

static void deadlines_close(struct shard *shard, struct deadlines *list, enum close_reason reason) {
    uint64_t now = loop_now(shard->loop);
    while (list->list != NULL && list->list->deadline_ms <= now) client_close(list->list, reason);
}

static void deadlines_rested(struct shard *shard) {
    uint64_t now = loop_now(shard->loop);
    while (shard->resting.list != NULL && shard->resting.list->deadline_ms <= now) {
        struct client *client = shard->resting.list;
        shard_no_deadline(shard, client);
        client_rested(client);
    }
}

static uint64_t deadlines_sooner(const struct deadlines *list, uint64_t when) {
    return list->list != NULL && list->list->deadline_ms < when ? list->list->deadline_ms : when;
}

static void deadlines_arm(struct shard *shard) {
    uint64_t now = loop_now(shard->loop), when = deadlines_sooner(&shard->newcomers, UINT64_MAX);
    when = deadlines_sooner(&shard->resting, when);
    when = deadlines_sooner(&shard->finishing, when);
    if (shard->draining && shard->all != NULL && shard->drain_until_ms < when) when = shard->drain_until_ms;
    if (shard->stalled != NULL) when = now + 1; // another loop's pass is in the way: it takes a moment
    if (when == UINT64_MAX)
        timer_stop(shard->timer);
    else
        timer_start(shard->timer, when > now ? when - now : 1, 0);
}

// --- departing
// ----------------------------------------------------------------------------------------------

void shard_departs(struct shard *shard, struct departure *departure) {
    DL_APPEND(shard->departing, departure);
    atomic_fetch_add(&shard->departing_count, 1);
}

void shard_departs_not(struct shard *shard, struct departure *departure) {
    DL_DELETE(shard->departing, departure);
    atomic_fetch_sub(&shard->departing_count, 1);
}

static bool shard_may_let_go(const struct shard *shard) {
    return shard->departing != NULL &&
           (shard->departing->target.round <= atomic_load(&shard->hub->told) || shard->draining);
}

static void shard_let_go(struct shard *shard) {
    while (shard_may_let_go(shard)) client_depart(shard->departing->client);
}

// --- the turn
// -----------------------------------------------------------------------------------------------

static void shard_retry_stalled(struct shard *shard) {
    struct client *stalled = shard->stalled;
    shard->stalled = NULL;
    while (stalled != NULL) {
        struct client *client = stalled;
        stalled = client->stalled_next;
        client->waits_for_reel = false;
        client_retry(client);
    }
}

static void shard_flush_touched(struct shard *shard, reel_pos head, reel_pos tail) {
    while (shard->touched != NULL) {
        struct client *client = shard->touched;
        LL_DELETE2(shard->touched, client, touched_next);
        client->touched = false;
        if (!client->doomed) client_flush(client, head, tail);
    }
}

// A reader whose socket is full sends nothing, so it has to be looked at when the tail moves.
static void shard_find_lapped(struct shard *shard, reel_pos tail) {
    if (tail == shard->tail) return;
    shard->tail = tail;
    struct client *client;
    DL_FOREACH(shard->blocked, client) {
        if (reel_lapped(shard->hub->reel, &client->reader.cursor, tail))
            shard_doom(shard, client, CLOSE_LAPPED);
    }
}

static void shard_flush(struct shard *shard) {
    struct reel *reel = shard->hub->reel;
    if (reel_head(reel) == shard->flushed && shard->touched == NULL) return;
    reel_pos tail = reel_enter(reel, shard->participant, shard->settings.reel_segments / 8);
    reel_pos head = reel_head(reel); // only now: it may have moved past a tail taken earlier
    if (head != shard->flushed) {
        struct client *client, *next;
        DL_FOREACH_SAFE(shard->ready, client, next) {
            if (!client->doomed) client_flush(client, head, tail);
        }
        shard->flushed = head;
    }
    shard_flush_touched(shard, head, tail);
    shard_find_lapped(shard, tail);
    reel_leave(reel, shard->participant);
}

static void shard_close_doomed(struct shard *shard) {
    while (shard->doomed != NULL) client_close(shard->doomed, shard->doomed->doom);
}

static void shard_drain_turn(struct shard *shard) {
    if (!shard->draining) return;
    if (loop_now(shard->loop) >= shard->drain_until_ms) {
        while (shard->all != NULL) client_close(shard->all, CLOSE_STOPPING);
    }
    if (shard->all != NULL || shard->drained == NULL) return;
    mailbox_post(shard->hub->core_mailbox, shard->drained);
    shard->drained = NULL;
}

static void shard_turn(void *context) {
    struct shard *shard = context;
    shard_let_go(shard);
    deadlines_rested(shard);
    shard_retry_stalled(shard);
    if (shard->appended) hub_wake_readers(shard->hub, shard->participant);
    uint64_t owes_us = atomic_exchange_explicit(&shard->owes_us, 0, memory_order_relaxed);
    // What happens inside the pass (a client that goes on because its lane is empty) may append again.
    do {
        shard->appended = false;
        shard_flush(shard);
        if (shard->appended) hub_wake_readers(shard->hub, shard->participant);
    } while (shard->appended);
    if (owes_us != 0) timing_note(&shard->fanout, timing_now_us() - owes_us);
    shard_close_doomed(shard);
    deadlines_close(shard, &shard->newcomers, CLOSE_SILENT);
    deadlines_close(shard, &shard->finishing, CLOSE_LINGERED);
    shard_drain_turn(shard);
    if (shard->core_news) wake_send(shard->hub->core_wake);
    shard->core_news = false;
    if (shard_may_let_go(shard)) wake_send(shard->wake); // it began to depart within the pass
    deadlines_arm(shard);
    if (shard->turned != NULL) shard->turned(shard->turned_context);
}

static void shard_nothing(void *context) {
    (void)context; // being woken is enough: the turn follows
}

// --- accounts that have changed
// ----------------------------------------------------------------------------

bool shard_is_told(const struct shard *shard) {
    return shard->told >= proposer_ended(shard->hub->proposer);
}

bool shard_has_ended(const struct shard *shard, const struct uuid *account, uint64_t as_of) {
    return former_since(&shard->former, account, as_of);
}

static bool ended_holds(const struct ended *ended, const struct client *client) {
    for (; ended != NULL; ended = ended->next)
        if (client->as_of < ended->clock &&
            memcmp(&ended->uuid, &client->account, sizeof client->account) == 0)
            return true;
    return false;
}

static void on_told(uint64_t clock, const struct ended *ended, void *context) {
    struct shard *shard = context;
    if (clock > shard->told) shard->told = clock;
    if (ended == NULL) return;
    struct client *client, *next;
    DL_FOREACH_SAFE2(shard->all, client, next, all_next) {
        if (client->session.entered && ended_holds(ended, client)) client_ended(client);
    }
    for (; ended != NULL; ended = ended->next) former_add(&shard->former, &ended->uuid, ended->clock);
}

// --- life
// ---------------------------------------------------------------------------------------------------

static void *shard_main(void *context) {
    struct shard *shard = context;
    loop_run(shard->loop);
    return NULL;
}

static void shard_unwatch(struct shard *shard) {
    proposer_unwatch(shard->hub->proposer, shard->watch);
    shard->watch = NULL;
}

static void shard_free(struct shard *shard) {
    if (shard->watch != NULL) shard_unwatch(shard);
    if (shard->mailbox != NULL) mailbox_close(shard->mailbox);
    wake_close(shard->wake);
    timer_close(shard->timer);
    if (shard->parser != NULL) parser_close(shard->parser);
    if (shard->loop != NULL) loop_close(shard->loop);
    buf_free(&shard->frame);
    veil_scratch_free(&shard->veil);
    if (shard->input != NULL) secret_wipe(shard->input, SHARD_INPUT);
    free(shard->input);
}

static int shard_open(struct shard *shard, struct err *err) {
    const struct stream_settings *settings = &shard->settings;
    shard->loop = loop_open(err);
    if (shard->loop == NULL) return -1;
    shard->mailbox = mailbox_open(shard->loop, shard, err);
    shard->wake = wake_open(shard->loop, shard_nothing, shard, err);
    shard->timer = timer_open(shard->loop, shard_nothing, shard, err);
    if (shard->mailbox == NULL || shard->wake == NULL || shard->timer == NULL) return -1;
    shard->parser = parser_open(settings->max_message, settings->max_depth);
    shard->input = malloc(SHARD_INPUT);
    if (shard->parser == NULL || shard->input == NULL)
        return err_set(err, ERR_MEMORY, "memory is out while starting a shard");
    shard->flushed = shard->tail = reel_head(shard->hub->reel);
    shard->watch = proposer_watch(shard->hub->proposer, shard->mailbox, on_told, shard);
    if (shard->watch == NULL) return err_set(err, ERR_MEMORY, "memory is out while starting a shard");
    shard->told = proposer_clock(shard->hub->proposer);
    loop_on_turn(shard->loop, shard_turn, shard);
    return 0;
}

int shard_start(struct shard *shard, struct hub *hub, unsigned participant,
                const struct stream_settings *settings, struct err *err) {
    *shard = (struct shard){.hub = hub, .participant = participant, .settings = *settings};
    secret_wipe(shard->settings.secret, sizeof shard->settings.secret); // not a shard's business
    if (shard_open(shard, err) != 0) {
        shard_free(shard);
        return -1;
    }
    // Signals are for the core thread.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&shard->thread, NULL, shard_main, shard);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0) {
        shard_free(shard);
        return err_system(err, failed, "cannot start a thread");
    }
    char name[16]; // all that Linux keeps
    (void)snprintf(name, sizeof name, "shard %u", participant % 10000);
    (void)pthread_setname_np(shard->thread, name);
    shard->running = true;
    return 0;
}

struct shard_reload {
    struct mail mail;
    struct stream_settings settings;
};

static void on_reload(struct mail *mail, void *context) {
    struct shard_reload *reload = (struct shard_reload *)mail;
    struct shard *shard = context;
    shard->settings.first_message_timeout_ms = reload->settings.first_message_timeout_ms;
    shard->settings.drain_ms = reload->settings.drain_ms;
    shard->settings.publish_limit = reload->settings.publish_limit;
    free(reload);
}

void shard_reload(struct shard *shard, const struct stream_settings *settings) {
    struct shard_reload *reload = calloc(1, sizeof *reload);
    if (reload == NULL) {
        log_error(L_MSG("memory is out: a shard keeps its old settings"));
        return;
    }
    reload->settings = *settings;
    secret_wipe(reload->settings.secret, sizeof reload->settings.secret);
    reload->mail.deliver = on_reload;
    mailbox_post(shard->mailbox, &reload->mail);
}

struct shard_order {
    struct mail mail;
    struct mail *drained;
};

static void on_drain(struct mail *mail, void *context) {
    struct shard_order *order = (struct shard_order *)mail;
    struct shard *shard = context;
    shard->draining = true;
    shard->drain_until_ms = loop_now(shard->loop) + shard->settings.drain_ms;
    shard->drained = order->drained;
    struct client *client;
    DL_FOREACH2(shard->all, client, all_next) {
        if (client->request == NULL) client_stop(client); // who waits for an answer gets it first
    }
    free(order);
}

void shard_drain(struct shard *shard, struct mail *drained) {
    struct shard_order *order = calloc(1, sizeof *order);
    if (order == NULL) { // no memory for politeness: shard_stop will close everyone
        mailbox_post(shard->hub->core_mailbox, drained);
        return;
    }
    order->mail.deliver = on_drain;
    order->drained = drained;
    mailbox_post(shard->mailbox, &order->mail);
}

static void on_stop(struct mail *mail, void *context) {
    struct shard *shard = context;
    free(mail);
    loop_stop(shard->loop);
}

void shard_stop(struct shard *shard) {
    if (!shard->running) return;
    struct mail *mail = calloc(1, sizeof *mail);
    assert(mail != NULL); // a process that cannot have 16 bytes at its end has nothing left to save
    mail->deliver = on_stop;
    mailbox_post(shard->mailbox, mail);
    pthread_join(shard->thread, NULL);
    shard->running = false;
    shard_unwatch(shard); // while there still is a proposer
}

void shard_settle(struct shard *shard) {
    assert(!shard->running);
    shard->draining = true;        // an answer is heard, but nobody goes on to ask for more
    mailbox_drain(shard->mailbox); // arrivals and answers on their way: they are closed like the rest
    while (shard->all != NULL) client_close(shard->all, CLOSE_STOPPING);
}

void shard_close(struct shard *shard) {
    shard_settle(shard);
    shard_free(shard);
}

// Mailboxes: many threads post, one delivers; no locks.
//
//     post ──push──> inbound (newest first) ──take all, turn round──> batch (oldest first) ──> deliver
//                       │ was empty: wake the loop
//
// The batch is kept in the mailbox and not on the stack of the one who delivers it, so that a mail which
// drains or closes its own mailbox neither loses nor overtakes the mails behind it.
#include "net/loop_private.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct mailbox {
    uv_async_t async;
    _Atomic(struct mail *) inbound;
    atomic_uint posting; // threads inside mailbox_post
    struct mail *batch;
    struct mail **batch_end;
    void *context;
};

static void on_async(uv_async_t *async) {
    mailbox_drain(async->data);
}

static void on_closed(uv_handle_t *async) {
    free(async->data);
}

struct mailbox *mailbox_open(struct loop *loop, void *context, struct err *err) {
    struct mailbox *mailbox = calloc(1, sizeof *mailbox);
    if (mailbox == NULL) {
        loop_error(err, UV_ENOMEM, "make a mailbox");
        return NULL;
    }
    int status = uv_async_init(&loop->uv, &mailbox->async, on_async);
    if (status < 0) {
        loop_error(err, status, "make a mailbox");
        free(mailbox);
        return NULL;
    }
    mailbox->async.data = mailbox;
    mailbox->batch_end = &mailbox->batch;
    mailbox->context = context;
    return mailbox;
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail) {
    assert(mail->deliver != NULL);
    atomic_fetch_add_explicit(&mailbox->posting, 1, memory_order_relaxed);
    struct mail *newest = atomic_load_explicit(&mailbox->inbound, memory_order_relaxed);
    do {
        mail->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->inbound, &newest, mail, memory_order_release,
                                                    memory_order_relaxed));
    // From here on `mail` is not ours to look at. Who finds the list empty wakes for all who follow.
    if (newest == NULL) uv_async_send(&mailbox->async);
    atomic_fetch_sub_explicit(&mailbox->posting, 1, memory_order_release);
}

static void take_inbound(struct mailbox *mailbox) {
    struct mail *mail = atomic_exchange_explicit(&mailbox->inbound, NULL, memory_order_acquire);
    if (mail == NULL) return;
    struct mail *newest = mail;
    struct mail *oldest_first = NULL;
    while (mail != NULL) {
        struct mail *older = mail->next;
        mail->next = oldest_first;
        oldest_first = mail;
        mail = older;
    }
    *mailbox->batch_end = oldest_first;
    mailbox->batch_end = &newest->next;
}

void mailbox_drain(struct mailbox *mailbox) {
    take_inbound(mailbox);
    struct mail *mail;
    while ((mail = mailbox->batch) != NULL) {
        mailbox->batch = mail->next;
        if (mailbox->batch == NULL) mailbox->batch_end = &mailbox->batch;
        mail->deliver(mail, mailbox->context);
    }
}

void mailbox_close(struct mailbox *mailbox) {
    if (mailbox == NULL) return;
    // The mail that told us to close may have been posted by a thread which is still about to wake us.
    while (atomic_load_explicit(&mailbox->posting, memory_order_acquire) != 0) sched_yield();
    do {
        mailbox_drain(mailbox);
    } while (atomic_load_explicit(&mailbox->inbound, memory_order_relaxed) != NULL);
    uv_close((uv_handle_t *)&mailbox->async, on_closed);
}

// Event loops, timers, signals and mailboxes: what a thread lives on. With the rest of net/ the door to
// libuv.
//
// Everything but mailbox_post, and wake_send, belongs to the loop's own thread. Handles are closed with
// their x_close on that thread before the loop; closing is immediate for the caller: no callback follows.
// Whoever sends to a wake or posts to a mailbox begins no new call once it is being closed.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop *loop_open(struct err *err);
void loop_close(struct loop *loop); // all handles must have been closed
void loop_run(struct loop *loop);   // until loop_stop
void loop_stop(struct loop *loop);  // loop_run returns at the end of this turn
// Runs one turn: blocks for events (if wait), calls back, returns. For tests and for draining.
void loop_turn(struct loop *loop, bool wait);
uint64_t loop_now(struct loop *loop); // monotonic milliseconds, as of the start of this turn's callbacks

// `turn` runs once in every turn of the loop, after all its reads and messages: the place for a flush pass.
// At most one per loop.
void loop_on_turn(struct loop *loop, void (*turn)(void *context), void *context);

// --- timers ---------------------------------------------------------------------------------------------
struct timer;
struct timer *timer_open(struct loop *loop, void (*fired)(void *context), void *context, struct err *err);
void timer_start(struct timer *timer, uint64_t after_ms, uint64_t repeat_ms); // replaces an earlier start
void timer_stop(struct timer *timer);
void timer_close(struct timer *timer); // NULL is fine

// --- wakes: "there is something to do", from any thread; many sends before the turn are one call ---------
struct wake;
struct wake *wake_open(struct loop *loop, void (*woken)(void *context), void *context, struct err *err);
void wake_send(struct wake *wake);  // any thread, any signal handler
void wake_close(struct wake *wake); // NULL is fine

// --- mailboxes: messages between threads, in the order each sender posted them --------------------------
// A mail is embedded in what it carries and belongs to the mailbox until delivered; then to `deliver`,
// which runs on the mailbox's thread and may free it.
struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail, void *context); // context: the mailbox's
};
struct mailbox;
struct mailbox *mailbox_open(struct loop *loop, void *context, struct err *err);
void mailbox_post(struct mailbox *mailbox, struct mail *mail); // any thread; one wake-up per batch
void mailbox_drain(struct mailbox *mailbox);                   // own thread: delivers what is there now
void mailbox_close(struct mailbox *mailbox);                   // delivers what is there first; NULL is fine

// --- signals --------------------------------------------------------------------------------------------
struct signal_watch;
struct signal_watch *signal_open(struct loop *loop, int signal, void (*caught)(void *context, int signal),
                                 void *context, struct err *err);
void signal_close(struct signal_watch *watch); // NULL is fine

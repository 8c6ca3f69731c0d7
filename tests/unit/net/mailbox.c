// Letters from several threads to one: none lost, each sender's in order, one knock per batch.
#include "net/loop.h"
#include "until.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

// The linker sends net's calls of uv_async_send here (see meson.build), so that knocks can be counted and
// held up.
static atomic_int knocks;
static atomic_bool knock_late; // not before `read_already`
static atomic_bool read_already;
int __real_uv_async_send(uv_async_t *async);
int __wrap_uv_async_send(uv_async_t *async);
int __wrap_uv_async_send(uv_async_t *async) {
    atomic_fetch_add(&knocks, 1);
    if (atomic_load(&knock_late)) {
        while (!atomic_load(&read_already)) sched_yield();
        for (int i = 0; i < 100; i++) sched_yield(); // time for a close that does not wait to do its harm
    }
    return __real_uv_async_send(async);
}

#define SENDERS 4
#define EACH    20000

struct letter {
    struct mail mail;
    int sender;
    int number;
};

struct reader {
    struct mailbox *mailbox;
    int next[SENDERS]; // the number expected from each
    int total;
    bool disorder;
};

struct sender {
    struct mailbox *mailbox;
    int sender;
    struct letter *letters;
};

static void on_letter(struct mail *mail, void *context) {
    struct letter *letter = (struct letter *)mail;
    struct reader *reader = context;
    if (letter->number != reader->next[letter->sender]++) reader->disorder = true;
    reader->total++;
}

static void *send_all(void *context) {
    struct sender *sender = context;
    for (int i = 0; i < EACH; i++) {
        sender->letters[i] = (struct letter){{.deliver = on_letter}, sender->sender, i};
        mailbox_post(sender->mailbox, &sender->letters[i].mail);
    }
    return NULL;
}

static void the_order_of_each_sender_is_kept(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    struct reader reader = {0};
    reader.mailbox = mailbox_open(loop, &reader, NULL);
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){reader.mailbox, i, malloc(EACH * sizeof(struct letter))};
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    assert_true(until(loop, &reader.total, SENDERS * EACH));
    assert_false(reader.disorder);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        free(senders[i].letters);
    }
    mailbox_close(reader.mailbox);
    loop_close(loop);
}

static void a_batch_knocks_once(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    struct reader reader = {0};
    reader.mailbox = mailbox_open(loop, &reader, NULL);
    struct letter letters[200];
    for (int batch = 0; batch < 2; batch++) {
        atomic_store(&knocks, 0);
        for (int i = 0; i < 100; i++) {
            int number = batch * 100 + i;
            letters[number] = (struct letter){{.deliver = on_letter}, 0, number};
            mailbox_post(reader.mailbox, &letters[number].mail);
        }
        assert_int_equal(atomic_load(&knocks), 1);
        loop_turn(loop, true);
        assert_int_equal(reader.total, (batch + 1) * 100);
    }
    assert_false(reader.disorder);
    mailbox_close(reader.mailbox);
    loop_close(loop);
}

static void draining_delivers_what_is_there_without_a_turn(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    struct reader reader = {0};
    reader.mailbox = mailbox_open(loop, &reader, NULL);
    struct letter letter = {{.deliver = on_letter}, 0, 0};
    mailbox_post(reader.mailbox, &letter.mail);
    mailbox_drain(reader.mailbox);
    assert_int_equal(reader.total, 1);
    loop_turn(loop, false);
    assert_int_equal(reader.total, 1);
    mailbox_close(reader.mailbox);
    loop_close(loop);
}

// Posts itself again while it is being delivered.
static void on_boomerang(struct mail *mail, void *context) {
    struct reader *reader = context;
    reader->total++;
    if (reader->total % 2 == 1) mailbox_post(reader->mailbox, mail);
}

static void what_a_delivery_posts_waits_for_the_next_drain(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    struct reader reader = {0};
    reader.mailbox = mailbox_open(loop, &reader, NULL);
    struct letter letter = {{.deliver = on_boomerang}, 0, 0};
    mailbox_post(reader.mailbox, &letter.mail);
    mailbox_drain(reader.mailbox);
    assert_int_equal(reader.total, 1);
    mailbox_drain(reader.mailbox);
    assert_int_equal(reader.total, 2);
    // Closing leaves nothing behind, not even what is posted by what it delivers.
    mailbox_post(reader.mailbox, &letter.mail);
    mailbox_close(reader.mailbox);
    assert_int_equal(reader.total, 4);
    loop_close(loop);
}

static void on_last_letter(struct mail *mail, void *context) {
    struct reader *reader = context;
    on_letter(mail, context);
    atomic_store(&read_already, true);
    struct mailbox *mailbox = reader->mailbox;
    reader->mailbox = NULL;
    mailbox_close(mailbox);
}

static void a_letter_may_close_its_mailbox_and_those_behind_it_still_arrive(void **state) {
    (void)state;
    struct loop *loop = open_loop();
    struct reader reader = {0};
    reader.mailbox = mailbox_open(loop, &reader, NULL);
    struct letter letters[5];
    for (int i = 0; i < 5; i++) {
        letters[i] = (struct letter){{.deliver = i == 1 ? on_last_letter : on_letter}, 0, i};
        mailbox_post(reader.mailbox, &letters[i].mail);
    }
    loop_turn(loop, true);
    assert_int_equal(reader.total, 5);
    assert_false(reader.disorder);
    assert_null(reader.mailbox);
    loop_close(loop);
}

static void *send_one(void *context) {
    struct sender *sender = context;
    mailbox_post(sender->mailbox, &sender->letters[0].mail);
    return NULL;
}

static void closing_waits_for_a_sender_that_is_still_knocking(void **state) {
    (void)state;
    atomic_store(&knock_late, true);
    for (int round = 0; round < 50; round++) {
        struct loop *loop = open_loop();
        struct reader reader = {0};
        reader.mailbox = mailbox_open(loop, &reader, NULL);
        struct letter letter = {{.deliver = on_last_letter}, 0, 0};
        struct sender sender = {reader.mailbox, 0, &letter};
        pthread_t thread;
        atomic_store(&read_already, false);
        assert_int_equal(pthread_create(&thread, NULL, send_one, &sender), 0);
        // Looks into the box without waiting for the knock; the letter found there closes the box.
        while (reader.mailbox != NULL) mailbox_drain(reader.mailbox);
        loop_close(loop);
        pthread_join(thread, NULL);
        assert_int_equal(reader.total, 1);
    }
    atomic_store(&knock_late, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_each_sender_is_kept),
        cmocka_unit_test(a_batch_knocks_once),
        cmocka_unit_test(draining_delivers_what_is_there_without_a_turn),
        cmocka_unit_test(what_a_delivery_posts_waits_for_the_next_drain),
        cmocka_unit_test(a_letter_may_close_its_mailbox_and_those_behind_it_still_arrive),
        cmocka_unit_test(closing_waits_for_a_sender_that_is_still_knocking),
    };
    return cmocka_run_group_tests_name("net mailbox", tests, NULL, NULL);
}

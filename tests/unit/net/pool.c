// Workers: bounded, in order, polite to those in a hurry, and everything handed in comes home.
#include "net/pool.h"
#include "until.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#define MANY 200

struct office {
    struct loop *loop;
    struct mailbox *home;
    pthread_t thread; // where home is
    int returned;
    int order[MANY]; // numbers, as they came home
    int unworked;
    bool strayed; // something came home on another thread
    sem_t begun;  // a gate's job is being worked on
    sem_t gate;
    atomic_int inside; // jobs being worked on now
    atomic_int crowd;  // the most there were
};

struct task {
    struct job job;
    struct office *office;
    int number;
    bool worked;
    bool heap;
};

static void on_return(struct mail *mail, void *context) {
    struct task *task = (struct task *)mail;
    struct office *office = context;
    if (!pthread_equal(pthread_self(), office->thread)) office->strayed = true;
    if (office->returned < MANY) office->order[office->returned] = task->number;
    office->returned++;
    if (!task->worked) office->unworked++;
    if (task->heap) free(task);
}

static void work(struct job *job) {
    struct task *task = (struct task *)job;
    int inside = atomic_fetch_add(&task->office->inside, 1) + 1;
    int crowd = atomic_load(&task->office->crowd);
    while (inside > crowd && !atomic_compare_exchange_weak(&task->office->crowd, &crowd, inside)) continue;
    task->worked = true;
    sched_yield();
    atomic_fetch_sub(&task->office->inside, 1);
}

static void wait_for(sem_t *semaphore) {
    while (sem_wait(semaphore) < 0) continue;
}

static void work_behind_gate(struct job *job) {
    struct task *task = (struct task *)job;
    sem_post(&task->office->begun);
    wait_for(&task->office->gate);
    task->worked = true;
}

static void open_office(struct office *office) {
    *office = (struct office){.loop = open_loop(), .thread = pthread_self()};
    office->home = mailbox_open(office->loop, office, NULL);
    assert_non_null(office->home);
    sem_init(&office->begun, 0, 0);
    sem_init(&office->gate, 0, 0);
}

static void close_office(struct office *office) {
    assert_false(office->strayed);
    mailbox_close(office->home);
    loop_close(office->loop);
    sem_destroy(&office->begun);
    sem_destroy(&office->gate);
}

static struct task *fill(struct task *task, struct office *office, int number, void (*how)(struct job *)) {
    *task = (struct task){.job = {.mail.deliver = on_return, .home = office->home, .work = how},
                          .office = office,
                          .number = number};
    return task;
}

static struct pool *open_pool(unsigned threads, size_t max_waiting) {
    struct err err;
    struct pool *pool = pool_open(threads, max_waiting, &err);
    assert_non_null(pool);
    return pool;
}

static void work_is_done_elsewhere_and_comes_home(void **state) {
    (void)state;
    struct office office;
    static struct task tasks[MANY];
    open_office(&office);
    struct pool *pool = open_pool(3, MANY);
    for (int i = 0; i < MANY; i++) assert_true(pool_submit(pool, &fill(&tasks[i], &office, i, work)->job));
    assert_true(until(office.loop, &office.returned, MANY));
    assert_int_equal(office.unworked, 0);
    assert_int_equal(pool_waiting(pool), 0);
    pool_close(pool);
    close_office(&office);
}

static void the_queue_is_bounded_and_first_come_is_first_served(void **state) {
    (void)state;
    struct office office;
    struct task tasks[4];
    open_office(&office);
    struct pool *pool = open_pool(1, 2);
    assert_true(pool_submit(pool, &fill(&tasks[0], &office, 0, work_behind_gate)->job));
    wait_for(&office.begun);
    assert_int_equal(pool_waiting(pool), 0);
    assert_true(pool_submit(pool, &fill(&tasks[1], &office, 1, work)->job));
    assert_true(pool_submit(pool, &fill(&tasks[2], &office, 2, work)->job));
    assert_false(pool_submit(pool, &fill(&tasks[3], &office, 3, work)->job));
    assert_int_equal(pool_waiting(pool), 2);
    sem_post(&office.gate);
    assert_true(until(office.loop, &office.returned, 3));
    for (int i = 0; i < 3; i++) assert_int_equal(office.order[i], i);
    assert_true(pool_submit(pool, &tasks[3].job));
    assert_true(until(office.loop, &office.returned, 4));
    pool_close(pool);
    close_office(&office);
}

static void the_background_yields_to_whoever_waits(void **state) {
    (void)state;
    struct office office;
    struct task tasks[6];
    const int expected[] = {0, 3, 4, 1, 2};
    open_office(&office);
    struct pool *pool = open_pool(1, 2);
    assert_true(pool_submit(pool, &fill(&tasks[0], &office, 0, work_behind_gate)->job));
    wait_for(&office.begun);
    assert_true(pool_submit_background(pool, &fill(&tasks[1], &office, 1, work)->job));
    assert_true(pool_submit_background(pool, &fill(&tasks[2], &office, 2, work)->job));
    assert_false(pool_submit_background(pool, &fill(&tasks[5], &office, 5, work)->job));
    // A full background does not keep others out.
    assert_true(pool_submit(pool, &fill(&tasks[3], &office, 3, work)->job));
    assert_true(pool_submit(pool, &fill(&tasks[4], &office, 4, work)->job));
    assert_int_equal(pool_waiting(pool), 4);
    sem_post(&office.gate);
    assert_true(until(office.loop, &office.returned, 5));
    for (int i = 0; i < 5; i++) assert_int_equal(office.order[i], expected[i]);
    pool_close(pool);
    close_office(&office);
}

static void the_background_has_one_worker_at_most(void **state) {
    (void)state;
    struct office office;
    static struct task tasks[MANY];
    open_office(&office);
    struct pool *pool = open_pool(4, MANY);
    // One is stuck; three workers are idle, and yet the others of the background wait.
    assert_true(pool_submit_background(pool, &fill(&tasks[0], &office, 0, work_behind_gate)->job));
    wait_for(&office.begun);
    for (int i = 1; i < 50; i++)
        assert_true(pool_submit_background(pool, &fill(&tasks[i], &office, i, work)->job));
    assert_true(pool_submit(pool, &fill(&tasks[50], &office, 50, work)->job));
    assert_true(until(office.loop, &office.returned, 1));
    assert_int_equal(office.order[0], 50);
    assert_int_equal(pool_waiting(pool), 49);
    sem_post(&office.gate);
    assert_true(until(office.loop, &office.returned, 51));
    assert_int_equal(atomic_load(&office.crowd), 1);
    for (int i = 1; i < 51; i++) assert_int_equal(office.order[i], i - 1);
    pool_close(pool);
    close_office(&office);
}

struct flood {
    struct pool *pool;
    struct office *office;
    int submitted;
};

// Hands in work until the pool takes no more, which is when it closes; then opens the gate.
static void *submit_until_closing(void *context) {
    struct flood *flood = context;
    for (;;) {
        struct task *task = malloc(sizeof *task);
        if (task == NULL) abort();
        fill(task, flood->office, flood->submitted, work)->heap = true;
        bool taken = flood->submitted % 2 == 0 ? pool_submit(flood->pool, &task->job)
                                               : pool_submit_background(flood->pool, &task->job);
        if (!taken) {
            free(task);
            break;
        }
        flood->submitted++;
        sched_yield();
    }
    sem_post(&flood->office->gate);
    return NULL;
}

static void closing_ends_what_is_begun_and_returns_the_rest_unworked(void **state) {
    (void)state;
    struct office office;
    struct task stuck, early[4];
    pthread_t thread;
    open_office(&office);
    struct pool *pool = open_pool(1, SIZE_MAX);
    struct flood flood = {.pool = pool, .office = &office};
    assert_true(pool_submit(pool, &fill(&stuck, &office, -1, work_behind_gate)->job));
    wait_for(&office.begun);
    for (int i = 0; i < 4; i++) {
        struct job *job = &fill(&early[i], &office, i, work)->job;
        assert_true(i % 2 == 0 ? pool_submit(pool, job) : pool_submit_background(pool, job));
    }
    assert_int_equal(pthread_create(&thread, NULL, submit_until_closing, &flood), 0);
    pool_close(pool);
    pthread_join(thread, NULL);
    // All is in the mailbox by now, and leaves it before it closes.
    assert_int_equal(office.returned, 0);
    mailbox_drain(office.home);
    assert_true(stuck.worked);
    assert_int_equal(office.order[0], -1);
    assert_int_equal(office.returned, 5 + flood.submitted);
    assert_int_equal(office.unworked, 4 + flood.submitted);
    close_office(&office);
}

static void an_idle_pool_closes_and_none_is_fine(void **state) {
    (void)state;
    pool_close(open_pool(8, 1));
    pool_close(NULL);
}

struct probe {
    struct task task;
    sigset_t blocked;
    size_t stack;
    int niceness;
};

static void look_around(struct job *job) {
    struct probe *probe = (struct probe *)job;
    pthread_attr_t attributes;
    probe->task.worked = true;
    pthread_sigmask(SIG_BLOCK, NULL, &probe->blocked);
    probe->niceness = getpriority(PRIO_PROCESS, 0);
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &probe->stack);
        pthread_attr_destroy(&attributes);
    }
}

static void workers_step_back_leave_signals_to_others_and_have_small_stacks(void **state) {
    (void)state;
    struct office office;
    struct probe probe = {0};
    sigset_t before, after;
    open_office(&office);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    struct pool *pool = open_pool(1, 1);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
    fill(&probe.task, &office, 0, look_around);
    assert_true(pool_submit(pool, &probe.task.job));
    assert_true(until(office.loop, &office.returned, 1));
    const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        assert_true(sigismember(&probe.blocked, signals[i]));
    int ours = getpriority(PRIO_PROCESS, 0), most = 19;
    assert_int_equal(probe.niceness, ours + POOL_NICE < most ? ours + POOL_NICE : most);
    assert_true(probe.stack >= 1024 * 1024 && probe.stack < 2 * 1024 * 1024);
    pool_close(pool);
    close_office(&office);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_elsewhere_and_comes_home),
        cmocka_unit_test(the_queue_is_bounded_and_first_come_is_first_served),
        cmocka_unit_test(the_background_yields_to_whoever_waits),
        cmocka_unit_test(the_background_has_one_worker_at_most),
        cmocka_unit_test(closing_ends_what_is_begun_and_returns_the_rest_unworked),
        cmocka_unit_test(an_idle_pool_closes_and_none_is_fine),
        cmocka_unit_test(workers_step_back_leave_signals_to_others_and_have_small_stacks),
    };
    return cmocka_run_group_tests_name("net pool", tests, NULL, NULL);
}

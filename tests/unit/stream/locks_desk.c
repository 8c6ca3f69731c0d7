// The desk of the tests of locks. See locks_desk.h.
#include "locks_desk.h"

#include <stdlib.h>

const char *account = "";

static void say(struct desk *desk, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct desk *desk, const char *format, ...) {
    size_t len = strlen(desk->said);
    if (desk->muted) return;
    va_list list;
    va_start(list, format);
    vsnprintf(desk->said + len, sizeof desk->said - len, format, list);
    va_end(list);
}

static void on_broadcast(void *context, enum command command, struct str username, struct str secret,
                         struct str server, uint32_t except) {
    struct desk *desk = context;
    desk->broadcasts++;
    say(desk, "%s %.*s", command_name(command) + strlen("LOCK_"), (int)username.len, username.ptr);
    if (secret.ptr != NULL) say(desk, " %.*s", (int)secret.len, secret.ptr);
    if (server.ptr != NULL) say(desk, " by %.*s", (int)server.len, server.ptr);
    if (except != 0) say(desk, " >%u", except);
    say(desk, "\n");
}

static bool on_is_account(void *context, const char *fold) {
    (void)context;
    return strcmp(fold, account) == 0;
}

static size_t on_servers_through(void *context, uint32_t link) {
    struct desk *desk = context;
    (void)link;
    return desk->servers;
}

static void on_decided(void *context, struct lock *lock, enum lock_outcome outcome) {
    struct desk *desk = context;
    static const char *const words[] = {"granted", "refused", "timed out"};
    assert_string_equal(lock->request, "request");
    say(desk, "%s %s\n", words[outcome], lock->login.name);
    if (outcome != LOCK_GRANTED) return;
    assert_int_equal(lock->state, LOCK_SETTLING);
    if (desk->settle_at_once) locks_settled(&desk->locks, lock);
}

static const struct locks_ops ops = {.broadcast = on_broadcast,
                                     .is_account = on_is_account,
                                     .servers_through = on_servers_through,
                                     .decided = on_decided};

struct desk *begin(void) {
    struct desk *desk = calloc(1, sizeof *desk);
    struct secret_key key = {{1, 2, 3}};
    assert_non_null(desk);
    locks_init(&desk->locks, &key, STR("us"), &ops, desk);
    locks_set_times(&desk->locks, TIMEOUT, WINDOW);
    desk->servers = 1;
    account = "";
    return desk;
}

void end(struct desk *desk) {
    locks_fini(&desk->locks);
    free(desk);
}

void assert_said(struct desk *desk, const char *expected) {
    assert_string_equal(desk->said, expected);
    desk->said[0] = '\0';
}

struct lock_expected expecting(const char *id, uint32_t link) {
    struct lock_expected one = {.link = link};
    str_copy(str_of(id), one.id, sizeof one.id);
    return one;
}

enum locks_result enrol(struct desk *desk, const char *name, const char *secret,
                        const struct lock_expected *expected, size_t count, uint64_t now) {
    struct login login;
    assert_int_equal(login_parse(str_of(name), &login, NULL), 0);
    return locks_register(&desk->locks, &login, str_of(secret), "request", expected, count, now);
}

void enrol_with_two(struct desk *desk, const char *name, const char *secret, uint64_t now) {
    struct lock_expected expected[] = {expecting("b", 1), expecting("c", 2)};
    assert_int_equal(enrol(desk, name, secret, expected, 2, now), LOCKS_OK);
}

void hear(struct desk *desk, uint32_t link, enum command command, const char *name, const char *secret,
          const char *server, uint64_t now) {
    struct message message = {.command = command, .username = str_of(name)};
    if (secret != NULL) message.secret = str_of(secret);
    if (server != NULL) message.server = str_of(server);
    locks_message(&desk->locks, link, &message, now);
}

size_t held(const struct desk *desk) {
    return HASH_COUNT(desk->locks.table);
}

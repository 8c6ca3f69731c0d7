// The world as a plan sees it. See world.h.
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT 5000

__attribute__((format(printf, 2, 3))) static void note(struct world *world, const char *format, ...) {
    size_t len = strlen(world->log);
    va_list arguments;
    va_start(arguments, format);
    if (len > 0) len += (size_t)snprintf(world->log + len, sizeof world->log - len, "; ");
    (void)vsnprintf(world->log + len, sizeof world->log - len, format, arguments);
    va_end(arguments);
    assert_true(strlen(world->log) < sizeof world->log - 1);
}

// "a:3780" is "a" here.
static const char *short_name(const char *server) {
    static char name[64];
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(server, ":"), server);
    return name;
}

// --- what the plan does
// -------------------------------------------------------------------------------------

static void on_dial(void *context, unsigned slot, const struct where *where) {
    struct world *world = context;
    assert_true(slot < PLAN_SLOTS && world->at[slot][0] == '\0' && !world->ended);
    (void)snprintf(world->at[slot], sizeof world->at[slot], "%s", short_name(where->text));
    world->dials++;
    note(world, "dial %s", world->at[slot]);
}

static void on_hang_up(void *context, unsigned slot) {
    struct world *world = context;
    assert_true(world->at[slot][0] != '\0');
    note(world, "hang up %s", world->at[slot]);
    world->at[slot][0] = '\0';
}

static void on_say(void *context, unsigned slot, enum command command) {
    struct world *world = context;
    assert_true(world->at[slot][0] != '\0');
    note(world, "say %s to %s", command_name(command), world->at[slot]);
}

static void on_tell(void *context, const struct herald_event *event) {
    struct world *world = context;
    const char *server = event->server ? short_name(event->server) : "";
    assert_false(world->ended); // nothing follows
    if (event->text) (void)snprintf(world->text, sizeof world->text, "%s", event->text);
    switch (event->kind) {
    case HERALD_CONNECTED: note(world, "connected %s %" PRIu32, server, event->latency_ms); break;
    case HERALD_REGISTERED: note(world, "registered"); break;
    case HERALD_LOGGED_IN: note(world, "logged in %s", server); break;
    case HERALD_REDIRECTED: note(world, "redirected %s", server); break;
    case HERALD_LOST:
        world->wait_ms = event->wait_ms;
        note(world, "lost %s", server);
        break;
    case HERALD_ENDED:
        world->ended = true;
        world->status = event->status;
        note(world, "ended %d", (int)event->status);
        break;
    case HERALD_MET:
    case HERALD_ACTIVITY: fail_msg("the plan knows neither keys nor activities"); break;
    }
}

static bool on_unsent(void *context) {
    struct world *world = context;
    return world->unsent > 0;
}

static bool on_said(void *context) {
    struct world *world = context;
    return world->sent > 0;
}

static uint64_t on_over(void *context, bool take_back) {
    struct world *world = context;
    uint64_t doubtful = world->sent;
    if (take_back && !world->settled) {
        world->unsent += world->sent;
        doubtful = 0;
    }
    world->sent = 0;
    return doubtful;
}

static const struct plan_ops OPS = {on_dial, on_hang_up, on_say, on_tell, on_unsent, on_said, on_over};

// --- what servers do
// ----------------------------------------------------------------------------------------

static unsigned slot_of(const struct world *world, const char *server) {
    for (unsigned i = 0; i < PLAN_SLOTS; i++)
        if (strcmp(world->at[i], server) == 0) return i;
    fail_msg("%s is not connected", server);
    return 0;
}

void accepts(struct world *world, const char *server) {
    plan_accepted(&world->plan, slot_of(world, server), world->now);
}

void refuses(struct world *world, const char *server) {
    plan_closed(&world->plan, slot_of(world, server), "Connection refused", false, world->now);
}

void closes(struct world *world, const char *server, bool in_order) {
    plan_closed(&world->plan, slot_of(world, server), "closed the connection", in_order, world->now);
}

bool says(struct world *world, const char *server, enum command command, const char *info) {
    struct message message = {.command = command, .info = str_of(info), .hostname = STR("z"), .port = 3780};
    return plan_message(&world->plan, slot_of(world, server), &message, world->now);
}

void redirects(struct world *world, const char *server, const char *to) {
    struct message message = {.command = COMMAND_REDIRECT, .hostname = str_of(to), .port = 3780};
    assert_true(plan_message(&world->plan, slot_of(world, server), &message, world->now));
}

void lets_in(struct world *world, const char *server) {
    accepts(world, server);
    assert_true(says(world, server, COMMAND_LOGIN_SUCCESS, "welcome"));
}

void waits_to_be_sent(struct world *world, uint64_t count) {
    world->unsent += count;
}

void sends_all(struct world *world) {
    world->sent += world->unsent;
    world->unsent = 0;
    plan_sent_all(&world->plan, world->now);
}

// --- time
// ---------------------------------------------------------------------------------------------------

bool until_due(struct world *world) {
    uint64_t due = plan_due(&world->plan);
    if (due == UINT64_MAX) return false;
    if (due > world->now) world->now = due;
    plan_tick(&world->plan, world->now);
    return true;
}

void pass(struct world *world, uint64_t ms) {
    uint64_t end = world->now + ms;
    unsigned ticks = 0;
    while (plan_due(&world->plan) <= end) {
        assert_true(++ticks < 10000); // a plan that is due and does nothing would be a busy loop
        until_due(world);
    }
    world->now = end;
}

// --- beginning and end
// --------------------------------------------------------------------------------------

void world_begin(struct world *world, const char *servers, struct setting setting) {
    struct where list[WORLD_SERVERS];
    size_t count = 0;
    *world = (struct world){.now = 1000000};
    while (*servers) {
        size_t len = strcspn(servers, " ");
        assert_true(count < WORLD_SERVERS && where_parse((struct str){servers, len}, &list[count++]));
        servers += len + strspn(servers + len, " ");
    }
    struct plan_settings settings = {.once = setting.once,
                                     .registers = setting.registers,
                                     .connect_timeout_ms = TIMEOUT,
                                     .give_up_ms = setting.give_up_ms,
                                     .max_redirects = setting.max_redirects ? setting.max_redirects : 8};
    assert_int_equal(plan_init(&world->plan, &settings, list, count, setting.seed, &OPS, world), 0);
    plan_start(&world->plan, world->now);
}

void world_end(struct world *world) {
    plan_fini(&world->plan);
}

const char *noted(struct world *world) {
    static char log[sizeof world->log];
    memcpy(log, world->log, sizeof log);
    world->log[0] = '\0';
    return log;
}

void text_has(const struct world *world, const char *words) {
    if (!strstr(world->text, words)) fail_msg("`%s` does not say `%s`", world->text, words);
}

// The stage on which a node stands alone. See stage.h.
#include "stage.h"

#include "base/log.h"
#include "stream/reel.h"

#include <inttypes.h>
#include <stdlib.h>

static void act(struct stage *stage, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void act(struct stage *stage, const char *format, ...) {
    size_t len = strlen(stage->transcript);
    va_list list;
    va_start(list, format);
    vsnprintf(stage->transcript + len, sizeof stage->transcript - len, format, list);
    va_end(list);
}

static void stage_send(void *context, uint32_t link, struct str line) {
    assert_true(line.len > 0 && line.ptr[line.len - 1] == '\n');
    act(context, "send %u %.*s", link, (int)line.len, line.ptr);
}

static void stage_hold(void *context, uint32_t link, bool held) {
    act(context, "%s %u\n", held ? "hold" : "release", link);
}

static void stage_up(void *context, uint32_t link, bool herald) {
    act(context, "up %u %s\n", link, herald ? "herald" : "plain");
}

static void stage_cut(void *context, uint32_t link, const char *why) {
    act(context, "cut %u %s\n", link, why);
}

static void stage_dial(void *context, const struct settings_target *target) {
    act(context, "dial %s\n", target->host);
}

static bool stage_publish(void *context, const struct message *message, struct str user, uint32_t link,
                          uint32_t origin, uint64_t sequence) {
    struct stage *stage = context;
    (void)message;
    if (stage->busy) return false;
    struct str name = node_origin(&stage->node, origin);
    act(stage, "publish %u %.*s %" PRIu64 " %.*s\n", link, (int)name.len, name.ptr, sequence, (int)user.len,
        user.ptr);
    return true;
}

static uint64_t stage_load(void *context) {
    (void)context;
    return 4;
}

static void stage_heard(void *context, const struct peer *peer, uint64_t now_ms) {
    (void)now_ms;
    act(context, "heard %s\n", peer->id);
}

static void stage_gone(void *context, const struct peer *peer) {
    act(context, "gone %s\n", peer->id);
}

static void stage_hinted(void *context, struct str id, uint32_t count, bool us, uint64_t now_ms) {
    (void)now_ms;
    act(context, "hint %.*s %u%s\n", (int)id.len, id.ptr, count, us ? " us" : "");
}

static void stage_told(void *context, uint64_t round) {
    act(context, "told %" PRIu64 "\n", round);
}

static bool stage_is_account(void *context, const char *fold) {
    struct stage *stage = context;
    return strcmp(fold, stage->account) == 0;
}

static void stage_decided(void *context, struct lock *lock, enum lock_outcome outcome) {
    struct stage *stage = context;
    static const char *const words[] = {"granted", "refused", "timed out"};
    act(stage, "%s %s\n", words[outcome], lock->login.name);
    if (outcome == LOCK_GRANTED && stage->settle) locks_settled(&stage->node.locks, lock);
}

static const struct node_ops stage_ops = {.send = stage_send,
                                          .hold = stage_hold,
                                          .up = stage_up,
                                          .cut = stage_cut,
                                          .dial = stage_dial,
                                          .publish = stage_publish,
                                          .load = stage_load,
                                          .server_heard = stage_heard,
                                          .server_gone = stage_gone,
                                          .hinted = stage_hinted,
                                          .told = stage_told,
                                          .is_account = stage_is_account,
                                          .decided = stage_decided};

struct stage *begin_with(const char *targets) {
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    log_configure(LOG_ERROR, LOG_TEXT);
    stage->parser = parser_open(64 * 1024, 32);
    assert_non_null(stage->parser);
    struct stream_settings *settings = &stage->settings;
    strcpy(settings->secret, SECRET);
    settings->announce_interval_ms = INTERVAL;
    settings->register_timeout_ms = 10000;
    settings->lock_window_ms = 60000;
    for (; *targets != '\0'; targets++) {
        settings->connect[settings->connect_count].host[0] = *targets;
        settings->connect[settings->connect_count++].port = 3780;
    }
    stage->now = 1000;
    struct secret_key key = {{1}};
    struct node_identity identity = {
        .id = "m", .hostname = "here", .port = 3780, .dice_seed = 1, .key = &key};
    node_init(&stage->node, &identity, settings, &stage_ops, stage, stage->now);
    return stage;
}

struct stage *begin(void) {
    return begin_with("");
}

void end(struct stage *stage) {
    node_fini(&stage->node);
    parser_close(stage->parser);
    free(stage);
}

void assert_acts(struct stage *stage, const char *expected) {
    assert_string_equal(stage->transcript, expected);
    stage->transcript[0] = '\0';
}

void forget_acts(struct stage *stage) {
    stage->transcript[0] = '\0';
}

unsigned acts_with(struct stage *stage, const char *text) {
    unsigned count = 0;
    for (const char *at = stage->transcript; (at = strstr(at, text)) != NULL; at++) count++;
    return count;
}

void pass(struct stage *stage, uint64_t ms) {
    uint64_t until = stage->now + ms;
    for (;;) {
        uint64_t due = node_deadline(&stage->node);
        if (due > until) break;
        if (due > stage->now) stage->now = due;
        node_tick(&stage->node, stage->now);
        struct lock *lock;
        while ((lock = locks_ripe(&stage->node.locks, stage->now)) != NULL)
            locks_settled(&stage->node.locks, lock);
        assert_true(node_deadline(&stage->node) > stage->now);
    }
    stage->now = until;
}

enum node_result say(struct stage *stage, uint32_t link, const char *line) {
    struct message message;
    struct err err;
    if (message_parse(stage->parser, str_of(line), &message, &err) != 0) fail_msg("%s: %s", line, err.text);
    enum node_result result = node_message(&stage->node, link, &message, stage->now);
    parser_forget(stage->parser);
    return result;
}

void arrive(struct stage *stage, uint32_t link, const char *line) {
    struct message message;
    struct err err;
    assert_int_equal(message_parse(stage->parser, str_of(line), &message, &err), 0);
    node_linked_in(&stage->node, link, "192.0.2.1:5", &message, stage->now);
    parser_forget(stage->parser);
}

void herald_child(struct stage *stage, uint32_t link, const char *id) {
    char line[200];
    snprintf(line, sizeof line,
             "{\"command\":\"AUTHENTICATE\",\"secret\":\"" SECRET
             "\",\"herald\":{\"version\":1,\"id\":\"%s\"}}",
             id);
    arrive(stage, link, line);
    forget_acts(stage);
}

void plain_child(struct stage *stage, uint32_t link) {
    arrive(stage, link, HELLO);
    pass(stage, NODE_QUIET_MS + 1);
    forget_acts(stage);
}

void herald_parent(struct stage *stage, uint32_t link, const char *id) {
    char line[200];
    snprintf(line, sizeof line, "{\"command\":\"HERALD\",\"version\":1,\"id\":\"%s\"}", id);
    pass(stage, 0);
    node_linked_out(&stage->node, link, "192.0.2.2:3780", stage->now);
    say(stage, link, line);
    forget_acts(stage);
}

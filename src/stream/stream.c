// The stream: its core thread's turn, its start and its end.
//
//   core thread      door, node + trunk (server links), desk (logins, registrations), timers
//   shard threads    clients
//   pool threads     argon2id                     the storage thread is the proposer's
//
// The threads share the reel and the balance (hub.h) and otherwise talk by mail.
#include "stream/stream_private.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define OVERDUE_MS 20u

// --- what the node does, beyond sockets and accounts
// --------------------------------------------------------

static uint64_t stream_load(void *context) {
    struct stream *stream = context;
    pthread_mutex_lock(&stream->hub.balance_lock);
    uint64_t load = balance_load(stream->hub.balance);
    pthread_mutex_unlock(&stream->hub.balance_lock);
    return load;
}

static void stream_server_heard(void *context, const struct peer *peer, uint64_t now_ms) {
    struct stream *stream = context;
    pthread_mutex_lock(&stream->hub.balance_lock);
    (void)balance_announced(stream->hub.balance, str_of(peer->id), peer->load, str_of(peer->hostname),
                            peer->port,
                            now_ms); // without room for it, it is not redirected to
    pthread_mutex_unlock(&stream->hub.balance_lock);
}

static void stream_server_gone(void *context, const struct peer *peer) {
    struct stream *stream = context;
    pthread_mutex_lock(&stream->hub.balance_lock);
    balance_forget(stream->hub.balance, str_of(peer->id));
    pthread_mutex_unlock(&stream->hub.balance_lock);
}

static void stream_hinted(void *context, struct str id, uint32_t count, bool us, uint64_t now_ms) {
    struct stream *stream = context;
    pthread_mutex_lock(&stream->hub.balance_lock);
    if (us)
        balance_expect(stream->hub.balance, count, now_ms);
    else
        balance_hinted(stream->hub.balance, id, count, now_ms);
    pthread_mutex_unlock(&stream->hub.balance_lock);
}

// The clients sent away in this round may go now.
static void stream_told(void *context, uint64_t round) {
    struct stream *stream = context;
    atomic_store(&stream->hub.told, round);
    for (unsigned i = 0; i < stream->shards_started; i++) {
        if (atomic_load(&stream->shards[i].departing_count) > 0) wake_send(stream->shards[i].wake);
    }
}

static const struct node_ops node_ops = {.send = trunk_send,
                                         .hold = trunk_hold,
                                         .up = trunk_up,
                                         .cut = trunk_cut,
                                         .dial = trunk_dial,
                                         .publish = trunk_publish,
                                         .load = stream_load,
                                         .server_heard = stream_server_heard,
                                         .server_gone = stream_server_gone,
                                         .hinted = stream_hinted,
                                         .told = stream_told,
                                         .is_account = desk_is_account,
                                         .decided = desk_decided};

// --- the core's turn
// ----------------------------------------------------------------------------------------

// Tells the other Herald servers whom we have sent away, before they hear of it from the clients.
static void stream_tell_hints(struct stream *stream, uint64_t now_ms) {
    struct balance_sent sent[MESSAGE_MAX_HINTS];
    struct message_hint hints[MESSAGE_MAX_HINTS];
    uint64_t round = 0;
    size_t count;
    bool any;
    do {
        pthread_mutex_lock(&stream->hub.balance_lock);
        any = balance_take_sent(stream->hub.balance, sent, MESSAGE_MAX_HINTS, &count, &round);
        pthread_mutex_unlock(&stream->hub.balance_lock);
        for (size_t i = 0; i < count; i++)
            hints[i] = (struct message_hint){.id = str_of(sent[i].id), .count = sent[i].count};
        if (any) node_tell_hints(&stream->node, hints, count, round, now_ms);
    } while (count == MESSAGE_MAX_HINTS);
}

static bool stream_is_drained(const struct stream *stream) {
    return stream->shards_draining == 0 && trunk_idle(stream->trunk) && desk_idle(stream->desk);
}

static void stream_drain_turn(struct stream *stream, uint64_t now_ms) {
    if (!stream->draining || stream->drained == NULL) return;
    if (!stream_is_drained(stream) && now_ms < stream->drain_until_ms) return;
    void (*drained)(void *context) = stream->drained;
    stream->drained = NULL;
    drained(stream->drained_context);
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static void stream_arm(struct stream *stream, uint64_t now_ms) {
    uint64_t when = trunk_deadline(stream->trunk);
    if (!stream->draining)
        when = least(when, least(node_deadline(&stream->node), desk_deadline(stream->desk)));
    else if (stream->drained != NULL)
        when = least(when, stream->drain_until_ms);
    // What is still due after the turn waits for the pool (settle_ripe), whose mail brings a turn, too.
    if (when == UINT64_MAX)
        timer_stop(stream->timer);
    else
        timer_start(stream->timer, when > now_ms ? when - now_ms : when == now_ms ? 1 : OVERDUE_MS, 0);
}

static void stream_turn(void *context) {
    struct stream *stream = context;
    uint64_t now = loop_now(stream->loop);
    if (!stream->draining) {
        node_tick(&stream->node, now);
        desk_tick(stream->desk, now);
        uint64_t load = stream_load(stream);
        if (load != stream->announced_load) node_load_changed(&stream->node, now);
        stream->announced_load = load;
    }
    stream_tell_hints(stream, now);
    trunk_turn(stream->trunk);
    stream_drain_turn(stream, now);
    stream_arm(stream, now);
}

static void stream_nothing(void *context) {
    (void)context; // being woken is enough: the turn follows
}

// --- opening
// ------------------------------------------------------------------------------------------------

static int hub_open(struct stream *stream, struct err *err) {
    const struct stream_settings *settings = &stream->settings;
    struct hub *hub = &stream->hub;
    secret_random(hub->key.bytes, sizeof hub->key.bytes);
    pthread_mutex_init(&hub->balance_lock, NULL);
    hub->core_mailbox = stream->mailbox;
    hub->core_wake = stream->wake;
    hub->proposer = stream->proposer;
    hub->reel = reel_open(settings->reel_segments, settings->reel_segment_size, settings->shards + 1, err);
    if (hub->reel == NULL) return -1;
    hub->balance = balance_open(secret_random_u64());
    stream->shards = calloc(settings->shards, sizeof *stream->shards);
    hub->shards = calloc(settings->shards, sizeof(struct shard *));
    if (hub->balance == NULL || stream->shards == NULL || hub->shards == NULL)
        return err_set(err, ERR_MEMORY, "memory is out");
    hub->shard_count = settings->shards;
    for (unsigned i = 0; i < settings->shards; i++) hub->shards[i] = &stream->shards[i];
    for (; stream->shards_started < settings->shards; stream->shards_started++) {
        unsigned i = stream->shards_started;
        if (shard_start(&stream->shards[i], hub, i + 1, settings, err) != 0) return -1;
    }
    return 0;
}

// What to announce as our host: as configured, else where we listen; a wildcard tells nobody where we are.
static void stream_hostname(const struct stream *stream, char hostname[ADDRESS_TEXT_SIZE]) {
    if (address_is_wildcard(&stream->settings.listen)) {
        str_copy(STR("127.0.0.1"), hostname, ADDRESS_TEXT_SIZE);
        log_warn(L_MSG("announcing 127.0.0.1"), L_STR("why", "listen is a wildcard and advertise is not set"),
                 L_STR("cure", "set advertise to this machine's name or address"));
        return;
    }
    address_format_host(&stream->settings.listen, hostname);
}

static void node_open(struct stream *stream) {
    struct address address;
    door_address(stream->door, &address);
    char hostname[ADDRESS_TEXT_SIZE];
    const char *announced = stream->settings.advertise;
    if (announced[0] == '\0') {
        stream_hostname(stream, hostname);
        announced = hostname;
    }
    struct node_identity identity = {.id = stream->id,
                                     .hostname = announced,
                                     .port = address_port(&address),
                                     .dice_seed = secret_random_u64(),
                                     .key = &stream->hub.key};
    node_init(&stream->node, &identity, &stream->settings, &node_ops, stream, loop_now(stream->loop));
    stream->node_ready = true;
}

static int stream_start(struct stream *stream, const char *directory, struct err *err) {
    stream->mailbox = mailbox_open(stream->loop, stream, err);
    stream->wake = wake_open(stream->loop, stream_nothing, stream, err);
    stream->timer = timer_open(stream->loop, stream_nothing, stream, err);
    if (stream->mailbox == NULL || stream->wake == NULL || stream->timer == NULL) return -1;
    if (hub_open(stream, err) != 0) return -1;
    stream->trunk = trunk_open(stream, err);
    if (stream->trunk == NULL) return -1;
    stream->desk = desk_open(stream, directory, err);
    if (stream->desk == NULL) return -1;
    // Last: from here on strangers come in. What they send waits in mailboxes until the loop runs.
    stream->door = door_open(stream->loop, &stream->hub, &stream->settings, err);
    if (stream->door == NULL) return -1;
    node_open(stream);
    loop_on_turn(stream->loop, stream_turn, stream);
    wake_send(stream->wake);
    return 0;
}

struct stream *stream_open(struct loop *loop, const struct stream_settings *settings, const char *directory,
                           struct proposer *proposer, struct err *err) {
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    stream->loop = loop;
    stream->settings = *settings;
    stream->proposer = proposer;
    secret_token(stream->id);
    if (stream_start(stream, directory, err) == 0) return stream;
    stream_close(stream);
    return NULL;
}

void stream_address(const struct stream *stream, struct address *address) {
    door_address(stream->door, address);
}

const char *stream_id(const struct stream *stream) {
    return stream->id;
}

// --- changing
// -----------------------------------------------------------------------------------------------

void stream_reload(struct stream *stream, const struct stream_settings *settings) {
    struct stream_settings *now = &stream->settings;
    struct stream_settings fixed = *now;
    *now = *settings;
    now->listen = fixed.listen;
    now->tls = fixed.tls; // it renews itself
    now->plaintext = fixed.plaintext;
    memcpy(now->advertise, fixed.advertise, sizeof now->advertise);
    now->shards = fixed.shards;
    now->max_message = fixed.max_message;
    now->max_depth = fixed.max_depth;
    now->reel_segments = fixed.reel_segments;
    now->reel_segment_size = fixed.reel_segment_size;
    now->hash_threads = fixed.hash_threads;
    now->hash_queue = fixed.hash_queue;
    now->verified_entries = fixed.verified_entries;
    secret_wipe(&fixed, sizeof fixed);
    node_settings_changed(&stream->node, loop_now(stream->loop));
    desk_reload(stream->desk);
    for (unsigned i = 0; i < stream->shards_started; i++) shard_reload(&stream->shards[i], now);
    wake_send(stream->wake);
}

// --- ending
// -------------------------------------------------------------------------------------------------

static void on_shard_drained(struct mail *mail, void *context) {
    (void)mail; // one of drain_mails
    struct stream *stream = context;
    if (--stream->shards_draining > 0) return;
    trunk_finish(stream->trunk); // the links go last: what the clients said goes out on them
}

void stream_drain(struct stream *stream, void (*drained)(void *context), void *context) {
    stream->draining = true;
    stream->drained = drained;
    stream->drained_context = context;
    // The shards give up after drain_ms; a moment more for what follows.
    stream->drain_until_ms = loop_now(stream->loop) + stream->settings.drain_ms + LINGER_MS;
    door_shut(stream->door);
    desk_stop(stream->desk);
    locks_tick(&stream->node.locks,
               UINT64_MAX); // nobody waits for other servers any longer, and they are told
    stream->drain_mails = calloc(stream->shards_started, sizeof *stream->drain_mails);
    if (stream->drain_mails == NULL) {
        stream->drain_until_ms = 0; // no memory for politeness
    } else {
        stream->shards_draining = stream->shards_started;
        for (unsigned i = 0; i < stream->shards_started; i++) {
            stream->drain_mails[i].deliver = on_shard_drained;
            shard_drain(&stream->shards[i], &stream->drain_mails[i]);
        }
    }
    wake_send(stream->wake);
}

void stream_stop(struct stream *stream) {
    if (stream == NULL) return;
    loop_on_turn(stream->loop, NULL, NULL);
    if (stream->door != NULL) door_shut(stream->door);
    for (unsigned i = 0; i < stream->shards_started; i++) shard_stop(&stream->shards[i]);
}

void stream_close(struct stream *stream) {
    if (stream == NULL) return;
    // All threads end before anything of theirs goes; the desk's last answers go to the shards' mailboxes,
    // and what its locks tell other servers to the trunk.
    stream_stop(stream);
    desk_close(stream->desk);
    for (unsigned i = 0; i < stream->shards_started; i++) shard_settle(&stream->shards[i]);
    if (stream->guest != NULL) stream->guest->leave(stream->guest_context);
    for (unsigned i = 0; i < stream->shards_started; i++) shard_close(&stream->shards[i]);
    trunk_close(stream->trunk);
    if (stream->node_ready) node_fini(&stream->node);
    if (stream->mailbox != NULL) mailbox_close(stream->mailbox); // the last clients are counted out and freed
    door_close(stream->door);
    wake_close(stream->wake);
    timer_close(stream->timer);
    if (stream->hub.balance != NULL) balance_close(stream->hub.balance);
    reel_close(stream->hub.reel);
    pthread_mutex_destroy(&stream->hub.balance_lock);
    free(stream->hub.shards);
    free(stream->shards);
    free(stream->drain_mails);
    secret_wipe(stream, sizeof *stream);
    free(stream);
}

void stream_totals(const struct stream *stream, struct stream_totals *totals) {
    const struct hub_counters *counters = &stream->hub.counters;
    *totals = (struct stream_totals){.accepted = door_accepted(stream->door),
                                     .activities = reel_count(stream->hub.reel),
                                     .deliveries = counters->deliveries,
                                     .lapped = counters->closed[CLOSE_LAPPED],
                                     .refused = counters->closed[CLOSE_REFUSED]};
}

// The bytes of two server links through framer, decoder and node, with recording ops and a clock that jumps.
// Checked at every step: what is sent is a whole line that we would accept ourselves, on a link that is
// there, and never back to where it came from but as an answer; nothing that has a name between Herald
// servers is published twice; each REGISTER is decided once and in time; the node asks to be woken when it
// has work, and only then.
//
// Input: a digit 0..7 (lock_allowed_server; 4 and more: with a parent to dial), then what the other side of
// link A says. A link that is not there begins with its AUTHENTICATE. Events, below, are single bytes.
#include "base/log.h"
#include "base/secret.h"
#include "stream/node.h"
#include "stream/reel.h"
#include "wire/frame.h"
#include "world.h"

#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    EVENT_PIECE = 1, // what came so far is one piece
    EVENT_OTHER,     // what follows comes by the other link
    EVENT_10_MS,
    EVENT_100_MS,
    EVENT_1_S,
    EVENT_10_S,
    EVENT_DOWN,           // 07: the other side of the link closes
    EVENT_DIALLED = 0x08, // the dial succeeds: the link is it
    EVENT_DIAL_FAILED = 0x0b,
    EVENT_REGISTER,    // a client of ours
    EVENT_BUSY = 0x0e, // the reel, three times
    EVENT_LOAD,        // changes
    EVENT_HINT,        // 10: we have sent somebody away
    EVENT_SETTLED,     // the oldest name that is being made an account is one now
    EVENT_UNSETTLED,   // the storage refused it
    EVENT_LOGIN,       // for a name that was recorded
    EVENT_SETTINGS,    // 14: another interval, other targets
};

#define OWN_ID   "our-own-id"
#define MAX_LINE 1000u
#define MOST     64

struct end {
    uint32_t id; // 0: nothing is there
    bool known;  // to the node; false and an id: cut in this call
    bool dialled, herald, up, up_herald, held, released_early, last_word;
    uint64_t up_ms;
    size_t sent;
    struct framer framer;
    struct buf stalled;
};

struct request {
    bool open;
    uint64_t since_ms;
};

struct world {
    struct stream_settings settings;
    struct node node;
    struct parser *parser, *reader;
    uint64_t now;
    struct end ends[2], *at;
    uint32_t last_id;
    unsigned acts, busy;
    bool refused_busy, dialling;
    uint64_t load, round, told, round_ms[MOST];
    struct request requests[MOST];
    size_t request_count;
    struct lock *settling[MOST];
    size_t settling_count;
    char accounts[MOST][sizeof((struct login *)0)->fold];
    size_t account_count;
    char heard[MOST][PEER_ID_MAX + 1]; // servers the balance knows of
    size_t heard_count;
    uint64_t sequences[MOST]; // by origin: the last one published

    // while the node deals with a message
    const struct message *message;
    struct end *speaker;
    bool speaker_was_up;
};

static struct parser *parsers[2];
static const struct secret_key key;

static struct end *end_of(struct world *world, uint32_t id) {
    for (size_t i = 0; i < 2; i++)
        if (id != 0 && world->ends[i].id == id) return &world->ends[i];
    abort();
}

// --- the ops
// -------------------------------------------------------------------------------------------------

// To the link whose message is being dealt with: only answers to it, and the greeting.
static void check_answer(const struct world *world, const struct message *said) {
    const struct message *heard = world->message;
    bool to_lock = heard->command == COMMAND_LOCK_REQUEST && str_equal(said->username, heard->username) &&
                   (said->command == COMMAND_LOCK_ALLOWED || said->command == COMMAND_LOCK_DENIED);
    bool to_hint = heard->command == COMMAND_HERALD && heard->hint_count > 0 &&
                   said->command == COMMAND_HERALD && str_equal_text(said->server, OWN_ID);
    bool token = heard->command == COMMAND_SERVER_ANNOUNCE &&
                 world->speaker->dialled && // our own, to our parent
                 said->command == COMMAND_HERALD && said->herald_id.len > 0;
    bool greeting = !world->speaker_was_up &&
                    (said->command == COMMAND_SERVER_ANNOUNCE || said->command == COMMAND_HERALD);
    check(to_lock || to_hint || token || greeting);
}

static void on_send(void *context, uint32_t id, struct str line) {
    struct world *world = context;
    struct end *end = end_of(world, id);
    struct message said;
    world->acts++;
    check(end->known && !end->last_word);
    check_line(world->reader, line, &said);
    switch (said.command) {
    case COMMAND_AUTHENTICATE: check(end->dialled && end->sent == 0); break;
    case COMMAND_INVALID_MESSAGE:
    case COMMAND_AUTHENTICATION_FAIL: end->last_word = true; break;
    case COMMAND_HERALD: check(end->herald); break;
    case COMMAND_LOCK_REQUEST:
    case COMMAND_LOCK_ALLOWED:
    case COMMAND_LOCK_DENIED: check(end->up); break;
    case COMMAND_SERVER_ANNOUNCE:
        check(end->up);
        if (!str_equal_text(said.id, OWN_ID)) check(peers_find(&world->node.peers, said.id)->link != id);
        break;
    default: abort();
    }
    if (end == world->speaker && !end->last_word) check_answer(world, &said);
    end->sent++;
}

static void on_hold(void *context, uint32_t id, bool held) {
    struct world *world = context;
    struct end *end = end_of(world, id);
    world->acts++;
    check(end->known && end->up && end->held != held);
    end->held = held;
    if (!held && world->now - end->up_ms < NODE_QUIET_MS)
        end->released_early = true; // then it is for its last word
}

static void on_up(void *context, uint32_t id, bool herald) {
    struct world *world = context;
    struct end *end = end_of(world, id);
    world->acts++;
    // A second time only for a dialled one that was taken for plain and has turned out to be Herald.
    bool late = end->up && end->dialled && !end->up_herald && herald;
    check(end->known && (!end->up || late) && (!herald || end->herald));
    if (!end->up) end->up_ms = world->now;
    end->up = true;
    end->up_herald = herald;
}

static void on_cut(void *context, uint32_t id, const char *why) {
    struct world *world = context;
    struct end *end = end_of(world, id);
    world->acts++;
    check(end->known && why[0] != '\0');
    end->known = false;
}

static void on_dial(void *context, const struct settings_target *target) {
    struct world *world = context;
    world->acts++;
    check(!world->dialling && target->port != 0);
    world->dialling = true;
}

static bool on_publish(void *context, const struct message *message, struct str user, uint32_t id,
                       uint32_t origin, uint64_t sequence) {
    struct world *world = context;
    struct end *end = end_of(world, id);
    struct buf frame = {0};
    struct message heard;
    world->acts++;
    check(end->known && end->up && str_equal(user, activity_user(message)));
    if (world->busy > 0) {
        world->busy--;
        world->refused_busy = true;
        return false;
    }
    if (origin != REEL_LOCAL) {
        check(end->up_herald && !str_equal_text(node_origin(&world->node, origin), OWN_ID));
        check(str_equal(node_origin(&world->node, origin), message->origin) && sequence == message->sequence);
        if (origin < MOST) {
            check(sequence > world->sequences[origin]);
            world->sequences[origin] = sequence;
        }
    }
    check(activity_encode(world->parser, message, user, &frame) == 0);
    check_line(world->reader, buf_str(&frame), &heard);
    buf_free(&frame);
    return true;
}

static uint64_t on_load(void *context) {
    const struct world *world = context;
    return world->load;
}

static size_t heard_at(const struct world *world, const char *id) {
    size_t i = 0;
    while (i < world->heard_count && strcmp(world->heard[i], id) != 0) i++;
    return i;
}

static void on_server_heard(void *context, const struct peer *peer, uint64_t now_ms) {
    struct world *world = context;
    world->acts++;
    check(now_ms == world->now && peer->port != 0);
    size_t i = heard_at(world, peer->id);
    if (i < world->heard_count || i == MOST) return;
    str_copy(str_of(peer->id), world->heard[world->heard_count++], sizeof world->heard[0]);
}

static void on_server_gone(void *context, const struct peer *peer) {
    struct world *world = context;
    world->acts++;
    size_t i = heard_at(world, peer->id);
    if (i == world->heard_count) {
        check(world->heard_count == MOST); // there was no room for it
        return;
    }
    memmove(world->heard[i], world->heard[--world->heard_count], sizeof world->heard[0]);
}

static void on_hinted(void *context, struct str id, uint32_t count, bool us, uint64_t now_ms) {
    struct world *world = context;
    world->acts++;
    (void)count;
    check(us == str_equal_text(id, OWN_ID) && now_ms == world->now);
}

static void on_told(void *context, uint64_t round) {
    struct world *world = context;
    world->acts++;
    check(round == world->told + 1 && round <= world->round); // each once, in order
    world->told = round;
}

static bool on_is_account(void *context, const char *fold) {
    const struct world *world = context;
    for (size_t i = 0; i < world->account_count; i++)
        if (strcmp(world->accounts[i], fold) == 0) return true;
    return false;
}

static void settle(struct world *world, struct lock *lock) {
    check(lock->state == LOCK_SETTLING && lock->has_secret);
    world->settling[world->settling_count++] = lock;
}

static void on_decided(void *context, struct lock *lock, enum lock_outcome outcome) {
    struct world *world = context;
    struct request *request = lock->request;
    world->acts++;
    check(lock->ours && request->open);
    request->open = false;
    if (outcome == LOCK_GRANTED) settle(world, lock);
}

static const struct node_ops ops = {.send = on_send,
                                    .hold = on_hold,
                                    .up = on_up,
                                    .cut = on_cut,
                                    .dial = on_dial,
                                    .publish = on_publish,
                                    .load = on_load,
                                    .server_heard = on_server_heard,
                                    .server_gone = on_server_gone,
                                    .hinted = on_hinted,
                                    .told = on_told,
                                    .is_account = on_is_account,
                                    .decided = on_decided};

// --- after every call
// ----------------------------------------------------------------------------------------

static void end_close(struct end *end) {
    framer_fini(&end->framer);
    buf_wipe(&end->stalled);
    *end = (struct end){0};
    framer_init(&end->framer, MAX_LINE);
}

// Cut links are closed; what holds for the others is checked.
static void settle_call(struct world *world) {
    size_t known = 0;
    for (size_t i = 0; i < 2; i++) {
        struct end *end = &world->ends[i];
        if (end->id == 0) continue;
        if (!end->known) {
            end_close(end);
            continue;
        }
        known++;
        check(!end->last_word && !end->released_early);
        bool quiet = end->up && !end->dialled && !end->up_herald && world->now - end->up_ms < NODE_QUIET_MS;
        check(end->held || !quiet);
    }
    check(HASH_COUNT(world->node.links) == known && node_links(&world->node) <= known);
    world->message = NULL;
    world->speaker = NULL;
}

// --- names on their way to be accounts
// -----------------------------------------------------------------------

static void settle_first(struct world *world, bool ok) {
    if (world->settling_count == 0) return;
    struct lock *lock = world->settling[0];
    memmove(&world->settling[0], &world->settling[1], --world->settling_count * sizeof lock);
    if (!ok || world->account_count == MOST) {
        locks_unsettled(&world->node.locks, lock, world->now);
    } else {
        strcpy(world->accounts[world->account_count++], lock->login.fold);
        locks_settled(&world->node.locks, lock);
    }
    settle_call(world);
}

static void log_in(struct world *world, const char *fold, struct str secret) {
    struct lock *lock;
    if (world->settling_count == MOST) return;
    if (locks_login(&world->node.locks, fold, secret, &lock) == LOCK_LOGIN_FIRST) settle(world, lock);
}

static void enrol(struct world *world) {
    static const char *const names[] = {"carol", "Dave", "erin"};
    struct login login;
    if (world->request_count == MOST || world->settling_count == MOST) return;
    struct request *request = &world->requests[world->request_count];
    check(login_parse(str_of(names[world->request_count % 3]), &login, NULL) == 0);
    *request = (struct request){.open = true, .since_ms = world->now};
    if (node_register(&world->node, &login, STR("s3cret"), request, world->now) == LOCKS_OK)
        world->request_count++;
    else
        check(request->open);
    settle_call(world);
}

// --- time
// ----------------------------------------------------------------------------------------------------

static void tick(struct world *world) {
    struct lock *lock;
    node_tick(&world->node, world->now);
    settle_call(world);
    while (world->settling_count < MOST && (lock = locks_ripe(&world->node.locks, world->now)) != NULL)
        settle(world, lock);
}

// Goes from deadline to deadline, as a timer would; in between there is nothing to do.
static void advance(struct world *world, uint64_t ms) {
    uint64_t until = world->now + ms;
    unsigned again = 0;
    for (uint64_t due; (due = node_deadline(&world->node)) <= until;) {
        if (world->settling_count == MOST) settle_first(world, true);
        again = due > world->now ? 0 : again + 1;
        check(again < 8); // otherwise it would keep a core busy for nothing
        if (due > world->now) world->now = due;
        tick(world);
    }
    world->now = until;
    unsigned acts = world->acts;
    tick(world);
    check(world->acts == acts && node_deadline(&world->node) > world->now);
    for (size_t i = 0; i < world->request_count; i++)
        check(!world->requests[i].open ||
              world->now - world->requests[i].since_ms < world->settings.register_timeout_ms);
    if (world->told < world->round)
        check(world->now - world->round_ms[(world->told + 1) % MOST] < NODE_TELLING_MS);
}

// --- reading
// -------------------------------------------------------------------------------------------------

static void take_first(struct world *world, struct end *end, struct str line) {
    struct message message;
    struct err err;
    if (message_parse(world->parser, line, &message, &err) != 0 || message.command != COMMAND_AUTHENTICATE) {
        end_close(end); // a client, or nobody
        return;
    }
    end->id = ++world->last_id;
    end->known = true;
    end->herald = message.herald_version != 0;
    world->message = &message;
    world->speaker = end;
    world->speaker_was_up = false;
    node_linked_in(&world->node, end->id, "10.0.0.2:2", &message, world->now);
    settle_call(world);
}

static void take_line(struct world *world, struct end *end, struct str line) {
    struct message message;
    struct err err;
    world->refused_busy = false;
    if (message_parse(world->parser, line, &message, &err) != 0) {
        node_invalid(&world->node, end->id, err.text, world->now);
        check(!end->known);
    } else {
        if (end->dialled && message.command == COMMAND_HERALD) end->herald = true;
        world->message = &message;
        world->speaker = end;
        world->speaker_was_up = end->up;
        enum node_result result = node_message(&world->node, end->id, &message, world->now);
        check((result == NODE_AGAIN) == world->refused_busy);
        bool kept = line.ptr == end->stalled.data;
        if (result == NODE_AGAIN && !kept) check(buf_append_str(&end->stalled, line) == 0);
        if (result == NODE_TAKEN && kept) buf_wipe(&end->stalled);
    }
    parser_forget(world->parser);
    settle_call(world);
}

static void take(struct world *world, struct end *end, struct str input) {
    struct str line;
    uint32_t id = end->id;
    while (end->stalled.len == 0) {
        switch (framer_next(&end->framer, &input, &line)) {
        case FRAME_MORE: return;
        case FRAME_MEMORY: abort();
        case FRAME_TOO_LONG:
            if (end->id != 0)
                node_invalid(&world->node, end->id, "the line is longer than max_message", world->now);
            else
                end_close(end);
            settle_call(world);
            return;
        case FRAME_LINE:
            if (end->id != 0) {
                take_line(world, end, line);
            } else {
                take_first(world, end, line);
                id = end->id;
            }
            if (end->id == 0 || end->id != id) return; // it was cut: what follows is not read
        }
    }
    check(framer_keep(&end->framer, &input) == 0);
}

static void retry(struct world *world) {
    for (size_t i = 0; i < 2; i++) {
        struct end *end = &world->ends[i];
        if (end->stalled.len == 0) continue;
        take_line(world, end, buf_str(&end->stalled));
        if (end->id != 0) take(world, end, (struct str){0});
    }
}

// --- events
// --------------------------------------------------------------------------------------------------

static void go_down(struct world *world, struct end *end) {
    if (end->id == 0) return;
    uint32_t id = end->id;
    end->known = false;
    node_link_down(&world->node, id, "the other side closed", world->now);
    settle_call(world);
}

static void dialled(struct world *world, bool ok) {
    struct end *end = world->at;
    if (!world->dialling) return;
    world->dialling = false;
    if (!ok || end->id != 0) {
        node_dial_failed(&world->node, "nobody is there", world->now);
        return;
    }
    end_close(end);
    end->id = ++world->last_id;
    end->known = end->dialled = true;
    node_linked_out(&world->node, end->id, "10.0.0.1:1", world->now);
    settle_call(world);
}

static void hint(struct world *world) {
    if (world->round - world->told == MOST - 1) return;
    struct message_hint hints[2] = {{STR("peer-a"), 2}, {str_of(world->heard[0]), 1}};
    world->round_ms[++world->round % MOST] = world->now;
    node_tell_hints(&world->node, hints, world->heard_count > 0 ? 2 : 1, world->round, world->now);
}

static void change_settings(struct world *world) {
    struct stream_settings *settings = &world->settings;
    settings->announce_interval_ms = settings->announce_interval_ms == 1000 ? 300 : 1000;
    settings->connect_count = settings->connect_count == 1 ? 2 : 1;
    node_settings_changed(&world->node, world->now);
}

static void event(struct world *world, uint8_t what) {
    switch (what) {
    case EVENT_OTHER: world->at = world->at == world->ends ? world->ends + 1 : world->ends; break;
    case EVENT_10_MS: advance(world, 10); break;
    case EVENT_100_MS: advance(world, 100); break;
    case EVENT_1_S: advance(world, 1000); break;
    case EVENT_10_S: advance(world, 10000); break;
    case EVENT_DOWN: go_down(world, world->at); break;
    case EVENT_DIALLED: dialled(world, true); break;
    case EVENT_DIAL_FAILED: dialled(world, false); break;
    case EVENT_REGISTER: enrol(world); break;
    case EVENT_BUSY: world->busy = 3; break;
    case EVENT_LOAD: world->load++, node_load_changed(&world->node, world->now); break;
    case EVENT_HINT: hint(world); break;
    case EVENT_SETTLED: settle_first(world, true); break;
    case EVENT_UNSETTLED: settle_first(world, false); break;
    case EVENT_LOGIN: log_in(world, "frank", STR("s3cret")); break;
    case EVENT_SETTINGS: change_settings(world); break;
    default: break;
    }
    settle_call(world);
    retry(world);
    advance(world, 0); // the turn of the loop
}

// --- one run
// -------------------------------------------------------------------------------------------------

static void play(struct world *world, const uint8_t *data, size_t size) {
    for (size_t at = 0, start = 0; at <= size; at++) {
        if (at < size && !IS_EVENT(data[at])) continue;
        struct str piece = {(const char *)data + start, at - start};
        char *copy = copy_of(piece);
        take(world, world->at, (struct str){copy, piece.len});
        free(copy);
        advance(world, 0);
        start = at + 1;
        if (at < size) event(world, data[at]);
    }
}

// With the last link goes all that was known by it, and nobody is waited for.
static void finish(struct world *world) {
    go_down(world, &world->ends[0]);
    go_down(world, &world->ends[1]);
    check(peers_count(&world->node.peers) == 0 && world->heard_count == 0);
    for (size_t i = 0; i < world->request_count; i++) check(!world->requests[i].open);
    node_fini(&world->node);
    for (size_t i = 0; i < 2; i++) end_close(&world->ends[i]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    log_configure(LOG_ERROR, LOG_TEXT);
    check(secret_init(NULL) == 0);
    parsers[0] = parser_open(MAX_LINE, 16);
    parsers[1] = parser_open(1 << 20, 20);
    check(parsers[0] && parsers[1]);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct world world;
    if (size == 0) return 0;
    world = (struct world){.parser = parsers[0], .reader = parsers[1], .now = 100000, .at = world.ends};
    struct stream_settings *settings = &world.settings;
    unsigned options = data[0] & 7u;
    settings->lock_allowed_server = (enum lock_allowed_server)(options % 3);
    settings->connect_count = options >= 4 ? 2 : 0;
    settings->connect[0] = (struct settings_target){.host = "first", .port = 1};
    settings->connect[1] = (struct settings_target){.host = "second", .port = 2};
    settings->announce_interval_ms = 1000;
    settings->register_timeout_ms = 3000;
    settings->lock_window_ms = 5000;
    strcpy(settings->secret, "server-s3cret");
    check(address_parse("127.0.0.1", 3780, &settings->listen));
    for (size_t i = 0; i < 2; i++) framer_init(&world.ends[i].framer, MAX_LINE);
    strcpy(world.accounts[world.account_count++], "alice");
    struct node_identity identity = {OWN_ID, "here", 3780, 1, &key};
    node_init(&world.node, &identity, settings, &ops, &world, world.now);
    play(&world, data + 1, size - 1);
    finish(&world);
    return 0;
}

// The doors of guest.h.
#include "stream/guest.h"

#include "stream/desk_private.h"
#include "wire/value.h"

#include <string.h>

void stream_host(struct stream *stream, const struct guest_ops *ops, void *context) {
    stream->guest = ops;
    stream->guest_context = context;
}

unsigned stream_shards(const struct stream *stream) {
    return stream->hub.shard_count;
}

struct loop *stream_shard_loop(const struct stream *stream, unsigned shard) {
    return stream->shards[shard].loop;
}

struct mailbox *stream_shard_mailbox(const struct stream *stream, unsigned shard) {
    return stream->shards[shard].mailbox;
}

void stream_on_turned(struct stream *stream, unsigned shard, void (*turned)(void *context), void *context) {
    stream->shards[shard].turned = turned;
    stream->shards[shard].turned_context = context;
}

const char *stream_admit(struct stream *stream, const struct address *from) {
    return door_admit(stream->door, from);
}

void stream_left(struct stream *stream, const struct address *from) {
    door_link_gone(stream->door, from);
}

void stream_ask(struct stream *stream, struct request *request) {
    request->mail.deliver = desk_take;
    mailbox_post(stream->mailbox, &request->mail);
}

bool stream_hash(struct stream *stream, struct job *job) {
    return pool_submit(stream->desk->pool, job);
}

// --- saying something -----------------------------------------------------------------------------------

// The activity as a client would have sent it. It is read by itself first: what is one value cannot break
// out of the line.
static int say_line(struct parser *parser, struct str activity, struct buf *line, struct err *err) {
    const struct value *value = value_read(parser, activity, err);
    if (value == NULL) return -1;
    if (value_kind(value) != VALUE_OBJECT) return err_set(err, ERR_INVALID, "an activity is a JSON object");
    if (buf_append_text(line, "{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"" LOGIN_ANONYMOUS
                              "\",\"activity\":") != 0 ||
        value_write(parser, value, line) != 0 || buf_append_text(line, "}") != 0)
        return err_set(err, ERR_MEMORY, "memory is out");
    return 0;
}

// See client_pay: the same share, kept by the connection.
static bool say_pay(struct shard *shard, uint64_t *paid_us, size_t bytes, uint64_t *wait_ms) {
    uint64_t limit = shard->settings.publish_limit, now_us = loop_now(shard->loop) * 1000;
    if (limit == 0) return true;
    if (*paid_us < now_us) *paid_us = now_us;
    if (*paid_us > now_us + PUBLISH_SHARE_US) {
        *wait_ms = (*paid_us - now_us - PUBLISH_SHARE_US + 999) / 1000;
        return false;
    }
    *paid_us += (bytes + PUBLISH_OVERHEAD) * hub_audience(shard->hub) * 1000000 / limit;
    return true;
}

static enum said say_message(struct shard *shard, const struct speaker *speaker, struct str line,
                             uint64_t *wait_ms, struct err *err) {
    struct message message;
    if (line.len > shard->settings.max_message) return SAID_LONG;
    if (message_parse(shard->parser, line, &message, err) != 0) return SAID_INVALID;
    *wait_ms = 1;
    if (!shard_is_told(shard)) return SAID_BUSY;
    if (shard_has_ended(shard, &speaker->uuid, speaker->as_of)) return SAID_ENDED;
    buf_truncate(&shard->frame, 0);
    if (activity_encode(shard->parser, &message, speaker->user, &shard->frame) != 0) return SAID_MEMORY;
    if (!say_pay(shard, speaker->paid_us, shard->frame.len, wait_ms)) return SAID_BUSY;
    if (reel_append(shard->hub->reel, buf_str(&shard->frame), REEL_LOCAL, REEL_LOCAL, 0) == REEL_BUSY)
        return SAID_BUSY;
    shard->appended = true; // the turn that we are in sends it
    return SAID_HEARD;
}

enum said stream_say(struct stream *stream, unsigned index, const struct speaker *speaker,
                     struct str activity, uint64_t *wait_ms, struct err *err) {
    struct shard *shard = &stream->shards[index];
    struct buf line = {0};
    enum said said = SAID_INVALID;
    if (say_line(shard->parser, activity, &line, err) == 0)
        said = say_message(shard, speaker, buf_str(&line), wait_ms, err);
    else if (err->code == ERR_MEMORY)
        said = SAID_MEMORY;
    parser_forget(shard->parser);
    buf_free(&line);
    return said;
}

// --- metrics --------------------------------------------------------------------------------------------

void stream_gauges(const struct stream *stream, struct stream_gauges *gauges) {
    const struct hub *hub = &stream->hub;
    *gauges = (struct stream_gauges){.connections = door_connections(stream->door),
                                     .links = atomic_load(&hub->links),
                                     .activities = reel_count(hub->reel),
                                     .deliveries = atomic_load(&hub->counters.deliveries),
                                     .logins_failed = atomic_load(&hub->counters.logins_failed),
                                     .logins_delayed = atomic_load(&hub->counters.logins_delayed),
                                     .hash_waiting = pool_waiting(stream->desk->pool)};
    for (unsigned i = 0; i < hub->shard_count; i++)
        gauges->listeners += atomic_load(&hub->shards[i]->listeners);
    for (unsigned i = 0; i < hub->shard_count; i++) timing_add(&gauges->fanout, &hub->shards[i]->fanout);
    for (int i = 0; i < CLOSE_COUNT; i++) gauges->closed[i] = atomic_load(&hub->counters.closed[i]);
}

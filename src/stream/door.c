// The door. See door.h.
//
//   listener ──accept──► limits ──► client_new ──mail──► a shard ... ──mail──► door_client_gone ──► counted
//   out
// Memory may run out while a table grows: the element then has hh.tbl == NULL.
#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include "stream/door.h"

#include "base/log.h"
#include "stream/client.h"
#include "stream/shard.h"
#include "stream/stream_private.h"
#include "stream/trunk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

struct visitor { // one address, as limits count it
    struct address_key key;
    unsigned connections;
    UT_hash_handle hh;
};

struct door {
    struct hub *hub;
    const struct stream_settings *settings;
    struct listener *listener;
    struct address address;
    struct visitor *visitors;
    atomic_uint connections; // counted on the core thread, read by all
    unsigned next_shard;
    uint64_t accepted, turned_away;
};

// --- counting
// -----------------------------------------------------------------------------------------------

static struct address_key visitor_key(const struct address *from) {
    struct address_key key;
    memset(&key, 0, sizeof key); // it is compared as bytes
    struct address_key of = address_key(from);
    memcpy(key.bytes, of.bytes, sizeof key.bytes);
    key.family = of.family;
    return key;
}

static struct visitor *visitor_of(struct door *door, const struct address *from) {
    struct address_key key = visitor_key(from);
    struct visitor *visitor;
    HASH_FIND(hh, door->visitors, &key, sizeof key, visitor);
    return visitor;
}

static bool visitor_in(struct door *door, const struct address *from) {
    struct visitor *visitor = visitor_of(door, from);
    if (visitor == NULL) {
        visitor = calloc(1, sizeof *visitor);
        if (visitor == NULL) return false;
        visitor->key = visitor_key(from);
        HASH_ADD(hh, door->visitors, key, sizeof visitor->key, visitor);
        if (visitor->hh.tbl == NULL) {
            free(visitor);
            return false;
        }
    }
    visitor->connections++;
    door->connections++;
    return true;
}

static void visitor_out(struct door *door, const struct address *from) {
    struct visitor *visitor = visitor_of(door, from);
    door->connections--;
    if (--visitor->connections == 0) {
        HASH_DEL(door->visitors, visitor);
        free(visitor);
    }
    if (door->listener != NULL) listener_retry(door->listener); // a descriptor is free
}

// --- accepting
// ----------------------------------------------------------------------------------------------

static const char *door_refusal(struct door *door, const struct address *from) {
    if (door->settings->max_connections != 0 && door->connections >= door->settings->max_connections)
        return "this server has as many connections as it may have (max_connections)";
    const struct visitor *visitor = visitor_of(door, from);
    unsigned most = door->settings->connections_per_address;
    if (most != 0 && visitor != NULL && visitor->connections >= most)
        return "your address has as many connections as it may have (connections_per_address)";
    return NULL;
}

static void door_turn_away(struct door *door, int fd, const struct address *from, const char *why) {
    struct buf line = {0};
    if (message_write_info(&line, COMMAND_INVALID_MESSAGE, why) == 0)
        (void)!send(fd, line.data, line.len, MSG_NOSIGNAL | MSG_DONTWAIT); // a courtesy
    buf_free(&line);
    close(fd);
    hub_count_closed(door->hub, CLOSE_LIMIT);
    char text[ADDRESS_TEXT_SIZE];
    address_format(from, text);
    // In a storm one line in a thousand is enough.
    if (door->turned_away++ % 1000 == 0)
        log_warn(L_MSG("connection refused"), L_STR("client", text), L_STR("why", why));
}

static void on_accepted(void *context, int fd, const struct address *from) {
    struct door *door = context;
    door->accepted++;
    const char *why = door_refusal(door, from);
    if (why != NULL) {
        door_turn_away(door, fd, from, why);
        return;
    }
    struct shard *shard = door->hub->shards[door->next_shard++ % door->hub->shard_count];
    struct client *client = client_new(fd, from, shard);
    if (client == NULL || !visitor_in(door, from)) {
        if (client != NULL) client->fd = -1, client_free(client);
        door_turn_away(door, fd, from, "the server is out of memory");
        return;
    }
    mailbox_post(shard->mailbox, &client->mail);
}

const char *door_admit(struct door *door, const struct address *from) {
    const char *why = door_refusal(door, from);
    if (why != NULL) {
        hub_count_closed(door->hub, CLOSE_LIMIT);
        return why;
    }
    if (!visitor_in(door, from)) return "the server is out of memory";
    door->accepted++;
    return NULL;
}

void door_client_gone(struct mail *mail, void *context) {
    struct stream *stream = context;
    struct client *client = (struct client *)mail;
    visitor_out(stream->door, &client->from);
    client_free(client);
}

void door_link_gone(struct door *door, const struct address *from) {
    visitor_out(door, from);
}

// --- life
// ---------------------------------------------------------------------------------------------------

struct door *door_open(struct loop *loop, struct hub *hub, const struct stream_settings *settings,
                       struct err *err) {
    struct door *door = calloc(1, sizeof *door);
    if (door == NULL) {
        err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    door->hub = hub;
    door->settings = settings;
    door->listener = listener_open(loop, &settings->listen, on_accepted, door, err);
    if (door->listener == NULL) {
        free(door);
        return NULL;
    }
    listener_address(door->listener, &door->address);
    return door;
}

void door_shut(struct door *door) {
    listener_close(door->listener);
    door->listener = NULL;
}

void door_close(struct door *door) {
    if (door == NULL) return;
    door_shut(door);
    struct visitor *visitor, *next;
    HASH_ITER(hh, door->visitors, visitor, next) {
        HASH_DEL(door->visitors, visitor);
        free(visitor);
    }
    free(door);
}

void door_address(const struct door *door, struct address *address) {
    *address = door->address;
}

uint64_t door_accepted(const struct door *door) {
    return door->accepted;
}

unsigned door_connections(const struct door *door) {
    return atomic_load_explicit(&door->connections, memory_order_relaxed);
}

// --- servers
// ------------------------------------------------------------------------------------------------

struct adoption *adoption_new(const struct address *from, struct str line) {
    struct adoption *adoption = calloc(1, sizeof *adoption);
    if (adoption == NULL) return NULL;
    adoption->fd = -1;
    adoption->from = *from;
    adoption->mail.deliver = trunk_adopt;
    if (buf_append_str(&adoption->line, line) == 0) return adoption;
    free(adoption);
    return NULL;
}

void adoption_free(struct adoption *adoption) {
    if (adoption->fd >= 0) close(adoption->fd);
    if (adoption->client != NULL) client_free(adoption->client);
    buf_wipe(&adoption->line);
    framer_fini(&adoption->framer);
    free(adoption);
}

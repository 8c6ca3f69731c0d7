// The door: accepting connections within the limits, giving them to the shards, counting them out again; and
// passing on those that turn out to be servers. On the core thread.
#pragma once

#include "net/sock.h"
#include "stream/hub.h"
#include "stream/settings.h"
#include "wire/frame.h"

struct client;
struct door;
struct stream;

// `settings` stays the caller's and may change between calls.
struct door *door_open(struct loop *loop, struct hub *hub, const struct stream_settings *settings,
                       struct err *err);
void door_shut(struct door *door);  // stops listening
void door_close(struct door *door); // NULL is fine
void door_address(const struct door *door, struct address *address);
uint64_t door_accepted(const struct door *door);
unsigned door_connections(const struct door *door); // any thread

// A guest's connection: counted in unless a limit is reached; NULL, or why not. door_link_gone counts it out.
const char *door_admit(struct door *door, const struct address *from);

void door_client_gone(struct mail *mail,
                      void *stream); // a client's mail.deliver when its shard is done with it
void door_link_gone(struct door *door, const struct address *from); // the same for a link that was accepted

// A connection that began with AUTHENTICATE, on its way from a shard to the core.
struct adoption {
    struct mail mail;
    int fd;
    struct address from;
    struct client *client; // to be freed
    struct buf line;       // the AUTHENTICATE line; wiped
    struct framer framer;  // what was read behind it
};
struct adoption *adoption_new(const struct address *from, struct str line); // NULL: memory is out
void adoption_free(struct adoption *adoption);

// A LOGIN or REGISTER on its way: made by a client's shard, decided at the desk on the core thread, answered
// back.
#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "net/pool.h"
#include "net/sock.h"
#include "store/store.h"

#include <stdbool.h>

struct client;

enum request_kind { REQUEST_LOGIN, REQUEST_REGISTER };

struct request {
    struct mail mail;
    enum request_kind kind;
    struct mailbox *home;  // the shard's
    struct client *client; // the shard's alone; NULL once the client is gone
    struct address from;
    struct buf username, secret; // wiped with the request

    // the answer
    bool ok;
    char user[LOGIN_MAX_BYTES + 1]; // the account's name
    char info[200];

    // the desk's
    struct login login;
    struct account account; // what is verified against; wiped
    struct job job;
    bool verified, worked;
    uint64_t due_ms; // held back until
    struct request *next, *prev;
};

struct request *request_new(enum request_kind kind, struct mailbox *home, struct client *client,
                            const struct address *from, struct str username,
                            struct str secret); // NULL: memory is out
void request_free(struct request *request);     // wipes

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

// VERIFY is a LOGIN that is told at once how long it would have to wait; ALLOWANCE takes one registration
// from the address's allowance.
enum request_kind { REQUEST_LOGIN, REQUEST_REGISTER, REQUEST_VERIFY, REQUEST_ALLOWANCE };

enum verdict {
    VERDICT_OK,
    VERDICT_WRONG, // user or secret
    VERDICT_TAKEN, // REGISTER: the name; also what breaks a rule
    VERDICT_WAIT,  // for request.wait_ms
    VERDICT_BUSY,  // try again in a moment
};

struct request {
    struct mail mail;
    enum request_kind kind;
    struct mailbox *home;  // the shard's
    struct client *client; // the shard's alone; NULL once the client is gone, and for a guest's
    void (*answered)(struct request *request); // a guest's (guest.h)
    void *asker;                               // likewise
    struct address from;
    struct buf username, secret; // wiped with the request

    // the answer
    bool ok;
    enum verdict verdict;
    uint64_t wait_ms;
    uint64_t as_of;                 // LOGIN, VERIFY: no older than the event clock that it was looked up at
    struct account account;         // LOGIN, VERIFY that is ok
    char user[LOGIN_MAX_BYTES + 1]; // the account's name
    char info[200];

    // the desk's
    struct login login;
    struct credential credential; // what is verified against; wiped
    struct job job;
    bool looked_up, verified, worked;
    uint64_t due_ms; // held back until
    struct request *next, *prev;
};

struct request *request_new(enum request_kind kind, struct mailbox *home, struct client *client,
                            const struct address *from, struct str username,
                            struct str secret); // NULL: memory is out
void request_free(struct request *request);     // wipes

// Spreading clients over servers (seed 004, LOGIN_SUCCESS and REDIRECT). A pure core: the time is an
// argument; the owner guards it with a mutex, because every shard asks it.
//
// Rules, numbered as in docs/protocol and the tests:
//  1. A login is sent away when our load, the new client included, minus another server's is 2 or more, to
//     the least loaded (among equals, one by the dice). The one sent away does not count as ours.
//  2. A server's load is what it announced plus those sent there lately and not yet in what it announces:
//     by us, and by other Herald servers as they tell us (hints).
//  3. When a server announces a higher load, the difference is taken from those on their way, oldest first;
//     who has not arrived after BALANCE_FLIGHT_MS is no longer counted.
//  4. Whom others have sent to us is let in without being sent on, as many as were told, for
//     BALANCE_FLIGHT_MS; and so is everybody for BALANCE_OPEN_MS after the word of it, for a new client that
//     comes at the same time cannot be told from one that was sent. Nobody is bounced from server to server,
//     where the hint comes before the client (tests/sim/balance.c measures both): the owner sends hints
//     first, and holds the REDIRECT back until they are heard (stream/node_hint.c).
//  5. A server whose load has not risen though we sent BALANCE_UNSEEN_MOST there, the first of them so long
//     ago that it must have arrived, cannot be reached, or lies: it gets one client in BALANCE_DOUBT_MS until
//     its load rises.
#pragma once

#include "base/dice.h"
#include "base/text.h"
#include "net/sock.h"

#include <stdbool.h>
#include <stdint.h>

#define BALANCE_FLIGHT_MS   4000u
#define BALANCE_UNSEEN_MOST 16u
#define BALANCE_DOUBT_MS    10000u
#define BALANCE_OPEN_MS     500u
#define BALANCE_ID_MAX      64 // bytes of a SERVER_ANNOUNCE id; longer ones are refused by stream/peers.c
#define BALANCE_MAX_SERVERS 4096

struct balance;
struct balance *balance_open(uint64_t dice_seed); // NULL: memory is out
void balance_close(struct balance *balance);

struct balance_target {
    char id[BALANCE_ID_MAX + 1];
    char hostname[ADDRESS_HOST_MAX + 1];
    uint16_t port;
    uint64_t round;
};

// A client has logged in here. True: it is to be redirected to *target and does not count. False: it counts.
// The REDIRECT waits until target->round has been told to the other servers (balance_take_sent), so that who
// is sent away is expected where it arrives.
bool balance_login(struct balance *balance, uint64_t now_ms, struct balance_target *target);
// We are stopping: where a client that counted is to go. False: there is no other server.
bool balance_elsewhere(struct balance *balance, uint64_t now_ms, struct balance_target *target);
void balance_leave(struct balance *balance); // one that counted has gone
uint64_t balance_load(const struct balance *balance);

// What a server announced. False: memory is out or the table is full (it is then not redirected to).
bool balance_announced(struct balance *balance, struct str id, uint64_t load, struct str hostname,
                       uint16_t port, uint64_t now_ms);
void balance_forget(struct balance *balance, struct str id);
// Others have sent `count` clients to server `id`.
void balance_hinted(struct balance *balance, struct str id, uint32_t count, uint64_t now_ms);
// Others have sent `count` clients to us.
void balance_expect(struct balance *balance, uint32_t count, uint64_t now_ms);

// A client is about to be sent to *target, which was chosen a while ago. Where that server is forgotten,
// another takes its place; where there is no other, it stays as it was.
void balance_confirm(struct balance *balance, uint64_t now_ms, struct balance_target *target);

// Whom we sent away since the last call, per server: to be told to other Herald servers. False: nobody. True:
// *count entries were filled (at most `most`; call again while there are as many); *round is that of the
// targets given out since the last call, and ends with this one. It has no entries when their servers were
// forgotten meanwhile: it is to be told all the same, for clients wait for it.
struct balance_sent {
    char id[BALANCE_ID_MAX + 1];
    uint32_t count;
};
bool balance_take_sent(struct balance *balance, struct balance_sent *sent, size_t most, size_t *count,
                       uint64_t *round);

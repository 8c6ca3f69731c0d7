// Slowing down guessers and flooders. A pure core; bounded memory: the oldest entries make room.
//
// Failed logins (protocol, limits): per address and name the first `free_failures` cost nothing, then each
// attempt waits delay, 2·delay, 4·delay ... up to delay_max before it is looked at; per address alone the
// same after ten times as many. A success clears its address-and-name pair. Failures are forgotten after
// delay_max without a new one, one minute at least. Nobody can lock a name out from elsewhere.
// Attempts that are being verified may fail, too: no more are under way together than may fail without a
// delay, and one at least. Otherwise many at once would all be free.
// Registrations: a token bucket per address, `per_minute` a minute, as many at once.
#pragma once

#include "base/text.h"
#include "net/sock.h"

#include <stdbool.h>
#include <stdint.h>

#define THROTTLE_MAX_ENTRIES 16384 // of each kind

struct throttle_limits {
    unsigned free_failures;
    uint64_t delay_ms, delay_max_ms;
    unsigned registers_per_minute; // 0: no limit
};

struct throttle;
struct throttle *throttle_open(const struct throttle_limits *limits); // NULL: memory is out
void throttle_close(struct throttle *throttle);
void throttle_set_limits(struct throttle *throttle, const struct throttle_limits *limits);

// How long an attempt from `from` for `fold` has to wait before it is looked at: milliseconds, 0: none. Time
// since the last failure counts as waited, so asking again after the wait says 0 unless another one failed.
uint64_t throttle_login_delay(struct throttle *throttle, struct address_key from, const char *fold,
                              uint64_t now_ms);
enum throttle_room { THROTTLE_ROOM, THROTTLE_PAIR_FULL, THROTTLE_ADDRESS_FULL };
// May one more be verified beside those that are? Then it is begun, and ended before what became of it is
// told.
enum throttle_room throttle_login_room(struct throttle *throttle, struct address_key from, const char *fold);
void throttle_login_begin(struct throttle *throttle, struct address_key from, const char *fold,
                          uint64_t now_ms);
void throttle_login_end(struct throttle *throttle, struct address_key from, const char *fold);
void throttle_login_failed(struct throttle *throttle, struct address_key from, const char *fold,
                           uint64_t now_ms);
void throttle_login_succeeded(struct throttle *throttle, struct address_key from, const char *fold);

// Takes one registration from the address's allowance. 0: allowed; else the milliseconds until the next one
// is.
uint64_t throttle_register(struct throttle *throttle, struct address_key from, uint64_t now_ms);

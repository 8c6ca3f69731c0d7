// Spreading clients over servers: what we know of each, and whom the next login goes to.
//
//   balance_announced ──► load ──────────┐
//   balance_login ──────► on their way ──┼──► a server's load as we see it ──► rule 1 ──► redirect or keep
//   balance_hinted ─────►     (flight) ──┘                                       ▲
//   balance_expect ─────► on their way to us ────────────────────────────────────┘ rule 4
//
// The numbered rules are those of the header.
#include "stream/balance.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((void)(entry)) // hh.tbl stays NULL: seen by the caller
#include <uthash.h>

// --- clients on their way -------------------------------------------------------------------------------

#define BUCKET_MS 1000u
#define BUCKETS   (BALANCE_FLIGHT_MS / BUCKET_MS)

// Counted by the second they were sent in: one bucket for each second that still counts.
struct flight {
    uint64_t second[BUCKETS];
    uint64_t count[BUCKETS];
};

static bool counts(const struct flight *flight, uint64_t i, uint64_t now_ms) {
    uint64_t now = now_ms / BUCKET_MS;
    return flight->count[i] > 0 && (now < flight->second[i] || now - flight->second[i] < BUCKETS);
}

static void flight_add(struct flight *flight, uint64_t count, uint64_t now_ms) {
    uint64_t second = now_ms / BUCKET_MS, i = second % BUCKETS;
    if (flight->second[i] != second) {
        flight->second[i] = second;
        flight->count[i] = 0;
    }
    flight->count[i] += count;
}

static uint64_t flight_sum(const struct flight *flight, uint64_t now_ms) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < BUCKETS; i++) sum += counts(flight, i, now_ms) ? flight->count[i] : 0;
    return sum;
}

// Takes up to `count`, oldest first. Returns how many there were to take.
static uint64_t flight_take(struct flight *flight, uint64_t count, uint64_t now_ms) {
    uint64_t taken = 0, oldest = now_ms / BUCKET_MS + 1; // the bucket after this second's is the oldest
    for (uint64_t n = 0; n < BUCKETS; n++) {
        uint64_t i = (oldest + n) % BUCKETS;
        if (!counts(flight, i, now_ms)) continue;
        uint64_t part = count - taken < flight->count[i] ? count - taken : flight->count[i];
        flight->count[i] -= part;
        taken += part;
    }
    return taken;
}

// --- servers --------------------------------------------------------------------------------------------

struct server {
    struct balance_target target;
    uint64_t load;               // as announced last
    struct flight flight;        // on their way there: sent by us, or as others told us
    uint32_t untold;             // sent by us since balance_take_sent
    uint32_t unseen;             // sent by us since its load last rose
    uint64_t unseen_ms, sent_ms; // the first of them, and the last
    UT_hash_handle hh;
};

struct balance {
    struct server *servers; // by id
    uint64_t load;          // our own
    struct flight expected; // on their way to us
    uint64_t open_until_ms; // nobody is sent away before
    uint64_t untold;        // sum over the servers
    uint64_t round;         // of those not told yet; from 1
    bool given;             // a target has that number
    struct dice dice;
};

struct balance *balance_open(uint64_t seed) {
    struct balance *balance = calloc(1, sizeof *balance);
    if (!balance) return NULL;
    dice_seed(&balance->dice, seed);
    balance->round = 1;
    return balance;
}

static void drop(struct balance *balance, struct server *server) {
    HASH_DEL(balance->servers, server);
    balance->untold -= server->untold;
    free(server);
}

void balance_close(struct balance *balance) {
    if (!balance) return;
    struct server *server, *next;
    HASH_ITER(hh, balance->servers, server, next) {
        drop(balance, server);
    }
    free(balance);
}

static struct server *find(const struct balance *balance, struct str id) {
    struct server *server;
    HASH_FIND(hh, balance->servers, id.ptr, id.len, server);
    return server;
}

static struct server *add(struct balance *balance, struct str id) {
    if (HASH_COUNT(balance->servers) >= BALANCE_MAX_SERVERS) return NULL;
    struct server *server = calloc(1, sizeof *server);
    if (!server) return NULL;
    (void)str_copy(id, server->target.id, sizeof server->target.id);
    HASH_ADD_KEYPTR(hh, balance->servers, server->target.id, id.len, server);
    if (!server->hh.tbl) {
        free(server);
        return NULL;
    }
    return server;
}

bool balance_announced(struct balance *balance, struct str id, uint64_t load, struct str hostname,
                       uint16_t port, uint64_t now_ms) {
    if (id.len > BALANCE_ID_MAX || hostname.len > ADDRESS_HOST_MAX) return false;
    struct server *server = find(balance, id);
    if (!server) {
        server = add(balance, id);
        if (!server) return false;
        server->load = load;
    }
    // Rule 3: those by whom its load has grown are no longer on their way.
    if (load > server->load) {
        (void)flight_take(&server->flight, load - server->load, now_ms);
        server->unseen = 0;
    }
    server->load = load;
    (void)str_copy(hostname, server->target.hostname, sizeof server->target.hostname);
    server->target.port = port;
    return true;
}

void balance_forget(struct balance *balance, struct str id) {
    struct server *server = find(balance, id);
    if (server) drop(balance, server);
}

void balance_hinted(struct balance *balance, struct str id, uint32_t count, uint64_t now_ms) {
    struct server *server = find(balance, id);
    if (server) flight_add(&server->flight, count, now_ms);
}

void balance_expect(struct balance *balance, uint32_t count, uint64_t now_ms) {
    flight_add(&balance->expected, count, now_ms);
    if (count > 0) balance->open_until_ms = now_ms + BALANCE_OPEN_MS;
}

// --- clients --------------------------------------------------------------------------------------------

// Rule 2.
static uint64_t load_of(const struct server *server, uint64_t now_ms) {
    return server->load + flight_sum(&server->flight, now_ms);
}

// Rule 5.
static bool is_doubtful(const struct server *server, uint64_t now_ms) {
    return server->unseen >= BALANCE_UNSEEN_MOST && now_ms - server->unseen_ms >= BALANCE_FLIGHT_MS &&
           now_ms - server->sent_ms < BALANCE_DOUBT_MS;
}

// Among equals one by the dice: servers that know the same do not all choose the same.
static struct server *least_loaded(struct balance *balance, uint64_t now_ms, uint64_t *load) {
    struct server *server, *next, *least = NULL;
    uint64_t equals = 0;
    HASH_ITER(hh, balance->servers, server, next) {
        if (is_doubtful(server, now_ms)) continue;
        uint64_t its = load_of(server, now_ms);
        if (!least || its < *load) {
            least = server;
            *load = its;
            equals = 1;
        } else if (its == *load && dice_below(&balance->dice, ++equals) == 0) {
            least = server;
        }
    }
    return least;
}

static void send_to(struct balance *balance, struct server *server, uint64_t now_ms,
                    struct balance_target *target) {
    flight_add(&server->flight, 1, now_ms);
    if (server->unseen == 0) server->unseen_ms = now_ms;
    if (server->unseen < BALANCE_UNSEEN_MOST) server->unseen++;
    server->sent_ms = now_ms;
    server->untold++;
    balance->untold++;
    *target = server->target;
    target->round = balance->round;
    balance->given = true;
}

bool balance_elsewhere(struct balance *balance, uint64_t now_ms, struct balance_target *target) {
    uint64_t load;
    struct server *server = least_loaded(balance, now_ms, &load);
    if (server) send_to(balance, server, now_ms, target);
    return server != NULL;
}

bool balance_login(struct balance *balance, uint64_t now_ms, struct balance_target *target) {
    uint64_t load = 0;
    struct server *server;
    // Rule 4: whom we were told of is let in, and so is who comes at the same time and cannot be told from
    // them.
    if (flight_take(&balance->expected, 1, now_ms) == 1 || now_ms < balance->open_until_ms) goto keep;
    server = least_loaded(balance, now_ms, &load);
    // Rule 1: our load with this client is balance->load + 1.
    if (!server || balance->load + 1 < load + 2) goto keep;
    send_to(balance, server, now_ms, target);
    return true;

keep:
    balance->load++;
    return false;
}

void balance_leave(struct balance *balance) {
    assert(balance->load > 0);
    balance->load--;
}

uint64_t balance_load(const struct balance *balance) {
    return balance->load;
}

void balance_confirm(struct balance *balance, uint64_t now_ms, struct balance_target *target) {
    if (!find(balance, str_of(target->id))) (void)balance_elsewhere(balance, now_ms, target);
}

bool balance_take_sent(struct balance *balance, struct balance_sent *sent, size_t most, size_t *count,
                       uint64_t *round) {
    struct server *server, *next;
    *count = 0;
    if (balance->untold == 0 && !balance->given) return false;
    balance->given = false;
    *round = balance->round++;
    HASH_ITER(hh, balance->servers, server, next) {
        if (*count == most) break;
        if (server->untold == 0) continue;
        memcpy(sent[*count].id, server->target.id, sizeof sent[*count].id);
        sent[(*count)++].count = server->untold;
        balance->untold -= server->untold;
        server->untold = 0;
    }
    return true;
}

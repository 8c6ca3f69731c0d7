// Registration locks. See locks.h for the states and the rules.
// Memory may run out while a table grows: the element then has hh.tbl == NULL.
#define HASH_NONFATAL_OOM          1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include "stream/locks.h"

#include "base/log.h"
#include "stream/lock_seen.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static const struct str no_text = {0};

void locks_init(struct locks *locks, const struct secret_key *key, struct str own_id,
                const struct locks_ops *ops, void *context) {
    *locks = (struct locks){.key = *key, .own_id = own_id, .ops = ops, .context = context};
}

void locks_set_times(struct locks *locks, uint64_t register_timeout_ms, uint64_t window_ms) {
    locks->register_timeout_ms = register_timeout_ms;
    locks->window_ms = window_ms;
}

// --- how many are recorded for each link
// ----------------------------------------------------------------------

struct lock_quota {
    uint32_t link;
    size_t recorded;
    UT_hash_handle hh;
};

static void quota_less(struct locks *locks, uint32_t link) {
    struct lock_quota *quota;
    HASH_FIND(hh, locks->quotas, &link, sizeof link, quota);
    if (--quota->recorded > 0) return;
    HASH_DEL(locks->quotas, quota);
    free(quota);
}

// False: the link has all it may have, or memory is out.
static bool quota_more(struct locks *locks, uint32_t link) {
    struct lock_quota *quota;
    HASH_FIND(hh, locks->quotas, &link, sizeof link, quota);
    if (quota == NULL) {
        quota = calloc(1, sizeof *quota);
        if (quota == NULL) return false;
        quota->link = link;
        HASH_ADD(hh, locks->quotas, link, sizeof quota->link, quota);
        if (quota->hh.tbl == NULL) {
            free(quota);
            return false;
        }
    }
    if (quota->recorded >= LOCKS_MAX_PER_LINK) return false;
    quota->recorded++;
    return true;
}

// --- one lock
// -----------------------------------------------------------------------------------------------

static struct lock *lock_find(struct locks *locks, const char *fold) {
    struct lock *lock;
    HASH_FIND_STR(locks->table, fold, lock);
    return lock;
}

static struct lock *lock_add(struct locks *locks, const struct login *login, struct str secret) {
    struct lock *lock = calloc(1, sizeof *lock);
    if (lock == NULL) return NULL;
    lock->login = *login;
    lock->has_secret = secret.ptr != NULL;
    if (lock->has_secret) secret_digest(&locks->key, secret, &lock->digest);
    HASH_ADD_STR(locks->table, login.fold, lock);
    if (lock->hh.tbl != NULL) return lock;
    secret_wipe(&lock->digest, sizeof lock->digest);
    free(lock);
    return NULL;
}

// Out of the list that its state puts it in.
static void lock_unlist(struct locks *locks, struct lock *lock) {
    if (lock->state == LOCK_ASKING) DL_DELETE(locks->asking, lock);
    if (lock->state == LOCK_RECORDED) {
        DL_DELETE(locks->recorded, lock);
        quota_less(locks, lock->link);
    }
}

static void lock_drop(struct locks *locks, struct lock *lock) {
    lock_unlist(locks, lock);
    HASH_DEL(locks->table, lock);
    buf_wipe(&lock->secret);
    free(lock->expected);
    secret_wipe(&lock->digest, sizeof lock->digest);
    free(lock);
}

static void lock_settle(struct locks *locks, struct lock *lock) {
    lock_unlist(locks, lock);
    lock->state = LOCK_SETTLING;
}

static bool lock_matches(const struct locks *locks, const struct lock *lock, struct str secret) {
    if (!lock->has_secret || secret.ptr == NULL) return false;
    struct secret_digest digest;
    secret_digest(&locks->key, secret, &digest);
    bool same = secret_equal(&digest, &lock->digest, sizeof digest);
    secret_wipe(&digest, sizeof digest);
    return same;
}

void locks_fini(struct locks *locks) {
    struct lock *lock, *next;
    HASH_ITER(hh, locks->table, lock, next) lock_drop(locks, lock);
    lock_seen_clear(locks);
    secret_wipe(&locks->key, sizeof locks->key);
}

// --- our own REGISTER
// ---------------------------------------------------------------------------------------

static void lock_decide(struct locks *locks, struct lock *lock, enum lock_outcome outcome) {
    if (outcome == LOCK_GRANTED) {
        lock_settle(locks, lock);
        locks->ops->decided(locks->context, lock, outcome);
        return;
    }
    locks->ops->decided(locks->context, lock, outcome);
    lock_drop(locks, lock);
}

// Rule 2: granted when the unsigned answers cover whoever has not signed one.
static bool lock_granted(const struct lock *lock) {
    size_t unanswered = 0;
    for (size_t i = 0; i < lock->expected_count; i++) unanswered += !lock->expected[i].answered;
    return unanswered <= lock->unsigned_answers;
}

static void lock_check(struct locks *locks, struct lock *lock) {
    if (lock->state == LOCK_ASKING && lock_granted(lock)) lock_decide(locks, lock, LOCK_GRANTED);
}

enum locks_result locks_register(struct locks *locks, const struct login *login, struct str secret,
                                 void *request, const struct lock_expected *expected, size_t count,
                                 uint64_t now_ms) {
    if (lock_find(locks, login->fold) != NULL || locks->ops->is_account(locks->context, login->fold))
        return LOCKS_TAKEN;
    if (HASH_COUNT(locks->table) >= LOCKS_MAX) return LOCKS_FULL;
    struct lock *lock = lock_add(locks, login, secret);
    if (lock == NULL) return LOCKS_FULL;
    lock->ours = true;
    lock->request = request;
    lock->state = LOCK_ASKING;
    lock->deadline_ms = now_ms + locks->register_timeout_ms;
    DL_APPEND(locks->asking, lock);
    if (count > 0) lock->expected = malloc(count * sizeof *expected);
    if ((count > 0 && lock->expected == NULL) || buf_append_str(&lock->secret, secret) != 0) {
        lock_drop(locks, lock);
        return LOCKS_FULL;
    }
    if (count > 0) memcpy(lock->expected, expected, count * sizeof *expected);
    lock->expected_count = count;
    lock_seen_forget(locks, str_of(lock->login.name), secret);
    if (count > 0)
        locks->ops->broadcast(locks->context, COMMAND_LOCK_REQUEST, str_of(lock->login.name), secret, no_text,
                              0);
    lock_check(locks, lock);
    return LOCKS_OK;
}

// Marks whoever `stop_waiting` names as answered, in every REGISTER under way.
static void locks_stop_waiting(struct locks *locks, const char *id, uint32_t link) {
    struct lock *lock, *next;
    DL_FOREACH_SAFE(locks->asking, lock, next) {
        for (size_t i = 0; i < lock->expected_count; i++) {
            struct lock_expected *one = &lock->expected[i];
            if (id != NULL ? strcmp(one->id, id) == 0 : one->link == link) one->answered = true;
        }
        lock_check(locks, lock);
    }
}

void locks_server_gone(struct locks *locks, struct str id) {
    char text[PEER_ID_MAX + 1];
    if (str_copy(id, text, sizeof text) && text[0] != '\0') locks_stop_waiting(locks, text, 0);
}

void locks_link_gone(struct locks *locks, uint32_t link) {
    locks_stop_waiting(locks, NULL, link);
}

// --- messages from other servers
// ----------------------------------------------------------------------------

// Rule 1. False: denied.
static bool lock_record(struct locks *locks, uint32_t link, const struct login *login, struct str secret,
                        uint64_t now_ms) {
    if (lock_find(locks, login->fold) != NULL || locks->ops->is_account(locks->context, login->fold))
        return false;
    if (HASH_COUNT(locks->table) >= LOCKS_MAX) return false;
    if (!quota_more(locks, link)) return false;
    struct lock *lock = lock_add(locks, login, secret);
    if (lock == NULL) {
        quota_less(locks, link);
        return false;
    }
    lock->state = LOCK_RECORDED;
    lock->link = link;
    lock->deadline_ms = now_ms + locks->window_ms;
    DL_APPEND(locks->recorded, lock);
    return true;
}

static void locks_request(struct locks *locks, uint32_t link, const struct message *message,
                          uint64_t now_ms) {
    struct login login;
    bool allowed = true; // rule 6
    if (login_parse(message->username, &login, NULL) == 0)
        allowed = !login_is_anonymous(&login) && lock_record(locks, link, &login, message->secret, now_ms);
    locks->ops->broadcast(locks->context, COMMAND_LOCK_REQUEST, message->username, message->secret, no_text,
                          link);
    locks->ops->broadcast(locks->context, allowed ? COMMAND_LOCK_ALLOWED : COMMAND_LOCK_DENIED,
                          message->username, message->secret, allowed ? locks->own_id : no_text, 0);
}

// Who signed: one of those that are waited for, or a neighbour on this link that had no name yet. NULL: a
// newcomer, or nobody: such an answer must not stand for another's.
static struct lock_expected *lock_signer(const struct lock *lock, uint32_t link, struct str server) {
    struct lock_expected *unnamed = NULL;
    for (size_t i = 0; i < lock->expected_count; i++) {
        struct lock_expected *one = &lock->expected[i];
        if (one->id[0] != '\0' && str_equal_text(server, one->id)) return one;
        if (one->id[0] == '\0' && one->link == link && !one->answered) unnamed = one;
    }
    return unnamed;
}

// Rule 2; rule 5 has dropped repeats.
static void lock_allowed(struct locks *locks, struct lock *lock, uint32_t link, struct str server) {
    if (server.ptr == NULL) {
        lock->unsigned_answers++;
    } else {
        struct lock_expected *signer = lock_signer(lock, link, server);
        if (signer != NULL) signer->answered = true;
    }
    lock_check(locks, lock);
}

static void locks_denied(struct locks *locks, struct lock *lock) {
    if (lock->state == LOCK_ASKING)
        lock_decide(locks, lock, LOCK_REFUSED);
    else if (lock->state == LOCK_RECORDED)
        lock_drop(locks, lock); // rule 4
}

void locks_message(struct locks *locks, uint32_t link, const struct message *message, uint64_t now_ms) {
    unsigned limit = 1;
    if (message->command == COMMAND_LOCK_ALLOWED && message->server.ptr == NULL) {
        size_t servers = locks->ops->servers_through(locks->context, link);
        if (servers > 1) limit = (unsigned)servers;
    }
    if (!lock_seen_admit(locks, link, message, limit, now_ms)) return;
    if (message->command == COMMAND_LOCK_REQUEST) {
        locks_request(locks, link, message, now_ms);
        return;
    }
    locks->ops->broadcast(locks->context, message->command, message->username, message->secret,
                          message->server, link);
    struct login login;
    if (login_parse(message->username, &login, NULL) != 0) return;
    struct lock *lock = lock_find(locks, login.fold);
    if (lock == NULL && message->command == COMMAND_LOCK_DENIED &&
        locks->ops->is_account(locks->context, login.fold))
        log_info(L_MSG("denial ignored"), L_STR("login", login.name), L_STR("why", "it is an account here"));
    if (lock == NULL || !lock_matches(locks, lock, message->secret)) return;
    if (message->command == COMMAND_LOCK_DENIED)
        locks_denied(locks, lock);
    else if (lock->state == LOCK_ASKING)
        lock_allowed(locks, lock, link, message->server);
}

// --- logging in, settling
// -----------------------------------------------------------------------------------

// The others recorded the name at our word: they are to forget it.
static void lock_undo(struct locks *locks, const struct lock *lock) {
    if (lock->expected_count == 0) return;
    locks->ops->broadcast(locks->context, COMMAND_LOCK_DENIED, str_of(lock->login.name),
                          buf_str(&lock->secret), no_text, 0);
}

enum lock_login locks_login(struct locks *locks, const char *fold, struct str secret, struct lock **found) {
    struct lock *lock = lock_find(locks, fold);
    if (lock == NULL || lock->state == LOCK_ASKING || !lock_matches(locks, lock, secret))
        return LOCK_LOGIN_UNKNOWN;
    *found = lock;
    if (lock->state == LOCK_SETTLING) return LOCK_LOGIN_WAIT;
    lock_settle(locks, lock);
    return LOCK_LOGIN_FIRST;
}

void locks_settled(struct locks *locks, struct lock *lock) {
    assert(lock->state == LOCK_SETTLING);
    lock_drop(locks, lock);
}

void locks_unsettled(struct locks *locks, struct lock *lock, uint64_t now_ms) {
    assert(lock->state == LOCK_SETTLING);
    if (lock->ours) lock_undo(locks, lock);
    if (lock->ours || !quota_more(locks, lock->link)) {
        lock_drop(locks, lock);
        return;
    }
    lock->state = LOCK_RECORDED;
    lock->deadline_ms = now_ms + locks->window_ms;
    DL_APPEND(locks->recorded, lock);
}

struct lock *locks_ripe(struct locks *locks, uint64_t now_ms) {
    while (locks->recorded != NULL && locks->recorded->deadline_ms <= now_ms) {
        struct lock *lock = locks->recorded;
        if (lock->has_secret) {
            lock_settle(locks, lock);
            return lock;
        }
        lock_drop(locks, lock); // rule 7
    }
    return NULL;
}

// --- time
// ---------------------------------------------------------------------------------------------------

void locks_tick(struct locks *locks, uint64_t now_ms) {
    lock_seen_expire(locks, now_ms);
    while (locks->asking != NULL && locks->asking->deadline_ms <= now_ms) {
        struct lock *lock = locks->asking;
        lock_undo(locks, lock); // rule 3
        lock_decide(locks, lock, LOCK_TIMED_OUT);
    }
}

uint64_t locks_deadline(const struct locks *locks) {
    uint64_t asking = locks->asking != NULL ? locks->asking->deadline_ms : UINT64_MAX;
    uint64_t recorded = locks->recorded != NULL ? locks->recorded->deadline_ms : UINT64_MAX;
    return asking < recorded ? asking : recorded;
}

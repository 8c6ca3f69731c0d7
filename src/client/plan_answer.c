// What a session does next: answers of servers, and the time logged in. The rules are in plan.h.
//
//   plan_message ──► take_answer ──► success ──► take_word ──► plan_lost, redirect, end_refused
//                                        └──► plan_leave ──► plan_left
#include "client/plan.h"

#include "client/plan_private.h"

#include <assert.h>
#include <string.h>

// --- logged in -----------------------------------------------------------------------------------------

void plan_leave(struct plan *plan) {
    plan->phase = PLAN_LEAVING;
    plan->until = plan->now + plan->settings.connect_timeout_ms;
    plan->ops->say(plan->context, plan->chosen, COMMAND_LOGOUT);
}

// Rule 1: who took us, then those who accepted, in that order, then the others as they were.
static void remember_order(struct plan *plan, size_t chosen) {
    uint64_t arrival = 0;
    size_t len = 0;
    plan->line[len++] = chosen;
    for (;;) { // a round is of few; each pass finds the next to have arrived
        size_t next = plan->count;
        for (size_t i = 0; i < plan->count; i++) {
            uint64_t at = plan->servers[i].arrival;
            if (i != chosen && at > arrival && (next == plan->count || at < plan->servers[next].arrival))
                next = i;
        }
        if (next == plan->count) break;
        arrival = plan->servers[next].arrival;
        plan->line[len++] = next;
    }
    for (size_t i = 0; i < plan->count; i++)
        if (plan->order[i] != chosen && plan->servers[plan->order[i]].arrival == 0)
            plan->line[len++] = plan->order[i];
    assert(len == plan->count);
    memcpy(plan->order, plan->line, len * sizeof *plan->order);
    plan->measured = true;
}

static void success(struct plan *plan, unsigned slot) {
    plan->slots[slot].state = SLOT_CHOSEN;
    plan_let_all_go(plan, slot);
    const char *server = plan_server_at(plan, slot)->where.text;
    if (plan->slots[slot].server < plan->count && !plan->measured)
        remember_order(plan, plan->slots[slot].server);
    if (plan->registering == REGISTER_UNSURE) plan_tell(plan, HERALD_REGISTERED, server);
    plan->registering = REGISTER_NO;
    plan->known = true;
    plan->refusals = 0;
    plan->chosen = slot;
    plan->in = plan->now;
    plan->phase = PLAN_IN;
    plan_tell(plan, HERALD_LOGGED_IN, server);
    if (plan_leaves_nothing(plan)) plan_leave(plan);
}

// After a stay everything that counts what happens in a row begins anew.
static void note_stay(struct plan *plan) {
    if (plan->now - plan->in < PLAN_STAY_MS) return;
    plan->failures = 0;
    plan->redirects = 0;
    plan->redirector = plan->count;
    plan->apart = plan->now;
    plan->returned = false;
}

// Rule 7. `why` is the sentence's beginning.
void plan_lost(struct plan *plan, const char *why) {
    const char *server = plan_server_at(plan, plan->chosen)->where.text;
    uint64_t doubtful = plan->ops->over(plan->context, false);
    plan->doubtful += doubtful;
    plan_let_go(plan, plan->chosen);
    note_stay(plan);
    plan->redirects = 0; // in a row: no longer
    if (plan_leaves_nothing(plan)) {
        plan_end_asked(plan);
        return;
    }
    plan->text[0] = '\0';
    if (plan->settings.once) {
        plan_add(plan->text, sizeof plan->text, "lost %s: %s", server, why);
        plan_add_doubt(plan, plan->doubtful);
        plan_end(plan, plan->doubtful > 0 ? HERALD_UNKNOWN : HERALD_UNREACHABLE);
        return;
    }
    plan_add(plan->text, sizeof plan->text, "%s", why);
    plan_add_doubt(plan, doubtful);
    plan_pause(plan, server);
}

void plan_left(struct plan *plan, bool in_order) {
    if (!in_order) plan->doubtful += plan->ops->over(plan->context, false);
    plan_end_asked(plan);
}

// --- redirects -----------------------------------------------------------------------------------------

static uint64_t hop_of(const char *from, const char *to) {
    uint64_t hash = UINT64_C(14695981039346656037); // FNV-1a
    for (const char *part = from;; part = to) {
        for (const char *c = part; *c; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
        if (part == to) return hash;
        hash = (hash ^ '>') * UINT64_C(1099511628211);
    }
}

static bool is_circle(const struct plan *plan, uint64_t hop) {
    for (unsigned i = 0; i < plan->redirects && i < PLAN_HOPS; i++)
        if (plan->hops[i] == hop) return true;
    return false;
}

// Rule 5.
static bool redirect(struct plan *plan, unsigned slot, const struct message *message) {
    struct where to;
    if (!where_set(message->hostname, message->port, &to)) return false;
    struct where from = plan_server_at(plan, slot)->where;
    plan->doubtful += plan->ops->over(plan->context, true);
    plan_let_all_go(plan, PLAN_SLOTS);
    if (plan->phase != PLAN_ROUND) note_stay(plan);
    if (plan->slots[slot].server < plan->count) plan->redirector = plan->slots[slot].server;
    plan->servers[plan->count] = (struct plan_server){.where = to};
    if (plan_leaves_nothing(plan)) {
        plan_end_asked(plan);
        return true;
    }
    uint64_t hop = hop_of(from.text, to.text);
    bool circle = is_circle(plan, hop), many = plan->redirects >= plan->settings.max_redirects;
    if (plan->redirects == 0) (void)str_copy(str_of(from.text), plan->trail, sizeof plan->trail);
    plan_add(plan->trail, sizeof plan->trail, " -> %s", to.text);
    if (circle || many) {
        plan->text[0] = '\0';
        if (circle)
            plan_add(plan->text, sizeof plan->text, "the servers redirect in a circle: %s", plan->trail);
        else
            plan_add(plan->text, sizeof plan->text, "redirected %u times in a row and kept nowhere: %s",
                     plan->redirects + 1, plan->trail);
        plan_add_doubt(plan, plan->doubtful);
        plan_end(plan, plan->doubtful > 0 ? HERALD_UNKNOWN : HERALD_UNREACHABLE);
        return true;
    }
    plan->hops[plan->redirects++ % PLAN_HOPS] = hop;
    plan_tell(plan, HERALD_REDIRECTED, to.text);
    plan->line[0] = plan->count;
    plan->line_len = 1;
    plan_round_of(plan);
    return true;
}

// --- messages ------------------------------------------------------------------------------------------

static void end_refused(struct plan *plan, struct str words) {
    plan->text[0] = '\0';
    plan_add_words(plan->text, sizeof plan->text, words);
    plan_end(plan, HERALD_REFUSED);
}

// Rules 3 and 4.
static void login_refused(struct plan *plan, unsigned slot, struct str words) {
    if (plan->registering == REGISTER_UNSURE) {
        plan->registering = REGISTER_WANTED;
        plan->line[--plan->next] = plan->slots[slot].server; // once more, first of all
        plan_slot_failed(plan, slot);
    } else if (plan->known && ++plan->refusals < PLAN_REFUSALS) {
        plan_slot_troubled(plan, slot, words, true);
    } else {
        end_refused(plan, words);
    }
}

// From a server that was asked.
static bool take_answer(struct plan *plan, unsigned slot, const struct message *message) {
    bool login = plan->slots[slot].asked == COMMAND_LOGIN;
    switch (message->command) {
    case COMMAND_LOGIN_SUCCESS:
        if (login) success(plan, slot);
        return login;
    case COMMAND_LOGIN_FAILED:
        if (login) login_refused(plan, slot, message->info);
        return login;
    case COMMAND_AUTHENTICATION_FAIL:
        if (login)
            login_refused(plan, slot, message->info);
        else
            plan_slot_troubled(plan, slot, message->info, true);
        return true;
    case COMMAND_REGISTER_SUCCESS:
        if (login) return false;
        plan->registering = REGISTER_NO;
        plan->slots[slot].asked = COMMAND_LOGIN;
        plan->slots[slot].deadline = plan->now + plan->settings.connect_timeout_ms;
        plan_tell(plan, HERALD_REGISTERED, plan_server_at(plan, slot)->where.text);
        plan->ops->say(plan->context, slot, COMMAND_LOGIN);
        return true;
    case COMMAND_REGISTER_FAILED:
        if (!login) end_refused(plan, message->info);
        return !login;
    case COMMAND_REDIRECT: return redirect(plan, slot, message);
    default: return false;
    }
}

// From the server we are logged in at.
static bool take_word(struct plan *plan, const struct message *message) {
    char words[PLAN_TROUBLE_SIZE] = "says: ";
    switch (message->command) {
    case COMMAND_REDIRECT: return redirect(plan, plan->chosen, message);
    case COMMAND_INVALID_MESSAGE:
    case COMMAND_AUTHENTICATION_FAIL:
        if (plan->leaving || plan->ops->said(plan->context)) {
            end_refused(plan, message->info);
        } else {
            plan_add_words(words, sizeof words, message->info);
            plan_lost(plan, words);
        }
        return true;
    default: return false;
    }
}

bool plan_message(struct plan *plan, unsigned slot, const struct message *message, uint64_t now) {
    bool fits = false;
    plan->now = now;
    switch (plan->slots[slot].state) {
    case SLOT_CHOSEN: return take_word(plan, message);
    case SLOT_ASKED:
    case SLOT_IN_LINE:
        if (message->command == COMMAND_INVALID_MESSAGE) {
            plan_slot_troubled(plan, slot, message->info, true);
            fits = true;
        } else if (plan->slots[slot].state == SLOT_ASKED) {
            fits = take_answer(plan, slot, message);
        }
        break;
    default: return false;
    }
    plan_go_on(plan);
    return fits;
}

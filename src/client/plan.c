// What a session does next: rounds, from the first dial to a login. The rules and the picture are in plan.h;
// what follows an answer is in plan_answer.c.
//
//   round_begin ──► plan_go_on: ask_next, dial_more ──► plan_slot_failed ──► plan_go_on ... ──► round_failed
#include "client/plan.h"

#include "client/plan_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// --- telling -------------------------------------------------------------------------------------------

struct plan_server *plan_server_at(struct plan *plan, unsigned slot) {
    return &plan->servers[plan->slots[slot].server];
}

void plan_tell(struct plan *plan, enum herald_kind kind, const char *server) {
    struct herald_event event = {.kind = kind, .server = server};
    plan->ops->tell(plan->context, &event);
}

void plan_let_go(struct plan *plan, unsigned slot) {
    if (plan->slots[slot].state == SLOT_FREE) return;
    plan->slots[slot].state = SLOT_FREE;
    plan->ops->hang_up(plan->context, slot);
}

void plan_let_all_go(struct plan *plan, unsigned but) {
    for (unsigned i = 0; i < PLAN_SLOTS; i++)
        if (i != but) plan_let_go(plan, i);
}

// With plan->text.
void plan_end(struct plan *plan, enum herald_status status) {
    plan_let_all_go(plan, PLAN_SLOTS);
    plan->phase = PLAN_ENDED;
    struct herald_event event = {.kind = HERALD_ENDED, .status = status, .text = plan->text};
    plan->ops->tell(plan->context, &event);
}

// As asked; but what is in doubt is said (rule 7).
void plan_end_asked(struct plan *plan) {
    plan->text[0] = '\0';
    plan_add_doubt(plan, plan->doubtful);
    plan_end(plan, plan->doubtful > 0 ? HERALD_UNKNOWN : HERALD_DONE);
}

void plan_pause(struct plan *plan, const char *server) {
    uint64_t most = PLAN_PAUSE_FIRST;
    for (unsigned i = 0; i < plan->failures && most < PLAN_PAUSE_MOST; i++) most *= 2;
    if (most > PLAN_PAUSE_MOST) most = PLAN_PAUSE_MOST;
    uint64_t wait = dice_between(&plan->dice, PLAN_PAUSE_LEAST, most); // rule 6
    plan->failures++;
    plan->phase = PLAN_PAUSE;
    plan->until = plan->now + wait;
    struct herald_event event = {
        .kind = HERALD_LOST, .server = server, .text = plan->text, .wait_ms = (uint32_t)wait};
    plan->ops->tell(plan->context, &event);
}

// --- rounds --------------------------------------------------------------------------------------------

bool plan_leaves_nothing(const struct plan *plan) {
    return plan->leaving && plan->registering == REGISTER_NO && !plan->ops->unsent(plan->context);
}

static bool round_is_of_target(const struct plan *plan) {
    return plan->line_len == 1 && plan->line[0] == plan->count;
}

static bool gave_up(const struct plan *plan) {
    return plan->settings.give_up_ms > 0 && plan->now - plan->apart >= plan->settings.give_up_ms;
}

static bool any_slot(const struct plan *plan, enum slot_state least) {
    for (unsigned i = 0; i < PLAN_SLOTS; i++)
        if (plan->slots[i].state >= least) return true;
    return false;
}

static unsigned free_slot(const struct plan *plan) {
    unsigned i = 0;
    while (i < PLAN_SLOTS && plan->slots[i].state != SLOT_FREE) i++;
    return i;
}

static void add_troubles(struct plan *plan) {
    const char *gap = ": ";
    for (size_t i = 0; i <= plan->count; i++) {
        const struct plan_server *server = &plan->servers[i];
        if (!server->trouble[0]) continue;
        plan_add(plan->text, sizeof plan->text, "%s%s: %s", gap, server->where.text, server->trouble);
        gap = "; ";
    }
}

// No login, and no further try; plan->text begins the sentence.
static void end_unreached(struct plan *plan) {
    bool spoke = false;
    for (size_t i = 0; i <= plan->count; i++) spoke |= plan->servers[i].spoke;
    add_troubles(plan);
    if (plan->registering == REGISTER_UNSURE)
        plan_add(plan->text, sizeof plan->text, "; the name may or may not have been registered");
    plan_add_doubt(plan, plan->doubtful);
    if (plan->doubtful > 0 || plan->registering == REGISTER_UNSURE)
        plan_end(plan, HERALD_UNKNOWN);
    else
        plan_end(plan, spoke ? HERALD_REFUSED : HERALD_UNREACHABLE);
}

static void end_given_up(struct plan *plan) {
    plan->text[0] = '\0';
    plan_add(plan->text, sizeof plan->text, "no login within %" PRIu32 " ms", plan->settings.give_up_ms);
    end_unreached(plan);
}

void plan_round_of(struct plan *plan) {
    plan->phase = PLAN_ROUND;
    plan->next = 0;
    plan->next_dial = plan->now;
    plan->arrivals = 0;
    plan_go_on(plan);
}

static void round_begin(struct plan *plan) {
    size_t len = 0;
    for (size_t i = 0; i < plan->count; i++) {
        plan->servers[i].trouble[0] = '\0';
        plan->servers[i].spoke = false;
        plan->servers[i].arrival = 0;
        if (plan->order[i] != plan->redirector) plan->line[len++] = plan->order[i];
    }
    plan->servers[plan->count].trouble[0] = '\0';
    plan->servers[plan->count].spoke = false;
    if (plan->redirector < plan->count) plan->line[len++] = plan->redirector;
    plan->redirector = plan->count;
    plan->line_len = len;
    plan_round_of(plan);
}

// Nobody took us.
static void round_failed(struct plan *plan) {
    const char *server = "";
    plan->text[0] = '\0';
    if (round_is_of_target(plan)) {
        server = plan->servers[plan->count].where.text;
        plan_add(plan->text, sizeof plan->text, "redirected to a server that does not take us");
        plan->redirects = 0; // it is not a circle
        if (plan->settings.once && !plan->returned) {
            plan->returned = true;
            round_begin(plan);
            return;
        }
    } else {
        plan_add(plan->text, sizeof plan->text, "no server answered");
    }
    if (plan->settings.once && plan->settings.give_up_ms == 0) {
        end_unreached(plan);
    } else if (gave_up(plan)) {
        end_given_up(plan);
    } else {
        add_troubles(plan);
        plan_pause(plan, server);
    }
}

// Rule 2: of those in line the first.
static void ask_next(struct plan *plan) {
    unsigned first = PLAN_SLOTS;
    if (any_slot(plan, SLOT_ASKED)) return;
    for (unsigned i = 0; i < PLAN_SLOTS; i++) {
        const struct plan_slot *slot = &plan->slots[i];
        if (slot->state == SLOT_IN_LINE &&
            (first == PLAN_SLOTS || slot->arrival < plan->slots[first].arrival))
            first = i;
    }
    if (first == PLAN_SLOTS) return;
    struct plan_slot *slot = &plan->slots[first];
    bool registers = plan->registering == REGISTER_WANTED;
    slot->state = SLOT_ASKED;
    slot->asked = registers ? COMMAND_REGISTER : COMMAND_LOGIN;
    slot->deadline = plan->now + plan->settings.connect_timeout_ms + (registers ? PLAN_REGISTER_MS : 0);
    const struct plan_server *server = plan_server_at(plan, first);
    struct herald_event event = {
        .kind = HERALD_CONNECTED, .server = server->where.text, .latency_ms = server->latency_ms};
    plan->ops->tell(plan->context, &event);
    plan->ops->say(plan->context, first, slot->asked);
}

// Rule 1. Nobody more is dialled while somebody who has accepted can be asked.
static bool may_dial(const struct plan *plan) {
    return plan->next < plan->line_len && !any_slot(plan, SLOT_IN_LINE) && free_slot(plan) < PLAN_SLOTS;
}

static void dial_more(struct plan *plan) {
    while (may_dial(plan) && (!plan->measured || plan->now >= plan->next_dial)) {
        unsigned i = free_slot(plan);
        plan->slots[i] = (struct plan_slot){.state = SLOT_DIALLING,
                                            .server = plan->line[plan->next++],
                                            .since = plan->now,
                                            .deadline = plan->now + plan->settings.connect_timeout_ms};
        plan->next_dial = plan->now + PLAN_HEAD_START_MS;
        plan->ops->dial(plan->context, i, &plan_server_at(plan, i)->where);
    }
}

void plan_go_on(struct plan *plan) {
    if (plan->phase != PLAN_ROUND) return;
    ask_next(plan);
    dial_more(plan);
    if (!any_slot(plan, SLOT_DIALLING) && plan->next == plan->line_len) round_failed(plan);
}

// Its trouble is noted already.
void plan_slot_failed(struct plan *plan, unsigned slot) {
    struct plan_server *server = plan_server_at(plan, slot);
    if (plan->slots[slot].state == SLOT_ASKED && plan->slots[slot].asked == COMMAND_REGISTER &&
        !server->spoke)
        plan->registering = REGISTER_UNSURE;
    server->arrival = 0;
    plan_let_go(plan, slot);
    plan->next_dial = plan->now;
}

void plan_slot_troubled(struct plan *plan, unsigned slot, struct str words, bool spoke) {
    struct plan_server *server = plan_server_at(plan, slot);
    server->trouble[0] = '\0';
    server->spoke = spoke;
    if (spoke) plan_add(server->trouble, sizeof server->trouble, "says: ");
    plan_add_words(server->trouble, sizeof server->trouble, words);
    plan_slot_failed(plan, slot);
}

// --- the rest of the contract --------------------------------------------------------------------------

int plan_init(struct plan *plan, const struct plan_settings *settings, const struct where *servers,
              size_t count, uint64_t seed, const struct plan_ops *ops, void *context) {
    *plan = (struct plan){.ops = ops, .context = context, .settings = *settings, .count = count};
    plan->servers = calloc(count + 1, sizeof *plan->servers);
    plan->order = calloc(count + 1, sizeof *plan->order);
    plan->line = calloc(count + 1, sizeof *plan->line);
    if (!plan->servers || !plan->order || !plan->line) {
        plan_fini(plan);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        plan->servers[i].where = servers[i];
        plan->order[i] = i;
    }
    plan->redirector = count;
    plan->registering = settings->registers ? REGISTER_WANTED : REGISTER_NO;
    dice_seed(&plan->dice, seed);
    return 0;
}

void plan_fini(struct plan *plan) {
    free(plan->servers);
    free(plan->order);
    free(plan->line);
    *plan = (struct plan){0};
}

void plan_start(struct plan *plan, uint64_t now) {
    plan->now = plan->apart = now;
    round_begin(plan);
}

void plan_accepted(struct plan *plan, unsigned slot, uint64_t now) {
    plan->now = now;
    assert(plan->slots[slot].state == SLOT_DIALLING);
    struct plan_server *server = plan_server_at(plan, slot);
    plan->slots[slot].state = SLOT_IN_LINE;
    plan->slots[slot].deadline = UINT64_MAX;
    plan->slots[slot].arrival = server->arrival = ++plan->arrivals;
    server->latency_ms = (uint32_t)(now - plan->slots[slot].since);
    plan_go_on(plan);
}

void plan_closed(struct plan *plan, unsigned slot, const char *why, bool in_order, uint64_t now) {
    plan->now = now;
    if (plan->slots[slot].state == SLOT_FREE) return;
    if (plan->phase == PLAN_IN) {
        plan_lost(plan, why);
    } else if (plan->phase == PLAN_LEAVING) {
        plan_left(plan, in_order);
    } else {
        plan_slot_troubled(plan, slot, str_of(why), false);
        plan_go_on(plan);
    }
}

void plan_sent_all(struct plan *plan, uint64_t now) {
    plan->now = now;
    if (plan->phase == PLAN_IN && plan_leaves_nothing(plan)) plan_leave(plan);
}

void plan_logout(struct plan *plan, uint64_t now) {
    plan->now = now;
    plan->leaving = true;
    if (!plan_leaves_nothing(plan)) return;
    if (plan->phase == PLAN_IN)
        plan_leave(plan);
    else if (plan->phase == PLAN_ROUND || plan->phase == PLAN_PAUSE)
        plan_end_asked(plan);
}

static void tick_slots(struct plan *plan) {
    char why[PLAN_TROUBLE_SIZE];
    for (unsigned i = 0; i < PLAN_SLOTS; i++) {
        struct plan_slot *slot = &plan->slots[i];
        if (slot->state == SLOT_FREE || slot->deadline > plan->now) continue;
        (void)snprintf(why, sizeof why, "did not %s in time",
                       slot->state == SLOT_ASKED ? "answer" : "accept");
        plan_slot_troubled(plan, i, str_of(why), false);
    }
}

void plan_tick(struct plan *plan, uint64_t now) {
    plan->now = now;
    bool seeking = plan->phase == PLAN_ROUND || plan->phase == PLAN_PAUSE;
    if (seeking && gave_up(plan)) {
        if (plan->phase == PLAN_ROUND) tick_slots(plan);
        end_given_up(plan);
    } else if (plan->phase == PLAN_ROUND) {
        tick_slots(plan);
        plan_go_on(plan);
    } else if (plan->phase == PLAN_PAUSE && now >= plan->until) {
        round_begin(plan);
    } else if (plan->phase == PLAN_LEAVING && now >= plan->until) {
        plan_left(plan, false);
    }
}

uint64_t plan_due(const struct plan *plan) {
    uint64_t due = UINT64_MAX;
    if (plan->phase == PLAN_ENDED || plan->phase == PLAN_IN) return due;
    if (plan->phase == PLAN_LEAVING) return plan->until;
    if (plan->settings.give_up_ms > 0) due = plan->apart + plan->settings.give_up_ms;
    if (plan->phase == PLAN_PAUSE) return plan->until < due ? plan->until : due;
    for (unsigned i = 0; i < PLAN_SLOTS; i++)
        if (plan->slots[i].state != SLOT_FREE && plan->slots[i].deadline < due) due = plan->slots[i].deadline;
    if (may_dial(plan) && plan->next_dial < due) due = plan->next_dial;
    return due;
}

void plan_abort(struct plan *plan, enum herald_status status, const char *why) {
    if (plan->phase == PLAN_ENDED) return;
    plan->text[0] = '\0';
    plan_add(plan->text, sizeof plan->text, "%s", why);
    plan_end(plan, status);
}

unsigned plan_home(const struct plan *plan) {
    return plan->phase == PLAN_IN || plan->phase == PLAN_LEAVING ? plan->chosen : PLAN_SLOTS;
}

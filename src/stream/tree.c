// Finding a parent in the tree. See tree.h for the rules.
//
//    ROOT (no --connect)       WAITING ──► DIALLING ──► GREETING ──► LINKED
//                                 ▲            │            │           │
//                                 └── failed ──┴── failed ──┴── lost ───┘
#include "stream/tree.h"

#include <assert.h>
#include <string.h>

static void tree_wait(struct tree *tree, uint64_t now_ms, uint64_t about_ms) {
    tree->state = TREE_WAITING;
    tree->next_ms = now_ms + dice_between(tree->dice, about_ms / 2, about_ms);
}

void tree_init(struct tree *tree, const struct stream_settings *settings, struct dice *dice,
               uint64_t now_ms) {
    *tree = (struct tree){.state = TREE_ROOT, .dice = dice, .backoff_ms = TREE_BACKOFF_LEAST_MS};
    tree_set_targets(tree, settings, now_ms);
}

static bool tree_has_targets(const struct tree *tree, const struct stream_settings *settings) {
    if (tree->count != settings->connect_count) return false;
    for (size_t i = 0; i < tree->count; i++) {
        const struct settings_target *old = &tree->targets[i], *new = &settings->connect[i];
        if (old->port != new->port || strcmp(old->host, new->host) != 0) return false;
    }
    return true;
}

static uint64_t tree_time(uint64_t interval_ms, uint64_t most_ms) {
    if (interval_ms == 0 || interval_ms > most_ms) return most_ms;
    return interval_ms > TREE_BACKOFF_LEAST_MS ? interval_ms : TREE_BACKOFF_LEAST_MS;
}

void tree_set_targets(struct tree *tree, const struct stream_settings *settings, uint64_t now_ms) {
    tree->most_ms = tree_time(settings->announce_interval_ms, TREE_BACKOFF_MOST_MS);
    tree->settled_ms = tree_time(settings->announce_interval_ms, TREE_SETTLED_MS);
    if (tree_has_targets(tree, settings)) return;
    memcpy(tree->targets, settings->connect, sizeof tree->targets);
    memset(tree->plain, 0, sizeof tree->plain);
    memset(tree->must_speak, 0, sizeof tree->must_speak);
    tree->count = settings->connect_count;
    tree->current = 0;
    tree->renewed = tree->state != TREE_ROOT && tree->state != TREE_WAITING;
    if (tree->state == TREE_ROOT || tree->state == TREE_WAITING) {
        tree->state = tree->count == 0 ? TREE_ROOT : TREE_WAITING;
        tree->next_ms = now_ms;
    }
}

static void tree_back_off(struct tree *tree, uint64_t now_ms) {
    tree_wait(tree, now_ms, tree->backoff_ms);
    tree->backoff_ms *= 2;
    if (tree->backoff_ms > tree->most_ms) tree->backoff_ms = tree->most_ms;
}

// Rule 3: on to the next target; after the last one, back off and begin again.
static void tree_step(struct tree *tree, uint64_t now_ms) {
    if (tree->count == 0) { // the targets were taken away by a reload
        tree->state = TREE_ROOT;
        return;
    }
    tree->current = tree->renewed ? 0 : tree->current + 1;
    if (tree->renewed || tree->current < tree->count) {
        tree->renewed = false;
        tree_wait(tree, now_ms, TREE_BACKOFF_LEAST_MS / 4);
        return;
    }
    tree->current = 0;
    tree_back_off(tree, now_ms);
}

const struct settings_target *tree_dial(struct tree *tree,
                                        bool (*refuse)(void *context, const struct settings_target *target),
                                        void *context, uint64_t now_ms) {
    if (tree->state != TREE_WAITING || now_ms < tree->next_ms) return NULL;
    const struct settings_target *target = &tree->targets[tree->current];
    if (refuse(context, target)) {
        tree_step(tree, now_ms);
        return NULL;
    }
    tree->state = TREE_DIALLING;
    return target;
}

bool tree_greets_plainly(const struct tree *tree) {
    return tree->plain[tree->current];
}

void tree_failed(struct tree *tree, uint64_t now_ms) {
    if (tree->state != TREE_DIALLING && tree->state != TREE_GREETING) return;
    tree->plain[tree->current] = false; // rule 4: who comes back may be another
    if (tree->state == TREE_DIALLING) tree->must_speak[tree->current] = false;
    tree_step(tree, now_ms);
}

void tree_greeting(struct tree *tree) {
    assert(tree->state == TREE_DIALLING);
    tree->state = TREE_GREETING;
}

void tree_spoke(struct tree *tree, bool herald) {
    if (!tree->renewed) tree->must_speak[tree->current] = herald;
}

bool tree_must_speak(const struct tree *tree) {
    return tree->must_speak[tree->current];
}

void tree_refused_greeting(struct tree *tree, uint64_t now_ms) {
    if (tree->state != TREE_GREETING && tree->state != TREE_LINKED) return;
    tree->state = TREE_GREETING; // its silence was taken for consent
    if (tree->renewed || tree->plain[tree->current]) {
        tree_failed(tree, now_ms);
        return;
    }
    tree->plain[tree->current] = true; // rule 4
    tree->state = TREE_WAITING;
    tree->next_ms = now_ms;
}

void tree_linked(struct tree *tree, uint64_t now_ms) {
    assert(tree->state == TREE_GREETING);
    tree->state = TREE_LINKED;
    tree->linked_ms = now_ms;
}

void tree_lost(struct tree *tree, uint64_t now_ms) {
    if (tree->state != TREE_LINKED) return;
    if (tree->count == 0) {
        tree->state = TREE_ROOT;
        return;
    }
    tree->current = 0;
    tree->renewed = false;
    if (now_ms - tree->linked_ms >= tree->settled_ms) {
        tree->backoff_ms = TREE_BACKOFF_LEAST_MS;
        tree_wait(tree, now_ms, TREE_BACKOFF_LEAST_MS);
    } else {
        tree_back_off(tree, now_ms);
    }
}

void tree_lost_silent(struct tree *tree, uint64_t now_ms) {
    size_t behind = tree->renewed ? 0 : tree->current + 1;
    if (tree->state == TREE_LINKED && !tree->renewed) tree->must_speak[tree->current] = true;
    tree_lost(tree, now_ms);
    if (tree->state == TREE_WAITING && behind < tree->count) tree->current = behind;
}

void tree_rest(struct tree *tree, uint64_t until_ms) {
    if (tree->state == TREE_WAITING && tree->next_ms < until_ms) tree->next_ms = until_ms;
}

uint64_t tree_deadline(const struct tree *tree) {
    return tree->state == TREE_WAITING ? tree->next_ms : UINT64_MAX;
}

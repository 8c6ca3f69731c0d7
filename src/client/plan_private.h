// Between the files of the plan.
#pragma once

#include "client/plan.h"

// --- plan_words.c --------------------------------------------------------------------------------------
// ------------------------------------------------------------------------------------------- Appends to a
// text of `capacity` bytes what fits; what does not ends in "...".
void plan_add(char *text, size_t capacity, const char *format, ...) __attribute__((format(printf, 3, 4)));
// A server's own words; NUL bytes in them end nothing.
void plan_add_words(char *text, size_t capacity, struct str words);
// To plan->text: how many publications may or may not have been taken, when there are any.
void plan_add_doubt(struct plan *plan, uint64_t doubtful);

// --- plan.c --------------------------------------------------------------------------------------------
struct plan_server *plan_server_at(struct plan *plan, unsigned slot);
void plan_tell(struct plan *plan, enum herald_kind kind, const char *server);
void plan_let_go(struct plan *plan, unsigned slot);
void plan_let_all_go(struct plan *plan, unsigned but);       // PLAN_SLOTS: all
bool plan_leaves_nothing(const struct plan *plan);           // to log out now is all there is to do
void plan_end(struct plan *plan, enum herald_status status); // with plan->text
void plan_end_asked(struct plan *plan);
void plan_pause(struct plan *plan, const char *server); // HERALD_LOST with plan->text, rule 6
void plan_round_of(struct plan *plan);                  // of plan->line
void plan_go_on(struct plan *plan);
void plan_slot_failed(struct plan *plan,
                      unsigned slot); // its trouble is noted already; plan_go_on is to follow
void plan_slot_troubled(struct plan *plan, unsigned slot, struct str words, bool spoke);

// --- plan_answer.c -------------------------------------------------------------------------------------
void plan_leave(struct plan *plan);                 // says LOGOUT
void plan_lost(struct plan *plan, const char *why); // PLAN_IN to PLAN_PAUSE, or the end
void plan_left(struct plan *plan, bool in_order);   // PLAN_LEAVING to the end

// Who watches what becomes durable (cluster/propose.h). Used by the storage thread; any thread may join or
// leave.
#pragma once

#include "cluster/propose.h"

struct watches;
struct watches *watches_open(void); // NULL: memory is out
void watches_close(struct watches *watches);

struct watch *watches_add(struct watches *watches, struct mailbox *mailbox, watch_callback *callback,
                          void *context);
void watches_remove(struct watches *watches, struct watch *watch);

// Prepares a batch's news, when there is memory to fail: notes that the sessions of an account must end.
// -1: memory is out; watches_forget then.
int watches_end(struct watches *watches, const struct answer *answer);
void watches_forget(struct watches *watches);               // the batch did not happen
void watches_tell(struct watches *watches, uint64_t clock); // it is durable

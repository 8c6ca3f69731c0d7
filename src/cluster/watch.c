// News of what is durable, for other threads. Each watch has one mail and a note of what it has not been told
// yet: while the mail is under way, further news is added to the note, so that a slow watcher costs no more
// than the names it must still hear.
//
//   storage thread                                    watcher's thread
//   watches_end: names ──► watches_tell: note ──mail──► deliver: takes the note ──► callback
//
// All that needs memory is done before the batch commits; telling cannot fail.
#include "cluster/watch.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct watch {
    struct mail mail;
    struct watches *watches;
    struct watch *next, *prev;
    struct mailbox *mailbox;
    watch_callback *callback;
    void *context;
    bool mailed; // the mail is under way
    bool left;   // whoever asked has gone; the mail's end frees
    uint64_t clock;
    struct ended *pending; // of the batch that is being applied
    struct ended *ended;   // durable, not told yet
};

struct watches {
    pthread_mutex_t mutex; // of everything below and of all watches
    struct watch *list;
};

struct watches *watches_open(void) {
    struct watches *watches = calloc(1, sizeof *watches);
    if (watches) pthread_mutex_init(&watches->mutex, NULL); // cannot fail with default attributes on Linux
    return watches;
}

void watches_close(struct watches *watches) {
    if (!watches) return;
    assert(!watches->list);
    pthread_mutex_destroy(&watches->mutex);
    free(watches);
}

static void free_list(struct ended *list) {
    while (list) {
        struct ended *next = list->next;
        free(list);
        list = next;
    }
}

static void free_watch(struct watch *watch) {
    free_list(watch->pending);
    free_list(watch->ended);
    free(watch);
}

// --- the watcher's thread ---------------------------------------------------------------------------------

static void deliver(struct mail *mail, void *context) {
    (void)context;
    struct watch *watch = (struct watch *)((char *)mail - offsetof(struct watch, mail));
    if (watch->left) { // by its own thread, which is this one; the list is without it
        free_watch(watch);
        return;
    }
    pthread_mutex_lock(&watch->watches->mutex);
    struct ended *ended = watch->ended;
    uint64_t clock = watch->clock;
    watch->ended = NULL;
    watch->mailed = false;
    pthread_mutex_unlock(&watch->watches->mutex);
    watch->callback(clock, ended, watch->context); // may leave
    free_list(ended);
}

struct watch *watches_add(struct watches *watches, struct mailbox *mailbox, watch_callback *callback,
                          void *context) {
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch) return NULL;
    *watch = (struct watch){
        .mail.deliver = deliver,
        .watches = watches,
        .mailbox = mailbox,
        .callback = callback,
        .context = context,
    };
    pthread_mutex_lock(&watches->mutex);
    DL_APPEND(watches->list, watch);
    pthread_mutex_unlock(&watches->mutex);
    return watch;
}

void watches_remove(struct watches *watches, struct watch *watch) {
    if (!watch) return;
    pthread_mutex_lock(&watches->mutex);
    DL_DELETE(watches->list, watch);
    bool mailed = watch->mailed;
    watch->left = true;
    pthread_mutex_unlock(&watches->mutex);
    if (!mailed) free_watch(watch);
}

// --- the storage thread -----------------------------------------------------------------------------------

int watches_end(struct watches *watches, const struct answer *answer) {
    struct watch *watch;
    int rc = 0;
    pthread_mutex_lock(&watches->mutex);
    DL_FOREACH(watches->list, watch) {
        struct ended *ended = malloc(sizeof *ended);
        if (!ended) {
            rc = -1;
            break;
        }
        ended->uuid = answer->whose;
        ended->clock = answer->clock;
        LL_APPEND(watch->pending, ended);
    }
    pthread_mutex_unlock(&watches->mutex);
    return rc;
}

void watches_forget(struct watches *watches) {
    struct watch *watch;
    pthread_mutex_lock(&watches->mutex);
    DL_FOREACH(watches->list, watch) {
        free_list(watch->pending);
        watch->pending = NULL;
    }
    pthread_mutex_unlock(&watches->mutex);
}

void watches_tell(struct watches *watches, uint64_t clock) {
    struct watch *watch;
    pthread_mutex_lock(&watches->mutex);
    DL_FOREACH(watches->list, watch) {
        LL_CONCAT(watch->ended, watch->pending);
        watch->pending = NULL;
        watch->clock = clock;
        if (watch->mailed) continue;
        watch->mailed = true;
        mailbox_post(watch->mailbox, &watch->mail);
    }
    pthread_mutex_unlock(&watches->mutex);
}

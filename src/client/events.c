// What has happened and was not told yet. Each event is one block: the struct, then its texts.
#include "client/events.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct queued {
    struct queued *prev, *next;
    size_t size; // of the block
    struct herald_event event;
    char texts[];
};

static void forget(struct queued *queued) {
    if (!queued) return;
    if (queued->event.kind == HERALD_REGISTERED) secret_wipe(queued, queued->size);
    free(queued);
}

void events_fini(struct events *events) {
    struct queued *queued, *next;
    DL_FOREACH_SAFE(events->first, queued, next) forget(queued);
    forget(events->given);
    *events = (struct events){0};
}

bool events_full(const struct events *events) {
    return events->count >= EVENTS_MOST || events->bytes >= EVENTS_BYTES;
}

// Copies `from` to `*to` with a terminator and moves *to behind it.
static const char *put(struct str from, char **to) {
    char *text = *to;
    if (from.len > 0) memcpy(text, from.ptr, from.len);
    for (char *nul = text; (nul = memchr(nul, '\0', (size_t)(text + from.len - nul)));) *nul = '?';
    text[from.len] = '\0';
    *to = text + from.len + 1;
    return text;
}

int events_add(struct events *events, const struct herald_event *event, struct str user) {
    struct str server = str_of(event->server), text = str_of(event->text),
               json = {event->json, event->json_len};
    size_t size = sizeof(struct queued) + server.len + user.len + text.len + json.len + 4;
    struct queued *queued = malloc(size);
    if (!queued) return -1;
    char *at = queued->texts;
    queued->size = size;
    queued->event = *event;
    queued->event.server = put(server, &at);
    queued->event.user = put(user, &at);
    queued->event.text = put(text, &at);
    queued->event.json = put(json, &at);
    DL_APPEND(events->first, queued);
    events->count++;
    events->bytes += size;
    return 0;
}

bool events_take(struct events *events, struct herald_event *event) {
    struct queued *queued = events->first;
    if (!queued) return false;
    forget(events->given);
    DL_DELETE(events->first, queued);
    events->given = queued;
    events->count--;
    events->bytes -= queued->size;
    *event = queued->event;
    return true;
}

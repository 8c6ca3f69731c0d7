// Requests: memory only. See request.h.
#include "stream/request.h"

#include <stdlib.h>

struct request *request_new(enum request_kind kind, struct mailbox *home, struct client *client,
                            const struct address *from, struct str username, struct str secret) {
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL) return NULL;
    request->kind = kind;
    request->home = home;
    request->client = client;
    request->from = *from;
    if (buf_append_str(&request->username, username) == 0 && buf_append_str(&request->secret, secret) == 0)
        return request;
    request_free(request);
    return NULL;
}

void request_free(struct request *request) {
    buf_free(&request->username);
    buf_wipe(&request->secret);
    secret_wipe(&request->credential, sizeof request->credential);
    free(request);
}

// TLS on a connection. See cloak.h.
#include "client/cloak.h"

#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

struct known {
    char server[WHERE_TEXT_MAX], key[TLS_FINGERPRINT_SIZE];
};

struct trust {
    struct tls_context *context;
    bool first_use;
    struct known *known;
    size_t count;
};

struct cloak {
    struct tls *tls;
    struct trust *trust;
    struct buf sealed, plain;
    size_t sent; // of `sealed`
    char server[WHERE_TEXT_MAX], host[WHERE_HOST_MAX + 1];
    char met[TLS_FINGERPRINT_SIZE];
    char refused[160]; // why it was not let in
};

// --- whom to trust ----------------------------------------------------------------------------------------

struct trust *trust_open(bool first_use, const char *ca_file, struct err *err) {
    struct trust *trust = calloc(1, sizeof *trust);
    if (!trust) {
        err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    trust->first_use = first_use;
    trust->context = tls_context_client(&(struct tls_authorities){.system = !ca_file, .file = ca_file}, err);
    if (trust->context) return trust;
    free(trust);
    return NULL;
}

void trust_close(struct trust *trust) {
    if (!trust) return;
    tls_context_close(trust->context);
    free(trust->known);
    free(trust);
}

static struct known *find(const struct trust *trust, const char *server) {
    for (size_t i = 0; i < trust->count; i++)
        if (strcasecmp(trust->known[i].server, server) == 0) return &trust->known[i];
    return NULL;
}

int trust_know(struct trust *trust, const char *server, const char *key) {
    struct known *known = find(trust, server);
    if (!known) {
        struct known *more = realloc(trust->known, (trust->count + 1) * sizeof *more);
        if (!more) return -1;
        trust->known = more;
        known = &more[trust->count++];
        str_copy(str_of(server), known->server, sizeof known->server);
    }
    str_copy(str_of(key), known->key, sizeof known->key);
    return 0;
}

static bool judge(void *context, const struct tls_peer *peer) {
    struct cloak *cloak = context;
    const struct known *known = find(cloak->trust, cloak->server);
    if (known && strcmp(known->key, peer->fingerprint) == 0) return true;
    if (known) {
        snprintf(cloak->refused, sizeof cloak->refused, "its key has changed: it is now %s",
                 peer->fingerprint);
        return false;
    }
    if (!peer->fault) return true;
    if (cloak->trust->first_use) { // known once it has proved that the key is its own
        str_copy(str_of(peer->fingerprint), cloak->met, sizeof cloak->met);
        return true;
    }
    snprintf(cloak->refused, sizeof cloak->refused, "nobody vouches for its key %s (%.40s)",
             peer->fingerprint, peer->fault);
    return false;
}

// --- life -------------------------------------------------------------------------------------------------

struct cloak *cloak_open(struct trust *trust, const struct where *server, struct err *err) {
    struct cloak *cloak = calloc(1, sizeof *cloak);
    if (!cloak) {
        err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    cloak->trust = trust;
    memcpy(cloak->server, server->text, sizeof cloak->server);
    memcpy(cloak->host, server->host, sizeof cloak->host);
    struct tls_wish wish = {.host = cloak->host, .protocol = "herald", .accept = judge, .context = cloak};
    cloak->tls = tls_connect(trust->context, &wish, &cloak->sealed, err);
    if (cloak->tls) return cloak;
    cloak_close(cloak);
    return NULL;
}

void cloak_close(struct cloak *cloak) {
    if (!cloak) return;
    tls_close(cloak->tls);
    buf_free(&cloak->sealed);
    buf_wipe(&cloak->plain);
    free(cloak);
}

bool cloak_ready(const struct cloak *cloak) {
    return tls_ready(cloak->tls);
}

bool cloak_ended(const struct cloak *cloak) {
    return tls_ended(cloak->tls);
}

const char *cloak_met(const struct cloak *cloak) {
    return cloak->met;
}

// --- bytes ------------------------------------------------------------------------------------------------

int cloak_take(struct cloak *cloak, struct str bytes, struct err *err) {
    bool greeted = tls_ready(cloak->tls);
    if (tls_receive(cloak->tls, bytes, &cloak->plain, &cloak->sealed, err) != 0)
        return cloak->refused[0] ? err_set(err, ERR_INVALID, "%s", cloak->refused) : -1;
    if (greeted || !tls_ready(cloak->tls) || !cloak->met[0]) return 0;
    if (trust_know(cloak->trust, cloak->server, cloak->met) == 0) return 0;
    return err_set(err, ERR_MEMORY, "memory is out");
}

size_t cloak_plain(struct cloak *cloak, char *to, size_t capacity) {
    size_t len = cloak->plain.len < capacity ? cloak->plain.len : capacity;
    if (len == 0) return 0;
    memcpy(to, cloak->plain.data, len);
    buf_consume(&cloak->plain, len);
    if (cloak->plain.len == 0 && cloak->plain.cap > 4 * (size_t)TLS_RECORD_MAX) buf_wipe(&cloak->plain);
    return len;
}

int cloak_seal(struct cloak *cloak, struct str words, struct err *err) {
    return tls_send(cloak->tls, words, &cloak->sealed, err);
}

bool cloak_holds(const struct cloak *cloak) {
    return cloak->sealed.len > 0;
}

int cloak_flush(struct cloak *cloak, int fd) {
    struct buf *sealed = &cloak->sealed;
    while (cloak->sent < sealed->len) {
        ssize_t len =
            send(fd, sealed->data + cloak->sent, sealed->len - cloak->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (len < 0) return -1;
        cloak->sent += (size_t)len;
    }
    cloak->sent = 0;
    buf_truncate(sealed, 0);
    if (sealed->cap > 4 * (size_t)TLS_RECORD_MAX) buf_free(sealed);
    return 0;
}

// Contexts: what the connections of a server, or of a client, have in common.
//
// Version 1.3 alone: no renegotiation, no compression, no cipher without forward secrecy. No session tickets:
// they would save a returning client one signature of ours, and cost keys that must be kept and changed.
#include "net/tls_private.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

int tls_error(struct err *err, const char *what) {
    unsigned long code = ERR_peek_last_error();
    const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;
    bool memory = code == 0 || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
    ERR_clear_error();
    if (memory) return err_set(err, ERR_MEMORY, "%s: memory is out", what);
    return err_set(err, ERR_INVALID, "%s: %s", what, why != NULL ? why : "unknown error");
}

// --- making -----------------------------------------------------------------------------------------------

static SSL_CTX *common(const SSL_METHOD *method) {
    SSL_CTX *made = SSL_CTX_new(method);
    if (made == NULL) return NULL;
    // What was read is wiped in OpenSSL's memory, too: passwords are.
    SSL_CTX_set_options(made, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(made, 0);
    if (SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_max_proto_version(made, TLS1_3_VERSION) == 1)
        return made;
    SSL_CTX_free(made);
    return NULL;
}

static SSL_CTX *server_with(const struct tls_certificate *certificate, struct err *err) {
    SSL_CTX *made = common(TLS_server_method());
    if (made != NULL && SSL_CTX_set_num_tickets(made, 0) == 1 &&
        SSL_CTX_use_cert_and_key(made, certificate->own, certificate->key, certificate->chain, 1) == 1) {
        SSL_CTX_set_alpn_select_cb(made, tls_select_protocol, NULL);
        return made;
    }
    tls_error(err, "the certificate cannot be used for TLS");
    SSL_CTX_free(made);
    return NULL;
}

static SSL_CTX *client_with(const struct tls_authorities *authorities, struct err *err) {
    SSL_CTX *made = common(TLS_client_method());
    if (made == NULL) {
        tls_error(err, "cannot begin TLS");
        return NULL;
    }
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(made, tls_judge, NULL);
    ERR_clear_error();
    if (authorities->system && SSL_CTX_set_default_verify_paths(made) != 1) {
        tls_error(err, "cannot read the authorities this machine trusts");
    } else if (authorities->file != NULL && SSL_CTX_load_verify_file(made, authorities->file) != 1) {
        ERR_clear_error();
        err_set(err, ERR_INVALID, "cannot read certificates from %s: it must be a readable file of PEM",
                authorities->file);
    } else {
        return made;
    }
    SSL_CTX_free(made);
    return NULL;
}

// Takes `made`, which may be NULL. Held once.
static struct tls_base *base_of(SSL_CTX *made, struct err *err) {
    if (made == NULL) return NULL;
    struct tls_base *base = malloc(sizeof *base);
    if (base == NULL) {
        err_set(err, ERR_MEMORY, "memory is out");
        SSL_CTX_free(made);
        return NULL;
    }
    base->made = made;
    atomic_init(&base->holders, 1);
    return base;
}

void tls_base_release(struct tls_base *base) {
    if (base == NULL || atomic_fetch_sub(&base->holders, 1) != 1) return;
    SSL_CTX_free(base->made);
    free(base);
}

// Takes `first`, which may be NULL.
static struct tls_context *context_of(struct tls_base *first, struct err *err) {
    if (first == NULL) return NULL;
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL || (context->bytes = tls_bytes_method()) == NULL) {
        err_set(err, ERR_MEMORY, "memory is out");
        tls_base_release(first);
        free(context);
        return NULL;
    }
    pthread_mutex_init(&context->lock, NULL);
    context->current = first;
    return context;
}

struct tls_context *tls_context_server(const struct tls_certificate *certificate, struct err *err) {
    return context_of(base_of(server_with(certificate, err), err), err);
}

struct tls_context *tls_context_client(const struct tls_authorities *authorities, struct err *err) {
    return context_of(base_of(client_with(authorities, err), err), err);
}

// --- changing ---------------------------------------------------------------------------------------------

int tls_context_renew(struct tls_context *context, const struct tls_certificate *certificate,
                      struct err *err) {
    struct tls_base *fresh = base_of(server_with(certificate, err), err);
    if (fresh == NULL) return -1;
    pthread_mutex_lock(&context->lock);
    struct tls_base *old = context->current;
    context->current = fresh;
    pthread_mutex_unlock(&context->lock);
    tls_base_release(old); // its connections hold it
    return 0;
}

struct tls_base *tls_base_current(struct tls_context *context) {
    pthread_mutex_lock(&context->lock);
    struct tls_base *current = context->current;
    atomic_fetch_add(&current->holders, 1);
    pthread_mutex_unlock(&context->lock);
    return current;
}

void tls_context_close(struct tls_context *context) {
    if (context == NULL) return;
    tls_base_release(context->current);
    BIO_meth_free(context->bytes);
    pthread_mutex_destroy(&context->lock);
    free(context);
}

// What the files of TLS share. Only they include OpenSSL.
#pragma once

#include "net/tls.h"
#include "net/tls_certificate.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>

struct tls_certificate {
    EVP_PKEY *key;
    X509 *own;
    STACK_OF(X509) * chain; // those above it
    char fingerprint[TLS_FINGERPRINT_SIZE];
};

// One certificate's settings. Connections hold it, also when a newer one has come. OpenSSL counts holders as
// well, but inside a library that race detectors do not see: counted here, it is freed where they do.
struct tls_base {
    atomic_uint holders;
    SSL_CTX *made;
};

struct tls_context {
    pthread_mutex_t lock; // of `current`
    struct tls_base *current;
    BIO_METHOD *bytes; // how OpenSSL reads and writes: the caller's memory
};

struct tls {
    SSL *ssl;
    struct tls_base *base;
    struct str in;   // what is to be read during a call
    struct buf *out; // where to write during a call
    const char *protocol;
    struct tls_wish wish; // the client's side
    uint8_t hello[9];     // the beginning of a ClientHello, until it is whole
    uint8_t hello_len;
    bool server, ready, ended, finished, broken, no_memory;
};

// What new connections begin with, held for the caller.
struct tls_base *tls_base_current(struct tls_context *context);
void tls_base_release(struct tls_base *base); // may be NULL

BIO_METHOD *tls_bytes_method(void); // tls.c; NULL: memory is out
int tls_select_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
                        const unsigned char *offered, unsigned offered_len, void *context);
int tls_judge(X509_STORE_CTX *store, void *context); // of a client's context: is this the server?

// Empties OpenSSL's list of errors of this thread into one: `what`, and why.
int tls_error(struct err *err, const char *what);
// -1: memory is out.
int tls_fingerprint(const X509 *certificate, char fingerprint[TLS_FINGERPRINT_SIZE]);

// --- tls_file.c
// A whole file; `secret`: others must not be able to read it.
int tls_file_read(const char *path, bool secret, struct buf *bytes, struct err *err);
// Whole or not at all, also when the machine stops meanwhile.
int tls_file_write(const char *path, unsigned mode, struct str bytes, struct err *err);

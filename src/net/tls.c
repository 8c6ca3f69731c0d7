// TLS as a transformer of bytes. See tls.h.
//
//   cipher ──► bytes_read ──► OpenSSL ──► plain
//   out ◄── bytes_write ◄──── OpenSSL ◄── plain
//
// OpenSSL reads and writes through a BIO of our own, which has no memory: it copies from the caller's slice
// and appends to the caller's buffer. So nothing lies about between calls.
#include "net/tls_private.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_HEADER 5u
#define HELLO_MAX     (16u * 1024) // bytes of a ClientHello; OpenSSL takes memory for as many as it claims
#define HANDSHAKE     22u
#define CLIENT_HELLO  1u

// --- OpenSSL's reading and writing ------------------------------------------------------------------------

static int bytes_read(BIO *bio, char *to, size_t capacity, size_t *len) {
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *len = tls->in.len < capacity ? tls->in.len : capacity;
    if (*len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, tls->in.ptr, *len);
    tls->in.ptr += *len;
    tls->in.len -= *len;
    return 1;
}

static int bytes_write(BIO *bio, const char *from, size_t len, size_t *written) {
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *written = 0;
    if (tls->out == NULL || buf_append(tls->out, from, len) != 0) {
        tls->no_memory = tls->out != NULL;
        return 0;
    }
    *written = len;
    return 1;
}

static long bytes_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *tls_bytes_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "herald");
    if (method == NULL) return NULL;
    BIO_meth_set_read_ex(method, bytes_read);
    BIO_meth_set_write_ex(method, bytes_write);
    BIO_meth_set_ctrl(method, bytes_control);
    return method;
}

// --- opening ----------------------------------------------------------------------------------------------

bool tls_is_hello(const void *bytes, size_t len) {
    const unsigned char *byte = bytes;
    return len > 0 && byte[0] == HANDSHAKE && (len < 2 || byte[1] == 3);
}

static struct tls *tls_open(struct tls_context *context, struct err *err) {
    struct tls *tls = calloc(1, sizeof *tls);
    BIO *bio = NULL;
    if (tls != NULL) tls->base = tls_base_current(context);
    if (tls == NULL || (tls->ssl = SSL_new(tls->base->made)) == NULL ||
        (bio = BIO_new(context->bytes)) == NULL) {
        tls_error(err, "cannot begin TLS");
        tls_close(tls);
        return NULL;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    return tls;
}

struct tls *tls_accept(struct tls_context *context, const char *protocol, struct err *err) {
    struct tls *tls = tls_open(context, err);
    if (tls == NULL) return NULL;
    tls->server = true;
    tls->protocol = protocol;
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void tls_close(struct tls *tls) {
    if (tls == NULL) return;
    SSL_free(tls->ssl); // and the BIO
    tls_base_release(tls->base);
    free(tls);
}

bool tls_ready(const struct tls *tls) {
    return tls->ready && !tls->broken;
}

bool tls_ended(const struct tls *tls) {
    return tls->ended;
}

// --- what goes wrong --------------------------------------------------------------------------------------

static const char *server_fault(const struct tls *tls) {
    long fault = SSL_get_verify_result(tls->ssl);
    if (tls->server || fault == X509_V_OK) return NULL;
    return fault == X509_V_ERR_APPLICATION_VERIFICATION ? "its key is not the one that is known"
                                                        : X509_verify_cert_error_string(fault);
}

// Broken for good; says why in the words of whoever knows best.
static int tls_break(struct tls *tls, struct err *err) {
    unsigned long code = ERR_peek_last_error();
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    const char *fault = server_fault(tls);
    tls->broken = true;
    if (tls->no_memory)
        err_set(err, ERR_MEMORY, "memory is out");
    else if (reason > SSL_AD_REASON_OFFSET)
        err_set(err, ERR_INVALID, "TLS: the other side refused: %s",
                SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && fault != NULL)
        err_set(err, ERR_INVALID, "TLS: the certificate of %s was not accepted: %s", tls->wish.host, fault);
    else if (reason == SSL_R_WRONG_VERSION_NUMBER && !tls->ready)
        err_set(err, ERR_INVALID, "TLS: the other side does not speak it");
    else if (reason == SSL_R_UNSUPPORTED_PROTOCOL)
        err_set(err, ERR_INVALID, "TLS: the other side does not speak version 1.3");
    else
        tls_error(err, "TLS");
    ERR_clear_error();
    return -1;
}

// A whole TLS alert, for what OpenSSL has not seen.
static int tls_alert(struct tls *tls, unsigned char description, struct buf *out, struct err *err,
                     const char *why) {
    const unsigned char alert[] = {21, 3, 3, 0, 2, 2, description};
    tls->broken = true;
    (void)buf_append(out, alert, sizeof alert); // a courtesy
    return err_set(err, ERR_INVALID, "TLS: %s", why);
}

// Before OpenSSL sees a stranger's first bytes: a ClientHello of a usual size. -1: it is not.
static int check_hello(struct tls *tls, struct str cipher, struct buf *out, struct err *err) {
    size_t room = sizeof tls->hello - tls->hello_len, len = cipher.len < room ? cipher.len : room;
    if (len == 0) return 0;
    memcpy(tls->hello + tls->hello_len, cipher.ptr, len);
    tls->hello_len = (uint8_t)(tls->hello_len + len);
    bool hello = tls->hello_len <= RECORD_HEADER || tls->hello[RECORD_HEADER] == CLIENT_HELLO;
    if (!hello || !tls_is_hello(tls->hello, tls->hello_len))
        return tls_alert(tls, SSL_AD_UNEXPECTED_MESSAGE, out, err, "not a ClientHello");
    if (tls->hello_len < sizeof tls->hello) return 0;
    const uint8_t *claimed = tls->hello + RECORD_HEADER + 1;
    if (tls->hello[3] == 0 && tls->hello[4] < 4) // so that the length lies in it
        return tls_alert(tls, SSL_AD_DECODE_ERROR, out, err, "the ClientHello comes in crumbs");
    if ((claimed[0] << 16 | claimed[1] << 8 | claimed[2]) > (int)HELLO_MAX)
        return tls_alert(tls, SSL_AD_DECODE_ERROR, out, err, "the ClientHello is too long");
    return 0;
}

// --- receiving --------------------------------------------------------------------------------------------

// True when the handshake is done. False: more must come, or *rc is -1.
static bool shake_hands(struct tls *tls, int *rc, struct err *err) {
    *rc = 0;
    if (tls->ready) return true;
    ERR_clear_error();
    int done = SSL_do_handshake(tls->ssl);
    tls->ready = done == 1;
    if (done != 1 && SSL_get_error(tls->ssl, done) != SSL_ERROR_WANT_READ) *rc = tls_break(tls, err);
    return tls->ready;
}

static int take_records(struct tls *tls, struct buf *plain, struct err *err) {
    while (!tls->ended) {
        size_t got;
        if (buf_reserve(plain, TLS_RECORD_MAX) != 0) tls->no_memory = true;
        if (tls->no_memory) return tls_break(tls, err);
        ERR_clear_error();
        int done = SSL_read_ex(tls->ssl, plain->data + plain->len, plain->cap - plain->len, &got);
        if (done == 1) {
            plain->len += got;
            continue;
        }
        int error = SSL_get_error(tls->ssl, done);
        if (error == SSL_ERROR_WANT_READ) break;
        if (error != SSL_ERROR_ZERO_RETURN) return tls_break(tls, err);
        tls->ended = true; // what follows it has no meaning
    }
    return 0;
}

int tls_receive(struct tls *tls, struct str cipher, struct buf *plain, struct buf *out, struct err *err) {
    int rc;
    if (tls->broken) return err_set(err, ERR_INVALID, "TLS: the connection is broken");
    if (tls->server && check_hello(tls, cipher, out, err) != 0) return -1;
    tls->in = cipher;
    tls->out = out;
    if (shake_hands(tls, &rc, err)) rc = take_records(tls, plain, err);
    tls->in = (struct str){0};
    tls->out = NULL;
    return rc;
}

// --- sending ----------------------------------------------------------------------------------------------

int tls_send(struct tls *tls, struct str plain, struct buf *out, struct err *err) {
    size_t records = plain.len / TLS_RECORD_MAX + 1, written;
    assert(tls->ready && !tls->finished);
    if (tls->broken) return err_set(err, ERR_INVALID, "TLS: the connection is broken");
    if (plain.len == 0) return 0;
    if (buf_reserve(out, plain.len + (records + 1) * TLS_OVERHEAD * 2) != 0)
        return err_set(err, ERR_MEMORY, "memory is out");
    tls->out = out;
    ERR_clear_error();
    int done = SSL_write_ex(tls->ssl, plain.ptr, plain.len, &written);
    tls->out = NULL;
    if (done != 1) return tls_break(tls, err);
    assert(written == plain.len);
    return 0;
}

int tls_finish(struct tls *tls, struct buf *out, struct err *err) {
    if (!tls_ready(tls) || tls->finished) return 0;
    if (buf_reserve(out, 4 * TLS_OVERHEAD) != 0) return err_set(err, ERR_MEMORY, "memory is out");
    tls->finished = true;
    tls->out = out;
    (void)SSL_shutdown(tls->ssl);
    tls->out = NULL;
    ERR_clear_error();
    return 0;
}

// --- protocols (ALPN) -------------------------------------------------------------------------------------

int tls_select_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
                        const unsigned char *offered, unsigned offered_len, void *context) {
    (void)context;
    const struct tls *tls = SSL_get_app_data(ssl);
    if (tls->protocol == NULL) return SSL_TLSEXT_ERR_NOACK;
    size_t len = strlen(tls->protocol);
    for (unsigned at = 0; at < offered_len; at += 1u + offered[at]) {
        if (offered[at] != len || offered_len - at - 1 < len) continue;
        if (memcmp(offered + at + 1, tls->protocol, len) != 0) continue;
        *chosen = offered + at + 1;
        *chosen_len = (unsigned char)len;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// --- the client's side ------------------------------------------------------------------------------------

static int name_protocol(struct tls *tls, const char *protocol) {
    unsigned char list[1 + 255];
    size_t len = protocol != NULL ? strlen(protocol) : 0;
    if (len == 0) return 0;
    assert(len < sizeof list);
    list[0] = (unsigned char)len;
    memcpy(list + 1, protocol, len);
    return SSL_set_alpn_protos(tls->ssl, list, (unsigned)len + 1); // 0 when it went well
}

// Whose certificate it has to be: the rules for names (RFC 9525), or a numeric address as it is.
static int expect_host(struct tls *tls, const char *host) {
    X509_VERIFY_PARAM *expected = SSL_get0_param(tls->ssl);
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    ERR_set_mark();
    bool numeric = X509_VERIFY_PARAM_set1_ip_asc(expected, host) == 1;
    ERR_pop_to_mark();
    if (numeric) return 0; // a numeric address is not named in the ClientHello
    return X509_VERIFY_PARAM_set1_host(expected, host, 0) == 1 &&
                   SSL_set_tlsext_host_name(tls->ssl, host) == 1
               ? 0
               : -1;
}

struct tls *tls_connect(struct tls_context *context, const struct tls_wish *wish, struct buf *out,
                        struct err *err) {
    struct tls *tls = tls_open(context, err);
    if (tls == NULL) return NULL;
    tls->wish = *wish;
    SSL_set_connect_state(tls->ssl);
    if (expect_host(tls, wish->host) != 0 || name_protocol(tls, wish->protocol) != 0)
        tls_error(err, "cannot begin TLS");
    else if (tls_receive(tls, (struct str){0}, out, out, err) == 0) // `out` as plain: there is none yet
        return tls;
    tls_close(tls);
    return NULL;
}

int tls_judge(X509_STORE_CTX *store, void *context) {
    (void)context;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls *tls = SSL_get_app_data(ssl);
    char fingerprint[TLS_FINGERPRINT_SIZE];
    bool vouched = X509_verify_cert(store) == 1;
    int fault = X509_STORE_CTX_get_error(store);
    ERR_clear_error(); // `fault` has the reason
    if (!vouched && fault == X509_V_OK) fault = X509_V_ERR_UNSPECIFIED;
    if (tls->wish.accept != NULL) {
        struct tls_peer peer = {.host = tls->wish.host, .fingerprint = fingerprint};
        if (!vouched) peer.fault = X509_verify_cert_error_string(fault);
        if (tls_fingerprint(X509_STORE_CTX_get0_cert(store), fingerprint) != 0) return 0;
        bool accepted = tls->wish.accept(tls->wish.context, &peer);
        if (accepted) fault = X509_V_OK;
        if (!accepted && vouched) fault = X509_V_ERR_APPLICATION_VERIFICATION;
    }
    X509_STORE_CTX_set_error(store, fault);
    return fault == X509_V_OK;
}

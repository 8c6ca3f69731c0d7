// Certificates: read from files, or made for this server by itself. See tls_certificate.h.
#include "net/tls_certificate.h"

#include "base/secret.h"
#include "net/tls_private.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OWN_DAYS         3650
#define EARLY_S          (24L * 60 * 60) // other machines' clocks may be behind ours
#define NAME_MOST        253             // bytes of a host name
#define COMMON_NAME_MOST 64              // bytes, by X.520

// --- in general -------------------------------------------------------------------------------------------

void tls_certificate_close(struct tls_certificate *certificate) {
    if (certificate == NULL) return;
    EVP_PKEY_free(certificate->key); // wipes
    X509_free(certificate->own);
    sk_X509_pop_free(certificate->chain, X509_free);
    free(certificate);
}

const char *tls_certificate_fingerprint(const struct tls_certificate *certificate) {
    return certificate->fingerprint;
}

int64_t tls_certificate_expires(const struct tls_certificate *certificate) {
    struct tm when = {0};
    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate->own), &when) == 1 ? timegm(&when) : 0;
}

int tls_fingerprint(const X509 *certificate, char fingerprint[TLS_FINGERPRINT_SIZE]) {
    unsigned char *key = NULL, digest[32];
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key), rc = -1;
    if (len > 0 && EVP_Digest(key, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1) {
        memcpy(fingerprint, "SHA256:", 7);
        EVP_EncodeBlock((unsigned char *)fingerprint + 7, digest, sizeof digest); // terminates it
        rc = 0;
    }
    OPENSSL_free(key);
    return rc;
}

int tls_fingerprint_of(struct str pem, char fingerprint[TLS_FINGERPRINT_SIZE], struct err *err) {
    BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    int rc = certificate != NULL ? tls_fingerprint(certificate, fingerprint) : -1;
    X509_free(certificate);
    BIO_free(bio);
    return rc == 0 ? 0 : tls_error(err, "cannot read a certificate");
}

static struct tls_certificate *certificate_new(struct err *err) {
    struct tls_certificate *certificate = calloc(1, sizeof *certificate);
    if (certificate != NULL && (certificate->chain = sk_X509_new_null()) != NULL) return certificate;
    free(certificate);
    err_set(err, ERR_MEMORY, "memory is out");
    return NULL;
}

// --- reading ----------------------------------------------------------------------------------------------

// OpenSSL would ask for it at the terminal.
static int no_passphrase(char *to, int capacity, int writing, void *context) {
    (void)to, (void)capacity, (void)writing, (void)context;
    return -1;
}

static int parse_chain(struct tls_certificate *certificate, const char *path, struct str pem,
                       struct err *err) {
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *next = NULL;
    int rc = -1;
    ERR_clear_error();
    if (bio == NULL) goto out;
    certificate->own = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    if (certificate->own == NULL) goto out;
    while ((next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (sk_X509_push(certificate->chain, next) <= 0) goto out;
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) rc = 0; // the end
out:
    if (rc != 0)
        err_set(err, ERR_INVALID, "%s holds %s: it must be PEM, -----BEGIN CERTIFICATE----- and so on", path,
                certificate->own == NULL ? "no certificate" : "a certificate that cannot be read");
    if (rc != 0) X509_free(next);
    BIO_free(bio);
    ERR_clear_error();
    return rc;
}

static int parse_key(struct tls_certificate *certificate, const char *path, struct str pem, struct err *err) {
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    if (bio != NULL) certificate->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (certificate->key != NULL) return 0;
    bool encrypted = memmem(pem.ptr, pem.len, "ENCRYPTED", 9) != NULL;
    return err_set(err, ERR_INVALID, "%s holds %s: it must be PEM, -----BEGIN PRIVATE KEY----- and so on",
                   path, encrypted ? "an encrypted key, and nobody is there to be asked" : "no private key");
}

static int load_chain(struct tls_certificate *certificate, const char *path, struct err *err) {
    struct buf pem = {0};
    int rc = tls_file_read(path, false, &pem, err);
    if (rc == 0) rc = parse_chain(certificate, path, buf_str(&pem), err);
    buf_free(&pem);
    return rc;
}

static int load_key(struct tls_certificate *certificate, const char *path, struct err *err) {
    struct buf pem = {0};
    int rc = tls_file_read(path, true, &pem, err);
    if (rc == 0) rc = parse_key(certificate, path, buf_str(&pem), err);
    buf_wipe(&pem);
    return rc;
}

static void time_text(const ASN1_TIME *time, char text[32]) {
    struct tm when = {0};
    text[0] = '\0';
    if (ASN1_TIME_to_tm(time, &when) == 1) strftime(text, 32, "%Y-%m-%d %H:%M UTC", &when);
}

static int check_time(const X509 *certificate, const char *path, struct err *err) {
    const ASN1_TIME *from = X509_get0_notBefore(certificate), *until = X509_get0_notAfter(certificate);
    char when[32];
    if (X509_cmp_current_time(from) > 0) {
        time_text(from, when);
        return err_set(err, ERR_INVALID, "the certificate in %s is not valid before %s", path, when);
    }
    if (X509_cmp_current_time(until) < 0) {
        time_text(until, when);
        return err_set(err, ERR_INVALID, "the certificate in %s expired at %s: renew it", path, when);
    }
    return 0;
}

struct tls_certificate *tls_certificate_load(const char *chain_path, const char *key_path, struct err *err) {
    struct tls_certificate *certificate = certificate_new(err);
    if (certificate == NULL) return NULL;
    if (load_chain(certificate, chain_path, err) != 0 || load_key(certificate, key_path, err) != 0) goto out;
    if (X509_check_private_key(certificate->own, certificate->key) != 1) {
        ERR_clear_error();
        err_set(err, ERR_INVALID, "the key in %s is not that of the certificate in %s", key_path, chain_path);
        goto out;
    }
    if (check_time(certificate->own, chain_path, err) != 0) goto out;
    if (tls_fingerprint(certificate->own, certificate->fingerprint) == 0) return certificate;
    tls_error(err, chain_path);
out:
    tls_certificate_close(certificate);
    return NULL;
}

// --- making -----------------------------------------------------------------------------------------------

static GENERAL_NAME *name_numeric(struct str name) {
    char text[64];
    unsigned char bytes[16];
    if (!str_copy(name, text, sizeof text)) return NULL;
    int len = inet_pton(AF_INET, text, bytes) == 1 ? 4 : inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
    ASN1_OCTET_STRING *address = len > 0 ? ASN1_OCTET_STRING_new() : NULL;
    GENERAL_NAME *made = address != NULL ? GENERAL_NAME_new() : NULL;
    if (made != NULL && ASN1_OCTET_STRING_set(address, bytes, len) == 1) {
        GENERAL_NAME_set0_value(made, GEN_IPADD, address);
        return made;
    }
    ASN1_OCTET_STRING_free(address);
    GENERAL_NAME_free(made);
    return NULL;
}

static bool is_host_name(struct str name) {
    if (name.len == 0 || name.len > NAME_MOST) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '_' || c == '.';
        if (!fits) return false;
    }
    return true;
}

static GENERAL_NAME *name_of_host(struct str name) {
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    GENERAL_NAME *made = text != NULL ? GENERAL_NAME_new() : NULL;
    if (made != NULL && ASN1_STRING_set(text, name.ptr, (int)name.len) == 1) {
        GENERAL_NAME_set0_value(made, GEN_DNS, text);
        return made;
    }
    ASN1_IA5STRING_free(text);
    GENERAL_NAME_free(made);
    return NULL;
}

// What is neither a host name nor a numeric address is left out: no client can ask for it.
static int add_names(X509 *made, const struct str *names, size_t count) {
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    int rc = -1;
    if (all == NULL) return -1;
    for (size_t i = 0; i < count; i++) {
        GENERAL_NAME *name = name_numeric(names[i]);
        if (name == NULL && !is_host_name(names[i])) continue;
        if (name == NULL) name = name_of_host(names[i]);
        if (name == NULL || sk_GENERAL_NAME_push(all, name) <= 0) {
            GENERAL_NAME_free(name);
            goto out;
        }
    }
    rc = X509_add1_ext_i2d(made, NID_subject_alt_name, all, 0, 0) == 1 ? 0 : -1;
out:
    GENERAL_NAMES_free(all);
    return rc;
}

static int add_extension(X509 *made, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, made, made, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    int rc = extension != NULL && X509_add_ext(made, extension, -1) == 1 ? 0 : -1;
    X509_EXTENSION_free(extension);
    return rc;
}

static int set_serial(X509 *made) {
    unsigned char bytes[16];
    secret_random(bytes, sizeof bytes);
    bytes[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    int rc = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(made)) != NULL ? 0 : -1;
    BN_free(number);
    return rc;
}

static int set_subject(X509 *made, const struct str *names, size_t count) {
    X509_NAME *subject = X509_NAME_new();
    struct str common =
        count > 0 && names[0].len > 0 && names[0].len <= COMMON_NAME_MOST ? names[0] : STR("heraldd");
    int rc =
        subject != NULL &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)common.ptr,
                                           (int)common.len, -1, 0) == 1 &&
                X509_set_subject_name(made, subject) == 1 && X509_set_issuer_name(made, subject) == 1
            ? 0
            : -1;
    X509_NAME_free(subject);
    return rc;
}

static X509 *sign_own(EVP_PKEY *key, const struct str *names, size_t count) {
    X509 *made = X509_new();
    if (made != NULL && X509_set_version(made, X509_VERSION_3) == 1 && set_serial(made) == 0 &&
        X509_gmtime_adj(X509_getm_notBefore(made), -EARLY_S) != NULL &&
        X509_time_adj_ex(X509_getm_notAfter(made), OWN_DAYS, 0, NULL) != NULL &&
        set_subject(made, names, count) == 0 && X509_set_pubkey(made, key) == 1 &&
        add_extension(made, NID_basic_constraints, "critical,CA:FALSE") == 0 &&
        add_extension(made, NID_key_usage, "critical,digitalSignature") == 0 &&
        add_extension(made, NID_ext_key_usage, "serverAuth") == 0 &&
        add_extension(made, NID_subject_key_identifier, "hash") == 0 && add_names(made, names, count) == 0 &&
        X509_sign(made, key, EVP_sha256()) > 0)
        return made;
    X509_free(made);
    return NULL;
}

static int write_pem(const char *path, unsigned mode, const EVP_PKEY *key, const X509 *certificate,
                     struct err *err) {
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    int rc = -1;
    bool written = bio != NULL && (key != NULL ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                                               : PEM_write_bio_X509(bio, certificate)) == 1;
    long len = written ? BIO_get_mem_data(bio, &text) : 0;
    if (len > 0)
        rc = tls_file_write(path, mode, (struct str){text, (size_t)len}, err);
    else
        tls_error(err, path);
    BIO_free(bio);
    return rc;
}

static int own_key(struct tls_certificate *certificate, const char *path, struct err *err) {
    struct err why = {0};
    if (load_key(certificate, path, &why) == 0) return 0;
    if (why.code != ERR_ABSENT) return err_set(err, why.code, "%s", why.text);
    certificate->key = EVP_EC_gen("P-256");
    if (certificate->key == NULL) return tls_error(err, "cannot make a key");
    return write_pem(path, 0600, certificate->key, NULL, err);
}

// The one there is, when it is still of use. -1: it cannot be read, but should be.
static int own_found(struct tls_certificate *certificate, const char *path, struct err *err) {
    struct err why = {0};
    if (load_chain(certificate, path, &why) != 0)
        return why.code == ERR_ABSENT ? 0 : err_set(err, why.code, "%s", why.text);
    bool use = X509_check_private_key(certificate->own, certificate->key) == 1 &&
               check_time(certificate->own, path, NULL) == 0;
    ERR_clear_error();
    if (use) return 0;
    X509_free(certificate->own);
    certificate->own = NULL;
    return 0;
}

struct tls_certificate *tls_certificate_own(const char *directory, const struct str *names, size_t count,
                                            struct err *err) {
    struct tls_certificate *certificate = certificate_new(err);
    struct buf key = {0}, own = {0};
    if (certificate == NULL) return NULL;
    if (buf_printf(&key, "%s/tls_key.pem%c", directory, 0) != 0 ||
        buf_printf(&own, "%s/tls_certificate.pem%c", directory, 0) != 0) {
        err_set(err, ERR_MEMORY, "memory is out");
        goto failed;
    }
    if (own_key(certificate, key.data, err) != 0 || own_found(certificate, own.data, err) != 0) goto failed;
    if (certificate->own == NULL) {
        certificate->own = sign_own(certificate->key, names, count);
        if (certificate->own == NULL) {
            tls_error(err, "cannot make a certificate");
            goto failed;
        }
        if (write_pem(own.data, 0644, NULL, certificate->own, err) != 0) goto failed;
    }
    if (tls_fingerprint(certificate->own, certificate->fingerprint) == 0) goto out;
    tls_error(err, own.data);
failed:
    tls_certificate_close(certificate);
    certificate = NULL;
out:
    buf_free(&key);
    buf_free(&own);
    return certificate;
}

// Papers for the tests of TLS: a folder for files, and certificates signed by whom a test wants.
#pragma once

#include "net/tls_certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_ROOM 160
#define DAY       (24L * 60 * 60)

// --- files ------------------------------------------------------------------------------------------------

struct folder {
    char path[64];
};

static inline void folder_make(struct folder *folder) {
    const char *place = getenv("TMPDIR");
    snprintf(folder->path, sizeof folder->path, "%.40s/herald-tls-XXXXXX", place != NULL ? place : "/tmp");
    assert_non_null(mkdtemp(folder->path));
}

static inline const char *folder_file(const struct folder *folder, const char *name, char path[PATH_ROOM]) {
    snprintf(path, PATH_ROOM, "%s/%s", folder->path, name);
    return path;
}

static inline void folder_remove(const struct folder *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf -- '%s'", folder->path);
    assert_int_equal(system(command), 0);
}

// --- certificates -----------------------------------------------------------------------------------------

struct credential { // a key and its certificate
    EVP_PKEY *key;
    X509 *own;
};

struct wanted {
    const char *names;           // as openssl writes them: "DNS:a.example,IP:127.0.0.1"; NULL: an authority
    long from, until;            // seconds from now
    const struct credential *by; // NULL: itself
    const struct credential *same_as; // whose key; NULL: one of its own
};

static inline void extend(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline void credential_make(struct credential *made, struct wanted wanted) {
    static long serial = 1;
    const struct credential *by = wanted.by != NULL ? wanted.by : made;
    if (wanted.same_as != NULL) EVP_PKEY_up_ref(wanted.same_as->key);
    made->key = wanted.same_as != NULL ? wanted.same_as->key : EVP_EC_gen("P-256");
    made->own = X509_new();
    assert_non_null(made->key);
    assert_non_null(made->own);
    X509_set_version(made->own, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made->own), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made->own), wanted.from);
    X509_gmtime_adj(X509_getm_notAfter(made->own), wanted.until);
    X509_NAME *name = X509_get_subject_name(made->own);
    const unsigned char *common = (const unsigned char *)(wanted.names == NULL ? "authority" : "server");
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common, -1, -1, 0);
    X509_set_issuer_name(made->own, X509_get_subject_name(by->own));
    X509_set_pubkey(made->own, made->key);
    extend(made->own, by->own, NID_basic_constraints, wanted.names == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (wanted.names != NULL) extend(made->own, by->own, NID_subject_alt_name, wanted.names);
    assert_true(X509_sign(made->own, by->key, EVP_sha256()) > 0);
}

static inline void credential_free(struct credential *credential) {
    EVP_PKEY_free(credential->key);
    X509_free(credential->own);
    *credential = (struct credential){0};
}

static inline void write_certificate(const char *path, const struct credential *credential) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, credential->own), 1);
    fclose(file);
}

static inline void write_key(const char *path, const struct credential *credential, unsigned mode) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, credential->key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static inline void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

// As a server loads it.
static inline struct tls_certificate *certificate_of(const struct folder *folder,
                                                     const struct credential *credential) {
    char chain[PATH_ROOM], key[PATH_ROOM];
    struct err err = {0};
    write_certificate(folder_file(folder, "chain.pem", chain), credential);
    write_key(folder_file(folder, "key.pem", key), credential, 0600);
    struct tls_certificate *certificate = tls_certificate_load(chain, key, &err);
    if (certificate == NULL) fail_msg("%s", err.text);
    return certificate;
}

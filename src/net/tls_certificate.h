// Certificates of servers: read from files, or made by this server for itself.
//
// A fingerprint is "SHA256:" and the base64 of the SHA-256 of the public key (SubjectPublicKeyInfo, DER): it
// stays the same when the certificate is renewed with its key, and curl takes it as
// `--pinnedpubkey sha256//...`.
#pragma once

#include "base/err.h"
#include "base/text.h"

#include <stdint.h>

#define TLS_FINGERPRINT_SIZE 52 // with the terminator

struct tls_certificate;

// PEM: the server's certificate and after it those that vouch for it; its key, not encrypted. NULL: `err`
// says which file and what about it: missing, unreadable, no certificate, no key, a key that others may read,
// one that does not belong to the certificate, not valid yet or no longer.
struct tls_certificate *tls_certificate_load(const char *chain_path, const char *key_path, struct err *err);

// Of this server's own making: ECDSA P-256, ten years, for `names` (host names and numeric addresses).
// tls_key.pem (0600) and tls_certificate.pem in `directory` are used again. A certificate that is missing or
// no longer valid is made again for the same key, so that the fingerprint stays.
struct tls_certificate *tls_certificate_own(const char *directory, const struct str *names, size_t count,
                                            struct err *err);

const char *tls_certificate_fingerprint(const struct tls_certificate *certificate);
int64_t tls_certificate_expires(const struct tls_certificate *certificate); // seconds since 1970

// The fingerprint of a certificate in PEM, whoever made it. -1: it is none.
int tls_fingerprint_of(struct str pem, char fingerprint[TLS_FINGERPRINT_SIZE], struct err *err);

void tls_certificate_close(struct tls_certificate *certificate); // NULL is fine

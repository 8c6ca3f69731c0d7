// The certificate this server shows to those who come with TLS: of files, or of its own making.
#pragma once

#include "daemon/config.h"
#include "net/tls.h"

// What the connections of this server have in common; says the fingerprint. NULL: `err` says why not.
struct tls_context *certificate_serve(const struct config *config, const struct stream_settings *settings,
                                      struct err *err);

// Reads the files again; those who are connected keep what they have. -1: as before.
int certificate_renew(const struct config *config, const struct stream_settings *settings,
                      struct tls_context *context, struct err *err);

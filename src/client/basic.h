// Base64 (RFC 4648), and the credentials of HTTP that are made with it.
#pragma once

#include "base/buf.h"

int base64_append(struct buf *out, struct str bytes); // -1: memory is out
// "Authorization: Basic ...", terminated; to be wiped. -1: memory is out.
int basic_header(struct buf *line, struct str login, struct str password);

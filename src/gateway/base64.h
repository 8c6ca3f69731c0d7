// Base 64 (RFC 4648), strictly: canonical, padded, nothing else in it.
#pragma once

#include "base/buf.h"

int base64_decode(struct str encoded, struct buf *out); // appends; -1: it is not, or memory is out

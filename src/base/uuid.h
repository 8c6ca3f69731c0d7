// RFC 9562 identifiers: of version 4, all random; of version 7, milliseconds since 1970 and then 74 random
// bits, so that those which are made one after the other lie beside each other in an index.
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 37 // 36 characters and the terminator

void uuid_random(struct uuid *uuid);
void uuid_timed(struct uuid *uuid, int64_t wall_ms); // version 7
void uuid_format(const struct uuid *uuid, char text[UUID_TEXT_SIZE]);
bool uuid_is_nil(const struct uuid *uuid);           // all zero: that of nothing
bool uuid_parse(struct str text, struct uuid *uuid); // either case

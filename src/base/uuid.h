// RFC 9562 identifiers, version 4: all random.
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 37 // 36 characters and the terminator

void uuid_random(struct uuid *uuid);
void uuid_format(const struct uuid *uuid, char text[UUID_TEXT_SIZE]);
bool uuid_parse(struct str text, struct uuid *uuid); // either case

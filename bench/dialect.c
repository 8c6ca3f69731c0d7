// The kinds of servers by name. See dialect.h.
#include "dialect.h"

#include <string.h>

static const struct dialect *const dialects[] = {&dialect_seed004, &dialect_bare, &dialect_nats,
                                                 &dialect_redis, &dialect_mqtt};

const struct dialect *dialect_find(const char *name) {
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        if (strcmp(dialects[i]->name, name) == 0) return dialects[i];
    }
    return NULL;
}

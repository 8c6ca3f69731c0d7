// Standard output, written to only as fast as it is read, so that nothing else has to wait for it.
#pragma once

#include "base/buf.h"

#include <stdbool.h>

#define OUTLET_MOST (1u << 20) // bytes that may wait: then it is full

struct outlet {
    int fd;
    struct buf pending; // the owner appends
    size_t written;     // of it
    bool broken;        // nobody reads any more
};

bool outlet_waits(const struct outlet *outlet); // there is something to be written
bool outlet_full(const struct outlet *outlet);
void outlet_flush(struct outlet *outlet); // what can be written without waiting
void outlet_fini(struct outlet *outlet);

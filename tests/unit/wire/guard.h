// A copy of some bytes that ends exactly where readable memory ends: reading one byte too far is a fault
// that no test survives.
#pragma once

#include "base/text.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    char *map;
    size_t room; // readable bytes; the page after them is not
};

static inline struct guard guard_open(size_t most) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guard guard = {.room = (most + page - 1) / page * page};
    guard.map = mmap(NULL, guard.room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(guard.map != MAP_FAILED);
    int status = mprotect(guard.map + guard.room, page, PROT_NONE);
    assert(status == 0);
    (void)status;
    return guard;
}

static inline struct str guard_copy(struct guard *guard, const void *bytes, size_t len) {
    assert(len <= guard->room);
    char *at = guard->map + guard->room - len;
    memcpy(at, bytes, len);
    return (struct str){at, len};
}

static inline void guard_close(struct guard *guard) {
    (void)munmap(guard->map, guard->room + (size_t)sysconf(_SC_PAGESIZE));
}

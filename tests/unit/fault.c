// What the linker puts in the place of malloc, calloc and realloc.
#include "fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static atomic_long countdown; // 0: off
static atomic_bool fired;

bool fault_due(void) {
    if (atomic_load(&countdown) <= 0 || atomic_fetch_sub(&countdown, 1) != 1) return false;
    atomic_store(&fired, true);
    errno = ENOMEM;
    return true;
}

void fault_after(long n) {
    atomic_store(&fired, false);
    atomic_store(&countdown, n);
}

bool fault_off(void) {
    atomic_store(&countdown, 0);
    return atomic_load(&fired);
}

void *__wrap_malloc(size_t size) {
    return fault_due() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fault_due() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size) {
    return fault_due() ? NULL : __real_realloc(block, size);
}

// Lets SQLite's allocations fail by ../fault.h. Call before anything else is asked of SQLite.
#pragma once

#include "../fault.h"

#include <sqlite3.h>

static sqlite3_mem_methods sqlite_fault_real;

static inline void *sqlite_fault_malloc(int size) {
    return fault_due() ? NULL : sqlite_fault_real.xMalloc(size);
}

static inline void *sqlite_fault_realloc(void *block, int size) {
    return fault_due() ? NULL : sqlite_fault_real.xRealloc(block, size);
}

static inline int sqlite_fault_install(void) {
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_fault_real) != SQLITE_OK) return -1;
    sqlite3_mem_methods methods = sqlite_fault_real;
    methods.xMalloc = sqlite_fault_malloc;
    methods.xRealloc = sqlite_fault_realloc;
    // Without its private reserve of small blocks every allocation is seen.
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK &&
                   sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) == SQLITE_OK
               ? 0
               : -1;
}

// Failing allocations on purpose: the first, then the second, until the operation needs no more.
//
//     for (long n = 1;; n++) {
//         fault_after(n);
//         int rc = buf_append(&buf, "x", 1);
//         if (!fault_off()) { assert_int_equal(rc, 0); break; } // fewer than n allocations: done
//         ... rc is -1 and the state is the old one, or rc is 0 and it is the new one ...
//     }
//
// Counts what our own objects ask of malloc, calloc and realloc (the linker's --wrap; libraries that are
// linked dynamically are not seen: not strdup() within libc, not libuv). A library that takes an allocator
// can ask fault_due() in it: store/sqlite_fault.h does.
//
// In the floor's meson.build:
//     executable('wire_faults', 'faults.c', fault_files, link_args: fault_link_args, dependencies: [...])
#pragma once

#include <stdbool.h>

// The n-th allocation from now (1: the next) fails; those before and after it do not. Any thread's counts.
void fault_after(long n);
// No failures from now on. True when one has happened since fault_after().
bool fault_off(void);

// For allocators of libraries: counts one allocation; true when it is the one that has to fail.
bool fault_due(void);

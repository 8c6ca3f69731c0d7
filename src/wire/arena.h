// Memory for one message at a time: taken piece by piece from one block, given back all at once. What does
// not fit comes from the heap and is freed with the rest. Private to the wire floor.
#pragma once

#include <stddef.h>

struct arena_chunk;

struct arena {
    char *block; // kept from one message to the next
    size_t size;
    size_t used;
    size_t peak;                // most that was used since the last reset: what a reset wipes
    size_t last;                // where the newest piece of the block begins, `size` when not known
    struct arena_chunk *chunks; // what did not fit
};

int arena_init(struct arena *arena, size_t size); // -1: memory is out
void arena_fini(struct arena *arena);             // wipes
void arena_reset(struct arena *arena);            // wipes what was used and makes it free again

// The shape yyjson asks of an allocator: `arena` is a struct arena. Nothing is left unwiped behind.
void *arena_alloc(void *arena, size_t size); // aligned for anything; NULL: memory is out
void *arena_realloc(void *arena, void *piece, size_t old_size, size_t size);
void arena_free(void *arena, void *piece);

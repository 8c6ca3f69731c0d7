// The arena: a block that is filled from the left, and a list of heap chunks for what is too large.
//
//   block  [ line copy | values | text being written |          free          ]
//                                 ^ last             ^ used        peak ^
//   chunks  [ a large line ] <-> [ its values ]
//
// The newest piece of the block can grow and be given back, which is all that yyjson's reader and writer
// ask for; older pieces wait for the reset.
#include "wire/arena.h"

#include "base/secret.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define ALIGNMENT ((size_t)16)

struct arena_chunk {
    struct arena_chunk *prev, *next;
    size_t size; // of the piece after this header
    size_t unused;
};

_Static_assert(sizeof(struct arena_chunk) % ALIGNMENT == 0, "the piece after the header is aligned");

int arena_init(struct arena *arena, size_t size) {
    *arena = (struct arena){.block = malloc(size), .size = size, .last = size};
    return arena->block ? 0 : -1;
}

void arena_fini(struct arena *arena) {
    arena_reset(arena);
    free(arena->block);
    *arena = (struct arena){0};
}

static void chunk_free(struct arena *arena, struct arena_chunk *chunk) {
    DL_DELETE(arena->chunks, chunk);
    secret_wipe(chunk, sizeof *chunk + chunk->size);
    free(chunk);
}

void arena_reset(struct arena *arena) {
    while (arena->chunks) chunk_free(arena, arena->chunks);
    if (arena->peak > 0) secret_wipe(arena->block, arena->peak);
    arena->used = arena->peak = 0;
    arena->last = arena->size;
}

static void use(struct arena *arena, size_t used) {
    arena->used = used;
    if (used > arena->peak) arena->peak = used;
}

// Rounded up; sizes come from lines of bounded length, but a sum that wraps must never look small.
static size_t aligned(size_t size) {
    return size > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

static void *chunk_alloc(struct arena *arena, size_t size) {
    struct arena_chunk *chunk = malloc(sizeof *chunk + size);
    if (!chunk) return NULL;
    chunk->size = size;
    DL_APPEND(arena->chunks, chunk);
    return chunk + 1;
}

void *arena_alloc(void *context, size_t size) {
    struct arena *arena = context;
    size = aligned(size);
    if (size > arena->size - arena->used) return chunk_alloc(arena, size);
    arena->last = arena->used;
    use(arena, arena->used + size);
    return arena->block + arena->last;
}

static int is_newest(const struct arena *arena, const void *piece) {
    return arena->last < arena->size && piece == arena->block + arena->last;
}

void *arena_realloc(void *context, void *piece, size_t old_size, size_t size) {
    struct arena *arena = context;
    if (is_newest(arena, piece) && aligned(size) <= arena->size - arena->last) {
        use(arena, arena->last + aligned(size));
        return piece;
    }
    void *grown = arena_alloc(arena, size);
    if (!grown) return NULL;
    memcpy(grown, piece, old_size < size ? old_size : size);
    arena_free(arena, piece);
    return grown;
}

void arena_free(void *context, void *piece) {
    struct arena *arena = context;
    uintptr_t at = (uintptr_t)piece, block = (uintptr_t)arena->block;
    if (at < block || at >= block + arena->size) {
        chunk_free(arena, (struct arena_chunk *)piece - 1);
    } else if (is_newest(arena, piece)) {
        arena->used = arena->last;
        arena->last = arena->size;
    }
}

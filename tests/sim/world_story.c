// Telling stories, seed by seed. See world.h.
#include "world.h"

#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void world_fail(struct world *world, const char *format, ...) {
    va_list list;
    fflush(stdout);
    fprintf(stderr, "FAILED: %s, after %" PRIu64 " ms: ", world->story, world->now_ms);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\nHERALD_SEED=%" PRIu64 " HERALD_STORY='%s' tells it again\n", world->seed,
            world->story);
    exit(1);
}

static void tell(const struct story *story, uint64_t seed, struct parser *parser) {
    struct world *world = calloc(1, sizeof *world);
    assert(world != NULL);
    world->story = story->name;
    world->seed = seed;
    world->parser = parser;
    world->loud = getenv("HERALD_LOG") != NULL;
    dice_seed(&world->dice, seed);
    static const uint64_t slowest_ms[] = {3, 100, 600};
    world->slowest_ms = slowest_ms[world_roll(world, 0, 2)];
    world->signatures = (enum lock_allowed_server)world_roll(world, LOCK_SERVER_AUTO, LOCK_SERVER_NO);
    for (size_t i = 0; i < sizeof world->key.bytes; i++)
        world->key.bytes[i] = (uint8_t)dice_roll(&world->dice);
    story->tell(world);
    world_fini(world);
    free(world);
}

int world_tell(const struct story *stories, size_t count) {
    uint64_t only = 0;
    bool one = getenv("HERALD_SEED") != NULL && text_parse_u64(str_of(getenv("HERALD_SEED")), &only);
    uint64_t many = 0;
    if (getenv("HERALD_SEEDS") != NULL) (void)text_parse_u64(str_of(getenv("HERALD_SEEDS")), &many);
    const char *named = getenv("HERALD_STORY");
    log_configure(getenv("HERALD_LOG") != NULL ? LOG_DEBUG : LOG_ERROR, LOG_TEXT);
    struct err err;
    struct parser *parser = parser_open(64 * 1024, 32);
    if (parser == NULL || secret_init(&err) != 0) return 1;
    for (size_t i = 0; i < count; i++) {
        if (named != NULL && strstr(stories[i].name, named) == NULL) continue;
        clock_t begun = clock();
        uint64_t first = one ? only : 1, last = one ? only : many > 0 ? many : stories[i].seeds;
        for (uint64_t seed = first; seed <= last; seed++) tell(&stories[i], seed, parser);
        printf("%s: %" PRIu64 " seeds, %.1f s\n", stories[i].name, last - first + 1,
               (double)(clock() - begun) / CLOCKS_PER_SEC);
        fflush(stdout);
    }
    parser_close(parser);
    return 0;
}

// What is known of servers from call to call: how near each is, when it last failed, and the latest clock it
// has told. A pure core; the text is what a file keeps.
//
// In which order they are asked, of those that are given:
//   1. Those that failed, or did not have what was seen elsewhere, within the last RANKING_FAILED_S come
//      last, the one of which that is longest ago first.
//   2. Before them those that were measured within RANKING_MEASURED_S, the nearest first ...
//   3. ... but first of all those that were not: so that each gets measured, one a call.
//   4. Otherwise as they were given.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define RANKING_ROWS       256 // those heard of last are kept
#define RANKING_URL_MAX    288
#define RANKING_FAILED_S   60
#define RANKING_MEASURED_S 3600

struct stamp { // Herald-Clock
    uint64_t epoch, clock;
};
#define STAMP_SIZE 44
bool stamp_parse(struct str text, struct stamp *stamp); // "EPOCH.CLOCK"
void stamp_format(const struct stamp *stamp, char text[STAMP_SIZE]);
bool stamp_later(const struct stamp *one, const struct stamp *other);

struct ranked {
    char url[RANKING_URL_MAX];
    uint32_t latency_us;          // to connect, smoothed; 0: not known
    int64_t measured_s, failed_s; // since 1970; 0: never
    int64_t heard_s;              // the latest of all
    struct stamp clock;           // 0.0: none
};

struct ranking {
    struct ranked rows[RANKING_ROWS];
    size_t count;
};

// Adds what `text` has; lines that are not as ours are skipped.
void ranking_read(struct ranking *ranking, struct str text);
int ranking_write(const struct ranking *ranking, struct buf *out); // -1: memory is out

// order[i]: which of `urls` is the i-th to be asked.
void ranking_order(const struct ranking *ranking, const char *const *urls, size_t count, int64_t now_s,
                   size_t *order);
void ranking_reached(struct ranking *ranking, const char *url, uint32_t latency_us, int64_t now_s);
void ranking_failed(struct ranking *ranking, const char *url, int64_t now_s);
void ranking_saw(struct ranking *ranking, const char *url, const struct stamp *clock, int64_t now_s);
// The latest clock of any of them, for they share one roll. False: none is known.
bool ranking_clock(const struct ranking *ranking, const char *const *urls, size_t count, struct stamp *clock);
void ranking_forget(struct ranking *ranking, const char *url);

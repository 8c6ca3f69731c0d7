// Asking the system for the time, and writing it down.
#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

static int64_t now_ms(clockid_t id) {
    struct timespec now;
    int rc = clock_gettime(id, &now);
    assert(rc == 0); // only for a clock that does not exist
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t clock_monotonic_ms(void) {
    return (uint64_t)now_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void) {
    return now_ms(CLOCK_REALTIME);
}

// RFC 3339 has four digits for a year; what lies outside is shown as the nearest that has.
#define YEAR_0000     INT64_C(-62167219200000)
#define YEAR_9999_END INT64_C(253402300799999)

void clock_rfc3339(int64_t wall_ms, char text[CLOCK_RFC3339_SIZE]) {
    if (wall_ms < YEAR_0000) wall_ms = YEAR_0000;
    if (wall_ms > YEAR_9999_END) wall_ms = YEAR_9999_END;
    int64_t seconds = wall_ms / 1000;
    int64_t milliseconds = wall_ms % 1000;
    if (milliseconds < 0) { // before 1970, division rounds towards zero
        milliseconds += 1000;
        seconds -= 1;
    }
    struct tm tm;
    time_t at = (time_t)seconds;
    struct tm *ok = gmtime_r(&at, &tm);
    assert(ok);
    char room[80]; // as wide as the compiler can imagine these integers
    int len = snprintf(room, sizeof room, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)milliseconds);
    assert(len == CLOCK_RFC3339_SIZE - 1);
    for (int i = 0; i <= len; i++) text[i] = room[i];
}

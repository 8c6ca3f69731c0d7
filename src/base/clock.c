// Asking the system for the time, and writing it down.
#include "base/clock.h"

#include <assert.h>
#include <string.h>
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

static void put_digits(char *text, int count, int number) {
    for (int i = count - 1; i >= 0; i--, number /= 10) text[i] = (char)('0' + number % 10);
}

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
    // By hand: every account that is shown has two of these.
    memcpy(text, "0000-00-00T00:00:00.000Z", CLOCK_RFC3339_SIZE);
    put_digits(text, 4, tm.tm_year + 1900);
    put_digits(text + 5, 2, tm.tm_mon + 1);
    put_digits(text + 8, 2, tm.tm_mday);
    put_digits(text + 11, 2, tm.tm_hour);
    put_digits(text + 14, 2, tm.tm_min);
    put_digits(text + 17, 2, tm.tm_sec);
    put_digits(text + 20, 3, (int)milliseconds);
}

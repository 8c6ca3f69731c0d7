// A desk at which locks are asked for and answered: what they do is written down.
#pragma once

#include "stream/locks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TIMEOUT 10000u
#define WINDOW  60000u

// What the locks did, one word a line: "REQUEST name secret >2" went to all links but 2, "ALLOWED name secret
// by us", "granted name".
struct desk {
    struct locks locks;
    char said[4096];
    bool muted;
    size_t broadcasts;
    size_t servers; // through each link
    bool settle_at_once;
};

extern const char *account; // the one there is

struct desk *begin(void);
void end(struct desk *desk);
void assert_said(struct desk *desk, const char *expected); // since the last time, and forgets it
size_t held(const struct desk *desk);                      // locks

struct lock_expected expecting(const char *id, uint32_t link);
enum locks_result enrol(struct desk *desk, const char *name, const char *secret,
                        const struct lock_expected *expected, size_t count, uint64_t now);
// Waits for b through link 1 and c through link 2.
void enrol_with_two(struct desk *desk, const char *name, const char *secret, uint64_t now);
void hear(struct desk *desk, uint32_t link, enum command command, const char *name, const char *secret,
          const char *server, uint64_t now);

#define request(desk, link, ...) hear(desk, link, COMMAND_LOCK_REQUEST, __VA_ARGS__)
#define allowed(desk, link, ...) hear(desk, link, COMMAND_LOCK_ALLOWED, __VA_ARGS__)
#define denied(desk, link, ...)  hear(desk, link, COMMAND_LOCK_DENIED, __VA_ARGS__)

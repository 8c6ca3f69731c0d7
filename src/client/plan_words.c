// The sentences of a plan: put together in buffers of fixed size, cut where they are full.
#include "client/plan_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void plan_add(char *text, size_t capacity, const char *format, ...) {
    size_t len = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(text + len, capacity - len, format, arguments);
    va_end(arguments);
    if (more < 0 || (size_t)more < capacity - len) return;
    len = capacity - sizeof "...";
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) len--; // not within a character
    memcpy(text + len, "...", sizeof "...");
}

void plan_add_words(char *text, size_t capacity, struct str words) {
    if (words.len == 0) words = STR("no reason given");
    if (words.len > capacity) words.len = capacity;
    for (size_t i = 0; i < words.len; i++) {
        size_t len = strnlen(words.ptr + i, words.len - i);
        plan_add(text, capacity, "%.*s", (int)len, words.ptr + i);
        i += len;
        if (i < words.len) plan_add(text, capacity, "?");
    }
}

void plan_add_doubt(struct plan *plan, uint64_t doubtful) {
    const char *gap = plan->text[0] ? "; " : "";
    if (doubtful == 1)
        plan_add(plan->text, sizeof plan->text,
                 "%s1 publication may or may not have been taken by the server", gap);
    else if (doubtful > 1)
        plan_add(plan->text, sizeof plan->text,
                 "%s%" PRIu64 " publications may or may not have been taken by the server", gap, doubtful);
}

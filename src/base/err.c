// Errors that travel: filling in the code and the sentence.
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct err *err, enum err_code code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void fill(struct err *err, enum err_code code, const char *format, va_list args) {
    err->code = code;
    if (vsnprintf(err->text, sizeof err->text, format, args) < 0) err->text[0] = '\0';
}

int err_set(struct err *err, enum err_code code, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        fill(err, code, format, args);
        va_end(args);
    }
    return -1;
}

int err_system(struct err *err, int errnum, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        fill(err, ERR_SYSTEM, format, args);
        va_end(args);
        char room[128];
        size_t len = strlen(err->text);
        // A cut reason is better than none: the sentence gives way to it, never the other way round.
        const char *words = strerror_r(errnum, room, sizeof room);
        size_t need = strlen(words) + 2;
        if (len + need >= sizeof err->text) len = need < sizeof err->text ? sizeof err->text - 1 - need : 0;
        (void)snprintf(err->text + len, sizeof err->text - len, ": %s", words);
    }
    return -1;
}

const char *err_name(enum err_code code) {
    static const char *const names[] = {
#define ERR_NAME(name, text) text,
        ERR_CODES(ERR_NAME)
#undef ERR_NAME
    };
    assert((size_t)code < sizeof names / sizeof *names);
    return names[code];
}

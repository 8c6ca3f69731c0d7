// Errors that travel: a code for the program, a sentence for the person.
#pragma once

#include <stddef.h>

// One list, many uses: the enum, err_name().
#define ERR_CODES(X)                                                                                         \
    X(NONE, "none")       /* no error */                                                                     \
    X(MEMORY, "memory")   /* an allocation failed; state is as before the call */                            \
    X(INVALID, "invalid") /* input that breaks a rule; the text names the rule */                            \
    X(LIMIT, "limit")     /* a configured limit was reached; the text names the option */                    \
    X(EXISTS, "exists")   /* the name is taken */                                                            \
    X(ABSENT, "absent")   /* no such thing */                                                                \
    X(BUSY, "busy")       /* not now; trying again later is right */                                         \
    X(STORAGE, "storage") /* the disk or database refused */                                                 \
    X(SYSTEM, "system")   /* the operating system refused; the text has its words */                         \
    X(VERSION, "version") /* written by a newer Herald */

enum err_code {
#define ERR_ENUM(name, text) ERR_##name,
    ERR_CODES(ERR_ENUM)
#undef ERR_ENUM
};

struct err {
    enum err_code code;
    char text[240]; // one sentence without a full stop: cause, and cure where there is one; never a secret
};

// Fills `err` (which may be NULL) and returns -1, so that `return err_set(...)` reads well.
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Like err_set for a failed system call: appends ": " and strerror(errnum).
int err_system(struct err *err, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4)));

const char *err_name(enum err_code code);

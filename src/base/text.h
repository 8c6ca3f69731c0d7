// Slices of text, UTF-8, and the rules for login names. The door to utf8proc.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A borrowed slice; not NUL-terminated. ptr may be NULL only when len is 0.
struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){.ptr = (literal), .len = sizeof(literal) - 1})

struct str str_of(const char *text); // of a NUL-terminated text; NULL gives the empty slice
bool str_equal(struct str a, struct str b);
bool str_equal_text(struct str a, const char *text);

// Copies as much as fits and always terminates; returns false when it was cut.
bool str_copy(struct str from, char *to, size_t capacity);

bool text_is_utf8(struct str text);

// Whole numbers: digits only, no sign, no blanks, no overflow. False leaves *value alone.
bool text_parse_u64(struct str text, uint64_t *value);
// "4096", "64KiB", "1MiB", "2GiB" (also "64k", "1m"): bytes.
bool text_parse_size(struct str text, uint64_t *bytes);
// "250ms", "5s", "2m", "1h"; a bare number is milliseconds, as in the course flag -a.
bool text_parse_duration(struct str text, uint64_t *milliseconds);

// Logins (design, section 5): 1-64 characters after NFC, UTF-8, without white space, control, format
// (bidirectional overrides among them), otherwise invisible (fillers, variation selectors) or unassigned
// characters; unique without regard to case.
#define LOGIN_MAX_CHARS 64
#define LOGIN_MAX_BYTES (LOGIN_MAX_CHARS * 4)
#define LOGIN_ANONYMOUS "anonymous"

struct login {
    char name[LOGIN_MAX_BYTES + 1];     // NFC, as the user wrote it
    char fold[LOGIN_MAX_BYTES * 3 + 1]; // case-folded NFC: what is compared
};

// Checks and normalises. On -1 err->text says which rule `raw` breaks, without repeating `raw`.
int login_parse(struct str raw, struct login *login, struct err *err);
bool login_is_anonymous(const struct login *login);

// A command line, in one string, read into `wish`: what tests of cli/wish.h share.
#pragma once

#include "cli/wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MOST 32

static struct wish wish;
static char room[MOST][128]; // argv is written to
static char *argv[MOST + 1];
static char *copies[MOST + 1]; // the same words, in their first order

// Words by blanks; `''` is an empty one.
static inline int parse_in(const char *line, const char *servers, struct err *err) {
    char copy[512];
    int argc = 0;
    assert_true(str_copy(str_of(line), copy, sizeof copy));
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        assert_true(argc < MOST);
        assert_true(
            str_copy(strcmp(word, "''") == 0 ? STR("") : str_of(word), room[argc], sizeof room[argc]));
        copies[argc] = argv[argc] = room[argc];
        argc++;
    }
    argv[argc] = NULL;
    wish_fini(&wish);
    return wish_parse(&wish, argc, argv, servers, err);
}

static inline void parse(const char *line) {
    struct err err = {0};
    if (parse_in(line, NULL, &err)) fail_msg("%s: %s", line, err.text);
}

static inline void assert_wrong(const char *line, const char *why) {
    struct err err = {0};
    assert_int_equal(parse_in(line, NULL, &err), -1);
    assert_string_equal(err.text, why);
}

// heraldd told something, and what it made of it: shared by the tests of the configuration.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOLD_MOST 32

struct told {
    struct config config;
    struct complaints complaints;
    int rc;
    char *argv[TOLD_MOST + 1]; // of the heap: secrets are wiped out of it
    size_t len[TOLD_MOST];     // of each, before
    int argc;
};

static inline void told_free(struct told *told) {
    for (int i = 0; i < told->argc; i++) free(told->argv[i]);
    complaints_free(&told->complaints);
    memset(told, 0, sizeof *told);
}

// The flags, NULL at the end: heraldd FLAGS...
static inline void tell(struct told *told, ...) {
    va_list flags;
    memset(told, 0, sizeof *told);
    told->argv[told->argc++] = strdup("heraldd");
    va_start(flags, told);
    for (const char *flag; (flag = va_arg(flags, const char *)) != NULL;) {
        assert_true(told->argc < TOLD_MOST);
        told->len[told->argc] = strlen(flag);
        told->argv[told->argc++] = strdup(flag);
    }
    va_end(flags);
    told->rc = config_load(&told->config, told->argc, told->argv, &told->complaints);
    assert_int_equal(told->rc, told->complaints.count == 0 ? 0 : -1);
}

static inline const char *words(struct buf *buf) { // terminated
    assert_int_equal(buf_append(buf, "", 1), 0);
    buf->len--;
    return buf->data;
}

// Everything that was wrong is exactly `lines`.
static inline void assert_complaints(struct told *told, const char *lines) {
    assert_string_equal(words(&told->complaints.errors), lines);
}

static inline void assert_complaint_has(struct told *told, const char *part) {
    if (!strstr(words(&told->complaints.errors), part))
        fail_msg("\"%s\" is not in: %s", part, words(&told->complaints.errors));
}

static inline void assert_prints(const struct config *config, enum option_id id, const char *value) {
    struct buf text = {0};
    assert_int_equal(option_print(config, id, &text), 0);
    assert_string_equal(words(&text), value);
    buf_free(&text);
}

// A folder of the test's own; the tests work in it, so that places read as "herald.conf:3".
static inline int own_folder(void **state) {
    char *folder = strdup("/tmp/herald-test-XXXXXX");
    if (!mkdtemp(folder) || chdir(folder) != 0) return -1;
    *state = folder;
    return 0;
}

static inline int own_folder_gone(void **state) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    int rc = chdir("/") | system(command);
    free(*state);
    return rc;
}

static inline void write_file(const char *path, const char *text, mode_t mode) {
    unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

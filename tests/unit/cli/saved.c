// Saved secrets: found again, replaced, forgotten, and nobody else's to read.
#include "cli/saved.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char home[] = "/tmp/herald-saved-XXXXXX";
static char folder[64], file[80];

static void wish_for(struct wish *wish, const char *user, const char *servers) {
    char *argv[] = {"herald", NULL};
    struct err err = {0};
    assert_int_equal(wish_parse(wish, 1, argv, servers, &err), 0);
    wish->user = user;
}

static void keep(const char *user, const char *servers, const char *secret) {
    static struct wish wish;
    struct err err = {0};
    wish_for(&wish, user, servers);
    assert_int_equal(saved_keep(&wish, str_of(secret), &err), 0);
    wish_fini(&wish);
}

// NULL: none is found.
static void assert_found(const char *user, const char *servers, const char *secret) {
    static struct wish wish;
    struct err err = {0};
    wish_for(&wish, user, servers);
    assert_int_equal(saved_find(&wish, &err), secret ? 1 : 0);
    if (secret) assert_string_equal(wish.secret.data, secret);
    wish_fini(&wish);
}

static int forget(const char *user, const char *servers) {
    static struct wish wish;
    struct err err = {0};
    wish_for(&wish, user, servers);
    int forgotten = saved_forget(&wish, &err);
    wish_fini(&wish);
    return forgotten;
}

static unsigned mode_of(const char *path) {
    struct stat stat_of;
    assert_int_equal(stat(path, &stat_of), 0);
    return stat_of.st_mode & 07777u;
}

static void a_kept_secret_is_found_for_its_user_and_server(void **state) {
    (void)state;
    assert_found("alice", "a:1", NULL);
    keep("alice", "a:1", "one");
    keep("alice", "b:1", "two words");
    keep("bo@home", "a:1", "three");
    assert_found("alice", "a:1", "one");
    assert_found("ALICE", "A:1", "one"); // names and hosts have no case
    assert_found("alice", "b:1", "two words");
    assert_found("bo@home", "a:1", "three");
    assert_found("alice", "c:1,a:1", "one"); // a list is one tree
    assert_found("alice", "a:2", NULL);
    assert_found("al", "a:1", NULL);
    assert_int_equal(mode_of(file), 0600);
    assert_int_equal(mode_of(folder), 0700);
}

static void a_server_without_a_port_has_the_usual_one(void **state) {
    (void)state;
    keep("dara", "host", "four");
    assert_found("dara", "host:3780", "four");
    keep("dara", "[::1]", "five");
    assert_found("dara", "[::1]:3780", "five");
    assert_found("dara", "[::1]:3781", NULL);
}

static void a_newer_secret_takes_the_place_of_the_older(void **state) {
    (void)state;
    keep("eve", "a:1,b:1", "old");
    keep("eve", "b:1", "new");
    assert_found("eve", "a:1", "old");
    assert_found("eve", "b:1", "new");
}

static void what_is_forgotten_is_gone_and_the_rest_stays(void **state) {
    (void)state;
    keep("fay", "a:1,b:1", "six");
    assert_int_equal(forget("fay", "a:1,b:1"), 2);
    assert_int_equal(forget("fay", "a:1,b:1"), 0);
    assert_found("fay", "a:1", NULL);
    assert_found("alice", "a:1", "one");
}

static void a_file_that_others_can_read_is_not_believed(void **state) {
    (void)state;
    static struct wish wish;
    struct err err = {0};
    assert_int_equal(chmod(file, 0640), 0);
    wish_for(&wish, "alice", "a:1");
    assert_int_equal(saved_find(&wish, &err), -1);
    assert_non_null(strstr(err.text, "chmod 600"));
    wish_fini(&wish);
    assert_int_equal(chmod(file, 0600), 0);
}

static void other_lines_are_left_alone(void **state) {
    (void)state;
    FILE *out = fopen(file, "a");
    fputs("# a note of mine\n\nnonsense\nunfinished@x:1 end", out);
    fclose(out);
    keep("gil", "a:1", "seven");
    assert_found("unfinished", "x:1", "end");
    assert_found("alice", "a:1", "one");
    char text[4096] = "";
    FILE *in = fopen(file, "r");
    size_t len = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    assert_true(len > 0 && strstr(text, "# a note of mine\n\nnonsense\n"));
}

static int make_home(void **state) {
    (void)state;
    if (!mkdtemp(home) || unsetenv("XDG_CONFIG_HOME") || setenv("HOME", home, 1)) return -1;
    snprintf(folder, sizeof folder, "%s/.config/herald", home);
    snprintf(file, sizeof file, "%s/secrets", folder);
    return 0;
}

static int remove_home(void **state) {
    (void)state;
    char lock[96], config[64];
    snprintf(lock, sizeof lock, "%s.lock", file);
    snprintf(config, sizeof config, "%s/.config", home);
    return unlink(file) | unlink(lock) | rmdir(folder) | rmdir(config) | rmdir(home);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_secret_is_found_for_its_user_and_server),
        cmocka_unit_test(a_server_without_a_port_has_the_usual_one),
        cmocka_unit_test(a_newer_secret_takes_the_place_of_the_older),
        cmocka_unit_test(what_is_forgotten_is_gone_and_the_rest_stays),
        cmocka_unit_test(a_file_that_others_can_read_is_not_believed),
        cmocka_unit_test(other_lines_are_left_alone),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}

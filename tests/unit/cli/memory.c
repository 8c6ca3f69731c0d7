// What is remembered of changes that were begun: found again by the same command, never by two at a time; and
// of servers.
#include "cli/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char place[] = "/tmp/herald-memory-XXXXXX";
static char file[96];

static void key_of(const struct intent *intent, const char *password, char line[INTENT_HEADER_SIZE]) {
    intent_header(intent, str_of(password), line);
    assert_memory_equal(line, "Idempotency-Key: ", 17);
    assert_int_equal(strlen(line), 17 + 64);
}

// Another process begins the change, and ends without learning what became of it.
static void begin_elsewhere(const char *what, const char *note, char line[INTENT_HEADER_SIZE]) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct intent intent;
        intent_begin(&intent, str_of(what));
        if (note) intent_note(&intent, note);
        intent_header(&intent, STR("hush"), line);
        _exit(write(ends[1], line, INTENT_HEADER_SIZE) == INTENT_HEADER_SIZE ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], line, INTENT_HEADER_SIZE), INTENT_HEADER_SIZE);
    close(ends[0]);
    close(ends[1]);
}

static void the_same_command_goes_on_with_the_same_key(void **state) {
    (void)state;
    char before[INTENT_HEADER_SIZE], after[INTENT_HEADER_SIZE];
    struct intent intent;
    begin_elsewhere("create alice", "a-note", before);
    intent_begin(&intent, STR("create alice"));
    assert_true(intent.again && intent.kept);
    assert_string_equal(intent.note, "a-note");
    key_of(&intent, "hush", after);
    assert_string_equal(before, after);
    key_of(&intent, "another", after); // with another password it is another change
    assert_string_not_equal(before, after);
    intent_end(&intent);
}

static void another_command_has_another_key(void **state) {
    (void)state;
    char before[INTENT_HEADER_SIZE], after[INTENT_HEADER_SIZE];
    struct intent intent;
    begin_elsewhere("create bob", NULL, before);
    intent_begin(&intent, STR("create bo"));
    assert_false(intent.again);
    key_of(&intent, "hush", after);
    assert_string_not_equal(before, after);
    intent_end(&intent);
}

static void what_came_to_an_end_is_not_found_again(void **state) {
    (void)state;
    struct intent intent;
    intent_begin(&intent, STR("create carol"));
    intent_end(&intent);
    intent_begin(&intent, STR("create carol"));
    assert_false(intent.again);
    intent_end(&intent);
}

static void two_that_run_at_a_time_have_two_keys(void **state) {
    (void)state;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    struct intent intent;
    intent_begin(&intent, STR("create dara")); // and this process goes on
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct intent other;
        intent_begin(&other, STR("create dara"));
        byte = other.again ? 'y' : 'n';
        intent_end(&other);
        _exit(write(ends[1], &byte, 1) == 1 ? 0 : 1);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'n');
    assert_int_equal(waitpid(child, NULL, 0), child);
    intent_end(&intent);
    close(ends[0]);
    close(ends[1]);
}

static void a_file_of_garbage_is_begun_anew(void **state) {
    (void)state;
    char before[INTENT_HEADER_SIZE];
    struct intent intent;
    struct stat stat_of;
    (void)unlink(file);
    begin_elsewhere("create eve", NULL, before);
    FILE *out = fopen(file, "a");
    assert_non_null(out);
    for (int i = 0; i < 5000; i++) fputc(i % 7 == 0 ? '\n' : i % 251, out);
    fclose(out);
    intent_begin(&intent, STR("create eve"));
    assert_true(intent.again); // what was whole is still there
    intent_end(&intent);
    assert_int_equal(stat(file, &stat_of), 0);
    assert_int_equal(stat_of.st_size, 0);
    assert_int_equal(stat_of.st_mode & 07777u, 0600);
}

static void without_a_place_nothing_is_kept(void **state) {
    (void)state;
    struct intent intent;
    char line[INTENT_HEADER_SIZE];
    setenv("XDG_STATE_HOME", "/dev/null/nowhere", 1);
    intent_begin(&intent, STR("create frank"));
    assert_false(intent.kept || intent.again);
    key_of(&intent, "", line); // there is a key all the same
    intent_end(&intent);
    setenv("XDG_STATE_HOME", place, 1);
}

static void a_server_that_lagged_is_remembered_as_one_that_failed(void **state) {
    (void)state;
    static struct ranking ranking;
    static struct roll roll = {
        .options.count = 3,
        .servers = {{.url = "http://lags:1", .reached = true, .busy = true, .behind = true, .connect_us = 80},
                    {.url = "http://busy:1", .reached = true, .busy = true, .connect_us = 80},
                    {.url = "http://gone:1", .failed = true}},
    };
    memory_learn(&roll);
    memory_read(&ranking);
    assert_int_equal(ranking.count, 3);
    assert_true(ranking.rows[0].failed_s > 0);
    assert_int_equal(ranking.rows[1].failed_s, 0); // that may be over by the next call
    assert_int_equal(ranking.rows[1].latency_us, 80);
    assert_true(ranking.rows[2].failed_s > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_command_goes_on_with_the_same_key),
        cmocka_unit_test(another_command_has_another_key),
        cmocka_unit_test(what_came_to_an_end_is_not_found_again),
        cmocka_unit_test(two_that_run_at_a_time_have_two_keys),
        cmocka_unit_test(a_file_of_garbage_is_begun_anew),
        cmocka_unit_test(without_a_place_nothing_is_kept),
        cmocka_unit_test(a_server_that_lagged_is_remembered_as_one_that_failed),
    };
    if (!mkdtemp(place) || secret_init(NULL)) return 1;
    setenv("XDG_STATE_HOME", place, 1);
    snprintf(file, sizeof file, "%s/herald/intents", place);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", place);
    return system(command) || failed;
}

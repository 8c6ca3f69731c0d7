// Log lines: readable, one write each, and nothing in a value can pretend to be something else.
#include "base/log.h"
#include "base/clock.h"
#include "base/dice.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define AT        INT64_C(1769903999123)
#define TEXT_HEAD "time=2026-01-31T23:59:59.123Z level=info"
#define JSON_HEAD "{\"time\":\"2026-01-31T23:59:59.123Z\",\"level\":\"info\""

#define RENDER(format, line, ...)                                                                            \
    line[log_render(format, LOG_INFO, AT, (const struct log_field[]){__VA_ARGS__, {0}}, line,                \
                    sizeof line - 1)] = 0

static void assert_text(struct str value, const char *shown) {
    char line[1000], expected[1000];
    RENDER(LOG_TEXT, line, L_STRN("v", value));
    snprintf(expected, sizeof expected, "%s v=%s", TEXT_HEAD, shown);
    assert_string_equal(line, expected);
}

static void assert_json(struct str value, const char *shown) {
    char line[1000], expected[1000];
    RENDER(LOG_JSON, line, L_STRN("v", value));
    snprintf(expected, sizeof expected, "%s,\"v\":%s}", JSON_HEAD, shown);
    assert_string_equal(line, expected);
}

static void a_line_reads_as_time_level_and_fields(void **state) {
    (void)state;
    char line[1000];
    RENDER(LOG_TEXT, line, L_MSG("link up"), L_STR("peer", "127.0.0.1:3780"), L_UINT("load", UINT64_MAX),
           L_INT("drift", INT64_MIN));
    assert_string_equal(line, TEXT_HEAD " msg=\"link up\" peer=127.0.0.1:3780 load=18446744073709551615 "
                                        "drift=-9223372036854775808");
    RENDER(LOG_JSON, line, L_MSG("link up"), L_STR("peer", "127.0.0.1:3780"), L_UINT("load", UINT64_MAX),
           L_INT("drift", INT64_MIN));
    assert_string_equal(line, JSON_HEAD ",\"msg\":\"link up\",\"peer\":\"127.0.0.1:3780\","
                                        "\"load\":18446744073709551615,\"drift\":-9223372036854775808}");
}

static void every_level_has_its_name(void **state) {
    (void)state;
    static const char *const names[] = {"level=error", "level=warn", "level=info", "level=debug"};
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        char line[200];
        const struct log_field none = {0};
        line[log_render(LOG_TEXT, (enum log_level)level, AT, &none, line, sizeof line - 1)] = 0;
        assert_non_null(strstr(line, names[level]));
    }
}

static void only_values_that_need_quotes_have_them(void **state) {
    (void)state;
    assert_text(STR("plain"), "plain");
    assert_text(STR("[::1]:3780"), "[::1]:3780");
    assert_text(STR("caf\xc3\xa9"), "caf\xc3\xa9");
    assert_text(STR("two words"), "\"two words\"");
    assert_text(STR("caf\xc3\xa9\xc2\xa0x"), "\"caf\xc3\xa9\xc2\xa0x\""); // a blank that is not ASCII
    assert_text(STR("a=b"), "\"a=b\"");
    assert_text(STR("say \"hi\""), "\"say \\\"hi\\\"\"");
    assert_text(STR("back\\slash"), "\"back\\\\slash\""); // or it could be taken for an escape
    assert_text(STR(""), "\"\"");
    assert_text((struct str){0}, "\"\"");
}

static void a_value_cannot_forge_a_line(void **state) {
    (void)state;
    assert_text(STR("x\ntime=2026-01-31T23:59:59.123Z level=error msg=forged"),
                "\"x\\ntime=2026-01-31T23:59:59.123Z level=error msg=forged\"");
    assert_text(STR("x\" level=error msg=\"forged"), "\"x\\\" level=error msg=\\\"forged\"");
    assert_text(STR("x\\\" level=error"), "\"x\\\\\\\" level=error\"");
    assert_text(STR("x\r\ny"), "\"x\\r\\ny\"");
    assert_text(STR("x\xe2\x80\xa8y\xc2\x85z"), "\"x\\u2028y\\u0085z\""); // other ends of lines
    assert_json(STR("x\",\"level\":\"error\n"), "\"x\\\",\\\"level\\\":\\\"error\\n\"");
    assert_json(STR("x\\"), "\"x\\\\\"");
}

static void a_value_cannot_command_a_terminal(void **state) {
    (void)state;
    assert_text(STR("\x1b[2J\x07\x7f"), "\"\\u001b[2J\\u0007\\u007f\"");
    assert_text(STR("\xc2\x9b"
                    "31m"),
                "\"\\u009b31m\""); // CSI in one character
    assert_text(STR("\x9b"
                    "31m"),
                "\"\\x9b31m\""); // and in one byte
    assert_text(STR("a\xe2\x80\xae"
                    "b"),
                "\"a\\u202eb\"");                              // right to left from here
    assert_text(STR("a\xf3\xa0\x81\x81"), "\"a\\U000e0041\""); // invisible
    assert_text(STR("a\0b\t"), "\"a\\u0000b\\t\"");
    assert_json(STR("\x1b[2J\x7f\t"), "\"\\u001b[2J\\u007f\\t\"");
    assert_json(STR("a\xf3\xa0\x81\x81"), "\"a\\udb40\\udc41\"");
}

static void bytes_that_are_not_utf8_are_shown(void **state) {
    (void)state;
    assert_text(STR("a\xff\xc3"), "\"a\\xff\\xc3\"");
    assert_text(STR("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");
    assert_json(STR("a\xff\xc3"), "\"a\\ufffd\\ufffd\"");
}

// A strict enough reader: quotes closed, escapes known, one object, nothing after it.
static bool well_formed_json(const char *line, size_t len) {
    size_t i = 0;
    bool in_text = false;
    for (; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) return false;
        if (in_text && line[i] == '\\') {
            if (++i >= len || !strchr("\"\\nrtu", line[i])) return false;
            if (line[i] == 'u' && (len - i < 5 || strspn(line + i + 1, "0123456789abcdef") < 4)) return false;
        } else if (line[i] == '"') {
            in_text = !in_text;
        } else if (!in_text && line[i] == '}') {
            return line[0] == '{' && i + 1 == len;
        }
    }
    return false;
}

static void a_cut_line_is_still_a_whole_one(void **state) {
    (void)state;
    const struct log_field fields[] = {L_MSG("a \"message\"\n"),
                                       L_UINT("n", 12345),
                                       L_STR("name", "caf\xc3\xa9\x1b"),
                                       L_STR("last", ""),
                                       {0}};
    char whole[400], line[400];
    size_t len = log_render(LOG_JSON, LOG_INFO, AT, fields, whole, sizeof whole);
    for (size_t capacity = 0; capacity <= len + 3; capacity++) {
        memset(line, '#', sizeof line);
        size_t got = log_render(LOG_JSON, LOG_INFO, AT, fields, line, capacity);
        assert_true(got <= capacity);
        assert_int_equal(line[capacity], '#');
        line[got] = 0;
        if (got > 0) assert_true(well_formed_json(line, got));
        if (capacity >= len + 2) assert_int_equal(got, len);

        memset(line, '#', sizeof line);
        got = log_render(LOG_TEXT, LOG_INFO, AT, fields, line, capacity);
        assert_true(got <= capacity);
        assert_int_equal(line[capacity], '#');
        int quotes = 0;
        for (size_t i = 0; i < got; i++) quotes += line[i] == '"' && line[i - 1] != '\\';
        assert_int_equal(quotes % 2, 0);
    }
}

static void whatever_a_value_holds_the_line_is_clean(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : secret_random_u64();
    print_message("SEED=%" PRIu64 "\n", seed);
    struct dice dice;
    dice_seed(&dice, seed);
    for (int round = 0; round < 20000; round++) {
        char value[64], line[300];
        size_t len = dice_below(&dice, sizeof value), capacity = dice_between(&dice, 60, sizeof line - 1);
        for (size_t i = 0; i < len; i++) value[i] = (char)dice_roll(&dice);
        for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
            const struct log_field fields[] = {L_STRN("v", ((struct str){value, len})), L_MSG("end"), {0}};
            size_t got = log_render((enum log_format)format, LOG_INFO, AT, fields, line, capacity);
            line[got] = 0;
            assert_int_equal(strlen(line), got);
            assert_true(text_is_utf8((struct str){line, got}));
            for (size_t i = 0; i < got; i++) assert_true((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
            if (format == LOG_JSON) assert_true(well_formed_json(line, got));
        }
    }
}

// --- writing ----------------------------------------------------------------------------------------------

// Runs with stderr into a pipe that keeps writes apart.
struct capture {
    int read_end, saved;
};

static struct capture capture_begin(void) {
    int ends[2];
    struct capture capture;
    assert_int_equal(pipe2(ends, O_DIRECT | O_NONBLOCK), 0);
    capture.saved = dup(STDERR_FILENO);
    assert_true(capture.saved >= 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    capture.read_end = ends[0];
    return capture;
}

// The next write, or an empty text when there is none.
static void capture_next(struct capture *capture, char *text, size_t capacity) {
    ssize_t got = read(capture->read_end, text, capacity - 1);
    text[got > 0 ? got : 0] = 0;
}

static void capture_end(struct capture *capture) {
    dup2(capture->saved, STDERR_FILENO);
    close(capture->saved);
    close(capture->read_end);
}

static void each_line_is_one_write(void **state) {
    (void)state;
    char text[PIPE_BUF + 1], huge[3 * PIPE_BUF];
    struct capture capture = capture_begin();
    memset(huge, '\n', sizeof huge);
    log_configure(LOG_INFO, LOG_TEXT);
    log_info(L_MSG("listening"), L_STR("address", "127.0.0.1:3780"));
    log_warn(L_STRN("huge", ((struct str){huge, sizeof huge})));

    capture_next(&capture, text, sizeof text);
    assert_non_null(strstr(text, " level=info msg=listening address=127.0.0.1:3780\n"));
    assert_memory_equal(text, "time=20", 7);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    capture_next(&capture, text, sizeof text);
    assert_non_null(strstr(text, " level=warn huge=\"\\n\\n"));
    assert_int_equal(text[strlen(text) - 2], '"');
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    capture_next(&capture, text, sizeof text);
    assert_string_equal(text, "");
    capture_end(&capture);
}

static void a_line_that_cannot_be_written_is_dropped_and_errno_kept(void **state) {
    (void)state;
    int saved = dup(STDERR_FILENO), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(saved >= 0 && full >= 0);
    assert_true(dup2(full, STDERR_FILENO) >= 0);
    errno = ENOENT;
    log_error(L_MSG("lost"));
    int after = errno;
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(full);
    assert_int_equal(after, ENOENT);
}

static void lines_below_the_level_are_not_written(void **state) {
    (void)state;
    char text[PIPE_BUF + 1];
    struct capture capture = capture_begin();
    log_configure(LOG_WARN, LOG_JSON);
    log_debug(L_MSG("no"));
    log_info(L_MSG("no"));
    log_warn(L_MSG("yes"));
    log_error(L_MSG("yes, too"));
    capture_next(&capture, text, sizeof text);
    assert_non_null(strstr(text, "\"level\":\"warn\",\"msg\":\"yes\"}\n"));
    capture_next(&capture, text, sizeof text);
    assert_non_null(strstr(text, "\"level\":\"error\",\"msg\":\"yes, too\"}\n"));
    capture_next(&capture, text, sizeof text);
    assert_string_equal(text, "");
    log_configure(LOG_DEBUG, LOG_TEXT);
    log_debug(L_MSG("now"));
    capture_next(&capture, text, sizeof text);
    assert_non_null(strstr(text, " level=debug msg=now\n"));
    capture_end(&capture);
}

static int init(void **state) {
    (void)state;
    return secret_init(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_reads_as_time_level_and_fields),
        cmocka_unit_test(every_level_has_its_name),
        cmocka_unit_test(only_values_that_need_quotes_have_them),
        cmocka_unit_test(a_value_cannot_forge_a_line),
        cmocka_unit_test(a_value_cannot_command_a_terminal),
        cmocka_unit_test(bytes_that_are_not_utf8_are_shown),
        cmocka_unit_test(a_cut_line_is_still_a_whole_one),
        cmocka_unit_test(whatever_a_value_holds_the_line_is_clean),
        cmocka_unit_test(each_line_is_one_write),
        cmocka_unit_test(a_line_that_cannot_be_written_is_dropped_and_errno_kept),
        cmocka_unit_test(lines_below_the_level_are_not_written),
    };
    return cmocka_run_group_tests_name("log", tests, init, NULL);
}

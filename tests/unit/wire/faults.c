// When memory is out: each allocation fails once, and nothing is lost, leaked or half written.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/change.h"
#include "wire/frame.h"
#include "wire/message.h"

#include "../fault.h"

#include <string.h>

#define MAX_LINE ((size_t)1 << 20)

// Runs `step` with the first allocation failing, then the second, until it needs no more. A step says
// whether it succeeded, and checks what must hold when it did not.
static void each_allocation_fails(bool (*step)(void *context), void *context) {
    for (long n = 1;; n++) {
        fault_after(n);
        bool succeeded = step(context);
        if (!fault_off()) {
            assert_true(succeeded);
            assert_true(n > 1); // it did allocate
            return;
        }
        assert_true(n < 10000);
    }
}

// --- framer ---------------------------------------------------------------------------------------------

static bool a_line_in_pieces(void *context) {
    (void)context;
    struct framer framer;
    framer_init(&framer, 1000);
    struct str pieces[] = {STR("{\"command\":"),
                           STR("\"LOGOUT\",\"filling\":\"012345678901234567890123456789012345678901234567\""),
                           STR("}\r\nrest")};
    struct str line = {0};
    bool undisturbed = true;
    for (size_t i = 0; i < 3; i++) {
        enum frame_result expected = i < 2 ? FRAME_MORE : FRAME_LINE, result;
        struct str before = pieces[i];
        while ((result = framer_next(&framer, &pieces[i], &line)) == FRAME_MEMORY) {
            undisturbed = false;
            assert_ptr_equal(pieces[i].ptr, before.ptr); // nothing was taken
            assert_int_equal(pieces[i].len, before.len);
        }
        assert_int_equal(result, expected);
    }
    assert_true(str_equal_text(
        line, "{\"command\":\"LOGOUT\",\"filling\":\"012345678901234567890123456789012345678901234567\"}"));
    framer_fini(&framer);
    return undisturbed;
}

static void a_framer_without_memory_loses_nothing(void **state) {
    (void)state;
    each_allocation_fails(a_line_in_pieces, NULL);
}

static bool keeping(void *context) {
    (void)context;
    struct framer framer;
    framer_init(&framer, 1000);
    struct str input = STR("one\ntwo\n"), line;
    bool kept = framer_keep(&framer, &input) == 0;
    assert_int_equal(input.len, kept ? 0 : 8);
    assert_int_equal(framer_held(&framer), kept ? 8 : 0);
    assert_int_equal(framer_next(&framer, &input, &line), FRAME_LINE);
    assert_true(str_equal_text(line, "one"));
    framer_fini(&framer);
    return kept;
}

static void keeping_without_memory_leaves_the_input(void **state) {
    (void)state;
    each_allocation_fails(keeping, NULL);
}

// --- parser ---------------------------------------------------------------------------------------------

static bool opening(void *context) {
    (void)context;
    struct parser *parser = parser_open(MAX_LINE, 8);
    parser_close(parser);
    return parser != NULL;
}

static void a_parser_opens_or_does_not(void **state) {
    (void)state;
    each_allocation_fails(opening, NULL);
}

struct parsing {
    struct parser *parser;
    struct str line;
};

static bool parsing(void *context) {
    struct parsing *parsing = context;
    struct message message;
    struct err err = {0};
    struct buf out = {0};
    bool parsed = message_parse(parsing->parser, parsing->line, &message, &err) == 0;
    if (!parsed) assert_int_equal(err.code, ERR_MEMORY);
    if (parsed && message.activity) {
        parsed = activity_encode(parsing->parser, &message, STR("alice"), &out) == 0;
        if (!parsed) assert_int_equal(out.len, 0);
    }
    buf_free(&out);
    struct err again = {0}; // the parser is none the worse for it
    if (fault_off())
        assert_int_equal(message_parse(parsing->parser, STR("{\"command\":\"LOGOUT\"}"), &message, &again),
                         0);
    return parsed;
}

// Lines beyond what the parser keeps memory for: many values, many members, one long text, nested text.
static void a_large_line_is_decoded_and_passed_on_or_is_not(void **state) {
    (void)state;
    static const struct {
        const char *start, *more, *end;
    } lines[] = {
        {"{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\",\"activity\":{\"n\":[0", ",1", "]}}"},
        {"{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\",\"activity\":{\"authenticated_user\":1,\"n\":["
         "0",
         ",1", "]}}"},
        {"{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"a\",\"activity\":{\"t\":\"", "\\u0001", "\"}}"},
        {"{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":\"{\\\"n\\\":[0", ",1", "]}\"}"},
    };
    struct parsing context = {.parser = parser_open(MAX_LINE, 8)};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct buf line = {0};
        assert_int_equal(buf_append_text(&line, lines[i].start), 0);
        while (line.len < 200000) assert_int_equal(buf_append_text(&line, lines[i].more), 0);
        assert_int_equal(buf_append_text(&line, lines[i].end), 0);
        context.line = buf_str(&line);
        each_allocation_fails(parsing, &context);
        buf_free(&line);
    }
    parser_close(context.parser);
}

static void a_command_with_very_many_members_is_decoded_or_is_not(void **state) {
    (void)state;
    struct parsing context = {.parser = parser_open(MAX_LINE, 8)};
    struct buf line = {0};
    assert_int_equal(buf_append_text(&line, "{\"command\":\"LOGOUT\""), 0);
    for (unsigned i = 0; i < 20000; i++) assert_int_equal(buf_printf(&line, ",\"%u\":0", i), 0);
    assert_int_equal(buf_append_text(&line, "}"), 0);
    context.line = buf_str(&line);
    each_allocation_fails(parsing, &context);
    buf_free(&line);
    parser_close(context.parser);
}

// The promise of no allocation on the hot path.
static void ordinary_messages_need_no_memory(void **state) {
    (void)state;
    struct parser *parser = parser_open(MAX_LINE, 8);
    struct message message;
    struct err err;
    struct buf out = {0};
    assert_int_equal(buf_reserve(&out, 1000), 0);
    fault_after(1);
    assert_int_equal(
        message_parse(parser,
                      STR("{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":\"{\\\"n\\\":[1,2,{}]}\"}"),
                      &message, &err),
        0);
    assert_int_equal(activity_encode(parser, &message, STR("alice"), &out), 0);
    assert_false(fault_off());
    buf_free(&out);
    parser_close(parser);
}

// --- encoders -------------------------------------------------------------------------------------------

static int encode(unsigned which, struct buf *out) {
    static const struct change change = {.kind = CHANGE_CREATE, .login = {"Al", "al"}};
    static const struct message_hint hints[] = {{{"n1", 2}, 1}, {{"n2", 2}, 2}};
    char long_text[200];
    memset(long_text, '"', sizeof long_text); // doubles when escaped
    long_text[sizeof long_text - 1] = '\0';
    switch (which) {
    case 0: return message_write_info(out, COMMAND_INVALID_MESSAGE, long_text);
    case 1: return message_write_redirect(out, str_of(long_text), 1);
    case 2: return message_write_authenticate(out, str_of(long_text), STR("n1"));
    case 3: return message_write_herald(out, str_of(long_text));
    case 4: return message_write_hints(out, hints, 2, STR("n0"), 7);
    case 5: return message_write_announce(out, STR("n1"), 1, str_of(long_text), 1);
    case 6: return message_write_lock(out, COMMAND_LOCK_ALLOWED, STR("a"), str_of(long_text), STR("n1"));
    case 7: return message_write_login(out, COMMAND_LOGIN, STR("a"), str_of(long_text));
    case 8: return activity_envelope(out, str_of(long_text), 1);
    default: return change_encode(&change, out);
    }
}

static bool encoding(void *context) {
    struct buf out = {0};
    bool encoded = false;
    int status = buf_append_text(&out, "before");
    if (status == 0) {
        encoded = encode(*(unsigned *)context, &out) == 0;
        if (!encoded) assert_int_equal(out.len, 6);
        assert_memory_equal(out.data, "before", 6);
    }
    buf_free(&out);
    return encoded;
}

static void an_encoder_appends_all_or_nothing(void **state) {
    (void)state;
    for (unsigned which = 0; which < 10; which++) each_allocation_fails(encoding, &which);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_framer_without_memory_loses_nothing),
        cmocka_unit_test(keeping_without_memory_leaves_the_input),
        cmocka_unit_test(a_parser_opens_or_does_not),
        cmocka_unit_test(a_large_line_is_decoded_and_passed_on_or_is_not),
        cmocka_unit_test(a_command_with_very_many_members_is_decoded_or_is_not),
        cmocka_unit_test(ordinary_messages_need_no_memory),
        cmocka_unit_test(an_encoder_appends_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

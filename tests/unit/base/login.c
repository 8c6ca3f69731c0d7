// The rules for login names: what is a name, and which two are the same.
#include "base/dice.h"
#include "base/secret.h"
#include "base/text.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_name(struct str raw, const char *name, const char *fold) {
    struct login login;
    struct err err = {0};
    if (login_parse(raw, &login, &err) != 0) fail_msg("%.*s: %s", (int)raw.len, raw.ptr, err.text);
    assert_string_equal(login.name, name);
    assert_string_equal(login.fold, fold);
}

static void assert_refused(struct str raw, const char *rule) {
    struct login login = {.name = "before"};
    struct err err = {0};
    assert_int_equal(login_parse(raw, &login, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    if (!strstr(err.text, rule)) fail_msg("\"%s\" does not speak of \"%s\"", err.text, rule);
    assert_string_equal(login.name, "before");
}

static bool same_person(const char *a, const char *b) {
    struct login one, other;
    assert_int_equal(login_parse(str_of(a), &one, NULL), 0);
    assert_int_equal(login_parse(str_of(b), &other, NULL), 0);
    return strcmp(one.fold, other.fold) == 0;
}

static void a_plain_name_stays_as_it_was_written(void **state) {
    (void)state;
    assert_name(STR("alice"), "alice", "alice");
    assert_name(STR("Alice.O'Hara-42_@x"), "Alice.O'Hara-42_@x", "alice.o'hara-42_@x");
    assert_name(STR("a"), "a", "a");
    assert_name(STR("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"); // an emoji
}

static void spellings_of_one_character_become_one(void **state) {
    (void)state;
    assert_name(STR("Rene\xcc\x81"), "Ren\xc3\xa9", "ren\xc3\xa9"); // e and U+0301 into U+00E9
    assert_name(STR("REN\xc3\x89"), "REN\xc3\x89", "ren\xc3\xa9");
    assert_name(STR("\xe2\x84\xab"), "\xc3\x85", "\xc3\xa5"); // ANGSTROM SIGN into A with ring
    assert_name(STR("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"), "\xed\x95\x9c", "\xed\x95\x9c"); // Hangul
    // Marks in another order.
    assert_true(same_person("q\xcc\xa3\xcc\x87", "q\xcc\x87\xcc\xa3"));
}

static void case_makes_no_difference(void **state) {
    (void)state;
    assert_true(same_person("ALICE", "alice"));
    assert_true(same_person("stra\xc3\x9f"
                            "e",
                            "STRASSE")); // sharp s
    assert_true(same_person("stra\xc3\x9f"
                            "e",
                            "STRA\xe1\xba\x9e"
                            "E")); // its capital
    // Sisyphos: the final sigma is a sigma.
    assert_true(same_person("\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82",
                            "\xce\xa3\xce\x8a\xce\xa3\xce\xa5\xce\xa6\xce\x9f\xce\xa3"));
    assert_true(same_person("\xef\xac\x83", "FFI"));                  // a ligature
    assert_true(same_person("\xd0\x9c\xd0\x90", "\xd0\xbc\xd0\xb0")); // Cyrillic
    // The Turkish dotted capital keeps its dot: it is another letter than i.
    assert_name(STR("\xc4\xb0"), "\xc4\xb0", "i\xcc\x87");
    assert_false(same_person("\xc4\xb0", "i"));
    assert_false(same_person("\xc4\xb1", "i")); // and so is the dotless small one
    assert_false(same_person("alice", "alicia"));
}

// Names of ASCII alone take a shorter way: it comes to what the whole rules say.
static void a_character_of_ascii_is_the_same_alone_and_among_others(void **state) {
    (void)state;
    for (int c = 1; c < 0x80; c++) {
        char alone[2] = {(char)c, 0}, among[4] = {(char)c, '\xc3', '\xa9', 0}; // before an e with acute
        struct login one, other;
        struct err err = {0}, again = {0};
        int rc = login_parse(str_of(alone), &one, &err);
        assert_int_equal(rc, login_parse(str_of(among), &other, &again));
        assert_string_equal(err.text, again.text);
        if (rc != 0) continue;
        assert_true(one.name[0] == other.name[0] && one.name[1] == '\0');
        assert_true(one.fold[0] == other.fold[0] && one.fold[1] == '\0');
    }
}

static void nothing_lies_behind_the_terminator(void **state) {
    (void)state;
    struct login login;
    memset(&login, 'x', sizeof login);
    assert_int_equal(login_parse(STR("Alice"), &login, NULL), 0);
    for (size_t i = strlen("alice"); i < sizeof login.name; i++) assert_int_equal(login.name[i], 0);
    for (size_t i = strlen("alice"); i < sizeof login.fold; i++) assert_int_equal(login.fold[i], 0);
}

static void anonymous_is_recognised_in_any_case(void **state) {
    (void)state;
    struct login login;
    assert_int_equal(login_parse(STR("anonymous"), &login, NULL), 0);
    assert_true(login_is_anonymous(&login));
    assert_int_equal(login_parse(STR("ANONYmous"), &login, NULL), 0);
    assert_true(login_is_anonymous(&login));
    assert_int_equal(login_parse(STR("anonymous2"), &login, NULL), 0);
    assert_false(login_is_anonymous(&login));
}

static void white_space_is_refused(void **state) {
    (void)state;
    assert_refused(STR(" "), "white space");
    assert_refused(STR("al ice"), "white space");
    assert_refused(STR("alice "), "white space");
    assert_refused(STR("a\xc2\xa0"), "white space");     // NO-BREAK SPACE
    assert_refused(STR("a\xe3\x80\x80"), "white space"); // IDEOGRAPHIC SPACE
    assert_refused(STR("a\xe2\x80\xa8"), "white space"); // LINE SEPARATOR
    assert_refused(STR("a\xe2\x80\xa9"), "white space"); // PARAGRAPH SEPARATOR
}

static void control_characters_are_refused(void **state) {
    (void)state;
    assert_refused(STR("a\0b"), "control");
    assert_refused(STR("a\n"), "control");
    assert_refused(STR("a\t"), "control");
    assert_refused(STR("\x1b[2J"), "control");
    assert_refused(STR("a\x7f"), "control");
    assert_refused(STR("a\xc2\x85"), "control"); // NEXT LINE
    assert_refused(STR("a\xc2\x9b"), "control"); // the one-byte escape of terminals
}

static void characters_that_cannot_be_seen_are_refused(void **state) {
    (void)state;
    assert_refused(STR("a\xe2\x80\xae"), "invisible"); // RIGHT-TO-LEFT OVERRIDE
    assert_refused(STR("a\xe2\x80\x8f"), "invisible"); // RIGHT-TO-LEFT MARK
    assert_refused(STR("a\xe2\x81\xa7"), "invisible"); // FIRST STRONG ISOLATE - 1: RIGHT-TO-LEFT ISOLATE
    assert_refused(STR("a\xe2\x80\x8b"), "invisible"); // ZERO WIDTH SPACE
    assert_refused(STR("a\xe2\x80\x8d"), "invisible"); // ZERO WIDTH JOINER
    assert_refused(STR("\xef\xbb\xbf"
                       "a"),
                   "invisible");                           // BYTE ORDER MARK
    assert_refused(STR("a\xc2\xad"), "invisible");         // SOFT HYPHEN
    assert_refused(STR("a\xf3\xa0\x81\x81"), "invisible"); // TAG LATIN CAPITAL LETTER A
    // Not of the category "format", and not to be seen either.
    assert_refused(STR("a\xcd\x8f"), "invisible");     // COMBINING GRAPHEME JOINER
    assert_refused(STR("a\xe3\x85\xa4"), "invisible"); // HANGUL FILLER
    assert_refused(STR("a\xef\xb8\x8f"), "invisible"); // VARIATION SELECTOR-16
}

static void unassigned_characters_are_refused(void **state) {
    (void)state;
    assert_refused(STR("a\xcd\xb8"), "unassigned");         // U+0378
    assert_refused(STR("a\xef\xbf\xbe"), "unassigned");     // U+FFFE
    assert_refused(STR("a\xf4\x8f\xbf\xbf"), "unassigned"); // U+10FFFF
}

static void what_is_not_utf8_is_refused(void **state) {
    (void)state;
    assert_refused(STR("a\xc3"), "UTF-8");
    assert_refused(STR("a\xff"), "UTF-8");
    assert_refused(STR("a\xc0\x80"), "UTF-8");
    assert_refused(STR("a\xed\xa0\x80"), "UTF-8");
    assert_refused(STR(""), "empty");
    assert_refused((struct str){0}, "empty");
}

// `count` times `one`.
static struct str times(char *room, const char *one, size_t count) {
    size_t len = strlen(one);
    for (size_t i = 0; i < count; i++) memcpy(room + i * len, one, len);
    return (struct str){room, len * count};
}

static void names_have_at_most_64_characters(void **state) {
    (void)state;
    static const char *const characters[] = {
        "a",
        "\xc3\xa9",
        "\xf0\x9f\x98\x80", // four bytes
        "e\xcc\x81",        // two, composed into one
        "\xe1\xba\xad",     // decomposes into three
        "\xe1\xbe\x87",     // decomposes into four
        "\xce\x90",         // folds into three and is composed again
        "\xef\xac\x83",     // folds into three, for good
        "\xf0\x9d\x85\xa0", // a musical note that NFC takes apart, though: three characters of four bytes
    };
    char room[5000];
    struct login login;
    for (size_t i = 0; i < sizeof characters / sizeof *characters; i++) {
        bool apart = i == sizeof characters / sizeof *characters - 1;
        size_t most = apart ? LOGIN_MAX_CHARS / 3 : LOGIN_MAX_CHARS;
        struct err err = {0};
        if (login_parse(times(room, characters[i], most), &login, &err) != 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_refused(times(room, characters[i], most + 1), "64 characters");
        assert_refused(times(room, characters[i], 1000), "64 characters");
    }
    times(room, "\xcc\x81", 64);
    memmove(room + 1, room, 128);
    room[0] = 'x';
    assert_int_equal(login_parse((struct str){room, 127}, &login, NULL), 0); // x and 63 accents
    assert_refused((struct str){room, 129}, "64 characters");
}

static void a_refusal_never_repeats_the_name(void **state) {
    (void)state;
    struct err err;
    struct login login;
    assert_int_equal(login_parse(STR("hunter2\n"), &login, &err), -1);
    assert_null(strstr(err.text, "hunter2"));
}

// Random names, for the most part from corners of Unicode where things happen.
static struct str random_name(struct dice *dice, char *room) {
    static const uint32_t blocks[][2] = {
        {0x20, 0x7e},     {0xa0, 0x24f},    {0x300, 0x3ff}, {0x1100, 0x11ff},   {0x1e00, 0x1fff},
        {0xac00, 0xd7a3}, {0xfb00, 0xfb4f}, {0x400, 0x5ff}, {0x10400, 0x1044f}, {0x1d15e, 0x1d1ff}};
    size_t len = 0, count = dice_between(dice, 1, 70);
    for (size_t i = 0; i < count; i++) {
        size_t block = dice_below(dice, sizeof blocks / sizeof *blocks);
        uint32_t c = (uint32_t)dice_between(dice, blocks[block][0], blocks[block][1]);
        if (c < 0x80) {
            room[len++] = (char)c;
        } else if (c < 0x800) {
            room[len++] = (char)(0xc0 | c >> 6);
        } else if (c < 0x10000) {
            room[len++] = (char)(0xe0 | c >> 12);
            room[len++] = (char)(0x80 | (c >> 6 & 0x3f));
        } else {
            room[len++] = (char)(0xf0 | c >> 18);
            room[len++] = (char)(0x80 | (c >> 12 & 0x3f));
            room[len++] = (char)(0x80 | (c >> 6 & 0x3f));
        }
        if (c >= 0x80) room[len++] = (char)(0x80 | (c & 0x3f));
    }
    if (dice_below(dice, 10) == 0) room[dice_below(dice, len)] = (char)dice_roll(dice); // damage
    return (struct str){room, len};
}

static void parsing_a_parsed_name_changes_nothing(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : secret_random_u64();
    print_message("SEED=%" PRIu64 "\n", seed);
    struct dice dice;
    char room[400];
    int names = 0;
    dice_seed(&dice, seed);
    for (int i = 0; i < 50000; i++) {
        struct login first, again;
        if (login_parse(random_name(&dice, room), &first, NULL) != 0) continue;
        names++;
        assert_true(text_is_utf8(str_of(first.name)));
        assert_true(text_is_utf8(str_of(first.fold)));
        assert_int_equal(login_parse(str_of(first.name), &again, NULL), 0);
        assert_string_equal(again.name, first.name);
        assert_string_equal(again.fold, first.fold);
        if (login_parse(str_of(first.fold), &again, NULL) == 0) { // unless folding made it too long
            assert_string_equal(again.name, first.fold);
            assert_string_equal(again.fold, first.fold);
        }
    }
    assert_true(names > 100);
}

static int init(void **state) {
    (void)state;
    return secret_init(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_name_stays_as_it_was_written),
        cmocka_unit_test(spellings_of_one_character_become_one),
        cmocka_unit_test(case_makes_no_difference),
        cmocka_unit_test(a_character_of_ascii_is_the_same_alone_and_among_others),
        cmocka_unit_test(nothing_lies_behind_the_terminator),
        cmocka_unit_test(anonymous_is_recognised_in_any_case),
        cmocka_unit_test(white_space_is_refused),
        cmocka_unit_test(control_characters_are_refused),
        cmocka_unit_test(characters_that_cannot_be_seen_are_refused),
        cmocka_unit_test(unassigned_characters_are_refused),
        cmocka_unit_test(what_is_not_utf8_is_refused),
        cmocka_unit_test(names_have_at_most_64_characters),
        cmocka_unit_test(a_refusal_never_repeats_the_name),
        cmocka_unit_test(parsing_a_parsed_name_changes_nothing),
    };
    return cmocka_run_group_tests_name("login", tests, init, NULL);
}

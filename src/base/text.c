// Slices, numbers with units, and login names.
//
//   raw login ──► UTF-8? ──► decompose, compose (NFC) ──► 1..64 characters? none forbidden? ──► name
//                                                    └──► fold case, compose again ──────────► fold
//
// All in bounded memory on the stack: whatever has more than 64 characters after composing had at most four
// times as many before it, so longer input is refused unread.
#include "base/text.h"

#include <assert.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

struct str str_of(const char *text) {
    return (struct str){.ptr = text, .len = text ? strlen(text) : 0};
}

bool str_equal(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_equal_text(struct str a, const char *text) {
    return str_equal(a, str_of(text));
}

bool str_copy(struct str from, char *to, size_t capacity) {
    assert(capacity > 0);
    size_t len = from.len < capacity ? from.len : capacity - 1;
    if (len > 0) memcpy(to, from.ptr, len);
    to[len] = '\0';
    return len == from.len;
}

bool text_is_utf8(struct str text) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text.ptr;
    size_t left = text.len;
    while (left > 0) {
        if (*at < 0x80) {
            at++, left--;
            continue;
        }
        utf8proc_int32_t character;
        utf8proc_ssize_t len = utf8proc_iterate(at, left < 4 ? (utf8proc_ssize_t)left : 4, &character);
        if (len <= 0) return false;
        at += len;
        left -= (size_t)len;
    }
    return true;
}

// --- numbers ----------------------------------------------------------------------------------------------

bool text_parse_u64(struct str text, uint64_t *value) {
    uint64_t sum = 0;
    if (text.len == 0) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

// Digits, then a unit's name in any case; no name is a unit too.
static bool parse_with_unit(struct str text, const struct unit *units, size_t count, uint64_t *value) {
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') digits++;
    uint64_t number;
    if (!text_parse_u64((struct str){text.ptr, digits}, &number)) return false;
    struct str name = {text.ptr + digits, text.len - digits};
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) != name.len || strncasecmp(units[i].name, name.ptr, name.len) != 0)
            continue;
        if (number > UINT64_MAX / units[i].factor) return false;
        *value = number * units[i].factor;
        return true;
    }
    return false;
}

bool text_parse_size(struct str text, uint64_t *bytes) {
    static const struct unit units[] = {
        {"", 1},          {"k", 1 << 10},   {"m", 1 << 20},   {"g", 1 << 30},
        {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
    };
    return parse_with_unit(text, units, sizeof units / sizeof *units, bytes);
}

bool text_parse_duration(struct str text, uint64_t *milliseconds) {
    static const struct unit units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    return parse_with_unit(text, units, sizeof units / sizeof *units, milliseconds);
}

// --- logins -----------------------------------------------------------------------------------------------

#define LONGEST_DECOMPOSITION 4 // of one character in NFC, canonical
#define ROOM                  (LOGIN_MAX_CHARS * LONGEST_DECOMPOSITION)

// The rule that a character breaks, or NULL.
static const char *broken_rule(utf8proc_int32_t character) {
    const utf8proc_property_t *property = utf8proc_get_property(character);
    switch ((utf8proc_category_t)property->category) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return "a user name must not contain white space";
    case UTF8PROC_CATEGORY_CC: return "a user name must not contain control characters";
    case UTF8PROC_CATEGORY_CF: return "a user name must not contain invisible formatting characters";
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CS: return "a user name must not contain unassigned characters";
    default: break;
    }
    // Variation selectors, fillers and joiners of other categories: two names would look the same.
    return property->ignorable ? "a user name must not contain invisible characters" : NULL;
}

// Decomposes `raw` into `room` and composes it there. Returns the number of characters, -1 when `raw` is
// not UTF-8, ROOM + 1 when there are too many.
static utf8proc_ssize_t compose(struct str raw, bool fold, utf8proc_int32_t room[ROOM + 1]) {
    utf8proc_option_t options = UTF8PROC_COMPOSE | UTF8PROC_STABLE;
    if (fold) options |= UTF8PROC_CASEFOLD;
    utf8proc_ssize_t count =
        utf8proc_decompose((const utf8proc_uint8_t *)raw.ptr, (utf8proc_ssize_t)raw.len, room, ROOM, options);
    if (count < 0) return -1;
    if (count > ROOM) return ROOM + 1;
    return utf8proc_normalize_utf32(room, count, options);
}

static size_t encode(const utf8proc_int32_t *characters, utf8proc_ssize_t count, char *to, size_t capacity) {
    size_t len = 0;
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        utf8proc_uint8_t bytes[4];
        size_t more = (size_t)utf8proc_encode_char(characters[i], bytes);
        assert(len + more < capacity);
        memcpy(to + len, bytes, more);
        len += more;
    }
    to[len] = '\0';
    return len;
}

// Most logins: of letters, digits and signs of ASCII, which are composed as they are. False: look closer.
static bool parse_ascii(struct str raw, struct login *login) {
    if (raw.len == 0 || raw.len > LOGIN_MAX_CHARS) return false;
    for (size_t i = 0; i < raw.len; i++)
        if (raw.ptr[i] <= ' ' || raw.ptr[i] >= 0x7f) return false;
    struct login parsed = {0}; // no bytes of the stack behind the terminators
    memcpy(parsed.name, raw.ptr, raw.len);
    for (size_t i = 0; i < raw.len; i++)
        parsed.fold[i] =
            (char)(raw.ptr[i] >= 'A' && raw.ptr[i] <= 'Z' ? raw.ptr[i] + ('a' - 'A') : raw.ptr[i]);
    *login = parsed;
    return true;
}

int login_parse(struct str raw, struct login *login, struct err *err) {
    utf8proc_int32_t room[ROOM + 1];
    if (parse_ascii(raw, login)) return 0;
    if (raw.len == 0) return err_set(err, ERR_INVALID, "a user name must not be empty");
    if (raw.len > ROOM * 4) goto too_long;
    if (!text_is_utf8(raw)) return err_set(err, ERR_INVALID, "a user name must be valid UTF-8");
    utf8proc_ssize_t count = compose(raw, false, room);
    assert(count > 0);
    if (count > LOGIN_MAX_CHARS) goto too_long;
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        const char *rule = broken_rule(room[i]);
        if (rule) return err_set(err, ERR_INVALID, "%s", rule);
    }
    struct login parsed = {0}; // no bytes of the stack behind the terminators
    size_t len = encode(room, count, parsed.name, sizeof parsed.name);

    // Folding may turn one character into three; each of those was decomposed too.
    count = compose((struct str){parsed.name, len}, true, room);
    assert(count > 0);
    if (count > LOGIN_MAX_CHARS * 3) goto too_long;
    (void)encode(room, count, parsed.fold, sizeof parsed.fold);
    *login = parsed;
    return 0;

too_long:
    return err_set(err, ERR_INVALID, "a user name must not have more than %d characters", LOGIN_MAX_CHARS);
}

bool login_is_anonymous(const struct login *login) {
    return strcmp(login->fold, LOGIN_ANONYMOUS) == 0;
}

// The edit distance, row by row: insertions, deletions and replacements that make the one word of the other.
#include "base/nearest.h"

#include <assert.h>
#include <string.h>

static size_t least_of(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

// `-` and `_` are one: options are written with either.
static char plain(char c) {
    return c == '_' ? '-' : c;
}

static size_t edits(struct str text, struct str word) {
    size_t row[NEAREST_MAX];
    assert(word.len < NEAREST_MAX);
    for (size_t j = 0; j <= word.len; j++) row[j] = j;
    for (size_t i = 0; i < text.len; i++) {
        size_t corner = row[0]; // of the row above, one to the left
        row[0] = i + 1;
        for (size_t j = 0; j < word.len; j++) {
            size_t above = row[j + 1];
            row[j + 1] = least_of(above + 1, row[j] + 1, corner + (plain(text.ptr[i]) != plain(word.ptr[j])));
            corner = above;
        }
    }
    return row[word.len];
}

struct nearest nearest_to(struct str typed) {
    while (typed.len > 0 && typed.ptr[0] == '-') typed.ptr++, typed.len--;
    return (struct nearest){.typed = typed, .best = typed.len / 3 + 2};
}

bool nearest_offer(struct nearest *nearest, const char *word) {
    struct str offered = str_of(word);
    while (offered.len > 0 && offered.ptr[0] == '-') offered.ptr++, offered.len--;
    if (nearest->typed.len == 0 || nearest->typed.len >= NEAREST_MAX || offered.len >= NEAREST_MAX)
        return false;
    size_t distance = edits(nearest->typed, offered);
    if (distance >= nearest->best || distance >= offered.len) return false;
    nearest->best = distance;
    return true;
}

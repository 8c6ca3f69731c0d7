// "Did you mean ...?": of many words the one that a misspelt one was meant to be.
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

#define NEAREST_MAX 64 // bytes; longer words are nobody's misspelling

struct nearest {
    struct str typed;
    size_t best; // edits of the nearest word so far; at first, how many a misspelling may have
};

// `typed` without the dashes before it.
struct nearest nearest_to(struct str typed);
// True when `word` is near enough to ask, and nearer than all words before it.
bool nearest_offer(struct nearest *nearest, const char *word);

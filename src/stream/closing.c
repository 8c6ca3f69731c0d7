// The words of closing.h.
#include "stream/closing.h"

const char *close_words(enum close_reason reason) {
    static const char *const words[CLOSE_COUNT] = {
#define CLOSE_WORDS(name, text) [CLOSE_##name] = text,
        CLOSE_REASONS(CLOSE_WORDS)
#undef CLOSE_WORDS
    };
    return words[reason];
}

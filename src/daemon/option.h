// One option at a time: finding it, setting it from text, showing it. Values are in the user's notation.
#pragma once

#include "daemon/config.h"

enum option_type {
#define OPTION_TYPE_ENUM(type, word) TYPE_##type,
    OPTION_TYPES(OPTION_TYPE_ENUM)
#undef OPTION_TYPE_ENUM
};

enum option_section {
#define OPTION_SECTION_ENUM(section, name, title) SECTION_##section,
    OPTION_SECTIONS(OPTION_SECTION_ENUM)
#undef OPTION_SECTION_ENUM
        SECTION_COUNT
};

struct option {
    const char *key;
    enum option_type type;
    size_t offset, size; // of its field in struct config
    const char *value;   // default; NULL: computed
    const char *least, *most, *also;
    bool reloads;
    enum option_section section;
    const char *help;
};

const struct option *option_of(enum option_id id);
const char *option_word(enum option_id id);             // what a value is called
const char *section_name(enum option_section section);  // in herald.conf
const char *section_title(enum option_section section); // in --help
bool option_is_switch(enum option_id id);               // no or yes
bool section_find(struct str name, enum option_section *section);

#define OPTION_KEY_SIZE 64
void option_flag(enum option_id id, char flag[OPTION_KEY_SIZE]); // "--max-message"
bool option_find(struct str key, enum option_id *id);            // as written in herald.conf
bool option_find_flag(struct str flag, enum option_id *id);      // as typed, with its dashes
// The option whose key is fewest edits away from `text` (either notation), when that is near enough to ask.
bool option_nearest(struct str text, enum option_id *id);

// -1: not permitted, and nothing has changed. A list grows by what `value` holds.
int option_set(struct config *config, enum option_id id, struct str value);
int option_permitted(enum option_id id, struct buf *out); // the words after "permitted: "
int option_print(const struct config *config, enum option_id id, struct buf *out);
bool option_same(const struct config *a, const struct config *b, enum option_id id);
void option_copy(struct config *to, const struct config *from, enum option_id id);

bool address_is_off(const struct address *address); // of an ADDRESS that may be none

// Where its value comes from: "FILE:LINE", the flag, or the key of a default.
#define OPTION_PLACE_SIZE (CONFIG_PATH_MAX + 32)
void option_place(const struct config *config, enum option_id id, char place[OPTION_PLACE_SIZE]);

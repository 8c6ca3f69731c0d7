// The rows of daemon/options.h, and finding one: by key, by flag, by what was meant.

#include "daemon/option.h"
#include "base/nearest.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// Rows name their SIGHUP column in words.
#define SIGHUP_RELOAD  true
#define SIGHUP_RESTART false

static const struct option options[OPTION_COUNT] = {
#define OPTION_ROW(key_, type_, field_, value_, least_, most_, also_, sighup_, section_, help_)              \
    [OPTION_##key_] = {.key = #key_,                                                                         \
                       .type = TYPE_##type_,                                                                 \
                       .offset = offsetof(struct config, field_),                                            \
                       .size = sizeof(((struct config *)0)->field_),                                         \
                       .value = (value_),                                                                    \
                       .least = (least_),                                                                    \
                       .most = (most_),                                                                      \
                       .also = (also_),                                                                      \
                       .reloads = SIGHUP_##sighup_,                                                          \
                       .section = SECTION_##section_,                                                        \
                       .help = (help_)},
    OPTIONS(OPTION_ROW)
#undef OPTION_ROW
};

static const struct {
    const char *name, *title;
} sections[SECTION_COUNT] = {
#define SECTION_ROW(section, name, title) [SECTION_##section] = {name, title},
    OPTION_SECTIONS(SECTION_ROW)
#undef SECTION_ROW
};

static const char *const words[] = {
#define TYPE_ROW(type, word) [TYPE_##type] = (word),
    OPTION_TYPES(TYPE_ROW)
#undef TYPE_ROW
};

const struct option *option_of(enum option_id id) {
    return &options[id];
}
const char *section_name(enum option_section section) {
    return sections[section].name;
}
const char *section_title(enum option_section section) {
    return sections[section].title;
}

const char *option_word(enum option_id id) {
    return options[id].type == TYPE_CHOICE ? options[id].least : words[options[id].type];
}

bool option_is_switch(enum option_id id) {
    return options[id].type == TYPE_CHOICE && strcmp(options[id].least, "no|yes") == 0;
}

bool section_find(struct str name, enum option_section *section) {
    for (unsigned i = 0; i < SECTION_COUNT; i++) {
        if (!str_equal_text(name, sections[i].name)) continue;
        *section = (enum option_section)i;
        return true;
    }
    return false;
}

// --- finding --------------------------------------------------------------------------------------------

void option_flag(enum option_id id, char flag[OPTION_KEY_SIZE]) {
    size_t len = strlen(options[id].key);
    assert(len + 3 <= OPTION_KEY_SIZE);
    flag[0] = flag[1] = '-';
    for (size_t i = 0; i <= len; i++) flag[i + 2] = options[id].key[i] == '_' ? '-' : options[id].key[i];
}

bool option_find(struct str key, enum option_id *id) {
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (!str_equal_text(key, options[i].key)) continue;
        *id = (enum option_id)i;
        return true;
    }
    return false;
}

bool option_find_flag(struct str flag, enum option_id *id) {
    char each[OPTION_KEY_SIZE];
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        option_flag((enum option_id)i, each);
        if (!str_equal_text(flag, each)) continue;
        *id = (enum option_id)i;
        return true;
    }
    return false;
}

bool option_nearest(struct str text, enum option_id *id) {
    struct nearest nearest = nearest_to(text);
    bool found = false;
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (!nearest_offer(&nearest, options[i].key)) continue;
        *id = (enum option_id)i;
        found = true;
    }
    return found;
}

void option_place(const struct config *config, enum option_id id, char place[OPTION_PLACE_SIZE]) {
    const struct config_origin *origin = &config->origin[id];
    switch (origin->kind) {
    case ORIGIN_DEFAULT: snprintf(place, OPTION_PLACE_SIZE, "%s", options[id].key); return;
    case ORIGIN_FILE: snprintf(place, OPTION_PLACE_SIZE, "%s:%u", config->file, origin->line); return;
    case ORIGIN_FLAG: option_flag(id, place); return;
    }
}

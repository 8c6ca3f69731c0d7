// The command line: `--key VALUE`, `--key=VALUE`, and the few flags that are no options.

#include "base/secret.h"
#include "daemon/parts.h"

#include <stdio.h>
#include <string.h>

enum flag_meaning {
    CONFIG_FILE,
    CHECK,
    PRINT,
    HELP,
    VERSION,
    COURSE_LISTEN_PORT,
    COURSE_LISTEN_HOST,
    COURSE_CONNECT_PORT,
    COURSE_CONNECT_HOST,
    COURSE_SECRET,
    COURSE_ANNOUNCE,
};

static const struct flag {
    const char *name, *word;
    enum flag_meaning meaning;
} flags[] = {
#define FLAG_ROW(name, word, meaning, help) {(name), (word), meaning},
    FLAGS(FLAG_ROW)
#undef FLAG_ROW
};

static const struct config_origin from_flag = {.kind = ORIGIN_FLAG};

// Where in argv we are. A value belongs to the flag before it, or stands behind its `=`.
struct walk {
    char **at, **end;
    struct complaints *complaints;
    bool secret_seen; // what follows a secret may be a part of it: it is not shown
};

// NULL: there is none, and that was said.
static char *take_value(struct walk *walk, const char *flag, char *equals, const char *word) {
    if (equals) return equals + 1;
    char *next = walk->at < walk->end ? *walk->at : NULL;
    if (!next || strncmp(next, "--", 2) == 0) {
        complain(walk->complaints, flag, "needs a value: %s %s", flag, word);
        return NULL;
    }
    walk->at++;
    return next;
}

// ps shows argv: a secret stands there no longer than it takes to read it.
static void wipe_argument(char *value) {
    secret_wipe(value, strlen(value));
}

// A switch may stand alone; its value is taken for one only when it is.
static char *take_switch(struct walk *walk, char *equals) {
    static char yes[] = "yes";
    if (equals) return equals + 1;
    char *next = walk->at < walk->end ? *walk->at : NULL;
    if (!next || (strcmp(next, "no") != 0 && strcmp(next, "yes") != 0)) return yes;
    walk->at++;
    return next;
}

static void set_option(struct config *config, enum option_id id, const char *flag, char *value,
                       struct walk *walk) {
    config_set(config, id, str_of(value), from_flag, flag, walk->complaints);
    if (option_of(id)->type != TYPE_SECRET) return;
    walk->secret_seen = true;
    wipe_argument(value);
}

static int port_of(const char *flag, const char *value, uint64_t least, struct walk *walk) {
    uint64_t port;
    if (text_parse_u64(str_of(value), &port) && port >= least && port <= 65535) return (int)port;
    struct buf given = {0};
    quote(&given, str_of(value));
    complain(walk->complaints, flag, "%.*s is not permitted; permitted: a port, %d to 65535", (int)given.len,
             given.data ? given.data : "", (int)least);
    buf_free(&given);
    return -1;
}

// A host as `connect` and `listen` permit it.
static bool is_host(const char *value) {
    char text[ADDRESS_HOST_MAX + 8], host[ADDRESS_HOST_MAX + 1];
    uint16_t port;
    int len = snprintf(text, sizeof text, strchr(value, ':') ? "[%s]:1" : "%s:1", value);
    return value[0] && len > 0 && (size_t)len < sizeof text && address_split(str_of(text), host, &port);
}

static void take_host(const char *flag, const char *value, char host[ADDRESS_HOST_MAX + 1],
                      struct walk *walk) {
    if (is_host(value) && str_copy(str_of(value), host, ADDRESS_HOST_MAX + 1)) return;
    struct buf given = {0};
    quote(&given, str_of(value));
    complain(walk->complaints, flag, "%.*s is not permitted; permitted: a host name or numeric address",
             (int)given.len, given.data ? given.data : "");
    buf_free(&given);
    host[0] = '\0';
}

static void take_file(struct config *config, const char *flag, const char *value, struct walk *walk) {
    if (!value[0] || !str_copy(str_of(value), config->file, sizeof config->file))
        complain(walk->complaints, flag, "permitted: a path of 1 to %d bytes", CONFIG_PATH_MAX);
}

static void apply_flag(struct config *config, const struct flag *flag, char *value, struct walk *walk) {
    struct config_course *course = &config->course;
    switch (flag->meaning) {
    case CONFIG_FILE: take_file(config, flag->name, value, walk); return;
    case CHECK: config->wish = CONFIG_CHECK; return;
    case PRINT: config->wish = CONFIG_PRINT; return;
    case HELP: config->wish = CONFIG_HELP; return;
    case VERSION: config->wish = CONFIG_VERSION; return;
    case COURSE_LISTEN_PORT: course->listen_port = port_of(flag->name, value, 0, walk); return;
    case COURSE_LISTEN_HOST: take_host(flag->name, value, course->listen_host, walk); return;
    case COURSE_CONNECT_PORT: course->connect_port = port_of(flag->name, value, 1, walk); return;
    case COURSE_CONNECT_HOST: take_host(flag->name, value, course->connect_host, walk); return;
    case COURSE_SECRET: set_option(config, OPTION_secret, flag->name, value, walk); return;
    case COURSE_ANNOUNCE: set_option(config, OPTION_announce_interval, flag->name, value, walk); return;
    }
}

static const struct flag *find_flag(const char *name) {
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(flags[i].name, name) == 0) return &flags[i];
    return NULL;
}

// An unknown flag. What follows it is taken for its value, and not shown: who misspells --secret would
// otherwise find the secret on the screen.
static void complain_unknown(const char *name, bool has_value, struct walk *walk) {
    enum option_id near;
    char flag[OPTION_KEY_SIZE];
    struct buf given = {0};
    quote(&given, str_of(name));
    buf_append(&given, "", 1);
    const char *shown = given.data ? given.data : "\"?\"";
    if (option_nearest(str_of(name), &near)) {
        option_flag(near, flag);
        complain(walk->complaints, shown, "unknown option; did you mean %s?", flag);
    } else {
        complain(walk->complaints, shown, "unknown option; heraldd --help lists them");
    }
    buf_free(&given);
    if (!has_value && walk->at < walk->end && (*walk->at)[0] != '-') walk->at++;
}

static void complain_word(const char *word, struct walk *walk) {
    struct buf given = {0};
    if (walk->secret_seen)
        buf_append_text(&given, "the word after the secret");
    else
        quote(&given, str_of(word));
    buf_append(&given, "", 1);
    complain(walk->complaints, given.data ? given.data : "?",
             "is no option; options begin with - (see heraldd --help)");
    buf_free(&given);
}

static void take_flag(struct config *config, char *argument, struct walk *walk) {
    char *equals = strncmp(argument, "--", 2) == 0 ? strchr(argument, '=') : NULL;
    char name[OPTION_KEY_SIZE + 64];
    struct str typed = {.ptr = argument, .len = equals ? (size_t)(equals - argument) : strlen(argument)};
    enum option_id id;
    str_copy(typed, name, sizeof name);
    const struct flag *flag = find_flag(name);
    bool known = option_find_flag(typed, &id);
    if (!flag && !known) {
        complain_unknown(name, equals != NULL, walk);
        return;
    }
    if (flag && !flag->word && equals) {
        complain(walk->complaints, name, "takes no value");
        return;
    }
    char *value = NULL;
    if (!flag && option_is_switch(id)) {
        value = take_switch(walk, equals);
    } else if (!flag || flag->word) {
        value = take_value(walk, name, equals, flag ? flag->word : option_word(id));
        if (!value) return;
    }
    if (flag)
        apply_flag(config, flag, value, walk);
    else
        set_option(config, id, name, value, walk);
}

void flags_parse(struct config *config, int argc, char **argv, struct complaints *complaints) {
    struct walk walk = {.at = argv + 1, .end = argv + argc, .complaints = complaints};
    while (walk.at < walk.end) {
        char *argument = *walk.at++;
        if (argument[0] == '-' && argument[1])
            take_flag(config, argument, &walk);
        else
            complain_word(argument, &walk);
    }
}

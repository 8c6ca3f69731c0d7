// What heraldd says of its options: --help, --print-config.

#include "daemon/option.h"

#include <string.h>

#define COLUMN 34 // where the second column of --help begins
#define WIDTH  108

static void two_columns(struct buf *out, const char *left, const char *right) {
    size_t start = out->len;
    buf_printf(out, "  %s", left);
    if (out->len - start > COLUMN - 2) {
        buf_append_text(out, "\n");
        start = out->len;
    }
    buf_printf(out, "%*s%s\n", (int)(COLUMN - (out->len - start)), "", right);
}

// "1KiB to 64MiB" for numbers; nothing for what its word says already.
static void append_range(struct buf *out, const struct option *option) {
    if (option->type == TYPE_SIZE || option->type == TYPE_DURATION || option->type == TYPE_COUNT)
        buf_printf(out, "; %s to %s", option->least, option->most);
}

static void help_option(const struct config *defaults, enum option_id id, struct buf *out) {
    char flag[OPTION_KEY_SIZE];
    struct buf left = {0}, right = {0}, value = {0};
    option_flag(id, flag);
    buf_printf(&left, "%s %s", flag, option_word(id));
    buf_append_text(&right, option_of(id)->help);
    option_print(defaults, id, &value);
    if (value.len > 0) {
        buf_printf(&right, " (%.*s", (int)value.len, value.data);
        append_range(&right, option_of(id));
        buf_append_text(&right, ")");
    }
    buf_append(&left, "", 1);
    buf_append(&right, "", 1);
    if (left.data && right.data) two_columns(out, left.data, right.data);
    buf_free(&left);
    buf_free(&right);
    buf_free(&value);
}

static const struct flag {
    const char *name, *word, *meaning, *help; // help: NULL of a form that stands beside another
} flags[] = {
#define FLAG_ROW(name, word, meaning, help) {(name), (word), #meaning, (help)},
    FLAGS(FLAG_ROW)
#undef FLAG_ROW
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)

// All forms of a flag in one line.
static void help_flag(const struct flag *flag, struct buf *out) {
    char left[64] = "";
    struct buf text = {0};
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (strcmp(flags[i].meaning, flag->meaning) == 0)
            buf_printf(&text, "%s%s", text.len > 0 ? ", " : "", flags[i].name);
    if (flag->word) buf_printf(&text, " %s", flag->word);
    str_copy(buf_str(&text), left, sizeof left);
    two_columns(out, left, flag->help);
    buf_free(&text);
}

void config_help(struct buf *out) {
    struct config defaults;
    config_defaults(&defaults);
    buf_append_text(
        out, "heraldd keeps a roll of identities and carries their activity to everyone who listens.\n\n"
             "use: heraldd [OPTION...]        in parentheses: what is in force when it is not given\n\n");
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (flags[i].help) help_flag(&flags[i], out);
    for (unsigned section = 0; section < SECTION_COUNT; section++) {
        buf_printf(out, "\n%s\n", section_title((enum option_section)section));
        for (unsigned i = 0; i < OPTION_COUNT; i++)
            if (option_of((enum option_id)i)->section == section)
                help_option(&defaults, (enum option_id)i, out);
    }
    buf_append_text(
        out,
        "\nIn herald.conf an option is written `key = value`, with _ for -, such as `max_message = 2MiB`.\n"
        "Flags win over herald.conf. SIGHUP reads it again, SIGTERM and SIGINT stop the server.\n"
        "Exit status: 0 stopped as asked, 1 could not start, 2 wrong options.\n");
    config_wipe(&defaults);
}

// A list is one line a target: a line then never grows too long to be read back.
static void print_targets(const struct config *config, struct buf *out) {
    for (size_t i = 0; i < config->stream.connect_count; i++) {
        const struct settings_target *target = &config->stream.connect[i];
        buf_printf(out, strchr(target->host, ':') ? "connect = [%s]:%u\n" : "connect = %s:%u\n", target->host,
                   target->port);
    }
    if (config->stream.connect_count == 0) buf_append_text(out, "connect =\n");
}

void config_print(const struct config *config, struct buf *out) {
    for (unsigned section = 0; section < SECTION_COUNT; section++) {
        buf_printf(out, "%s[%s]\n", section > 0 ? "\n" : "", section_name((enum option_section)section));
        for (unsigned i = 0; i < OPTION_COUNT; i++) {
            enum option_id id = (enum option_id)i;
            const struct option *option = option_of(id);
            if (option->section != section) continue;
            buf_printf(out, "# %s\n", option->help);
            if (option->type == TYPE_TARGETS) {
                print_targets(config, out);
                continue;
            }
            buf_printf(out, "%s%s =", option->type == TYPE_SECRET ? "# " : "", option->key);
            size_t before = out->len;
            buf_append_text(out, " ");
            option_print(config, id, out);
            if (out->len == before + 1) buf_truncate(out, before);
            buf_append_text(out, "\n");
        }
    }
}

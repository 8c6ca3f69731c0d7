// The tables of cli/commands.h as rows, and as --help.
#include "base/buf.h"
#include "cli/commands.h"

#include <string.h>

#define COLUMN 30 // where the second column begins

static const struct cli_command_row commands[CLI_COMMAND_COUNT] = {
#define COMMAND_ROW(name, words, most, does, more) [CLI_##name] = {#name, (words), (most), (does), (more)},
    CLI_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

static const struct cli_option_row options[CLI_OPTION_COUNT] = {
#define OPTION_ROW(name, long_form, short_form, word, value, commands, help)                                 \
    [CLI_OPTION_##name] = {(long_form), (short_form), (word), CLI_VALUE_##value, (commands), (help)},
    CLI_OPTIONS(OPTION_ROW)
#undef OPTION_ROW
};

const struct cli_command_row *cli_command(enum cli_command command) {
    return &commands[command];
}
const struct cli_option_row *cli_option(enum cli_option option) {
    return &options[option];
}

static void two_columns(struct buf *out, size_t start, const char *right) {
    size_t used = out->len - start;
    if (used >= COLUMN) {
        buf_append_text(out, "\n");
        used = 0;
    }
    buf_printf(out, "%*s%s\n", (int)(COLUMN - used), "", right);
}

static void help_options(enum cli_command command, struct buf *out) {
    for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
        const struct cli_option_row *option = &options[i];
        size_t start = out->len;
        if (!(option->commands & (1u << command))) continue;
        buf_printf(out, "  %s", option->short_form ? option->short_form : "    ");
        if (option->long_form) buf_printf(out, "%s%s", option->short_form ? ", " : "", option->long_form);
        if (option->word) buf_printf(out, " %s", option->word);
        two_columns(out, start, option->help);
    }
}

static void help_all(struct buf *out) {
    buf_append_text(out, "herald carries your activity to everyone who listens, and theirs to you.\n\n"
                         "use: herald COMMAND [OPTION...]\n"
                         "     herald [-u USER [-s SECRET]] [-rh HOST] [-rp PORT]\n\n");
    for (unsigned i = 0; i < CLI_COMMAND_COUNT; i++) {
        const struct cli_command_row *command = &commands[i];
        size_t start = out->len;
        if (i == CLI_course) continue;
        buf_printf(out, "  %s %s", command->name, command->words);
        two_columns(out, start, command->does);
    }
    buf_printf(out, "\nWithout a command:\n%s\n\nOptions:\n", commands[CLI_course].more);
    help_options(CLI_course, out);
    buf_append_text(out, "Further ones belong to a command: herald COMMAND --help.\n\n"
                         "Servers: --server, else HERALD_SERVERS (with commas), else 127.0.0.1:3780.\n"
                         "Exit status: 0 done, 1 refused, 2 wrong options, 3 no server reachable, "
                         "4 outcome unknown.\n");
}

void cli_help(enum cli_command command, struct buf *out) {
    const struct cli_command_row *row = &commands[command];
    if (command == CLI_course) {
        help_all(out);
        return;
    }
    buf_printf(out, "herald %s: %s.\n\nuse: herald %s%s%s [OPTION...]\n\n%s\n\n", row->name, row->does,
               row->name, row->words[0] ? " " : "", row->words, row->more);
    help_options(command, out);
}

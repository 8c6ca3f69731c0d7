// The tables of cli/commands.h as rows, and as --help.
#include "base/buf.h"
#include "cli/commands.h"

#include <string.h>

#define COLUMN 30 // where the second column begins

static const struct cli_command_row commands[CLI_COMMAND_COUNT] = {
#define COMMAND_ROW(name, typed, long_form, short_form, words, least, most, does, more)                      \
    [CLI_##name] = {(typed), (long_form), (short_form), (words), (least), (most), (does), (more)},
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

static void help_commands(unsigned which, struct buf *out) {
    for (unsigned i = 0; i < CLI_COMMAND_COUNT; i++) {
        const struct cli_command_row *command = &commands[i];
        size_t start = out->len;
        if (!(which & (1u << i))) continue;
        buf_printf(out, "  %s %s", command->name, command->words);
        two_columns(out, start, command->does);
    }
}

static void help_all(struct buf *out) {
    buf_append_text(
        out, "herald keeps the roll of identities, and carries your activity to everyone who listens.\n\n"
             "use: herald COMMAND [OPTION...]\n"
             "     herald [-u USER [-s SECRET]] [-rh HOST] [-rp PORT]\n\n"
             "Identities and settings:\n");
    help_commands(CLI_IN_ROLL, out);
    buf_append_text(out, "\nThe activity stream:\n");
    help_commands(CLI_IN_STREAM & ~CLI_IN(course), out);
    buf_printf(out, "\nWithout a command:\n%s\n\nOptions:\n", commands[CLI_course].more);
    help_options(CLI_course, out);
    buf_append_text(out,
                    "Further ones belong to a command: herald COMMAND --help.\n\n"
                    "Servers: --server, else HERALD_SERVERS (with commas), else 127.0.0.1: port 3781 for\n"
                    "identities and settings, port 3780 for the stream.\n"
                    "Exit status: 0 done, 1 refused, 2 wrong options, 3 no server reachable, "
                    "4 outcome unknown.\n");
}

void cli_help(enum cli_command command, struct buf *out) {
    const struct cli_command_row *row = &commands[command];
    if (command == CLI_course) {
        help_all(out);
        return;
    }
    const char *gap = row->words[0] ? " " : "";
    buf_printf(out, "herald %s: %s.\n\nuse: herald %s%s%s [OPTION...]\n", row->name, row->does, row->name,
               gap, row->words);
    if (row->long_form)
        buf_printf(out, "     herald %s %s [OPTION...]\n     herald %s %s [OPTION...]\n", row->long_form,
                   row->words, row->short_form, row->words);
    buf_printf(out, "\n%s%s", row->more, row->more[0] ? "\n\n" : "");
    help_options(command, out);
}

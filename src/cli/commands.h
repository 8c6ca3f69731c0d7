// Every command and every option of `herald`, once. From these tables grow the parsing, --help, and the tests
// of herald(1).
#pragma once

// name, the words it takes, how many of them at most, what it does, what else there is to know of it. The one
// without a name is last.
#define CLI_COMMANDS(X)                                                                                      \
    X(register, "[USER]", 1, "make an account",                                                              \
      "Without a secret, one is made and printed, once. --save keeps it for later commands.")                \
    X(login, "[USER]", 1, "try out whether one can log in",                                                  \
      "Logs in, prints where and as whom, and logs out. Without a user: as anonymous.\n"                     \
      "Every other command logs in by itself.")                                                              \
    X(post, "TEXT... | - | --file FILE", -1, "post activities",                                              \
      "TEXT becomes the Create of a Note. A file holds one activity in JSON. Of the lines on standard\n"     \
      "input (-), those that are a JSON object are activities, and others become notes.\n"                   \
      "Ends with 0 only when the server has taken everything and closed its side.")                          \
    X(follow, "", 0, "print what everyone posts, as it comes",                                               \
      "Goes on after a server was lost. Ctrl-C ends it.")                                                    \
    X(chat, "", 0, "see what everyone posts, and type what to post",                                         \
      "Needs a terminal. /help in it lists what can be typed; /quit, Ctrl-D and Ctrl-C end it.")             \
    X(logout, "[USER]", 1, "forget a saved secret",                                                          \
      "No connection outlives its command, so there is nothing to end at a server.")                         \
    X(course, "", 0, "",                                                                                     \
      "On a terminal this is herald chat; else lines on standard input are posted and activities printed.\n" \
      "A user without a secret is registered first.")

enum cli_command {
#define CLI_COMMAND_ENUM(name, words, most, does, more) CLI_##name,
    CLI_COMMANDS(CLI_COMMAND_ENUM)
#undef CLI_COMMAND_ENUM
        CLI_COMMAND_COUNT
};

#define CLI_IN(command) (1u << CLI_##command)
#define CLI_IN_ALL      (~0u)
#define CLI_IN_NETWORK  (CLI_IN_ALL & ~CLI_IN(logout))

// name, long form, short form, word for its value, whether it has one (NONE, ONE, or MAYBE: not when another
// option or nothing follows), for which commands, help
#define CLI_OPTIONS(X)                                                                                       \
    X(server, "--server", NULL, "HOST:PORT", ONE, CLI_IN_ALL,                                                \
      "a server; several, repeated or with commas, are of one tree")                                         \
    X(remote_host, NULL, "-rh", "HOST", ONE, CLI_IN_ALL, "the host of --server (localhost)")                 \
    X(remote_port, NULL, "-rp", "PORT", ONE, CLI_IN_ALL, "the port of --server (3780)")                      \
    X(user, "--user", "-u", "USER", ONE, CLI_IN_ALL, "who to be; else anonymous")                            \
    X(secret, "--secret", "-s", "[SECRET]", MAYBE, CLI_IN_NETWORK,                                           \
      "the user's secret; asked for when it is left out")                                                    \
    X(secret_file, "--secret-file", NULL, "FILE", ONE, CLI_IN_NETWORK,                                       \
      "file that holds the user's secret; mode 0600")                                                        \
    X(save, "--save", NULL, NULL, NONE, CLI_IN(register) | CLI_IN(login) | CLI_IN(course),                   \
      "keep the secret in ~/.config/herald/secrets")                                                         \
    X(timeout, "--timeout", NULL, "TIME", ONE, CLI_IN_NETWORK,                                               \
      "how long to look for a server, such as 30s; else each is tried once")                                 \
    X(json, "--json", NULL, NULL, NONE, CLI_IN(register) | CLI_IN(login) | CLI_IN(follow) | CLI_IN(course),  \
      "print JSON, one object a line; activities as they came")                                              \
    X(file, "--file", NULL, "FILE", ONE, CLI_IN(post), "post the activity that FILE holds")                  \
    X(raw, "--raw", NULL, NULL, NONE, CLI_IN(post), "make no notes: end at the first line that is no JSON")  \
    X(count, "--count", "-n", "N", ONE, CLI_IN(follow), "end after N activities")                            \
    X(help, "--help", "-h", NULL, NONE, CLI_IN_ALL, "print this; of a command, after its name")              \
    X(version, "--version", NULL, NULL, NONE, CLI_IN_ALL, "print the version")

enum cli_option {
#define CLI_OPTION_ENUM(name, long_form, short_form, word, value, commands, help) CLI_OPTION_##name,
    CLI_OPTIONS(CLI_OPTION_ENUM)
#undef CLI_OPTION_ENUM
        CLI_OPTION_COUNT
};

enum cli_value { CLI_VALUE_NONE, CLI_VALUE_ONE, CLI_VALUE_MAYBE };

struct cli_command_row {
    const char *name, *words;
    int most; // -1: any number
    const char *does, *more;
};

struct cli_option_row {
    const char *long_form, *short_form, *word;
    enum cli_value value;
    unsigned commands;
    const char *help;
};

const struct cli_command_row *cli_command(enum cli_command command);
const struct cli_option_row *cli_option(enum cli_option option);

struct buf;
void cli_help(enum cli_command command, struct buf *out); // of CLI_course: of herald altogether

// Every command and every option of `herald`, once. From these tables grow the parsing, --help, and the tests
// of herald(1).
#pragma once

#include <stdint.h>

// name, as it is typed, the forms of it that the courses of seeds 000 to 002 fix (NULL: none), the words it
// takes, how many of them at least and at most (-1: any number), what it does, what else there is to know of
// it. The one without a name is last.
#define CLI_COMMANDS(X)                                                                                      \
    X(create, "create", "--create", "-c", "LOGIN [REAL NAME]", 1, -1, "make an identity",                    \
      "The real name is your own when it is left out. Without --password or --password-file it has no\n"     \
      "password, and only an administrator can change or delete it.")                                        \
    X(lookup, "lookup", "--lookup", "-l", "LOGIN", 1, 1, "show the identity with this login", "")            \
    X(reverse_lookup, "reverse-lookup", "--reverse-lookup", "-r", "UUID", 1, 1,                              \
      "show the identity with this UUID", "")                                                                \
    X(modify, "modify", "--modify", "-m", "LOGIN [NEW LOGIN]", 1, 2,                                         \
      "change login, real name or password of an identity",                                                  \
      "NEW LOGIN is short for --login. It needs the identity's password, which is asked for when it is\n"    \
      "not given, or an admin token. Whoever is logged in as it is logged out by a new login or password.")  \
    X(delete, "delete", "--delete", "-d", "LOGIN", 1, 1, "delete an identity",                               \
      "It needs the identity's password, which is asked for when it is not given, or an admin token.")       \
    X(list, "list", "--get", "-g", "users | uuids | all", 1, 1, "list all identities, oldest first", "")     \
    X(import, "import", NULL, NULL, "FILE.csv | FILE.jsonl | -", 1, 1, "make identities from a file",        \
      "Columns or members: login, name, password; a CSV file begins with their names. What is there\n"       \
      "already with the same name stays as it is. Given again after an end before its time, it goes on\n"    \
      "where it was.")                                                                                       \
    X(export, "export", NULL, NULL, "[FILE.csv | FILE.jsonl]", 0, 1, "write all identities to a file",       \
      "Without a file: to standard output, as JSON lines. It holds no passwords.")                           \
    X(settings, "settings", NULL, NULL,                                                                      \
      "get KEY | set KEY VALUE | delete KEY | list [PREFIX] | watch [PREFIX]", 1, 3,                         \
      "read, write and watch settings",                                                                      \
      "Settings are keys with values of up to 64 KiB, the same on every server. With --file, or VALUE -,\n"  \
      "the value is read from a file or from standard input. Writing them needs an admin token.")            \
    X(admin, "admin", NULL, NULL, "token add LABEL | token list | token revoke ID", 2, 3,                    \
      "make and revoke admin tokens, on the server's machine",                                               \
      "It talks to the server through control.sock in its data directory: run it as the server's user.\n"    \
      "A token is shown once, when it is made. Give it to other commands in HERALD_TOKEN or --token-file.")  \
    X(register, "register", NULL, NULL, "[USER]", 0, 1, "make an account for the activity stream",           \
      "Without a secret, one is made and printed, once. --save keeps it for later commands.")                \
    X(login, "login", NULL, NULL, "[USER]", 0, 1, "try out whether one can log in",                          \
      "Logs in, prints where and as whom, and logs out. Without a user: as anonymous.\n"                     \
      "Every other command logs in by itself.")                                                              \
    X(post, "post", NULL, NULL, "TEXT... | - | --file FILE", 0, -1, "post activities",                       \
      "TEXT becomes the Create of a Note. A file holds one activity in JSON. Of the lines on standard\n"     \
      "input (-), those that are a JSON object are activities, and others become notes.\n"                   \
      "Ends with 0 only when the server has taken everything and closed its side.")                          \
    X(follow, "follow", NULL, NULL, "", 0, 0, "print what everyone posts, as it comes",                      \
      "Goes on after a server was lost. Ctrl-C ends it.")                                                    \
    X(chat, "chat", NULL, NULL, "", 0, 0, "see what everyone posts, and type what to post",                  \
      "Needs a terminal. /help in it lists what can be typed; /quit, Ctrl-D and Ctrl-C end it.")             \
    X(logout, "logout", NULL, NULL, "[USER]", 0, 1, "forget a saved secret",                                 \
      "No connection outlives its command, so there is nothing to end at a server.")                         \
    X(course, "", NULL, NULL, "", 0, 0, "",                                                                  \
      "On a terminal this is herald chat; else lines on standard input are posted and activities printed.\n" \
      "A user without a secret is registered first.")

enum cli_command {
#define CLI_COMMAND_ENUM(name, typed, long_form, short_form, words, least, most, does, more) CLI_##name,
    CLI_COMMANDS(CLI_COMMAND_ENUM)
#undef CLI_COMMAND_ENUM
        CLI_COMMAND_COUNT
};

#define CLI_IN(command) (1u << CLI_##command)
#define CLI_IN_ALL      (~0u)
// Of the roll: they speak HTTP, but for admin. The others speak the activity stream.
#define CLI_IN_ACCOUNT                                                                                       \
    (CLI_IN(create) | CLI_IN(lookup) | CLI_IN(reverse_lookup) | CLI_IN(modify) | CLI_IN(delete) |            \
     CLI_IN(list))
#define CLI_IN_HTTP    (CLI_IN_ACCOUNT | CLI_IN(import) | CLI_IN(export) | CLI_IN(settings))
#define CLI_IN_ROLL    (CLI_IN_HTTP | CLI_IN(admin))
#define CLI_IN_STREAM  (CLI_IN_ALL & ~CLI_IN_ROLL)
#define CLI_IN_SESSION (CLI_IN_STREAM & ~CLI_IN(logout))
// Those that can say who asks, by a password.
#define CLI_IN_ASKING (CLI_IN_HTTP & ~(CLI_IN(create) | CLI_IN(import)))

// name, long form, short form, word for its value, whether it has one (NONE, ONE, or MAYBE: not when another
// option or nothing follows), for which commands, help. Two options may have a form in common when no command
// has both.
#define CLI_OPTIONS(X)                                                                                       \
    X(server, "--server", NULL, "HOST:PORT", ONE, CLI_IN_STREAM,                                             \
      "a server; several, repeated or with commas, are of one tree")                                         \
    X(url, "--server", "-s", "URL", ONE, CLI_IN_HTTP,                                                        \
      "a server; several, repeated or with commas, have one roll")                                           \
    X(numport, "--numport", "-n", "PORT", ONE, CLI_IN_HTTP, "the port of --server when it has none (3781)")  \
    X(ca, "--ca", NULL, "FILE", ONE, CLI_IN_HTTP,                                                            \
      "who vouches for servers (PEM); else they are known by their keys")                                    \
    X(remote_host, NULL, "-rh", "HOST", ONE, CLI_IN_STREAM, "the host of --server (localhost)")              \
    X(remote_port, NULL, "-rp", "PORT", ONE, CLI_IN_STREAM, "the port of --server (3780)")                   \
    X(tls, "--tls", NULL, NULL, NONE, CLI_IN_SESSION, "speak TLS; unknown servers are known by their keys")  \
    X(authority, "--ca", NULL, "FILE", ONE, CLI_IN_SESSION, "speak TLS; who vouches for servers (PEM)")      \
    X(user, "--user", "-u", "USER", ONE, CLI_IN_STREAM, "who to be; else anonymous")                         \
    X(secret, "--secret", "-s", "[SECRET]", MAYBE, CLI_IN_SESSION,                                           \
      "the user's secret; asked for when it is left out")                                                    \
    X(secret_file, "--secret-file", NULL, "FILE", ONE, CLI_IN_SESSION,                                       \
      "file that holds the user's secret; mode 0600")                                                        \
    X(asker, "--user", "-u", "LOGIN", ONE, CLI_IN_ASKING & ~(CLI_IN(modify) | CLI_IN(delete)),               \
      "whose password it is, where looking up needs one")                                                    \
    X(password, "--password", "-p", "[PASSWORD]", MAYBE, CLI_IN_HTTP & ~CLI_IN(import),                      \
      "asked for when it is left out; -: a line of standard input")                                          \
    X(password_file, "--password-file", NULL, "FILE", ONE, CLI_IN_HTTP & ~CLI_IN(import),                    \
      "file that holds the password; mode 0600")                                                             \
    X(login, "--login", NULL, "NEW", ONE, CLI_IN(modify), "the new login")                                   \
    X(name, "--name", NULL, "NAME", ONE, CLI_IN(modify), "the new real name")                                \
    X(new_password, "--new-password", NULL, "[PASSWORD]", MAYBE, CLI_IN(modify),                             \
      "the new password; asked for, or -, as of --password")                                                 \
    X(new_password_file, "--new-password-file", NULL, "FILE", ONE, CLI_IN(modify),                           \
      "file that holds the new password; mode 0600")                                                         \
    X(token_file, "--token-file", NULL, "FILE", ONE, CLI_IN_HTTP,                                            \
      "file that holds an admin token; mode 0600")                                                           \
    X(data, "--data", NULL, "DIR", ONE, CLI_IN(admin), "the server's data directory")                        \
    X(save, "--save", NULL, NULL, NONE, CLI_IN(register) | CLI_IN(login) | CLI_IN(course),                   \
      "keep the secret in ~/.config/herald/secrets")                                                         \
    X(timeout, "--timeout", NULL, "TIME", ONE, CLI_IN_SESSION,                                               \
      "how long to look for a server, such as 30s; else each is tried once")                                 \
    X(patience, "--timeout", NULL, "TIME", ONE, CLI_IN_ROLL,                                                 \
      "how long to wait in all, such as 1m (15s; import: 30s without anything done)")                        \
    X(forget, "--forget", NULL, NULL, NONE, CLI_IN_HTTP,                                                     \
      "forget what was seen of these servers before: their data was replaced")                               \
    X(json, "--json", NULL, NULL, NONE, CLI_IN(register) | CLI_IN(login) | CLI_IN(follow) | CLI_IN(course),  \
      "print JSON, one object a line; activities as they came")                                              \
    X(objects, "--json", NULL, NULL, NONE, CLI_IN_ROLL & ~CLI_IN(export), "print JSON, one object a line")   \
    X(format, "--format", NULL, "csv|jsonl", ONE, CLI_IN(import) | CLI_IN(export),                           \
      "what the file is; else its name's ending says so")                                                    \
    X(file, "--file", NULL, "FILE", ONE, CLI_IN(post), "post the activity that FILE holds")                  \
    X(value_file, "--file", NULL, "FILE", ONE, CLI_IN(settings), "set: the value is what FILE holds")        \
    X(expect, "--expect", NULL, "VERSION", ONE, CLI_IN(settings),                                            \
      "set, delete: only if this is its version; 0: if it is not there")                                     \
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
    const char *name, *long_form, *short_form, *words;
    int least, most; // words; -1: any number
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

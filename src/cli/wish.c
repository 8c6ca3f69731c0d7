// The command line: argv, word by word, against the tables of cli/commands.h.
//
//   herald -u alice post --server a:1 hello world
//          └option─┘ └command        └─ words ──┘   options stand anywhere, until `--`
#include "cli/wish.h"

#include "base/nearest.h"
#include "base/secret.h"
#include "cli/plain.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Where in argv we are.
struct walk {
    struct wish *wish;
    struct err *err;
    char **at, **end;
    char **words; // what is no option is gathered here, from argv + 1 on
    size_t word_count;
    bool named;      // the command was
    bool only_words; // after `--`
    char **suspect;  // the word after a secret, perhaps a part of it: it is not shown
    const char *host, *port;
};

static bool is_suspect(const struct walk *walk) {
    return walk->suspect && walk->suspect == walk->at - 1;
}

// "WHAT: sentence", WHAT made plain.
__attribute__((format(printf, 3, 4))) static int wrong(struct walk *walk, const char *what,
                                                       const char *format, ...) {
    struct buf plain = {0};
    char sentence[200];
    va_list list;
    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    int cut = plain_append(&plain, str_of(what)) == 0 ? (int)plain_fit(buf_str(&plain), 40) : 0;
    err_set(walk->err, ERR_INVALID, "%.*s: %s", cut, plain.data ? plain.data : "", sentence);
    buf_free(&plain);
    return -1;
}

bool wish_is_anonymous(const struct wish *wish) {
    struct login login;
    return !wish->user || (login_parse(str_of(wish->user), &login, NULL) == 0 && login_is_anonymous(&login));
}

static int keep(struct buf *to, struct str secret) {
    buf_wipe(to);
    if (buf_reserve(to, secret.len + 1)) return -1;
    buf_append_str(to, secret);
    return buf_append(to, "", 1);
}

int wish_set_secret(struct wish *wish, struct str secret) {
    if (keep(&wish->secret, secret)) return -1;
    wish->has_secret = true;
    return 0;
}

int wish_set_password(struct wish_password *password, struct str text) {
    if (keep(&password->text, text)) return -1;
    password->given = true;
    return 0;
}

// --- options --------------------------------------------------------------------------------------------

static bool is_form(struct str typed, const char *long_form, const char *short_form) {
    return (long_form && str_equal_text(typed, long_form)) ||
           (short_form && str_equal_text(typed, short_form));
}

// The option of this command; else one of another, so that it can be said which.
static bool find_option(struct str typed, enum cli_command command, enum cli_option *found) {
    bool any = false;
    for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
        const struct cli_option_row *row = cli_option((enum cli_option)i);
        bool fits = row->commands & (1u << command);
        if (!is_form(typed, row->long_form, row->short_form) || (any && !fits)) continue;
        *found = (enum cli_option)i;
        any = true;
        if (fits) break;
    }
    return any;
}

static int unknown_option(struct walk *walk, struct str typed) {
    char name[NEAREST_MAX];
    const char *meant = NULL;
    str_copy(is_suspect(walk) ? STR("the word after the secret") : typed, name, sizeof name);
    struct nearest nearest = nearest_to(typed);
    for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
        const char *form = cli_option((enum cli_option)i)->long_form;
        if (form && nearest_offer(&nearest, form)) meant = form;
    }
    if (meant) return wrong(walk, name, "unknown option; did you mean %s?", meant);
    if (walk->wish->command == CLI_post)
        return wrong(walk, name, "unknown option; write -- before a text that begins with -");
    return wrong(walk, name, "unknown option; herald --help lists them");
}

static int take_number(struct walk *walk, const char *name, const char *value, uint64_t *number) {
    if (text_parse_u64(str_of(value), number) && *number > 0) return 0;
    return wrong(walk, name, "needs a number from 1 on, such as 10");
}

static int take_time(struct walk *walk, const char *value) {
    uint64_t *time = &walk->wish->timeout_ms;
    if (text_parse_duration(str_of(value), time) && *time > 0 && *time <= INT32_MAX) return 0;
    return wrong(walk, "--timeout", "needs a time, such as 500ms, 30s or 5m");
}

static int take_port(struct walk *walk, const char *name, const char *value) {
    uint64_t port;
    walk->port = value;
    if (text_parse_u64(str_of(value), &port) && port > 0 && port <= 65535) return 0;
    return wrong(walk, name, "needs a port, 1 to 65535");
}

static int take_secret(struct walk *walk, char *value) {
    walk->wish->ask_secret = !value;
    if (!value) return 0;
    int status = wish_set_secret(walk->wish, str_of(value));
    if (!value[0]) return wrong(walk, "--secret", "must not be empty; leave it out to be asked for it");
    secret_wipe(value, strlen(value)); // ps shows argv
    walk->suspect = walk->at;
    return status ? wrong(walk, "--secret", "memory is out") : 0;
}

static int take_password(struct walk *walk, const char *name, char *value, struct wish_password *password) {
    if (password->given || password->ask || password->line || password->file)
        return wrong(walk, name, "there can be one only");
    if (!value) {
        password->ask = true;
        return 0;
    }
    if (!value[0]) return wrong(walk, name, "must not be empty; leave it out to be asked for it");
    if (strcmp(value, "-") == 0) {
        password->line = true;
        return 0;
    }
    int status = wish_set_password(password, str_of(value));
    secret_wipe(value, strlen(value)); // ps shows argv
    walk->suspect = walk->at;
    return status ? wrong(walk, name, "memory is out") : 0;
}

static int take_password_file(struct walk *walk, const char *name, const char *value,
                              struct wish_password *password) {
    if (password->given || password->ask || password->line || password->file)
        return wrong(walk, name, "there can be one password only");
    password->file = value;
    return 0;
}

static int take_format(struct walk *walk, const char *value) {
    walk->wish->format = strcmp(value, "csv") == 0     ? WISH_FORMAT_CSV
                         : strcmp(value, "jsonl") == 0 ? WISH_FORMAT_JSONL
                                                       : WISH_FORMAT_ANY;
    return walk->wish->format ? 0 : wrong(walk, "--format", "needs csv or jsonl");
}

static int take_expected(struct walk *walk, const char *value) {
    walk->wish->expects = true;
    if (text_parse_u64(str_of(value), &walk->wish->expected)) return 0;
    return wrong(walk, "--expect", "needs a version, as settings get --json shows it");
}

static int add_server(struct walk *walk, struct str server) {
    struct wish *wish = walk->wish;
    if (wish->server_count == WISH_SERVERS)
        return wrong(walk, "--server", "no more than %d are possible", WISH_SERVERS);
    if (!str_copy(server, wish->servers[wish->server_count], sizeof wish->servers[0]))
        return wrong(walk, "--server", "is longer than a host and a port can be");
    wish->server_count++;
    return 0;
}

static int add_servers(struct walk *walk, const char *value) {
    for (const char *from = value;; from++) {
        size_t len = strcspn(from, ", ");
        if (len > 0 && add_server(walk, (struct str){from, len})) return -1;
        from += len;
        if (!*from) break;
    }
    if (walk->wish->server_count > 0) return 0;
    return wrong(walk, "--server", "needs a server, such as 127.0.0.1:%s",
                 CLI_IN_HTTP & (1u << walk->wish->command) ? "3781" : "3780");
}

static int apply(struct walk *walk, enum cli_option option, const char *name, char *value) {
    struct wish *wish = walk->wish;
    switch (option) {
    case CLI_OPTION_server:
    case CLI_OPTION_url: return add_servers(walk, value);
    case CLI_OPTION_remote_host: walk->host = value; return 0;
    case CLI_OPTION_remote_port:
    case CLI_OPTION_numport: return take_port(walk, name, value);
    case CLI_OPTION_tls: wish->tls = true; return 0;
    case CLI_OPTION_ca:
    case CLI_OPTION_authority: wish->ca = value; return 0;
    case CLI_OPTION_user:
    case CLI_OPTION_asker: wish->user = value; return 0;
    case CLI_OPTION_secret: return take_secret(walk, value);
    case CLI_OPTION_secret_file: wish->secret_file = value; return 0;
    case CLI_OPTION_password: return take_password(walk, name, value, &wish->password);
    case CLI_OPTION_password_file: return take_password_file(walk, name, value, &wish->password);
    case CLI_OPTION_new_password: return take_password(walk, name, value, &wish->new_password);
    case CLI_OPTION_new_password_file: return take_password_file(walk, name, value, &wish->new_password);
    case CLI_OPTION_login: wish->login = value; return 0;
    case CLI_OPTION_name: wish->name = value; return 0;
    case CLI_OPTION_token_file: wish->token_file = value; return 0;
    case CLI_OPTION_data: wish->data = value; return 0;
    case CLI_OPTION_save: wish->save = true; return 0;
    case CLI_OPTION_timeout:
    case CLI_OPTION_patience: return take_time(walk, value);
    case CLI_OPTION_forget: wish->forget = true; return 0;
    case CLI_OPTION_json:
    case CLI_OPTION_objects: wish->json = true; return 0;
    case CLI_OPTION_format: return take_format(walk, value);
    case CLI_OPTION_file:
    case CLI_OPTION_value_file: wish->file = value; return 0;
    case CLI_OPTION_expect: return take_expected(walk, value);
    case CLI_OPTION_raw: wish->raw = true; return 0;
    case CLI_OPTION_count: return take_number(walk, name, value, &wish->count);
    case CLI_OPTION_help: wish->help = true; return 0;
    case CLI_OPTION_version: wish->version = true; return 0;
    case CLI_OPTION_COUNT: break;
    }
    assert(false);
    return -1;
}

// Whether `next` is the value of the option before it.
static bool is_value(const struct cli_option_row *row, const char *next) {
    if (next[0] != '-') return true;
    if (next[1] != '\0') return false;
    // `post -s -` asks for the secret and posts lines; a password has no such neighbour.
    return row->value == CLI_VALUE_ONE || row->commands & CLI_IN_HTTP;
}

// `given` gathers a bit for each option, which the command is asked about when it is known.
static int take_option(struct walk *walk, char *argument, uint64_t *given) {
    char *equals = strncmp(argument, "--", 2) == 0 ? strchr(argument, '=') : NULL;
    struct str typed = {argument, equals ? (size_t)(equals - argument) : strlen(argument)};
    const struct cli_command_row *command = cli_command(walk->wish->command);
    enum cli_option option;
    if (!walk->named && is_form(typed, command->long_form, command->short_form)) {
        walk->named = true;
        return 0;
    }
    if (!find_option(typed, walk->wish->command, &option)) return unknown_option(walk, typed);
    const struct cli_option_row *row = cli_option(option);
    const char *name = row->long_form ? row->long_form : row->short_form;
    char *value = equals ? equals + 1 : NULL;
    *given |= UINT64_C(1) << option;
    if (row->value == CLI_VALUE_NONE && value) return wrong(walk, name, "takes no value");
    if (row->value != CLI_VALUE_NONE && !value && walk->at < walk->end && is_value(row, *walk->at))
        value = *walk->at++;
    if (row->value == CLI_VALUE_ONE && !value)
        return wrong(walk, name, "needs a value: %s %s", name, row->word);
    return apply(walk, option, name, value);
}

// --- words ----------------------------------------------------------------------------------------------

static bool find_command(struct str typed, bool forms, enum cli_command *found) {
    for (unsigned i = 0; i < CLI_course; i++) {
        const struct cli_command_row *row = cli_command((enum cli_command)i);
        if (forms ? !is_form(typed, row->long_form, row->short_form) : !str_equal_text(typed, row->name))
            continue;
        *found = (enum cli_command)i;
        return true;
    }
    return false;
}

// Which command it will be, for -s, -n and -p mean one thing to those that speak HTTP and another to the
// others: the first word, or the first of the course's forms. Both have values in the same places.
static enum cli_command foresee(char **at, char **end) {
    enum cli_command command = CLI_course;
    for (; at < end && strcmp(*at, "--") != 0; at++) {
        struct str typed = str_of(*at);
        enum cli_option option;
        if (typed.len < 2 || typed.ptr[0] != '-') {
            find_command(typed, false, &command);
            break;
        }
        if (find_command(typed, true, &command)) break;
        if (!find_option(typed, CLI_course, &option) || cli_option(option)->value == CLI_VALUE_NONE) continue;
        if (at + 1 < end && is_value(cli_option(option), at[1])) at++;
    }
    return command;
}

static int take_command(struct walk *walk, const char *word) {
    const char *meant = NULL;
    struct nearest nearest = nearest_to(str_of(word));
    if (strcmp(word, cli_command(walk->wish->command)->name) == 0) {
        walk->named = true;
        return 0;
    }
    for (unsigned i = 0; i < CLI_course; i++) {
        const char *name = cli_command((enum cli_command)i)->name;
        if (nearest_offer(&nearest, name)) meant = name;
    }
    if (is_suspect(walk)) return wrong(walk, "the word after the secret", "unknown command");
    if (meant) return wrong(walk, word, "unknown command; did you mean %s?", meant);
    return wrong(walk, word, "unknown command; herald --help lists them");
}

static int take_word(struct walk *walk, char *word) {
    if (!walk->named) return take_command(walk, word);
    walk->words[walk->word_count++] = word;
    return 0;
}

// Of the stream's commands a word that is a name is the user.
static int check_words(struct walk *walk) {
    struct wish *wish = walk->wish;
    const struct cli_command_row *row = cli_command(wish->command);
    wish->words = walk->words;
    wish->word_count = walk->word_count;
    if (row->most >= 0 && wish->word_count > (size_t)row->most)
        return wrong(walk, walk->suspect ? "the word after the secret" : wish->words[row->most],
                     "is too much; use: herald %s %s", row->name, row->words);
    if (wish->word_count < (size_t)row->least)
        return wrong(walk, row->name, "something is missing; use: herald %s %s", row->name, row->words);
    if (wish->command == CLI_modify && wish->word_count == 2) {
        if (wish->login) return wrong(walk, "--login", "is given twice");
        wish->login = wish->words[1];
    }
    if (row->most != 1 || wish->word_count == 0 || CLI_IN_ROLL & (1u << wish->command)) return 0;
    if (wish->user) return wrong(walk, "--user", "is given twice");
    wish->user = wish->words[0];
    return 0;
}

static int check_options(struct walk *walk, uint64_t given) {
    const struct cli_command_row *row = cli_command(walk->wish->command);
    for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
        const struct cli_option_row *option = cli_option((enum cli_option)i);
        const char *name = option->long_form ? option->long_form : option->short_form;
        if (!(given & (UINT64_C(1) << i)) || option->commands & (1u << walk->wish->command)) continue;
        if (walk->wish->command == CLI_course)
            return wrong(walk, name, "needs a command; herald --help lists them");
        return wrong(walk, name, "is not for %s; see herald %s --help", row->name, row->name);
    }
    return 0;
}

int wish_parse(struct wish *wish, int argc, char **argv, const char *servers, struct err *err) {
    *wish = (struct wish){.command = foresee(argv + 1, argv + argc)};
    struct walk walk = {.wish = wish, .err = err, .at = argv + 1, .end = argv + argc, .words = argv + 1};
    uint64_t given = 0;
    while (walk.at < walk.end) {
        char *argument = *walk.at++;
        bool is_option = !walk.only_words && argument[0] == '-' && argument[1];
        if (is_option && strcmp(argument, "--") == 0)
            walk.only_words = true;
        else if (is_option ? take_option(&walk, argument, &given) : take_word(&walk, argument))
            return -1;
    }
    if (wish->help || wish->version) return 0;
    if (check_words(&walk) || check_options(&walk, given)) return -1;
    return wish_settle_servers(wish, walk.host, walk.port, servers, err);
}

void wish_fini(struct wish *wish) {
    buf_wipe(&wish->secret);
    buf_wipe(&wish->password.text);
    buf_wipe(&wish->new_password.text);
}

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

#define DEFAULT_SERVER "127.0.0.1:3780"

// Where in argv we are.
struct walk {
    struct wish *wish;
    struct err *err;
    char **at, **end;
    char **words; // what is no option is gathered here, from argv + 1 on
    size_t word_count;
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

int wish_set_secret(struct wish *wish, struct str secret) {
    buf_wipe(&wish->secret);
    if (buf_reserve(&wish->secret, secret.len + 1)) return -1;
    buf_append_str(&wish->secret, secret);
    buf_append(&wish->secret, "", 1);
    wish->has_secret = true;
    return 0;
}

// --- options --------------------------------------------------------------------------------------------

static bool find_option(struct str typed, enum cli_option *found) {
    for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
        const struct cli_option_row *row = cli_option((enum cli_option)i);
        if (!(row->long_form && str_equal_text(typed, row->long_form)) &&
            !(row->short_form && str_equal_text(typed, row->short_form)))
            continue;
        *found = (enum cli_option)i;
        return true;
    }
    return false;
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

static int take_port(struct walk *walk, const char *value) {
    uint64_t port;
    walk->port = value;
    if (text_parse_u64(str_of(value), &port) && port > 0 && port <= 65535) return 0;
    return wrong(walk, "-rp", "needs a port, 1 to 65535");
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
    const char *from = value;
    for (;; from++) {
        size_t len = strcspn(from, ", ");
        if (len > 0 && add_server(walk, (struct str){from, len})) return -1;
        from += len;
        if (!*from) break;
    }
    if (walk->wish->server_count > 0) return 0;
    return wrong(walk, "--server", "needs a server, such as " DEFAULT_SERVER);
}

static int apply(struct walk *walk, enum cli_option option, const char *name, char *value) {
    struct wish *wish = walk->wish;
    switch (option) {
    case CLI_OPTION_server: return add_servers(walk, value);
    case CLI_OPTION_remote_host: walk->host = value; return 0;
    case CLI_OPTION_remote_port: return take_port(walk, value);
    case CLI_OPTION_user: wish->user = value; return 0;
    case CLI_OPTION_secret: return take_secret(walk, value);
    case CLI_OPTION_secret_file: wish->secret_file = value; return 0;
    case CLI_OPTION_save: wish->save = true; return 0;
    case CLI_OPTION_timeout: return take_time(walk, value);
    case CLI_OPTION_json: wish->json = true; return 0;
    case CLI_OPTION_file: wish->file = value; return 0;
    case CLI_OPTION_raw: wish->raw = true; return 0;
    case CLI_OPTION_count: return take_number(walk, name, value, &wish->count);
    case CLI_OPTION_help: wish->help = true; return 0;
    case CLI_OPTION_version: wish->version = true; return 0;
    case CLI_OPTION_COUNT: break;
    }
    assert(false);
    return -1;
}

// `given` gathers a bit for each option, which the command is asked about when it is known.
static int take_option(struct walk *walk, char *argument, unsigned *given) {
    char *equals = strncmp(argument, "--", 2) == 0 ? strchr(argument, '=') : NULL;
    struct str typed = {argument, equals ? (size_t)(equals - argument) : strlen(argument)};
    enum cli_option option;
    if (!find_option(typed, &option)) return unknown_option(walk, typed);
    const struct cli_option_row *row = cli_option(option);
    const char *name = row->long_form ? row->long_form : row->short_form;
    char *value = equals ? equals + 1 : NULL;
    *given |= 1u << option;
    if (row->value == CLI_VALUE_NONE && value) return wrong(walk, name, "takes no value");
    if (row->value != CLI_VALUE_NONE && !value && walk->at < walk->end &&
        ((*walk->at)[0] != '-' || ((*walk->at)[1] == '\0' && row->value == CLI_VALUE_ONE)))
        value = *walk->at++;
    if (row->value == CLI_VALUE_ONE && !value)
        return wrong(walk, name, "needs a value: %s %s", name, row->word);
    return apply(walk, option, name, value);
}

// --- words ----------------------------------------------------------------------------------------------

static int take_command(struct walk *walk, const char *word) {
    const char *meant = NULL;
    struct nearest nearest = nearest_to(str_of(word));
    for (unsigned i = 0; i < CLI_course; i++) {
        const char *name = cli_command((enum cli_command)i)->name;
        if (nearest_offer(&nearest, name)) meant = name;
        if (strcmp(word, name) != 0) continue;
        walk->wish->command = (enum cli_command)i;
        return 0;
    }
    if (is_suspect(walk)) return wrong(walk, "the word after the secret", "unknown command");
    if (meant) return wrong(walk, word, "unknown command; did you mean %s?", meant);
    return wrong(walk, word, "unknown command; herald --help lists them");
}

static int take_word(struct walk *walk, char *word) {
    if (walk->wish->command == CLI_course) return take_command(walk, word);
    walk->words[walk->word_count++] = word;
    return 0;
}

// A word that is a name is the user.
static int check_words(struct walk *walk) {
    struct wish *wish = walk->wish;
    const struct cli_command_row *row = cli_command(wish->command);
    wish->words = walk->words;
    wish->word_count = walk->word_count;
    if (row->most >= 0 && wish->word_count > (size_t)row->most)
        return wrong(walk, walk->suspect ? "the word after the secret" : wish->words[row->most],
                     "is too much; use: herald %s %s", row->name, row->words);
    if (row->most != 1 || wish->word_count == 0) return 0;
    if (wish->user) return wrong(walk, "--user", "is given twice");
    wish->user = wish->words[0];
    return 0;
}

static int check_options(struct walk *walk, unsigned given) {
    const struct cli_command_row *row = cli_command(walk->wish->command);
    for (unsigned i = 0; i < CLI_OPTION_COUNT; i++) {
        const struct cli_option_row *option = cli_option((enum cli_option)i);
        const char *name = option->long_form ? option->long_form : option->short_form;
        if (!(given & (1u << i)) || option->commands & (1u << walk->wish->command)) continue;
        if (walk->wish->command == CLI_course)
            return wrong(walk, name, "needs a command; herald --help lists them");
        return wrong(walk, name, "is not for %s; see herald %s --help", row->name, row->name);
    }
    return 0;
}

// Those that were named, or the environment's, or the default.
static int settle_servers(struct walk *walk, const char *servers) {
    struct wish *wish = walk->wish;
    if (walk->host || walk->port) {
        struct buf both = {0};
        const char *host = walk->host ? walk->host : "localhost";
        const char *format = strchr(host, ':') && host[0] != '[' ? "[%s]:%s" : "%s:%s";
        int status = buf_printf(&both, format, host, walk->port ? walk->port : "3780");
        if (!status) status = add_server(walk, buf_str(&both));
        buf_free(&both);
        if (status) return -1;
    }
    if (wish->server_count == 0 && servers && servers[0] && add_servers(walk, servers)) return -1;
    return wish->server_count == 0 ? add_server(walk, STR(DEFAULT_SERVER)) : 0;
}

int wish_parse(struct wish *wish, int argc, char **argv, const char *servers, struct err *err) {
    *wish = (struct wish){.command = CLI_course};
    struct walk walk = {.wish = wish, .err = err, .at = argv + 1, .end = argv + argc, .words = argv + 1};
    unsigned given = 0;
    while (walk.at < walk.end) {
        char *argument = *walk.at++;
        bool is_option = !walk.only_words && argument[0] == '-' && argument[1];
        if (is_option && strcmp(argument, "--") == 0)
            walk.only_words = true;
        else if (is_option ? take_option(&walk, argument, &given) : take_word(&walk, argument))
            return -1;
    }
    if (wish->help || wish->version) return 0;
    return check_words(&walk) || check_options(&walk, given) || settle_servers(&walk, servers) ? -1 : 0;
}

void wish_fini(struct wish *wish) {
    buf_wipe(&wish->secret);
}

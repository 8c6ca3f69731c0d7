// What a user wants of `herald`: the command line, read.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "cli/commands.h"

#include <stdbool.h>
#include <stdint.h>

#define WISH_SERVERS    64
#define WISH_SERVER_MAX 280 // bytes of "https://[host]:port"

enum wish_format { WISH_FORMAT_ANY, WISH_FORMAT_CSV, WISH_FORMAT_JSONL };

// A password, as it was given or where it is to come from; at most one of these.
struct wish_password {
    bool given, ask, line; // `text` holds it; it is asked for; it is a line of standard input
    const char *file;
    struct buf text; // terminated
};

// Texts point into argv.
struct wish {
    enum cli_command command;
    bool help, version, save, json, raw, forget, tls;
    // After wish_parse at least one. Of a command that speaks HTTP: "http://host:port" or
    // "https://host:port"; of others "host:port" or "host".
    char servers[WISH_SERVERS][WISH_SERVER_MAX + 1];
    size_t server_count;
    const char *user; // NULL: anonymous
    bool has_secret, ask_secret, made_secret;
    struct buf secret; // terminated, when there is one
    const char *secret_file, *file;
    struct wish_password password, new_password;
    const char *login, *name; // new ones
    const char *token_file, *ca, *data;
    enum wish_format format;
    bool expects;
    uint64_t expected;
    uint64_t timeout_ms, count; // 0: not given
    char **words;               // what follows the command
    size_t word_count;
};

// Of the values of HERALD_SERVERS, URLs are for commands that speak HTTP and the others for those that speak
// the activity stream. Where none is of the kind that is needed, their hosts are taken, with the usual ports.
//
// Reads the command line; `servers` is the value of HERALD_SERVERS, or NULL. Secrets in argv are wiped. The
// words are moved to the end of argv. -1: `err` says what is wrong and what to write instead; the wish is for
// the command that it was wrong for. To be given to wish_fini in any case.
int wish_parse(struct wish *wish, int argc, char **argv, const char *servers, struct err *err);
void wish_fini(struct wish *wish); // wipes

bool wish_is_anonymous(const struct wish *wish);
int wish_set_secret(struct wish *wish, struct str secret); // copies; -1: memory is out
int wish_set_password(struct wish_password *password, struct str text);

// wish_servers.c: settles wish->servers, which holds what was given with options; `host` and `port` are those
// of the course's flags, or NULL. -1: `err`.
int wish_settle_servers(struct wish *wish, const char *host, const char *port, const char *servers,
                        struct err *err);

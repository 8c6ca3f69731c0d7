// What a user wants of `herald`: the command line, read.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "cli/commands.h"

#include <stdbool.h>
#include <stdint.h>

#define WISH_SERVERS    64
#define WISH_SERVER_MAX 270 // bytes of "[host]:port"

// Texts point into argv.
struct wish {
    enum cli_command command;
    bool help, version, save, json, raw;
    char servers[WISH_SERVERS][WISH_SERVER_MAX + 1]; // "host:port" or "host"; after wish_parse at least one
    size_t server_count;
    const char *user; // NULL: anonymous
    bool has_secret, ask_secret, made_secret;
    struct buf secret; // terminated, when there is one
    const char *secret_file, *file;
    uint64_t timeout_ms, count; // 0: not given
    char **words;               // what follows the command
    size_t word_count;
};

// Reads the command line; `servers` is the value of HERALD_SERVERS, or NULL. Secrets in argv are wiped. The
// words are moved to the end of argv. -1: `err` says what is wrong and what to write instead; the wish is for
// the command that it was wrong for. To be given to wish_fini in any case.
int wish_parse(struct wish *wish, int argc, char **argv, const char *servers, struct err *err);
void wish_fini(struct wish *wish); // wipes

bool wish_is_anonymous(const struct wish *wish);
int wish_set_secret(struct wish *wish, struct str secret); // copies; -1: memory is out

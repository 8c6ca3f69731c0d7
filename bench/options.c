// What the load program is asked to do: the command line.
#include "options.h"

#include "argument.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define LOGINS_AT_A_TIME 64

static const char help[] =
    "load: puts heraldd, or another server that broadcasts, under load, and checks every delivery.\n"
    "Loopback only.\n\n"
    "use: load --servers HOST:PORT[,HOST:PORT...] --clients N [OPTION...]\n\n"
    "  --servers LIST     where to connect; REDIRECT is followed 5 times\n"
    "  --dialect NAME     seed004 (heraldd), nats, redis, mqtt, or bare (bench/limit) (seed004)\n"
    "  --clients N        connections; each hears everything (100)\n"
    "  --publishers P     how many of them publish (1)\n"
    "  --rate R           activities a second in total; 0: saturate (0)\n"
    "  --window W         when saturating: published and not yet delivered to all (256)\n"
    "  --size BYTES       of each activity object (300)\n"
    "  --wire BYTES       of each delivery instead, with all that the protocol adds\n"
    "  --stuck N          so many of the clients, the last, read nothing; they are no readers (0)\n"
    "  --pace N           logins under way at a time (64; storm: all)\n"
    "  --begin N          clients begin at the first N of the servers, in turn (all; storm: 1)\n"
    "  --seconds S        how long to measure, or to stay idle (5)\n"
    "  --warmup S         checked and not measured (1)\n"
    "  --deadline S       how long logins, and the last deliveries, may take (10)\n"
    "  --pid PID,...      the servers' processes: their CPU and memory are reported\n"
    "  --login FILE       log in as these: a line each, NAME SECRET (anonymous)\n"
    "  --idle             instead: connect, log in, stay; memory per connection\n"
    "  --storm            instead: all at once at the first server; how long, how often redirected, where "
    "they end\n"
    "  --json             report as one JSON object\n"
    "  --progress         a line a second on stderr\n\n"
    "Exit status: 0 all is well; 1 a delivery lost, doubled or out of order, or a connection failed; 2 "
    "usage.\n";

enum {
    SERVERS = 1,
    DIALECT,
    CLIENTS,
    PUBLISHERS,
    RATE,
    WINDOW,
    SIZE,
    WIRE,
    STUCK_CLIENTS,
    PACE,
    BEGIN,
    SECONDS,
    WARMUP,
    DEADLINE,
    PIDS,
    LOGIN,
    HELP
};

static int take_servers(struct options *options, char *text, struct err *err) {
    for (char *one = strtok(text, ","); one != NULL; one = strtok(NULL, ",")) {
        if (options->server_count == OPTIONS_MAX_SERVERS) return argument_wrong(err, "servers", "at most 16");
        options->servers[options->server_count++] = one;
    }
    return 0;
}

static int take(struct options *options, int option, const char *name, char *value, struct err *err) {
    uint32_t size = 0;
    switch (option) {
    case SERVERS: return take_servers(options, value, err);
    case CLIENTS: return argument_count(name, value, 1, 1000000, &options->clients, err);
    case PUBLISHERS: return argument_count(name, value, 1, 1000000, &options->publishers, err);
    case RATE: return argument_number(name, value, &options->rate, err);
    case WINDOW: return argument_count(name, value, 1, 1000000, &options->window, err);
    case PACE: return argument_count(name, value, 1, 1000000, &options->pace, err);
    case BEGIN: return argument_count(name, value, 1, OPTIONS_MAX_SERVERS, &options->begin, err);
    case SIZE:
    case WIRE:
        if (argument_count(name, value, 1, 64u << 20, &size, err) != 0) return -1;
        *(option == SIZE ? &options->size : &options->wire) = size;
        return 0;
    case STUCK_CLIENTS: return argument_count(name, value, 0, 1000000, &options->stuck, err);
    case DIALECT:
        options->dialect = dialect_find(value);
        return options->dialect != NULL ? 0 : argument_wrong(err, name, "seed004, nats, redis, mqtt or bare");
    case SECONDS: return argument_number(name, value, &options->seconds, err);
    case WARMUP: return argument_number(name, value, &options->warmup, err);
    case DEADLINE: return argument_number(name, value, &options->deadline, err);
    case PIDS: return argument_pids(name, value, &options->gauge, err);
    case LOGIN: options->login = value; return 0;
    case HELP: fputs(help, stdout); return 1;
    default: return 0; // a flag that getopt has set
    }
}

static void choose_defaults(struct options *options) {
    bool storm = options->mode == MODE_STORM;
    if (options->pace == 0) options->pace = storm ? UINT32_MAX : LOGINS_AT_A_TIME;
    if (options->begin == 0) options->begin = storm ? 1 : OPTIONS_MAX_SERVERS;
}

int options_parse(struct options *options, int argc, char **argv, struct err *err) {
    *options = (struct options){.dialect = &dialect_seed004,
                                .clients = 100,
                                .publishers = 1,
                                .window = 256,
                                .size = 300,
                                .seconds = 5,
                                .warmup = 1,
                                .deadline = 10,
                                .login = LOGIN_ANONYMOUS};
    int mode = MODE_LOAD, json = 0, progress = 0, at = 0, result = 0;
    const struct option table[] = {{"servers", required_argument, NULL, SERVERS},
                                   {"dialect", required_argument, NULL, DIALECT},
                                   {"clients", required_argument, NULL, CLIENTS},
                                   {"rate", required_argument, NULL, RATE},
                                   {"publishers", required_argument, NULL, PUBLISHERS},
                                   {"window", required_argument, NULL, WINDOW},
                                   {"size", required_argument, NULL, SIZE},
                                   {"wire", required_argument, NULL, WIRE},
                                   {"stuck", required_argument, NULL, STUCK_CLIENTS},
                                   {"seconds", required_argument, NULL, SECONDS},
                                   {"warmup", required_argument, NULL, WARMUP},
                                   {"pace", required_argument, NULL, PACE},
                                   {"begin", required_argument, NULL, BEGIN},
                                   {"deadline", required_argument, NULL, DEADLINE},
                                   {"pid", required_argument, NULL, PIDS},
                                   {"login", required_argument, NULL, LOGIN},
                                   {"help", no_argument, NULL, HELP},
                                   {"idle", no_argument, &mode, MODE_IDLE},
                                   {"storm", no_argument, &mode, MODE_STORM},
                                   {"json", no_argument, &json, 1},
                                   {"progress", no_argument, &progress, 1},
                                   {0}};
    for (;;) {
        int option = getopt_long(argc, argv, "", table, &at);
        if (option == -1) break;
        if (option == '?') return err_set(err, ERR_INVALID, "wrong options; --help tells them");
        result = take(options, option, option == 0 ? "" : table[at].name, optarg, err);
        if (result != 0) return result;
    }
    options->mode = (enum mode)mode;
    choose_defaults(options);
    options->json = json != 0;
    options->progress = progress != 0;
    if (optind < argc) return err_set(err, ERR_INVALID, "%s is no option; --help tells them", argv[optind]);
    if (options->server_count == 0) return err_set(err, ERR_INVALID, "say where: --servers HOST:PORT");
    if (options->stuck >= options->clients) return argument_wrong(err, "stuck", "less than --clients");
    if (options->publishers > options->clients - options->stuck)
        return argument_wrong(err, "publishers", "at most as many as --clients that read");
    return 0;
}

// The program that asks for identities: `inquire --help` tells its options.
//
//   options ──► inquirer: connect, ask, check every answer ──► report
//                  └── manner: Herald over HTTP, Herald's stream, Redis, LDAP, etcd
//
// One thread and one epoll, so that it can be given a processor of its own. It reports its own share of one:
// a run in which that comes near to 100 % has measured this program.
#include "argument.h"
#include "inquirer.h"
#include "print.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define EXIT_NOT_WELL 1
#define EXIT_USAGE    2

static const char help[] =
    "inquire: asks heraldd, or another server that keeps records, and checks every answer. Loopback only.\n\n"
    "use: inquire --server HOST:PORT --work WORK [OPTION...]\n\n"
    "  --server ADDRESS   where to connect\n"
    "  --manner NAME      herald (HTTP), stream (logins), redis, ldap or etcd (herald)\n"
    "  --work WORK        fill: make the records that are looked up, and end\n"
    "                     lookup: find random ones of them; create: make new ones; login\n"
    "  --connections N    (100)\n"
    "  --depth N          questions under way on each; 1: the next one follows the answer (1)\n"
    "  --records N        how many there are, or fill makes (1000)\n"
    "  --seconds S        how long to measure (5)\n"
    "  --warmup S         checked and not measured (1)\n"
    "  --deadline S       how long an answer may take (10)\n"
    "  --login FILE       who logs in: a line each, NAME SECRET, taken in turn\n"
    "  --pid PID,...      the server's processes: their CPU and memory are reported\n"
    "  --json             report as one JSON object\n\n"
    "Exit status: 0 every answer was right; 1 one was wrong or did not come; 2 usage.\n";

enum {
    SERVER = 1,
    MANNER,
    WORK,
    CONNECTIONS,
    DEPTH,
    RECORDS,
    SECONDS,
    WARMUP,
    DEADLINE,
    LOGIN,
    PIDS,
    JSON,
    HELP
};

// --- options --------------------------------------------------------------------------------------------

static int take_manner(struct inquirer_options *options, const char *value, struct err *err) {
    const struct manner *all[] = {&manner_herald, &manner_stream, &manner_redis, &manner_ldap, &manner_etcd};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i]->name, value) != 0) continue;
        options->manner = all[i];
        return 0;
    }
    return argument_wrong(err, "manner", "herald, stream, redis, ldap or etcd");
}

static int take_work(struct inquirer_options *options, const char *value, struct err *err) {
    static const char *const works[] = {"lookup", "create", "login", "fill"};
    for (unsigned i = 0; i < sizeof works / sizeof works[0]; i++) {
        if (strcmp(works[i], value) != 0) continue;
        options->fill = i > WORK_LOGIN;
        options->work = options->fill ? WORK_CREATE : (enum work)i;
        return 0;
    }
    return argument_wrong(err, "work", "fill, lookup, create or login");
}

static int take(struct inquirer_options *options, int option, const char *name, char *value,
                struct err *err) {
    switch (option) {
    case SERVER: options->server = value; return 0;
    case MANNER: return take_manner(options, value, err);
    case WORK: return take_work(options, value, err);
    case CONNECTIONS: return argument_count(name, value, 1, 10000, &options->connections, err);
    case DEPTH: return argument_count(name, value, 1, 1000, &options->depth, err);
    case RECORDS: return argument_count(name, value, 1, 99999999, &options->records, err);
    case SECONDS: return argument_number(name, value, &options->seconds, err);
    case WARMUP: return argument_number(name, value, &options->warmup, err);
    case DEADLINE: return argument_number(name, value, &options->deadline, err);
    case LOGIN: options->login = value; return 0;
    case PIDS: return argument_pids(name, value, &options->gauge, err);
    case JSON: options->json = true; return 0;
    default: fputs(help, stdout); return 1;
    }
}

// 0: go on. 1: --help was printed. -1: err says what is wrong.
static int parse(struct inquirer_options *options, int argc, char **argv, struct err *err) {
    const struct option table[] = {{"server", required_argument, NULL, SERVER},
                                   {"manner", required_argument, NULL, MANNER},
                                   {"work", required_argument, NULL, WORK},
                                   {"connections", required_argument, NULL, CONNECTIONS},
                                   {"depth", required_argument, NULL, DEPTH},
                                   {"records", required_argument, NULL, RECORDS},
                                   {"seconds", required_argument, NULL, SECONDS},
                                   {"warmup", required_argument, NULL, WARMUP},
                                   {"deadline", required_argument, NULL, DEADLINE},
                                   {"login", required_argument, NULL, LOGIN},
                                   {"pid", required_argument, NULL, PIDS},
                                   {"json", no_argument, NULL, JSON},
                                   {"help", no_argument, NULL, HELP},
                                   {0}};
    int option, at = 0, result;
    while ((option = getopt_long(argc, argv, "", table, &at)) != -1) {
        if (option == '?') return err_set(err, ERR_INVALID, "wrong options; --help tells them");
        result = take(options, option, table[at].name, optarg, err);
        if (result != 0) return result;
    }
    if (optind < argc) return err_set(err, ERR_INVALID, "%s is no option; --help tells them", argv[optind]);
    if (options->server == NULL) return err_set(err, ERR_INVALID, "say where: --server HOST:PORT");
    if (!options->manner->does(options->work))
        return err_set(err, ERR_INVALID, "--manner %s does not do that --work", options->manner->name);
    if (options->work == WORK_LOGIN && options->login == NULL)
        return err_set(err, ERR_INVALID, "say who: --login FILE");
    if (options->manner->once && options->depth > 1) return argument_wrong(err, "depth", "1 in that manner");
    return 0;
}

// --- report ---------------------------------------------------------------------------------------------

static const char *work_name(const struct inquirer_options *options) {
    if (options->fill) return "fill";
    return options->work == WORK_LOOKUP ? "lookup" : options->work == WORK_CREATE ? "create" : "login";
}

static void report_json(const struct inquirer_options *options, const struct inquirer_report *report,
                        const char *failure) {
    const struct reading *from = &report->from, *to = &report->to;
    double seconds = print_seconds(from, to), cpu = to->servers_cpu - from->servers_cpu;
    printf("{");
    print_json_text("work", work_name(options));
    printf(",");
    print_json_text("manner", options->manner->name);
    print_json_count("connections", options->connections);
    print_json_count("depth", options->depth);
    print_json_count("records", options->records);
    print_json_number("seconds", seconds);
    printf(",\"answers\":{\"asked\":%llu", (unsigned long long)report->asked);
    print_json_count("right", report->right);
    print_json_count("wrong", report->wrong);
    print_json_count("missing", report->missing);
    printf("}");
    print_json_count("measured", report->measured);
    print_json_number("per_second", print_ratio((double)report->measured, seconds));
    print_json_latency("latency", &report->latency);
    if (options->gauge.count > 0) {
        print_json_number("server_cpu_seconds", cpu);
        print_json_number("server_cpu_share", print_ratio(cpu, seconds));
        print_json_number("server_cpu_us", print_ratio(cpu * 1e6, (double)report->measured)); // each
        print_json_count("server_rss_before", report->before.servers_rss);
        print_json_count("server_rss", to->servers_rss);
    }
    print_json_number("own_cpu_share", print_own(from, to));
    print_json_number("others_cpu", print_others(from, to));
    print_json_end(failure);
}

static void report_text(const struct inquirer_options *options, const struct inquirer_report *report) {
    const struct reading *from = &report->from, *to = &report->to;
    double seconds = print_seconds(from, to), cpu = to->servers_cpu - from->servers_cpu;
    printf("%-12s %llu asked, %llu right, %llu wrong, %llu missing\n", work_name(options),
           (unsigned long long)report->asked, (unsigned long long)report->right,
           (unsigned long long)report->wrong, (unsigned long long)report->missing);
    printf("%-12s %.0f/s over %.2f s\n", "rate", print_ratio((double)report->measured, seconds), seconds);
    print_latency("latency", &report->latency);
    if (options->gauge.count > 0)
        printf("%-12s CPU %.2f s (%.0f %% of a processor), %.2f us each; RSS %.1f MiB, %.1f MiB before\n",
               "server", cpu, 100 * print_ratio(cpu, seconds),
               print_ratio(cpu * 1e6, (double)report->measured), PRINT_MIB(to->servers_rss),
               PRINT_MIB(report->before.servers_rss));
    printf("%-12s CPU %.0f %% of a processor\n", "this program", 100 * print_own(from, to));
    print_disturbance(from, to);
}

static int run(const struct inquirer_options *options, struct err *err) {
    static struct inquirer_report report;
    int result = inquirer_run(options, &report, err);
    if (result == 0 && report.wrong + report.missing > 0)
        result =
            err_set(err, ERR_SYSTEM, "%llu answers were wrong, %llu are missing; %.180s",
                    (unsigned long long)report.wrong, (unsigned long long)report.missing, report.first_wrong);
    if (report.to.at_ns == 0) return result;
    if (options->json)
        report_json(options, &report, result == 0 ? NULL : err->text);
    else
        report_text(options, &report);
    return result;
}

int main(int argc, char **argv) {
    struct inquirer_options options = {.manner = &manner_herald,
                                       .connections = 100,
                                       .depth = 1,
                                       .records = 1000,
                                       .seconds = 5,
                                       .warmup = 1,
                                       .deadline = 10};
    struct err err;
    int parsed = parse(&options, argc, argv, &err);
    if (parsed > 0) return 0;
    if (parsed == 0 && run(&options, &err) == 0) return 0;
    fflush(stdout);
    fprintf(stderr, "inquire: %s\n", err.text);
    return parsed < 0 ? EXIT_USAGE : EXIT_NOT_WELL;
}

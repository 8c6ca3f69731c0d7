// The load program: connects clients, publishes, checks every delivery, measures. `load --help` tells the
// options.
//
//   options ──► crowd: connect, log in, follow REDIRECT ──► traffic | idle | storm ──► report
//                 └── dialect: seed 004, NATS, Redis, MQTT ──┘
//
// One thread and one epoll, so that it can be given a processor of its own. It reports its own share of one:
// a run in which that comes near to 100 % has measured the generator.
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define SPARE_FILES   32
#define EXIT_NOT_WELL 1
#define EXIT_USAGE    2

static int allow_files(const struct options *options, struct err *err) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return err_system(err, errno, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return err_system(err, errno, "setrlimit");
    if (limit.rlim_max >= (rlim_t)options->clients + SPARE_FILES) return 0;
    return err_set(err, ERR_LIMIT, "%u clients need as many open files, and %llu are allowed (ulimit -Hn)",
                   options->clients, (unsigned long long)limit.rlim_max);
}

static bool all_is_well(const struct traffic_report *report) {
    return report->lost == 0 && report->doubled == 0 && report->out_of_order == 0 && report->garbled == 0;
}

static int run_load(struct crowd *crowd, const struct options *options, struct err *err) {
    static struct traffic_report report;
    if (gauge_read(&options->gauge, &report.before, err) != 0) return -1;
    if (crowd_bring(crowd, options, err) != 0) return -1;
    int result = traffic_run(crowd, options, &report, err);
    if (report.published == 0) return result;
    report_traffic(options, crowd, &report, result == 0 ? NULL : err->text);
    if (result == 0 && !all_is_well(&report))
        return err_set(err, ERR_SYSTEM, "not every delivery was as it should be");
    return result;
}

static int run_idle(struct crowd *crowd, const struct options *options, struct err *err) {
    struct idle_report report;
    if (idle_run(crowd, options, &report, err) != 0) return -1;
    report_idle(options, crowd, &report);
    return 0;
}

static int run_storm(struct crowd *crowd, const struct options *options, struct err *err) {
    static struct storm_report report;
    int result = storm_run(crowd, options, &report, err);
    report_storm(options, crowd, &report, result == 0 ? NULL : err->text);
    return result;
}

static int run(const struct options *options, struct err *err) {
    static struct crowd crowd;
    int result = allow_files(options, err);
    if (result != 0) return result;
    (void)prctl(PR_SET_TIMERSLACK, 1000); // ns: wake when a Note is due, not 50 us later
    result = crowd_open(&crowd, options, traffic_max_frame(options), err);
    if (result == 0) {
        switch (options->mode) {
        case MODE_LOAD: result = run_load(&crowd, options, err); break;
        case MODE_IDLE: result = run_idle(&crowd, options, err); break;
        case MODE_STORM: result = run_storm(&crowd, options, err); break;
        }
    }
    crowd_close(&crowd);
    return result;
}

int main(int argc, char **argv) {
    struct options options;
    struct err err;
    int parsed = options_parse(&options, argc, argv, &err);
    if (parsed > 0) return 0;
    if (parsed == 0 && run(&options, &err) == 0) return 0;
    fflush(stdout);
    fprintf(stderr, "load: %s\n", err.text);
    return parsed < 0 ? EXIT_USAGE : EXIT_NOT_WELL;
}

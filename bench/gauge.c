// What processes have used. See gauge.h.
#include "gauge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint64_t gauge_now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int read_file(const char *path, char *text, size_t size, struct err *err) {
    FILE *file = fopen(path, "re");
    if (file == NULL) return err_system(err, errno, "cannot read %s", path);
    size_t len = fread(text, 1, size - 1, file);
    fclose(file);
    text[len] = '\0';
    return len > 0 ? 0 : err_set(err, ERR_SYSTEM, "%s is empty", path);
}

// The clock of the process: /proc tells only hundredths of a second.
static int read_cpu(pid_t pid, double *seconds, struct err *err) {
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return err_set(err, ERR_SYSTEM, "process %d has no clock: has it ended?", (int)pid);
    *seconds = (double)time.tv_sec + (double)time.tv_nsec / 1e9;
    return 0;
}

static int read_rss(pid_t pid, uint64_t *bytes, struct err *err) {
    char path[64], text[4096];
    unsigned long kib;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (read_file(path, text, sizeof text, err) != 0) return -1;
    const char *found = strstr(text, "VmRSS:");
    if (found == NULL || sscanf(found, "VmRSS: %lu", &kib) != 1)
        return err_set(err, ERR_SYSTEM, "%s has no VmRSS: has process %d ended?", path, (int)pid);
    *bytes += (uint64_t)kib * 1024;
    return 0;
}

static int read_machine(double *seconds, struct err *err) {
    char text[512];
    unsigned long long user, nice, kernel, irq, softirq, steal;
    if (read_file("/proc/stat", text, sizeof text, err) != 0) return -1;
    if (sscanf(text, "cpu %llu %llu %llu %*s %*s %llu %llu %llu", &user, &nice, &kernel, &irq, &softirq,
               &steal) != 6)
        return err_set(err, ERR_SYSTEM, "/proc/stat is not as expected");
    *seconds = (double)(user + nice + kernel + irq + softirq + steal) / (double)sysconf(_SC_CLK_TCK);
    return 0;
}

static double seconds_of(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int gauge_read(const struct gauge *gauge, struct reading *reading, struct err *err) {
    struct rusage own;
    *reading = (struct reading){.at_ns = gauge_now_ns()};
    for (size_t i = 0; i < gauge->count; i++) {
        if (read_cpu(gauge->pids[i], &reading->server_cpu[i], err) != 0) return -1;
        if (read_rss(gauge->pids[i], &reading->servers_rss, err) != 0) return -1;
        reading->servers_cpu += reading->server_cpu[i];
    }
    if (read_machine(&reading->machine_cpu, err) != 0) return -1;
    getrusage(RUSAGE_SELF, &own);
    reading->own_cpu = seconds_of(own.ru_utime) + seconds_of(own.ru_stime);
    return 0;
}

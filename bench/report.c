// What a run found. See report.h.
#include "report.h"

#include <stdio.h>

#define MS(ns)    ((double)(ns) / 1e6)
#define MIB(size) ((double)(size) / (1 << 20))

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

static double seconds_between(const struct reading *from, const struct reading *to) {
    return (double)(to->at_ns - from->at_ns) / 1e9;
}

// Processors that neither the servers nor we have used: other processes disturb a measurement.
static double others(const struct reading *from, const struct reading *to) {
    double used = (to->machine_cpu - from->machine_cpu) - (to->servers_cpu - from->servers_cpu) -
                  (to->own_cpu - from->own_cpu);
    double share = ratio(used, seconds_between(from, to));
    return share > 0 ? share : 0;
}

static double own_share(const struct reading *from, const struct reading *to) {
    return ratio(to->own_cpu - from->own_cpu, seconds_between(from, to));
}

static void json_text(const char *name, const char *text) {
    printf("\"%s\":\"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < ' ')
            printf("\\u%04x", (unsigned)*text);
        else
            putchar(*text);
    }
    printf("\"");
}

static void json_count(const char *name, uint64_t value) {
    printf(",\"%s\":%llu", name, (unsigned long long)value);
}

static void json_number(const char *name, double value) {
    printf(",\"%s\":%.6g", name, value);
}

static void json_latency(const char *name, const struct histogram *histogram) {
    printf(",\"%s\":{\"unit\":\"ms\",\"count\":%llu", name, (unsigned long long)histogram->total);
    json_number("p50", MS(histogram_at(histogram, 0.5)));
    json_number("p99", MS(histogram_at(histogram, 0.99)));
    json_number("p999", MS(histogram_at(histogram, 0.999)));
    json_number("max", MS(histogram->most));
    printf("}");
}

static void json_begin(const char *mode, const struct crowd *crowd) {
    uint32_t hops[CROWD_MAX_HOPS + 1];
    printf("{");
    json_text("mode", mode);
    printf(",");
    json_text("dialect", crowd->dialect->name);
    json_count("clients", crowd->count);
    json_count("stuck", crowd->stuck);
    json_count("logged_in", crowd->in);
    printf(",\"servers\":[");
    for (size_t i = 0; i < crowd->place_count; i++) {
        printf("%s{", i > 0 ? "," : "");
        json_text("address", crowd->places[i].text);
        json_count("clients", crowd->places[i].members);
        printf("}");
    }
    printf("]");
    json_count("bounces_max", crowd_hops(crowd, hops));
    printf(",\"bounces\":[");
    for (unsigned i = 0; i <= CROWD_MAX_HOPS; i++) printf("%s%u", i > 0 ? "," : "", hops[i]);
    printf("]");
}

static void json_end(const char *failure) {
    if (failure != NULL) {
        printf(",");
        json_text("failure", failure);
    }
    printf("}\n");
}

static void text_places(const struct crowd *crowd) {
    uint32_t hops[CROWD_MAX_HOPS + 1];
    printf("%-12s %u, on", "clients", crowd->in);
    for (size_t i = 0; i < crowd->place_count; i++)
        printf("%s %s: %u", i > 0 ? "," : "", crowd->places[i].text, crowd->places[i].members);
    unsigned most = crowd_hops(crowd, hops);
    printf("\n%-12s at most %u;", "redirects", most);
    for (unsigned i = 0; i <= most; i++) printf(" %u times: %u", i, hops[i]);
    printf("\n");
}

static void text_latency(const char *name, const struct histogram *histogram) {
    printf("%-12s p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, max %.3f ms\n", name,
           MS(histogram_at(histogram, 0.5)), MS(histogram_at(histogram, 0.99)),
           MS(histogram_at(histogram, 0.999)), MS(histogram->most));
}

static void text_disturbance(const struct reading *from, const struct reading *to) {
    printf("%-12s %.2f of a processor used by other processes\n", "others", others(from, to));
}

// --- load
// ---------------------------------------------------------------------------------------------------

static void json_traffic(const struct options *options, const struct traffic_report *report) {
    const struct reading *from = &report->from, *to = &report->to;
    double seconds = seconds_between(from, to), cpu = to->servers_cpu - from->servers_cpu;
    json_count("publishers", options->publishers);
    json_number("rate", options->rate);
    json_count("window", options->rate > 0 ? 0 : options->window);
    json_count("size", report->size);
    json_count("wire", report->wire);
    json_number("seconds", seconds);
    json_count("published", report->published);
    printf(",\"deliveries\":{\"expected\":%llu", (unsigned long long)report->expected);
    json_count("seen", report->seen);
    json_count("lost", report->lost);
    json_count("doubled", report->doubled);
    json_count("out_of_order", report->out_of_order);
    json_count("garbled", report->garbled);
    printf("}");
    json_number("published_per_second", ratio((double)report->measured_published, seconds));
    json_number("deliveries_per_second", ratio((double)report->measured, seconds));
    json_latency("latency", &report->latency);
    json_latency("published_late", &report->tardy);
    if (options->gauge.count > 0) {
        json_number("server_cpu_seconds", cpu);
        json_number("server_cpu_share", ratio(cpu, seconds));
        json_number("server_cpu_per_million", ratio(cpu, (double)report->measured / 1e6));
        json_count("server_rss_before", report->before.servers_rss);
        json_count("server_rss", to->servers_rss);
    }
    json_number("own_cpu_share", own_share(from, to));
    json_number("others_cpu", others(from, to));
}

static void text_servers(const struct options *options, const struct traffic_report *report) {
    const struct reading *from = &report->from, *to = &report->to;
    double cpu = to->servers_cpu - from->servers_cpu, seconds = seconds_between(from, to);
    if (options->gauge.count == 0) return;
    printf("%-12s CPU %.2f s (%.0f %% of a processor), %.3f s per million deliveries; RSS %.1f MiB, %.1f MiB "
           "before\n",
           "servers", cpu, 100 * ratio(cpu, seconds), ratio(cpu, (double)report->measured / 1e6),
           MIB(to->servers_rss), MIB(report->before.servers_rss));
    for (size_t i = 0; options->gauge.count > 1 && i < options->gauge.count; i++)
        printf("%-12s process %d: CPU %.2f s\n", "", (int)options->gauge.pids[i],
               to->server_cpu[i] - from->server_cpu[i]);
}

void report_traffic(const struct options *options, const struct crowd *crowd,
                    const struct traffic_report *report, const char *failure) {
    const struct reading *from = &report->from, *to = &report->to;
    double seconds = seconds_between(from, to);
    if (options->json) {
        json_begin("load", crowd);
        json_traffic(options, report);
        json_end(failure);
        return;
    }
    text_places(crowd);
    printf("%-12s %llu by %u publishers, of %zu bytes (%zu as delivered)\n", "published",
           (unsigned long long)report->published, options->publishers, report->size, report->wire);
    printf("%-12s %llu expected, %llu seen, %llu lost, %llu doubled, %llu out of order, %llu garbled\n",
           "deliveries", (unsigned long long)report->expected, (unsigned long long)report->seen,
           (unsigned long long)report->lost, (unsigned long long)report->doubled,
           (unsigned long long)report->out_of_order, (unsigned long long)report->garbled);
    printf("%-12s %.0f deliveries/s, %.1f published/s, over %.2f s\n", "rate",
           ratio((double)report->measured, seconds), ratio((double)report->measured_published, seconds),
           seconds);
    text_latency("latency", &report->latency);
    text_servers(options, report);
    if (options->rate > 0) text_latency("sent late", &report->tardy);
    printf("%-12s CPU %.0f %% of a processor\n", "generator", 100 * own_share(from, to));
    if (own_share(from, to) > 0.9)
        printf("%-12s the generator was busy: deliveries/s may be its own limit, CPU per million is not\n",
               "");
    text_disturbance(from, to);
}

// --- idle
// ---------------------------------------------------------------------------------------------------

void report_idle(const struct options *options, const struct crowd *crowd, const struct idle_report *report) {
    double stayed = seconds_between(&report->in, &report->after);
    double cpu = report->after.servers_cpu - report->in.servers_cpu;
    double each =
        ((double)report->after.servers_rss - (double)report->before.servers_rss) / (double)crowd->count;
    double login = seconds_between(&report->before, &report->in);
    if (options->json) {
        json_begin("idle", crowd);
        json_number("login_seconds", login);
        json_number("seconds", stayed);
        if (options->gauge.count > 0) {
            json_count("server_rss_before", report->before.servers_rss);
            json_count("server_rss", report->after.servers_rss);
            json_number("server_rss_per_connection", each);
            json_number("server_cpu_share", ratio(cpu, stayed));
        }
        json_number("others_cpu", others(&report->before, &report->after));
        json_end(NULL);
        return;
    }
    text_places(crowd);
    printf("%-12s %.2f s until all were logged in; then %.2f s idle\n", "time", login, stayed);
    if (options->gauge.count > 0) {
        printf("%-12s RSS %.1f MiB, %.1f MiB before: %.0f bytes a connection\n", "servers",
               MIB(report->after.servers_rss), MIB(report->before.servers_rss), each);
        printf("%-12s CPU %.2f %% of a processor while idle\n", "", 100 * ratio(cpu, stayed));
    }
    text_disturbance(&report->before, &report->after);
}

// --- storm
// --------------------------------------------------------------------------------------------------

void report_storm(const struct options *options, const struct crowd *crowd, const struct storm_report *report,
                  const char *failure) {
    double cpu = report->after.servers_cpu - report->before.servers_cpu;
    double seconds = (double)report->answered_ns / 1e9;
    if (options->json) {
        json_begin("storm", crowd);
        json_number("seconds", seconds);
        json_latency("latency", &report->latency);
        if (options->gauge.count > 0) json_number("server_cpu_seconds", cpu);
        json_number("own_cpu_share", own_share(&report->before, &report->after));
        json_number("others_cpu", others(&report->before, &report->after));
        json_end(failure);
        return;
    }
    text_places(crowd);
    printf("%-12s %.3f s until all were logged in for good: %.0f logins/s\n", "time", seconds,
           ratio((double)crowd->in, seconds));
    text_latency("a client's", &report->latency);
    if (options->gauge.count > 0) printf("%-12s CPU %.2f s\n", "servers", cpu);
    printf("%-12s CPU %.0f %% of a processor\n", "generator",
           100 * own_share(&report->before, &report->after));
    text_disturbance(&report->before, &report->after);
}

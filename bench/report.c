// What a run found. See report.h.
#include "report.h"

#include "print.h"

#include <stdio.h>

static void json_begin(const char *mode, const struct crowd *crowd) {
    uint32_t hops[CROWD_MAX_HOPS + 1];
    printf("{");
    print_json_text("mode", mode);
    printf(",");
    print_json_text("dialect", crowd->dialect->name);
    print_json_count("clients", crowd->count);
    print_json_count("stuck", crowd->stuck);
    print_json_count("logged_in", crowd->in);
    printf(",\"servers\":[");
    for (size_t i = 0; i < crowd->place_count; i++) {
        printf("%s{", i > 0 ? "," : "");
        print_json_text("address", crowd->places[i].where.text);
        print_json_count("clients", crowd->places[i].members);
        printf("}");
    }
    printf("]");
    print_json_count("bounces_max", crowd_hops(crowd, hops));
    printf(",\"bounces\":[");
    for (unsigned i = 0; i <= CROWD_MAX_HOPS; i++) printf("%s%u", i > 0 ? "," : "", hops[i]);
    printf("]");
}

static void text_places(const struct crowd *crowd) {
    uint32_t hops[CROWD_MAX_HOPS + 1];
    printf("%-12s %u, on", "clients", crowd->in);
    for (size_t i = 0; i < crowd->place_count; i++)
        printf("%s %s: %u", i > 0 ? "," : "", crowd->places[i].where.text, crowd->places[i].members);
    unsigned most = crowd_hops(crowd, hops);
    printf("\n%-12s at most %u;", "redirects", most);
    for (unsigned i = 0; i <= most; i++) printf(" %u times: %u", i, hops[i]);
    printf("\n");
}

// --- load
// ---------------------------------------------------------------------------------------------------

static void json_traffic(const struct options *options, const struct traffic_report *report) {
    const struct reading *from = &report->from, *to = &report->to;
    double seconds = print_seconds(from, to), cpu = to->servers_cpu - from->servers_cpu;
    print_json_count("publishers", options->publishers);
    print_json_number("rate", options->rate);
    print_json_count("window", options->rate > 0 ? 0 : options->window);
    print_json_count("size", report->size);
    print_json_count("wire", report->wire);
    print_json_number("seconds", seconds);
    print_json_count("published", report->published);
    printf(",\"deliveries\":{\"expected\":%llu", (unsigned long long)report->expected);
    print_json_count("seen", report->seen);
    print_json_count("lost", report->lost);
    print_json_count("doubled", report->doubled);
    print_json_count("out_of_order", report->out_of_order);
    print_json_count("garbled", report->garbled);
    printf("}");
    print_json_number("published_per_second", print_ratio((double)report->measured_published, seconds));
    print_json_number("deliveries_per_second", print_ratio((double)report->measured, seconds));
    print_json_latency("latency", &report->latency);
    print_json_latency("published_late", &report->tardy);
    if (options->gauge.count > 0) {
        print_json_number("server_cpu_seconds", cpu);
        print_json_number("server_cpu_share", print_ratio(cpu, seconds));
        print_json_number("server_cpu_per_million", print_ratio(cpu, (double)report->measured / 1e6));
        print_json_count("server_rss_before", report->before.servers_rss);
        print_json_count("server_rss", to->servers_rss);
    }
    print_json_number("own_cpu_share", print_own(from, to));
    print_json_number("others_cpu", print_others(from, to));
}

static void text_servers(const struct options *options, const struct traffic_report *report) {
    const struct reading *from = &report->from, *to = &report->to;
    double cpu = to->servers_cpu - from->servers_cpu, seconds = print_seconds(from, to);
    if (options->gauge.count == 0) return;
    printf("%-12s CPU %.2f s (%.0f %% of a processor), %.3f s per million deliveries; RSS %.1f MiB, %.1f MiB "
           "before\n",
           "servers", cpu, 100 * print_ratio(cpu, seconds), print_ratio(cpu, (double)report->measured / 1e6),
           PRINT_MIB(to->servers_rss), PRINT_MIB(report->before.servers_rss));
    for (size_t i = 0; options->gauge.count > 1 && i < options->gauge.count; i++)
        printf("%-12s process %d: CPU %.2f s\n", "", (int)options->gauge.pids[i],
               to->server_cpu[i] - from->server_cpu[i]);
}

void report_traffic(const struct options *options, const struct crowd *crowd,
                    const struct traffic_report *report, const char *failure) {
    const struct reading *from = &report->from, *to = &report->to;
    double seconds = print_seconds(from, to);
    if (options->json) {
        json_begin("load", crowd);
        json_traffic(options, report);
        print_json_end(failure);
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
           print_ratio((double)report->measured, seconds),
           print_ratio((double)report->measured_published, seconds), seconds);
    print_latency("latency", &report->latency);
    text_servers(options, report);
    if (options->rate > 0) print_latency("sent late", &report->tardy);
    printf("%-12s CPU %.0f %% of a processor\n", "generator", 100 * print_own(from, to));
    if (print_own(from, to) > 0.9)
        printf("%-12s the generator was busy: deliveries/s may be its own limit, CPU per million is not\n",
               "");
    print_disturbance(from, to);
}

// --- idle
// ---------------------------------------------------------------------------------------------------

void report_idle(const struct options *options, const struct crowd *crowd, const struct idle_report *report) {
    double stayed = print_seconds(&report->in, &report->after);
    double cpu = report->after.servers_cpu - report->in.servers_cpu;
    double each =
        ((double)report->after.servers_rss - (double)report->before.servers_rss) / (double)crowd->count;
    double login = print_seconds(&report->before, &report->in);
    if (options->json) {
        json_begin("idle", crowd);
        print_json_number("login_seconds", login);
        print_json_number("seconds", stayed);
        if (options->gauge.count > 0) {
            print_json_count("server_rss_before", report->before.servers_rss);
            print_json_count("server_rss", report->after.servers_rss);
            print_json_number("server_rss_per_connection", each);
            print_json_number("server_cpu_share", print_ratio(cpu, stayed));
        }
        print_json_number("others_cpu", print_others(&report->before, &report->after));
        print_json_end(NULL);
        return;
    }
    text_places(crowd);
    printf("%-12s %.2f s until all were logged in; then %.2f s idle\n", "time", login, stayed);
    if (options->gauge.count > 0) {
        printf("%-12s RSS %.1f MiB, %.1f MiB before: %.0f bytes a connection\n", "servers",
               PRINT_MIB(report->after.servers_rss), PRINT_MIB(report->before.servers_rss), each);
        printf("%-12s CPU %.2f %% of a processor while idle\n", "", 100 * print_ratio(cpu, stayed));
    }
    print_disturbance(&report->before, &report->after);
}

// --- storm
// --------------------------------------------------------------------------------------------------

void report_storm(const struct options *options, const struct crowd *crowd, const struct storm_report *report,
                  const char *failure) {
    double cpu = report->after.servers_cpu - report->before.servers_cpu;
    double seconds = (double)report->answered_ns / 1e9;
    if (options->json) {
        json_begin("storm", crowd);
        print_json_number("seconds", seconds);
        print_json_latency("latency", &report->latency);
        if (options->gauge.count > 0) print_json_number("server_cpu_seconds", cpu);
        print_json_number("own_cpu_share", print_own(&report->before, &report->after));
        print_json_number("others_cpu", print_others(&report->before, &report->after));
        print_json_end(failure);
        return;
    }
    text_places(crowd);
    printf("%-12s %.3f s until all were logged in for good: %.0f logins/s\n", "time", seconds,
           print_ratio((double)crowd->in, seconds));
    print_latency("a client's", &report->latency);
    if (options->gauge.count > 0) printf("%-12s CPU %.2f s\n", "servers", cpu);
    printf("%-12s CPU %.0f %% of a processor\n", "generator",
           100 * print_own(&report->before, &report->after));
    print_disturbance(&report->before, &report->after);
}

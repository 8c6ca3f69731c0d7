// Metrics in the text format of Prometheus (0.0.4).
#include "gateway/metrics.h"

#include "base/clock.h"
#include "gateway/gateway_private.h"
#include "gateway/routes.h"
#include "store/cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
    const char *name, *help;
} histograms[METRICS_HISTOGRAM_COUNT] = {
#define METRICS_ROW(id, name, help) [METRICS_##id] = {name, help},
    METRICS_HISTOGRAMS(METRICS_ROW)
#undef METRICS_ROW
};

// --- counting -------------------------------------------------------------------------------------------

// One thread writes: no bus has to be locked.
static void add(_Atomic uint64_t *counter, uint64_t more) {
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

void metrics_time(struct metrics *metrics, enum metrics_histogram which, uint64_t us) {
    timing_note(&metrics->histograms[which], us);
}

void metrics_request(struct metrics *metrics, unsigned route, unsigned status) {
    unsigned index = 0;
    while (http_status_at(index) != 0 && http_status_at(index) != status) index++;
    if (route > METRICS_ROUTES) route = METRICS_ROUTES;
    if (index < METRICS_STATUSES) add(&metrics->requests[route][index], 1);
}

// --- writing --------------------------------------------------------------------------------------------

static int head(struct buf *out, const char *name, const char *type, const char *help) {
    return buf_printf(out, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name, type);
}

static int one(struct buf *out, const char *name, const char *type, const char *help, uint64_t value) {
    return head(out, name, type, help) | buf_printf(out, "%s %" PRIu64 "\n", name, value);
}

static uint64_t read_counter(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static int write_timing(struct buf *out, const char *name, const char *help, const struct timing *timing) {
    int rc = head(out, name, "histogram", help);
    uint64_t total = 0;
    for (unsigned i = 0; i < TIMING_BOUNDS; i++) {
        total += read_counter(&timing->counts[i]);
        rc |= buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, (double)timing_bound_us(i) / 1e6,
                         total);
    }
    total += read_counter(&timing->counts[TIMING_BOUNDS]);
    rc |= buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n", name,
                     total, name, (double)read_counter(&timing->sum_us) / 1e6, name, total);
    return rc;
}

static int write_histogram(const struct gateway *gateway, unsigned which, struct buf *out) {
    struct timing sum = {0};
    for (unsigned i = 0; i < gateway->gate_count; i++)
        timing_add(&sum, &gateway->gates[i].metrics.histograms[which]);
    return write_timing(out, histograms[which].name, histograms[which].help, &sum);
}

static int write_requests(const struct gateway *gateway, struct buf *out) {
    const char *name = "herald_http_requests_total";
    int rc = head(out, name, "counter", "Requests answered, by operation and status");
    for (unsigned route = 0; route <= METRICS_ROUTES; route++) {
        const struct route *row = route < METRICS_ROUTES ? route_at(route) : NULL;
        for (unsigned index = 0; http_status_at(index) != 0; index++) {
            uint64_t count = 0;
            for (unsigned i = 0; i < gateway->gate_count; i++)
                count += read_counter(&gateway->gates[i].metrics.requests[route][index]);
            if (count > 0)
                rc |= buf_printf(out, "%s{operation=\"%s\",status=\"%u\"} %" PRIu64 "\n", name,
                                 row != NULL ? row->operation : "none", http_status_at(index), count);
        }
    }
    return rc;
}

static int write_stream(const struct gateway *gateway, struct buf *out) {
    struct stream_gauges gauges;
    stream_gauges(gateway->stream, &gauges);
    int rc = one(out, "herald_connections", "gauge", "Connections of all kinds", gauges.connections);
    rc |= one(out, "herald_stream_listeners", "gauge", "Clients that hear the stream", gauges.listeners);
    rc |= one(out, "herald_stream_links", "gauge", "Servers linked to this one", gauges.links);
    rc |= one(out, "herald_stream_activities_total", "counter", "Activities accepted", gauges.activities);
    rc |= one(out, "herald_stream_deliveries_total", "counter", "Activities handed to a client's socket",
              gauges.deliveries);
    rc |= one(out, "herald_logins_failed_total", "counter",
              "Logins with a wrong name or password, over the stream and over HTTP", gauges.logins_failed);
    rc |= one(out, "herald_logins_delayed_total", "counter",
              "Logins that were held back, or told to wait, after others from there had failed",
              gauges.logins_delayed);
    rc |= one(out, "herald_hash_waiting", "gauge", "Passwords that wait to be hashed or verified",
              gauges.hash_waiting);
    rc |=
        write_timing(out, "herald_stream_fanout_seconds",
                     "From an activity's being accepted to its having been sent to all clients that take it",
                     &gauges.fanout);
    rc |= head(out, "herald_stream_closed_total", "counter", "Client connections that ended, by reason");
    static const char *const reasons[CLOSE_COUNT] = {
#define CLOSE_NAME(name, words) [CLOSE_##name] = #name,
        CLOSE_REASONS(CLOSE_NAME)
#undef CLOSE_NAME
    };
    for (int i = 0; i < CLOSE_COUNT; i++) {
        char reason[32];
        size_t len = 0;
        for (; reasons[i][len] != '\0' && len + 1 < sizeof reason; len++)
            reason[len] = (char)(reasons[i][len] | 0x20);
        reason[len] = '\0';
        rc |= buf_printf(out, "herald_stream_closed_total{reason=\"%s\"} %" PRIu64 "\n", reason,
                         gauges.closed[i]);
    }
    return rc;
}

static int write_roll(const struct gateway *gateway, struct gate *gate, struct buf *out) {
    struct store_meta meta;
    struct proposer_counts counts;
    int rc = 0;
    if (store_meta(gate_store(gate), &meta, NULL) == 0) {
        rc |= one(out, "herald_accounts", "gauge", "Accounts in the roll", meta.accounts);
        rc |= one(out, "herald_settings", "gauge", "Settings", meta.settings);
        rc |= one(out, "herald_admin_tokens", "gauge", "Admin tokens that are not revoked", meta.tokens);
    }
    proposer_counts(gateway->proposer, &counts);
    rc |= one(out, "herald_clock", "gauge", "The event clock: changes applied",
              proposer_clock(gateway->proposer));
    rc |=
        one(out, "herald_epoch", "gauge", "The epoch of the event clock", proposer_epoch(gateway->proposer));
    rc |= one(out, "herald_proposals_waiting", "gauge", "Changes that wait for the storage thread",
              counts.waiting);
    rc |= one(out, "herald_batches_total", "counter", "Batches of changes committed", counts.batches);
    rc |= head(out, "herald_proposals_total", "counter", "Changes proposed, by what became of them");
    for (int i = 0; i <= OUTCOME_FAILED; i++)
        rc |= buf_printf(out, "herald_proposals_total{outcome=\"%s\"} %" PRIu64 "\n",
                         outcome_name((enum outcome)i), counts.outcomes[i]);
    return rc;
}

static int write_cache(const struct gateway *gateway, struct buf *out) {
    struct cache_counts counts = {0};
    struct cache *cache = proposer_cache(gateway->proposer);
    if (cache != NULL) cache_counts(cache, &counts);
    return one(out, "herald_cached_accounts", "gauge", "Accounts in memory (account_cache)",
               counts.accounts) |
           one(out, "herald_cached_bytes", "gauge", "What they take there, about", counts.bytes) |
           one(out, "herald_cache_hits_total", "counter", "Accounts looked up by login and found in memory",
               counts.hits) |
           one(out, "herald_cache_misses_total", "counter",
               "Accounts looked up by login and not in memory: looked for in the database", counts.misses);
}

static int write_memory(struct buf *out) {
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%*u %llu", &resident) != 1) resident = 0;
    if (file != NULL) fclose(file);
    return one(out, "herald_resident_memory_bytes", "gauge", "Resident memory of the process",
               resident * (uint64_t)sysconf(_SC_PAGESIZE));
}

int metrics_write(struct gateway *gateway, struct gate *gate, struct buf *out) {
    uint64_t followers = 0;
    int rc = head(out, "herald_build_info", "gauge", "The version that runs");
    rc |= buf_printf(out, "herald_build_info{version=\"%s\"} 1\n", HERALD_VERSION);
    rc |= one(out, "herald_start_time_seconds", "gauge", "When it was started, in seconds since 1970",
              (uint64_t)gateway->started_ms / 1000);
    rc |= write_memory(out);
    rc |= write_roll(gateway, gate, out) | write_cache(gateway, out) | write_stream(gateway, out) |
          write_requests(gateway, out);
    for (unsigned i = 0; i < METRICS_HISTOGRAM_COUNT; i++) rc |= write_histogram(gateway, i, out);
    for (unsigned i = 0; i < gateway->gate_count; i++)
        followers += read_counter(&gateway->gates[i].metrics.followers);
    return rc | one(out, "herald_change_followers", "gauge", "Followers of the change log", followers);
}

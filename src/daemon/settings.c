// What the stream is told: the configuration with every 0 decided by what this machine has.

#include "daemon/option.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#define DESCRIPTORS_KEPT 64 // for the database, the loops, files read again
#define SHARD_KEPT       4  // more for each shard: its reader of the database
#define CONNECTIONS_MOST 10000000u

void machine_prepare(struct machine *machine) {
    struct rlimit files = {0};
    cpu_set_t cores;
    *machine = (struct machine){.cores = 1, .descriptors = 1024};
    if (sched_getaffinity(0, sizeof cores, &cores) == 0) machine->cores = (unsigned)CPU_COUNT(&cores);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    machine->descriptors = files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) == 0) machine->descriptors = files.rlim_max;
}

static unsigned between(uint64_t value, unsigned least, unsigned most) {
    return value < least ? least : value > most ? most : (unsigned)value;
}

// Listening everywhere, others must be told somewhere: the first address of a network interface that is up.
static void first_address(int family, char host[ADDRESS_HOST_MAX + 1]) {
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0) return;
    for (struct ifaddrs *each = all; each && !host[0]; each = each->ifa_next) {
        struct address address = {0};
        char text[ADDRESS_TEXT_SIZE];
        if (!each->ifa_addr || !(each->ifa_flags & IFF_UP) || each->ifa_flags & IFF_LOOPBACK) continue;
        if (each->ifa_addr->sa_family != family) continue;
        address.len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        memcpy(&address.storage, each->ifa_addr, address.len);
        address_format_host(&address, text);
        if (!strchr(text, '%')) str_copy(str_of(text), host, ADDRESS_HOST_MAX + 1); // link-local is of no use
    }
    freeifaddrs(all);
}

static void decide_advertise(const struct config *config, struct stream_settings *settings) {
    if (settings->advertise[0] || !address_is_wildcard(&settings->listen)) return;
    first_address(AF_INET, settings->advertise);
    if (!settings->advertise[0]) first_address(AF_INET6, settings->advertise);
    if (!settings->advertise[0])
        str_copy(str_of(config->name), settings->advertise, sizeof settings->advertise);
}

int config_settings(const struct config *config, const struct machine *machine,
                    struct stream_settings *settings, struct complaints *complaints) {
    uint64_t descriptors = machine->descriptors;
    *settings = config->stream;
    settings->plaintext = config->plaintext == PLAINTEXT_YES;
    decide_advertise(config, settings);
    if (settings->shards == 0) settings->shards = between(machine->cores - 1, 1, 256);
    uint64_t kept = DESCRIPTORS_KEPT + (uint64_t)settings->shards * SHARD_KEPT;
    uint64_t free = descriptors > kept ? descriptors - kept : 1;
    if (settings->hash_threads == 0) settings->hash_threads = between(machine->cores / 2, 1, 256);
    if (settings->reel_segment_size == 0) {
        size_t room = settings->max_message + (64u << 10);
        settings->reel_segment_size = room > 1u << 20 ? room : 1u << 20;
    }
    if (settings->max_connections == 0) {
        settings->max_connections = between(free, 1, CONNECTIONS_MOST);
    } else if (settings->max_connections > free) {
        char place[OPTION_PLACE_SIZE];
        option_place(config, OPTION_max_connections, place);
        complain(
            complaints, place,
            "max_connections = %u needs more open files than the limit of %llu allows; permitted: at most "
            "%llu (%llu are kept for the server itself), or a higher limit (ulimit -Hn, LimitNOFILE=)",
            settings->max_connections, (unsigned long long)descriptors, (unsigned long long)free,
            (unsigned long long)kept);
        return -1;
    }
    return 0;
}

bool config_gateway(const struct config *config, const struct stream_settings *stream,
                    struct gateway_settings *settings) {
    *settings = config->gateway;
    settings->drain_ms = stream->drain_ms;
    settings->tls = stream->tls;
    settings->plaintext = stream->plaintext;
    settings->max_message = stream->max_message;
    settings->counts_registrations = stream->registers_per_minute > 0;
    if (settings->listen.len > 0) return true;
    uint16_t port = address_port(&stream->listen);
    bool fits = port < UINT16_MAX;
    return !address_is_off(&config->gateway.listen) && fits &&
           address_parse("127.0.0.1", port > 0 ? (uint16_t)(port + 1) : 0, &settings->listen);
}

// Where a server is.
#include "client/where.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

// What names and IPv4 addresses consist of.
static bool is_name(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '-' || c == '_';
        if (!fine) return false;
    }
    return text.len > 0 && text.ptr[0] != '-';
}

// fe80::1%eth0: the zone is a name or a number of an interface.
static bool spot_v6(const char *host, uint16_t port, struct spot *spot) {
    char plain[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    if (!str_copy(str_of(host), plain, sizeof plain)) return false;
    char *zone = strchr(plain, '%');
    if (zone) *zone++ = '\0';
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET6, plain, &v6.sin6_addr) != 1) return false;
    if (zone) {
        uint64_t number;
        v6.sin6_scope_id = if_nametoindex(zone);
        if (v6.sin6_scope_id == 0 && text_parse_u64(str_of(zone), &number) && number <= UINT32_MAX)
            v6.sin6_scope_id = (uint32_t)number;
        if (v6.sin6_scope_id == 0) return false;
    }
    spot->addr.v6 = v6;
    spot->len = sizeof v6;
    return true;
}

bool where_is_numeric(const struct where *where, struct spot *spot) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(where->port)};
    *spot = (struct spot){0};
    if (inet_pton(AF_INET, where->host, &v4.sin_addr) == 1) {
        spot->addr.v4 = v4;
        spot->len = sizeof v4;
        return true;
    }
    return strchr(where->host, ':') && spot_v6(where->host, where->port, spot);
}

bool where_set(struct str host, uint16_t port, struct where *where) {
    struct spot spot;
    struct where found = {.port = port};
    bool bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed) host = (struct str){host.ptr + 1, host.len - 2};
    if (port == 0 || host.len == 0 || memchr(host.ptr, '\0', host.len)) return false;
    if (!str_copy(host, found.host, sizeof found.host)) return false;
    bool v6 = bracketed || strchr(found.host, ':');
    if (v6 ? !where_is_numeric(&found, &spot) : !is_name(host)) return false;
    (void)snprintf(found.text, sizeof found.text, v6 ? "[%s]:%u" : "%s:%u", found.host, port);
    *where = found;
    return true;
}

bool where_parse(struct str text, struct where *where) {
    uint64_t port = WHERE_PORT;
    struct str host = text;
    const char *colon = text.len > 0 ? memrchr(text.ptr, ':', text.len) : NULL;
    bool bracketed = text.len > 0 && text.ptr[text.len - 1] == ']';
    // More than one colon without brackets is an IPv6 address without a port.
    bool bare_v6 = colon && text.ptr[0] != '[' && memchr(text.ptr, ':', text.len) != colon;
    if (colon && !bracketed && !bare_v6) {
        host.len = (size_t)(colon - text.ptr);
        struct str digits = {colon + 1, text.len - host.len - 1};
        if (digits.len > 5 || !text_parse_u64(digits, &port) || port > UINT16_MAX) return false;
    }
    return where_set(host, (uint16_t)port, where);
}

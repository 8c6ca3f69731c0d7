// Addresses: text to sockaddr and back, and what limits per address count by.
#include "net/sock.h"

#include <arpa/inet.h>
#include <assert.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static bool parse_port(struct str text, uint16_t *port) {
    uint64_t value;
    if (text.len > 5 || !text_parse_u64(text, &value) || value > UINT16_MAX) return false;
    *port = (uint16_t)value;
    return true;
}

// What names and IPv4 addresses consist of; getaddrinfo() judges the rest.
static bool is_host(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '-' || c == '_';
        if (!fine) return false;
    }
    return true;
}

bool address_split(struct str text, char host[ADDRESS_HOST_MAX + 1], uint16_t *port) {
    const char *colon = text.len > 0 ? memrchr(text.ptr, ':', text.len) : NULL;
    if (colon == NULL) return false;
    struct str name = {.ptr = text.ptr, .len = (size_t)(colon - text.ptr)};
    struct str digits = {.ptr = colon + 1, .len = text.len - name.len - 1};
    char plain[ADDRESS_HOST_MAX + 1];
    uint16_t number;
    if (!parse_port(digits, &number)) return false;

    if (name.len > 0 && name.ptr[0] == '[') {
        struct address parsed;
        if (name.len < 2 || name.ptr[name.len - 1] != ']') return false;
        name = (struct str){.ptr = name.ptr + 1, .len = name.len - 2};
        if (memchr(name.ptr, '\0', name.len) != NULL || memchr(name.ptr, ':', name.len) == NULL) return false;
        if (!str_copy(name, plain, sizeof plain) || !address_parse(plain, number, &parsed)) return false;
    } else {
        if (name.len == 0) name = STR("127.0.0.1");
        if (!is_host(name) || !str_copy(name, plain, sizeof plain)) return false;
    }
    strcpy(host, plain);
    *port = number;
    return true;
}

static bool parse_zone(const char *zone, uint32_t *index) {
    uint64_t number;
    if (text_parse_u64(str_of(zone), &number) && number <= UINT32_MAX) {
        *index = (uint32_t)number;
    } else {
        *index = if_nametoindex(zone);
    }
    return *index != 0;
}

bool address_parse(const char *host, uint16_t port, struct address *address) {
    struct address parsed = {0};
    struct sockaddr_in *in = &parsed.storage.v4;
    struct sockaddr_in6 *in6 = &parsed.storage.v6;
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        parsed.len = sizeof *in;
    } else {
        char plain[INET6_ADDRSTRLEN];
        const char *zone = strchr(host, '%');
        size_t len = zone != NULL ? (size_t)(zone - host) : strlen(host);
        parsed = (struct address){0};
        if (!str_copy((struct str){.ptr = host, .len = len}, plain, sizeof plain)) return false;
        if (inet_pton(AF_INET6, plain, &in6->sin6_addr) != 1) return false;
        if (zone != NULL && !parse_zone(zone + 1, &in6->sin6_scope_id)) return false;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        parsed.len = sizeof *in6;
    }
    *address = parsed;
    return true;
}

void address_format_host(const struct address *address, char text[ADDRESS_TEXT_SIZE]) {
    int family = address->storage.any.sa_family;
    if (family == AF_INET) {
        inet_ntop(AF_INET, &address->storage.v4.sin_addr, text, ADDRESS_TEXT_SIZE);
    } else if (family == AF_INET6) {
        inet_ntop(AF_INET6, &address->storage.v6.sin6_addr, text, ADDRESS_TEXT_SIZE);
        uint32_t scope = address->storage.v6.sin6_scope_id;
        size_t len = strlen(text);
        char name[IF_NAMESIZE];
        if (scope == 0) return;
        if (if_indextoname(scope, name) != NULL) {
            snprintf(text + len, ADDRESS_TEXT_SIZE - len, "%%%s", name);
        } else {
            snprintf(text + len, ADDRESS_TEXT_SIZE - len, "%%%u", scope);
        }
    } else {
        strcpy(text, "unknown");
    }
}

void address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE]) {
    char host[ADDRESS_TEXT_SIZE];
    address_format_host(address, host);
    bool brackets = address->storage.any.sa_family == AF_INET6;
    int len = snprintf(text, ADDRESS_TEXT_SIZE, brackets ? "[%s]:%u" : "%s:%u", host, address_port(address));
    assert(len > 0 && len < ADDRESS_TEXT_SIZE); // 39 of IPv6, 16 of zone, 8 around them
    (void)len;
}

uint16_t address_port(const struct address *address) {
    switch (address->storage.any.sa_family) {
    case AF_INET: return ntohs(address->storage.v4.sin_port);
    case AF_INET6: return ntohs(address->storage.v6.sin6_port);
    default: return 0;
    }
}

// The IPv4 address in network order, also when IPv6 wraps it (::ffff:a.b.c.d); NULL when there is none.
static const uint8_t *ipv4_bytes(const struct address *address) {
    if (address->storage.any.sa_family == AF_INET) return (const uint8_t *)&address->storage.v4.sin_addr;
    if (address->storage.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->storage.v6.sin6_addr))
        return address->storage.v6.sin6_addr.s6_addr + 12;
    return NULL;
}

bool address_is_wildcard(const struct address *address) {
    const uint8_t *bytes = ipv4_bytes(address);
    if (bytes != NULL) return memcmp(bytes, (uint8_t[4]){0}, 4) == 0;
    return address->storage.any.sa_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&address->storage.v6.sin6_addr);
}

bool address_is_loopback(const struct address *address) {
    const uint8_t *bytes = ipv4_bytes(address);
    if (bytes != NULL) return bytes[0] == 127;
    return address->storage.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->storage.v6.sin6_addr);
}

struct address_key address_key(const struct address *address) {
    struct address_key key = {0};
    const uint8_t *bytes = ipv4_bytes(address);
    if (bytes != NULL) {
        memcpy(key.bytes, bytes, 4);
        key.family = 4;
    } else if (address->storage.any.sa_family == AF_INET6) {
        memcpy(key.bytes, &address->storage.v6.sin6_addr, 8);
        key.family = 6;
    }
    return key;
}

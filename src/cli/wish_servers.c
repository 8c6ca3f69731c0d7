// Which servers a command talks to: those that were named, or the environment's, or this machine's.
#include "cli/wish.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define STREAM_PORT "3780"
#define HTTP_PORT   "3781"
#define MOST        (WISH_SERVER_MAX + 1)

static int wrong(struct err *err, const char *what, const char *why) {
    return err_set(err, ERR_INVALID, "%.*s: %s", (int)strnlen(what, 80), what, why);
}

// What stands behind "http://" or "https://"; NULL: it is no URL.
static const char *after_scheme(const char *server) {
    if (strncasecmp(server, "http://", 7) == 0) return server + 7;
    if (strncasecmp(server, "https://", 8) == 0) return server + 8;
    return NULL;
}

// "[::1]:5" ──► "[::1]" and "5"; "::1" ──► "[::1]" and "". False: it has no host, or what no host has.
static bool split(const char *text, char host[MOST], const char **port) {
    const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
    bool bare_v6 = colon && text[0] != '[' && strchr(text, ':') != colon;
    *port = colon && !bare_v6 && (!bracket || colon > bracket) ? colon + 1 : "";
    size_t len = **port ? (size_t)(colon - text) : strlen(text);
    if (len == 0 || strpbrk(text, "/?#@\\ \"<>^`{|}")) return false;
    if (snprintf(host, MOST, bare_v6 ? "[%.*s]" : "%.*s", (int)len, text) >= MOST) return false;
    return bare_v6 || (text[0] == '[') == (host[strlen(host) - 1] == ']');
}

static bool is_here(const char *host) {
    return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
}

// In place. Without a scheme: http to this machine, https to others.
static int make_url(char server[MOST], const char *default_port, struct err *err) {
    char from[MOST], host[MOST], url[MOST + 16];
    const char *port, *rest = after_scheme(server);
    size_t scheme = rest ? (size_t)(rest - server) : 0;
    uint64_t number = 0;
    memcpy(from, server, sizeof from);
    for (size_t len = strlen(from); scheme > 0 && len > scheme && from[len - 1] == '/';) from[--len] = '\0';
    if (!split(from + scheme, host, &port))
        return wrong(err, server, "is no server; write such as http://127.0.0.1:" HTTP_PORT);
    if (*port && (!text_parse_u64(str_of(port), &number) || number == 0 || number > 65535))
        return wrong(err, server, "has a port that is none; it is 1 to 65535");
    if (!*port && (scheme == 0 || default_port)) port = default_port ? default_port : HTTP_PORT;
    for (size_t i = 0; i < scheme; i++)
        if (from[i] >= 'A' && from[i] <= 'Z') from[i] = (char)(from[i] - 'A' + 'a');
    int len = snprintf(url, sizeof url, "%.*s%s%s%s",
                       scheme          ? (int)scheme
                       : is_here(host) ? 7
                                       : 8,
                       scheme          ? from
                       : is_here(host) ? "http://"
                                       : "https://",
                       host, *port ? ":" : "", port);
    if (len >= MOST) return wrong(err, server, "is longer than a server can be");
    memcpy(server, url, (size_t)len + 1);
    return 0;
}

static int add(struct wish *wish, struct str server, struct err *err) {
    if (wish->server_count == WISH_SERVERS) return wrong(err, "HERALD_SERVERS", "names too many servers");
    if (!str_copy(server, wish->servers[wish->server_count], sizeof wish->servers[0]))
        return wrong(err, "HERALD_SERVERS", "names one that is longer than a server can be");
    wish->server_count++;
    return 0;
}

static bool of_environment(const char **at, struct str *server) {
    *at += strspn(*at, ", ");
    *server = (struct str){*at, strcspn(*at, ", ")};
    *at += server->len;
    return server->len > 0;
}

// Those of the kind that is wanted, or the hosts of the others.
static int add_environment(struct wish *wish, const char *servers, bool http, struct err *err) {
    struct str server;
    char text[MOST], host[MOST];
    const char *at = servers, *port;
    bool some = false;
    while (of_environment(&at, &server)) {
        if (!str_copy(server, text, sizeof text) || (after_scheme(text) != NULL) != http) continue;
        if (add(wish, server, err)) return -1;
        some = true;
    }
    for (at = servers; !some && of_environment(&at, &server);) {
        if (!str_copy(server, text, sizeof text))
            return wrong(err, "HERALD_SERVERS", "names one that is too long");
        const char *rest = after_scheme(text);
        if (!split(rest ? rest : text, host, &port)) return wrong(err, text, "is no server");
        if (add(wish, str_of(host), err)) return -1;
    }
    return 0;
}

static int add_course(struct wish *wish, const char *host, const char *port, struct err *err) {
    char both[MOST];
    if (!host) host = "localhost";
    int len = snprintf(both, sizeof both, strchr(host, ':') && host[0] != '[' ? "[%s]:%s" : "%s:%s", host,
                       port ? port : STREAM_PORT);
    if (len >= (int)sizeof both) return wrong(err, "-rh", "is longer than a host can be");
    return add(wish, str_of(both), err);
}

int wish_settle_servers(struct wish *wish, const char *host, const char *port, const char *servers,
                        struct err *err) {
    bool http = CLI_IN_HTTP & (1u << wish->command);
    if (!http && (host || port) && add_course(wish, host, port, err)) return -1;
    if (wish->server_count == 0 && servers && servers[0] && add_environment(wish, servers, http, err))
        return -1;
    if (wish->server_count == 0 && add(wish, http ? STR("127.0.0.1") : STR("127.0.0.1:" STREAM_PORT), err))
        return -1;
    for (size_t i = 0; http && i < wish->server_count; i++)
        if (make_url(wish->servers[i], port, err)) return -1;
    return 0;
}

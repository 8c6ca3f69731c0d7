// Assembly, from below:
//
//   signals ──┐
//             ▼
//           loop ◄── mailbox ◄── proposer (the storage thread, state.db)
//             ▲                     ▲
//             └────── stream ───────┘ proposes accounts; has threads of its own for the clients
//
// and down again in the opposite order, once the stream has drained.
#include "daemon/daemon.h"

#include "base/secret.h"
#include "cluster/propose.h"
#include "daemon/certificate.h"
#include "gateway/gateway.h"
#include "store/cache.h"
#include "stream/stream.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int watched[] = {SIGTERM, SIGINT, SIGHUP};
#define WATCHED (sizeof watched / sizeof *watched)

struct daemon {
    struct config *config;
    const struct machine *machine;
    struct loop *loop;
    struct mailbox *mailbox; // answers of the proposer
    struct cache *cache;     // NULL: off
    struct proposer *proposer;
    struct tls_context *tls; // NULL: off
    struct stream *stream;
    struct gateway *gateway; // NULL: off
    unsigned draining;
    struct signal_watch *signals[WATCHED];
    bool stopping;
};

// --- SIGHUP -----------------------------------------------------------------------------------------------

static void log_changed(void *context, const char *key, bool applied) {
    (void)context;
    if (applied)
        log_info(L_MSG("option changed"), L_STR("option", key));
    else
        log_warn(L_MSG("option changed, but only a restart takes it over"), L_STR("option", key));
}

static void log_lines(enum log_level level, const char *message, struct str lines) {
    while (lines.len > 0) {
        const char *end = memchr(lines.ptr, '\n', lines.len);
        size_t len = end ? (size_t)(end - lines.ptr) : lines.len;
        log_write(level, (const struct log_field[]){
                             L_MSG(message), L_STRN("why", ((struct str){lines.ptr, len})), {0}});
        len += end != NULL;
        lines.ptr += len;
        lines.len -= len;
    }
}

static void reload(struct daemon *daemon) {
    struct complaints complaints = {0};
    struct stream_settings settings;
    struct err err;
    struct config *fresh = malloc(sizeof *fresh);
    if (!fresh) complain(&complaints, "SIGHUP", "memory is out");
    if (!fresh || config_reload(daemon->config, fresh, &complaints) != 0 ||
        config_settings(fresh, daemon->machine, &settings, &complaints) != 0) {
        log_lines(LOG_ERROR, "configuration not taken over", buf_str(&complaints.errors));
        goto out;
    }
    log_lines(LOG_WARN, "configuration", buf_str(&complaints.warnings));
    config_diff(daemon->config, fresh, log_changed, NULL);
    if (config_settings(fresh, daemon->machine, &settings, &complaints) != 0) goto out; // as it was put back
    // The files may have changed even when their names have not.
    if (daemon->tls && certificate_renew(fresh, &settings, daemon->tls, &err) != 0) {
        log_lines(LOG_ERROR, "configuration not taken over", str_of(err.text));
        goto out;
    }
    *daemon->config = *fresh;
    log_configure(fresh->log_level, fresh->log_format);
    stream_reload(daemon->stream, &settings);
    struct gateway_settings gateway;
    settings.tls = daemon->tls;
    if (daemon->gateway && config_gateway(fresh, &settings, &gateway))
        gateway_reload(daemon->gateway, &gateway);
    log_info(L_MSG("configuration read again"));
out:
    if (fresh) config_wipe(fresh);
    free(fresh);
    secret_wipe(&settings, sizeof settings);
    complaints_free(&complaints);
}

// --- SIGTERM, SIGINT --------------------------------------------------------------------------------------

static void drained(void *context) {
    struct daemon *daemon = context;
    if (--daemon->draining == 0) loop_stop(daemon->loop);
}

static void caught(void *context, int number) {
    struct daemon *daemon = context;
    const char *name = number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : "SIGHUP";
    if (daemon->stopping && number != SIGHUP) {
        log_warn(L_MSG("stopped at once"), L_STR("signal", name));
        _exit(EXIT_SUCCESS);
    }
    if (daemon->stopping) return;
    if (number == SIGHUP) {
        reload(daemon);
        return;
    }
    daemon->stopping = true;
    log_info(L_MSG("stopping"), L_STR("signal", name));
    daemon->draining = daemon->gateway ? 2 : 1;
    if (daemon->gateway) gateway_drain(daemon->gateway, drained, daemon);
    stream_drain(daemon->stream, drained, daemon);
}

static int watch_signals(struct daemon *daemon, struct err *err) {
    for (size_t i = 0; i < WATCHED; i++) {
        daemon->signals[i] = signal_open(daemon->loop, watched[i], caught, daemon, err);
        if (!daemon->signals[i]) return -1;
    }
    return 0;
}

// --- start ------------------------------------------------------------------------------------------------

// The default directory is made with all above it (~/.local/state may not be there yet); of one that was
// given, only the last part is: the rest is more likely misspelt than missing.
static int make_parents(const struct config *config, struct err *err) {
    char path[CONFIG_PATH_MAX + 1];
    if (config->origin[OPTION_data].kind != ORIGIN_DEFAULT) return 0;
    str_copy(str_of(config->data), path, sizeof path);
    for (char *slash = path; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST && errno != EROFS)
            return err_system(err, errno, "cannot make %s for the data directory; choose one with --data",
                              path);
    }
    return 0;
}

static void say_secret(const struct config *config, const struct stream_settings *settings,
                       const struct address *address) {
    char host[ADDRESS_TEXT_SIZE];
    address_format_host(address, host);
    const char *told = settings->advertise[0] ? settings->advertise : host;
    const char *form = strchr(told, ':') ? "[%s]:%u" : "%s:%u";
    char target[ADDRESS_HOST_MAX + 16];
    snprintf(target, sizeof target, form, told, address_port(address));
    // The one place where a secret is shown, and only one that nobody could know yet.
    dprintf(STDERR_FILENO,
            "server secret: %s\n"
            "Other servers join with it: heraldd --connect %s --secret-file FILE\n"
            "where FILE (mode 0600) holds it. It is made anew at each start unless this server is given one, "
            "too.\n",
            config->stream.secret, target);
}

static int open_stream(struct daemon *daemon, struct err *err) {
    struct config *config = daemon->config;
    struct stream_settings settings;
    struct complaints none = {0}; // the caller has checked
    if (!config->stream.secret[0]) config_make_secret(config);
    if (config_settings(config, daemon->machine, &settings, &none) != 0)
        return err_set(err, ERR_INVALID, "the configuration does not fit this machine");
    if (config->tls != CONFIG_TLS_OFF) {
        daemon->tls = certificate_serve(config, &settings, err);
        if (!daemon->tls) goto out;
    }
    settings.tls = daemon->tls;
    daemon->stream = stream_open(daemon->loop, &settings, config->data, daemon->proposer, err);
out:
    secret_wipe(&settings, sizeof settings);
    complaints_free(&none);
    return daemon->stream ? 0 : -1;
}

// The port that nobody has asked for may be taken, by another server's on this machine: then there is no API.
static int listen_for_http(struct daemon *daemon, struct err *err) {
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    if (gateway_listen(daemon->gateway, err) == 0) {
        gateway_address(daemon->gateway, &address);
        address_format(&address, text);
        log_info(L_MSG("listening for HTTP"), L_STR("address", text),
                 L_STR("scheme", daemon->tls ? "https" : "http"));
        return 0;
    }
    if (daemon->config->origin[OPTION_http].kind != ORIGIN_DEFAULT) return -1;
    log_warn(L_MSG("no HTTP API"), L_STR("why", err->text),
             L_STR("cure", "give --http HOST:PORT, or --http off"));
    return 0;
}

// Off, it still has the control socket.
static int open_gateway(struct daemon *daemon, struct err *err) {
    struct stream_settings stream;
    struct gateway_settings settings;
    struct complaints none = {0}; // the caller has checked
    int rc = config_settings(daemon->config, daemon->machine, &stream, &none);
    stream.tls = daemon->tls;
    bool on = rc == 0 && config_gateway(daemon->config, &stream, &settings);
    secret_wipe(&stream, sizeof stream);
    complaints_free(&none);
    daemon->gateway = gateway_open(daemon->loop, &settings, daemon->stream, daemon->proposer, err);
    if (!daemon->gateway || gateway_start(daemon->gateway, daemon->config->data, err) != 0) return -1;
    return on ? listen_for_http(daemon, err) : 0;
}

// The last word of the start: all that is to be there is.
static int say_listening(struct daemon *daemon) {
    struct stream_settings settings;
    struct complaints none = {0}; // the caller has checked
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    stream_address(daemon->stream, &address);
    address_format(&address, text);
    if (daemon->config->secret_made &&
        config_settings(daemon->config, daemon->machine, &settings, &none) == 0)
        say_secret(daemon->config, &settings, &address);
    log_info(L_MSG("listening"), L_STR("address", text), L_STR("id", stream_id(daemon->stream)));
    secret_wipe(&settings, sizeof settings);
    complaints_free(&none);
    return 0;
}

static int open_cache(struct daemon *daemon, struct err *err) {
    size_t bytes = daemon->config->account_cache;
    if (bytes > 0) daemon->cache = cache_open(bytes, err);
    return bytes == 0 || daemon->cache ? 0 : -1;
}

struct daemon *daemon_open(struct config *config, const struct machine *machine, struct err *err) {
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon) {
        err_set(err, ERR_MEMORY, "memory is out");
        return NULL;
    }
    daemon->config = config;
    daemon->machine = machine;
    if (make_parents(config, err) == 0 && (daemon->loop = loop_open(err)) &&
        (daemon->mailbox = mailbox_open(daemon->loop, daemon, err)) && watch_signals(daemon, err) == 0 &&
        open_cache(daemon, err) == 0 &&
        (daemon->proposer = proposer_open(config->data, daemon->cache, daemon->mailbox, err)) &&
        open_stream(daemon, err) == 0 && open_gateway(daemon, err) == 0 && say_listening(daemon) == 0)
        return daemon;
    daemon_close(daemon);
    return NULL;
}

void daemon_run(struct daemon *daemon) {
    loop_run(daemon->loop);
}

static void log_totals(const struct stream *stream) {
    struct stream_totals totals;
    stream_totals(stream, &totals);
    log_info(L_MSG("stopped"), L_UINT("accepted", totals.accepted), L_UINT("activities", totals.activities),
             L_UINT("deliveries", totals.deliveries), L_UINT("lapped", totals.lapped),
             L_UINT("refused", totals.refused));
}

void daemon_close(struct daemon *daemon) {
    if (!daemon) return;
    stream_stop(daemon->stream);
    gateway_stop(daemon->gateway);                       // nobody proposes or watches any more
    proposer_close(daemon->proposer);                    // answers lie in the mailbox,
    if (daemon->mailbox) mailbox_drain(daemon->mailbox); // and are heard while the stream is there
    if (daemon->stream) log_totals(daemon->stream);
    stream_close(daemon->stream);
    gateway_close(daemon->gateway);
    cache_close(daemon->cache);
    tls_context_close(daemon->tls);
    for (size_t i = 0; i < WATCHED; i++) signal_close(daemon->signals[i]);
    mailbox_close(daemon->mailbox);
    loop_close(daemon->loop);
    free(daemon);
}

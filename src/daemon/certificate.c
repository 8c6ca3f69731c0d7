// The server's certificate. See certificate.h.
#include "daemon/certificate.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/tls_certificate.h"

#include <stdio.h>
#include <unistd.h>

#define DAY_S   (24 * 60 * 60)
#define SOON_S  (14 * DAY_S)
#define OWN_MAX 5

// Whatever it may be asked for by: its name, loopback, what others are told, where it listens.
static struct tls_certificate *make_own(const struct config *config, const struct stream_settings *settings,
                                        struct err *err) {
    char host[256] = "", listen[ADDRESS_TEXT_SIZE];
    struct str names[OWN_MAX + 1];
    size_t count = 0;
    if (gethostname(host, sizeof host - 1) == 0 && host[0]) names[count++] = str_of(host);
    names[count++] = STR("localhost");
    names[count++] = STR("127.0.0.1");
    names[count++] = STR("::1");
    if (settings->advertise[0]) names[count++] = str_of(settings->advertise);
    address_format_host(&settings->listen, listen);
    if (!address_is_wildcard(&settings->listen) && !address_is_loopback(&settings->listen))
        names[count++] = str_of(listen);
    return tls_certificate_own(config->data, names, count, err);
}

static struct tls_certificate *find(const struct config *config, const struct stream_settings *settings,
                                    struct err *err) {
    struct tls_certificate *found = config->tls == CONFIG_TLS_FILE
                                        ? tls_certificate_load(config->tls_certificate, config->tls_key, err)
                                        : make_own(config, settings, err);
    if (!found) return NULL;
    char until[CLOCK_RFC3339_SIZE];
    int64_t expires = tls_certificate_expires(found);
    clock_rfc3339(expires * 1000, until);
    const struct log_field fields[] = {L_MSG("TLS certificate"),
                                       L_STR("fingerprint", tls_certificate_fingerprint(found)),
                                       L_STR("expires", until),
                                       {0}};
    log_write(LOG_INFO, fields);
    if (expires - clock_wall_ms() / 1000 < SOON_S)
        log_warn(L_MSG("the TLS certificate expires soon: renew it, then send SIGHUP"),
                 L_STR("expires", until));
    return found;
}

struct tls_context *certificate_serve(const struct config *config, const struct stream_settings *settings,
                                      struct err *err) {
    struct tls_certificate *certificate = find(config, settings, err);
    if (!certificate) return NULL;
    struct tls_context *context = tls_context_server(certificate, err);
    if (context && config->tls == CONFIG_TLS_AUTO)
        dprintf(STDERR_FILENO,
                "TLS fingerprint: %s\n"
                "The certificate is of this server's own making: compare this with what clients show at "
                "their first "
                "connection.\n",
                tls_certificate_fingerprint(certificate));
    tls_certificate_close(certificate);
    return context;
}

int certificate_renew(const struct config *config, const struct stream_settings *settings,
                      struct tls_context *context, struct err *err) {
    struct tls_certificate *certificate = find(config, settings, err);
    if (!certificate) return -1;
    int rc = tls_context_renew(context, certificate, err);
    tls_certificate_close(certificate);
    return rc;
}

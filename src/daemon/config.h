// What heraldd was told: options from flags over herald.conf over defaults (daemon/options.h), checked.
#pragma once

#include "base/buf.h"
#include "base/log.h"
#include "daemon/options.h"
#include "gateway/gateway.h"
#include "stream/settings.h"

#include <stdbool.h>

#define CONFIG_PATH_MAX 4000

enum option_id {
#define OPTION_ENUM(key, ...) OPTION_##key,
    OPTIONS(OPTION_ENUM)
#undef OPTION_ENUM
        OPTION_COUNT
};

// What is wrong, one line each, "PLACE: what was given; permitted: ..."; PLACE is FILE:LINE or a flag.
struct complaints {
    struct buf errors, warnings;
    unsigned count; // of errors
};
void complain(struct complaints *complaints, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void complaints_free(struct complaints *complaints);

enum config_tls { CONFIG_TLS_OFF, CONFIG_TLS_AUTO, CONFIG_TLS_FILE };
enum config_plaintext { PLAINTEXT_NO, PLAINTEXT_YES };

enum config_wish { CONFIG_RUN, CONFIG_CHECK, CONFIG_PRINT, CONFIG_HELP, CONFIG_VERSION };

struct config_origin {
    enum { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_FLAG } kind; // the higher one wins
    unsigned line;                                          // ORIGIN_FILE
};

// The course's flags give halves of options: kept apart, and laid over what the file says.
struct config_course {
    char listen_host[ADDRESS_HOST_MAX + 1], connect_host[ADDRESS_HOST_MAX + 1]; // empty: not given
    int listen_port, connect_port;                                              // -1: not given
};

// As it was told: a 0 that means "as the machine allows" is still 0 here (config_settings decides it).
struct config {
    char data[CONFIG_PATH_MAX + 1];
    char name[65];
    char secret_file[CONFIG_PATH_MAX + 1];
    enum config_tls tls;
    char tls_certificate[CONFIG_PATH_MAX + 1], tls_key[CONFIG_PATH_MAX + 1];
    enum config_plaintext plaintext;
    size_t account_cache;          // bytes; 0: none
    struct stream_settings stream; // secret: also what secret_file holds
    struct gateway_settings gateway;
    enum log_level log_level;
    enum log_format log_format;

    char file[CONFIG_PATH_MAX + 1]; // -c; empty: none
    enum config_wish wish;
    struct config_origin origin[OPTION_COUNT];
    struct config_course course;
    bool secret_made; // by config_make_secret
};

// As the machine suggests: no flags, no file. The directory is empty when nothing says where home is.
void config_defaults(struct config *config);

// Flags, then the file they name. Wipes secrets out of argv. -1: `complaints` says why (all that is wrong).
int config_load(struct config *config, int argc, char **argv, struct complaints *complaints);

// Reads the files of `old` again, into `fresh`; flags stay above them. On -1 `fresh` is of no use.
int config_reload(const struct config *old, struct config *fresh, struct complaints *complaints);

// Calls `changed` for each option in which `fresh` differs. One that needs a restart is put back in `fresh`.
void config_diff(const struct config *old, struct config *fresh,
                 void (*changed)(void *context, const char *key, bool applied), void *context);

// A server secret for a root server that was given none.
void config_make_secret(struct config *config);

// What this process may use.
struct machine {
    unsigned cores;
    uint64_t descriptors; // open files
};
void machine_prepare(struct machine *machine); // raises the soft limit of open files to the hard one

// What the stream is told: every 0 decided, with a copy of the secret (wipe). -1: the machine has not enough.
int config_settings(const struct config *config, const struct machine *machine,
                    struct stream_settings *settings, struct complaints *complaints);

// What the gateway is told, after `stream` was decided. False: it is off.
bool config_gateway(const struct config *config, const struct stream_settings *stream,
                    struct gateway_settings *settings);

void config_help(struct buf *out);
void config_print(const struct config *config, struct buf *out); // a herald.conf; secrets are left out
void config_wipe(struct config *config);

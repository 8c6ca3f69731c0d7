// heraldd: told, opened, run, closed.
#include "base/secret.h"
#include "daemon/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STOPPED = 0, CANNOT_START = 1, WRONG_OPTIONS = 2 }; // exit status

static void print(FILE *to, const char *before, struct str lines) {
    while (lines.len > 0) {
        const char *end = memchr(lines.ptr, '\n', lines.len);
        size_t len = end ? (size_t)(end - lines.ptr) + 1 : lines.len;
        fprintf(to, "%s%.*s", before, (int)len, lines.ptr);
        lines.ptr += len;
        lines.len -= len;
    }
}

// Whatever is asked for but serving: true when that was all.
static bool grant(const struct config *config) {
    struct buf text = {0};
    switch (config->wish) {
    case CONFIG_RUN: return false;
    case CONFIG_CHECK: buf_append_text(&text, "configuration ok\n"); break;
    case CONFIG_PRINT: config_print(config, &text); break;
    case CONFIG_HELP: config_help(&text); break;
    case CONFIG_VERSION: buf_append_text(&text, "heraldd " HERALD_VERSION "\n"); break;
    }
    print(stdout, "", buf_str(&text));
    buf_free(&text);
    return true;
}

static int cannot_start(const struct err *err) {
    log_error(L_MSG("cannot start"), L_STR("why", err->text));
    return CANNOT_START;
}

static int serve(struct config *config, const struct machine *machine) {
    struct err err = {0};
    log_configure(config->log_level, config->log_format);
    log_info(L_MSG("starting"), L_STR("version", HERALD_VERSION), L_STR("name", config->name),
             L_STR("data", config->data), L_INT("pid", getpid()));
    if (secret_init(&err) != 0) return cannot_start(&err);
    struct daemon *daemon = daemon_open(config, machine, &err);
    if (!daemon) return cannot_start(&err);
    daemon_run(daemon);
    daemon_close(daemon);
    return STOPPED;
}

int main(int argc, char **argv) {
    static struct config config; // large for a stack, and there is one
    struct complaints complaints = {0};
    struct machine machine;
    struct stream_settings settings;
    int status = STOPPED;
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a file that may not grow is an error like a full disk
    machine_prepare(&machine);

    bool told = config_load(&config, argc, argv, &complaints) == 0 &&
                config_settings(&config, &machine, &settings, &complaints) == 0;
    print(stderr, "heraldd: ", buf_str(&complaints.warnings));
    print(stderr, "heraldd: ", buf_str(&complaints.errors));
    complaints_free(&complaints);

    if (!told)
        status = WRONG_OPTIONS;
    else if (!grant(&config))
        status = serve(&config, &machine);
    config_wipe(&config);
    secret_wipe(&settings, sizeof settings);
    return status;
}

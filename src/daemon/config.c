// From what was typed to what is in force.
//
//   argv ──► flags.c ──┐
//                      ├──► struct config ──► checks across options ──► settings.c ──► struct stream_settings
//   herald.conf ► file.c ┘      ▲
//                               └── defaults; secret_file.c
//
// SIGHUP walks the same path with the flags of the start: whatever a flag has set stays.
#include "daemon/config.h"

#include "base/secret.h"
#include "daemon/parts.h"
#include "net/tls_certificate.h"
#include "wire/message.h"

#include <assert.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// --- complaints -----------------------------------------------------------------------------------------

void complain(struct complaints *complaints, const char *place, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buf_printf(&complaints->errors, "%s: %s\n", place, text);
    complaints->count++;
}

void complaints_free(struct complaints *complaints) {
    buf_free(&complaints->errors);
    buf_free(&complaints->warnings);
    complaints->count = 0;
}

#define QUOTE_MAX 80

void quote(struct buf *out, struct str text) {
    bool utf8 = text_is_utf8(text), cut = text.len > QUOTE_MAX;
    if (cut) text.len = QUOTE_MAX;
    while (cut && utf8 && text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80) text.len--;
    buf_append_text(out, "\"");
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
            buf_printf(out, "\\x%02x", c);
        else
            buf_append(out, &c, 1);
    }
    buf_append_text(out, cut ? "...\"" : "\"");
}

// --- one option -----------------------------------------------------------------------------------------

static void complain_value(enum option_id id, struct str value, struct config_origin origin,
                           const char *place, struct complaints *complaints) {
    struct buf text = {0};
    if (origin.kind == ORIGIN_FILE) buf_printf(&text, "%s: ", option_of(id)->key);
    if (option_of(id)->type == TYPE_SECRET)
        buf_append_text(&text, "the value (not shown)");
    else
        quote(&text, value);
    buf_append_text(&text, " is not permitted; permitted: ");
    option_permitted(id, &text);
    complain(complaints, place, "%.*s", (int)text.len, text.data ? text.data : "");
    buf_free(&text);
}

void config_set(struct config *config, enum option_id id, struct str value, struct config_origin origin,
                const char *place, struct complaints *complaints) {
    if (option_of(id)->type == TYPE_TARGETS && config->origin[id].kind != origin.kind)
        config->stream.connect_count = 0;
    if (option_set(config, id, value) != 0) complain_value(id, value, origin, place, complaints);
    config->origin[id] = origin;
}

// --- defaults -------------------------------------------------------------------------------------------

static void default_data(char *data, size_t capacity) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    const struct passwd *user = home && home[0] == '/' ? NULL : getpwuid(geteuid());
    if (user) home = user->pw_dir;
    int len = 0;
    if (geteuid() == 0)
        len = snprintf(data, capacity, "/var/lib/herald");
    else if (state && state[0] == '/')
        len = snprintf(data, capacity, "%s/herald", state);
    else if (home && home[0] == '/')
        len = snprintf(data, capacity, "%s/.local/state/herald", home);
    if (len <= 0 || (size_t)len >= capacity) data[0] = '\0';
}

static void default_name(struct config *config) {
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || option_set(config, OPTION_name, str_of(host)) != 0)
        option_set(config, OPTION_name, STR("herald"));
}

void config_defaults(struct config *config) {
    *config = (struct config){.course = {.listen_port = -1, .connect_port = -1}};
    default_data(config->data, sizeof config->data);
    default_name(config);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const char *value = option_of((enum option_id)i)->value;
        if (!value || !value[0]) continue; // computed, or empty as it is
        int rc = option_set(config, (enum option_id)i, str_of(value));
        assert(rc == 0);
    }
}

// --- checks across options ------------------------------------------------------------------------------

// The course's flags: halves of `listen` and `connect`, over what the file says.
static void lay_course(struct config *config, struct complaints *complaints) {
    struct config_course *course = &config->course;
    struct address *listen = &config->stream.listen;
    char host[ADDRESS_TEXT_SIZE];
    uint16_t port = course->listen_port >= 0 ? (uint16_t)course->listen_port : address_port(listen);
    address_format_host(listen, host);
    bool known = address_parse(host, port, listen);
    assert(known);
    if (course->listen_host[0]) {
        bool local = strcmp(course->listen_host, "localhost") == 0;
        bool numeric = address_parse(local ? "127.0.0.1" : course->listen_host, port, listen);
        if (config->origin[OPTION_advertise].kind != ORIGIN_FLAG && !(numeric && address_is_wildcard(listen)))
            config_set(config, OPTION_advertise, str_of(course->listen_host),
                       (struct config_origin){.kind = ORIGIN_FLAG}, "-lh", complaints);
    }
    if (course->connect_port < 0 && !course->connect_host[0]) return;
    if (config->origin[OPTION_connect].kind == ORIGIN_FLAG) {
        complain(complaints, "--connect", "give either --connect or -rh and -rp, not both");
        return;
    }
    struct settings_target *target = &config->stream.connect[0];
    str_copy(str_of(course->connect_host[0] ? course->connect_host : "localhost"), target->host,
             sizeof target->host);
    target->port = course->connect_port >= 0 ? (uint16_t)course->connect_port : 3780;
    config->stream.connect_count = 1;
}

// secret and secret_file are two ways to say one thing: the nearer source wins, one source says it once.
static void resolve_secret(struct config *config, struct complaints *complaints) {
    struct config_origin *plain = &config->origin[OPTION_secret], *file = &config->origin[OPTION_secret_file];
    char place[OPTION_PLACE_SIZE];
    struct err err = {0};
    if (plain->kind != ORIGIN_DEFAULT && plain->kind == file->kind && config->secret_file[0]) {
        option_place(config, OPTION_secret_file, place);
        complain(complaints, place, "give either secret or secret_file, not both");
        return;
    }
    if (plain->kind > file->kind) {
        config->secret_file[0] = '\0';
        *file = (struct config_origin){.kind = ORIGIN_DEFAULT};
    }
    if (!config->secret_file[0]) return;
    option_place(config, OPTION_secret_file, place);
    if (secret_file_read(config, &err) != 0) complain(complaints, place, "%s", err.text);
    *plain = (struct config_origin){.kind = ORIGIN_DEFAULT};
}

// Passwords travel: beyond this machine they do under TLS, or because somebody said that they need not.
static void check_exposed(const struct config *config, enum option_id id, const struct address *listen,
                          struct complaints *complaints) {
    char place[OPTION_PLACE_SIZE], text[ADDRESS_TEXT_SIZE];
    if (config->tls != CONFIG_TLS_OFF || config->plaintext == PLAINTEXT_YES || address_is_loopback(listen))
        return;
    bool course = id == OPTION_listen && config->course.listen_host[0];
    option_place(config, id, place);
    address_format(listen, text);
    complain(
        complaints, course ? "-lh" : place,
        "other machines reach %s, and passwords would cross the network in the clear: give --tls auto, or "
        "--tls file with --tls-certificate and --tls-key; or --plaintext where everybody on the network may "
        "read them",
        text);
}

static void check_tls(const struct config *config, struct complaints *complaints) {
    const enum option_id ids[] = {OPTION_tls_certificate, OPTION_tls_key};
    const char *const paths[] = {config->tls_certificate, config->tls_key};
    char place[OPTION_PLACE_SIZE];
    struct err err;
    for (unsigned i = 0; i < 2; i++) {
        if ((config->tls == CONFIG_TLS_FILE) == (paths[i][0] != '\0')) continue;
        option_place(config, paths[i][0] ? ids[i] : OPTION_tls, place);
        complain(complaints, place,
                 paths[i][0] ? "%s is for tls = file: give that, too, or leave it out"
                             : "tls = file needs %s",
                 option_of(ids[i])->key);
    }
    if (config->tls != CONFIG_TLS_FILE || !paths[0][0] || !paths[1][0]) return;
    struct tls_certificate *certificate = tls_certificate_load(paths[0], paths[1], &err);
    option_place(config, OPTION_tls_certificate, place);
    if (!certificate) complain(complaints, place, "%s", err.text);
    tls_certificate_close(certificate);
}

static void check_together(const struct config *config, struct complaints *complaints) {
    const struct stream_settings *stream = &config->stream;
    char place[OPTION_PLACE_SIZE];
    struct buf size = {0}, message = {0};
    if (!config->data[0])
        complain(complaints, "data",
                 "no directory: neither HOME nor XDG_STATE_HOME says where; give --data DIR");
    if (stream->login_delay_max_ms < stream->login_delay_ms) {
        option_place(config, OPTION_login_delay_max, place);
        complain(complaints, place, "login_delay_max must be at least login_delay");
    }
    size_t least = stream->max_message + ACTIVITY_FRAME_SLACK;
    if (stream->reel_segment_size != 0 && stream->reel_segment_size < least) {
        option_place(config, OPTION_reel_segment_size, place);
        option_print(config, OPTION_reel_segment_size, &size);
        option_print(config, OPTION_max_message, &message);
        complain(complaints, place,
                 "reel_segment_size (%.*s) must hold the longest message: max_message (%.*s) and %d bytes of "
                 "envelope; permitted: %zu or more, or a lower max_message",
                 (int)size.len, size.data, (int)message.len, message.data, ACTIVITY_FRAME_SLACK, least);
    }
    check_exposed(config, OPTION_listen, &stream->listen, complaints);
    if (config->gateway.listen.len > 0)
        check_exposed(config, OPTION_http, &config->gateway.listen, complaints);
    check_tls(config, complaints);
    if (stream->connect_count > 0 && !stream->secret[0] && complaints->count == 0) {
        bool course = config->course.connect_port >= 0 || config->course.connect_host[0];
        option_place(config, OPTION_connect, place);
        complain(
            complaints, course ? "-rh, -rp" : place,
            "connecting to another server needs the server secret: give --secret-file FILE (or -s SECRET) "
            "with what that server was given, or printed when it started");
    }
    buf_free(&size);
    buf_free(&message);
}

static void warn(const struct config *config, struct complaints *complaints) {
    const struct stream_settings *stream = &config->stream;
    struct address told;
    if (!stream->advertise[0] || !address_is_loopback(&stream->listen)) return;
    if (strcmp(stream->advertise, "localhost") == 0) return;
    if (address_parse(stream->advertise, 1, &told) && address_is_loopback(&told)) return;
    buf_printf(&complaints->warnings,
               "others are told to connect to %s, but listen is an address that only this machine reaches\n",
               stream->advertise);
}

static int finish(struct config *config, struct complaints *complaints) {
    lay_course(config, complaints);
    resolve_secret(config, complaints);
    check_together(config, complaints);
    warn(config, complaints);
    return complaints->count == 0 ? 0 : -1;
}

// --- from start to reload -------------------------------------------------------------------------------

int config_load(struct config *config, int argc, char **argv, struct complaints *complaints) {
    config_defaults(config);
    flags_parse(config, argc, argv, complaints);
    if (config->wish == CONFIG_HELP || config->wish == CONFIG_VERSION) return 0;
    if (config->file[0]) file_parse(config, config->file, complaints);
    return finish(config, complaints);
}

int config_reload(const struct config *old, struct config *fresh, struct complaints *complaints) {
    config_defaults(fresh);
    memcpy(fresh->file, old->file, sizeof fresh->file);
    fresh->course = old->course;
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (old->origin[i].kind != ORIGIN_FLAG) continue;
        option_copy(fresh, old, (enum option_id)i);
        fresh->origin[i] = old->origin[i];
    }
    if (fresh->file[0]) file_parse(fresh, fresh->file, complaints);
    // A root server that is given no secret keeps the one it has.
    bool given = fresh->origin[OPTION_secret].kind != ORIGIN_DEFAULT || fresh->secret_file[0];
    if (!given && (old->secret_made || fresh->stream.connect_count == 0)) {
        option_copy(fresh, old, OPTION_secret);
        fresh->secret_made = true;
    }
    return finish(fresh, complaints);
}

void config_diff(const struct config *old, struct config *fresh,
                 void (*changed)(void *context, const char *key, bool applied), void *context) {
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        if (option_same(old, fresh, id)) continue;
        changed(context, option_of(id)->key, option_of(id)->reloads);
        if (!option_of(id)->reloads) option_copy(fresh, old, id);
    }
}

void config_make_secret(struct config *config) {
    char token[SECRET_TOKEN_SIZE];
    secret_token(token);
    str_copy(str_of(token), config->stream.secret, sizeof config->stream.secret);
    secret_wipe(token, sizeof token);
    config->secret_made = true;
}

void config_wipe(struct config *config) {
    secret_wipe(config, sizeof *config);
}

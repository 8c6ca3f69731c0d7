// HTTP by libcurl: an easy handle for each errand, all in one multi handle, which keeps their connections.
#include "client/courier.h"

#include "base/secret.h"
#include "net/tls_certificate.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEPT_CONNECTIONS 256L
#define SILENCE_S        45L // three heartbeats
#define PIN_SIZE         (sizeof "sha256//" + COURIER_KEY_SIZE)

_Static_assert(COURIER_KEY_SIZE == TLS_FINGERPRINT_SIZE, "a fingerprint fits");

struct courier {
    CURLM *multi;
    struct errand *over; // oldest first
    struct errand **last;
    unsigned busy;
};

struct courier *courier_open(struct err *err) {
    struct courier *courier = calloc(1, sizeof *courier);
    if (courier && curl_global_init(CURL_GLOBAL_DEFAULT) == 0 && (courier->multi = curl_multi_init())) {
        courier->last = &courier->over;
        curl_multi_setopt(courier->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
        return courier;
    }
    free(courier);
    err_set(err, ERR_MEMORY, "memory is out");
    return NULL;
}

static void drop(struct courier *courier, struct errand *errand) {
    if (!errand->handle) return;
    curl_multi_remove_handle(courier->multi, errand->handle);
    curl_easy_cleanup(errand->handle);
    curl_slist_free_all(errand->lines);
    errand->handle = errand->lines = NULL;
    courier->busy--;
}

void courier_drop(struct courier *courier, struct errand *errand) {
    struct errand **at = &courier->over;
    drop(courier, errand);
    while (*at && *at != errand) at = &(*at)->next;
    if (!*at) return;
    *at = errand->next;
    if (!*at) courier->last = at;
}

void courier_close(struct courier *courier) {
    if (!courier) return;
    CURL **all = curl_multi_get_handles(courier->multi);
    for (CURL **one = all; one && *one; one++) {
        struct errand *errand = NULL;
        curl_easy_getinfo(*one, CURLINFO_PRIVATE, &errand);
        if (errand) drop(courier, errand);
    }
    curl_free(all);
    curl_multi_cleanup(courier->multi);
    free(courier);
}

unsigned courier_busy(const struct courier *courier) {
    return courier->busy;
}

// --- what comes -----------------------------------------------------------------------------------------

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context) {
    struct errand *errand = context;
    struct str piece = {bytes, size * count};
    long status = 0;
    curl_easy_getinfo(errand->handle, CURLINFO_RESPONSE_CODE, &status);
    if (errand->on_bytes && status == 200) {
        if (errand->on_bytes(errand, piece)) return piece.len;
        errand->end = ERRAND_STOPPED;
        return CURL_WRITEFUNC_ERROR;
    }
    if (piece.len > COURIER_BODY_MAX - errand->answer.len || buf_append_str(&errand->answer, piece)) {
        err_set(&errand->err, ERR_LIMIT, "its answer is too long");
        return CURL_WRITEFUNC_ERROR;
    }
    return piece.len;
}

// "Name: value\r\n": the value, when it is that header.
static bool is_header(struct str line, const char *name, struct str *value) {
    size_t len = strlen(name);
    if (line.len <= len || line.ptr[len] != ':' || strncasecmp(line.ptr, name, len) != 0) return false;
    *value = (struct str){line.ptr + len + 1, line.len - len - 1};
    while (value->len > 0 && (*value->ptr == ' ' || *value->ptr == '\t')) value->ptr++, value->len--;
    while (value->len > 0 && strchr("\r\n \t", value->ptr[value->len - 1])) value->len--;
    return true;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context) {
    struct errand *errand = context;
    struct str line = {bytes, size * count}, value;
    uint64_t seconds;
    if (is_header(line, "Herald-Clock", &value) && !str_copy(value, errand->clock, sizeof errand->clock))
        errand->clock[0] = '\0';
    if (is_header(line, "ETag", &value) && !str_copy(value, errand->etag, sizeof errand->etag))
        errand->etag[0] = '\0';
    if (is_header(line, "Retry-After", &value) && text_parse_u64(value, &seconds))
        errand->retry_after_s = seconds > 3600 ? 3600 : (unsigned)seconds;
    return line.len;
}

// --- what goes ------------------------------------------------------------------------------------------

static int add_lines(struct errand *errand) {
    // Without Expect, a body goes out with its head.
    static const char *const always[] = {"Expect:", "Accept:", NULL};
    struct curl_slist *lines = NULL;
    const char *const *sets[] = {always, errand->headers};
    for (int i = 0; i < 2; i++) {
        for (const char *const *line = sets[i]; *line; line++) {
            struct curl_slist *more = curl_slist_append(lines, *line);
            if (!more) {
                curl_slist_free_all(lines);
                return -1;
            }
            lines = more;
        }
    }
    errand->lines = lines;
    return 0;
}

static void write_pin(const char *key, char pin[PIN_SIZE]) {
    size_t len = strlen("SHA256:");
    strcpy(pin, "sha256//"); // NOLINT: it fits, and str_copy the rest
    str_copy(str_of(strlen(key) > len ? key + len : ""), pin + 8, PIN_SIZE - 8);
}

static int set_up(CURL *handle, struct errand *errand) {
    char pin[PIN_SIZE];
    int failed = 0;
#define SET(option, value) (failed |= curl_easy_setopt(handle, CURLOPT_##option, (value)) != CURLE_OK)
    SET(NOSIGNAL, 1L);
    SET(PROXY, "");
    SET(PROTOCOLS_STR, "http,https");
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    SET(USERAGENT, "herald/" HERALD_VERSION);
    SET(URL, errand->url);
    SET(PATH_AS_IS, 1L); // or a key such as ".." would ask for another resource
    SET(CUSTOMREQUEST, errand->method);
    SET(HTTPHEADER, errand->lines);
    SET(CONNECTTIMEOUT_MS, (long)errand->connect_ms);
    SET(TIMEOUT_MS, (long)errand->answer_ms);
    SET(PRIVATE, errand);
    SET(WRITEFUNCTION, take_bytes);
    SET(WRITEDATA, errand);
    SET(HEADERFUNCTION, take_header);
    SET(HEADERDATA, errand);
    SET(TCP_KEEPALIVE, 1L);
    if (errand->body.ptr) {
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)errand->body.len);
        SET(POSTFIELDS, errand->body.ptr);
    }
    if (errand->on_bytes) { // without end: a server that says nothing any more is lost
        SET(LOW_SPEED_LIMIT, 1L);
        SET(LOW_SPEED_TIME, SILENCE_S);
    }
    if (errand->ca) SET(CAINFO, errand->ca);
    if (errand->key) {
        write_pin(errand->key, pin);
        SET(PINNEDPUBLICKEY, pin);
        SET(SSL_VERIFYPEER, 0L);
        SET(SSL_VERIFYHOST, 0L);
    }
#undef SET
    return failed ? -1 : 0;
}

int courier_send(struct courier *courier, struct errand *errand, struct err *err) {
    errand->end = ERRAND_UNREACHED;
    errand->status = errand->retry_after_s = errand->connect_us = 0;
    errand->clock[0] = errand->etag[0] = '\0';
    errand->late = errand->misnamed = false;
    errand->err = (struct err){0};
    errand->next = NULL;
    errand->answer.len = 0;
    errand->lines = NULL;
    errand->handle = curl_easy_init();
    if (!errand->handle || add_lines(errand) || set_up(errand->handle, errand) ||
        curl_multi_add_handle(courier->multi, errand->handle) != CURLM_OK) {
        curl_easy_cleanup(errand->handle);
        curl_slist_free_all(errand->lines);
        errand->handle = errand->lines = NULL;
        return err_set(err, ERR_MEMORY, "memory is out");
    }
    courier->busy++;
    return 0;
}

// --- how it ended ---------------------------------------------------------------------------------------

static bool was_asked(CURL *handle) {
    curl_off_t at = 0;
    long sent = 0;
    curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &at);
    curl_easy_getinfo(handle, CURLINFO_REQUEST_SIZE, &sent);
    return at > 0 && sent > 0;
}

// OpenSSL says why it does not vouch by a number from 2 on. It looks at the chain alone; the name is looked
// at by libcurl, behind it, and leaves what there was before: 0, or 1 for unspecified.
static bool is_misnamed(CURL *handle, CURLcode code) {
    long verified = 0;
    if (code != CURLE_PEER_FAILED_VERIFICATION) return false;
    curl_easy_getinfo(handle, CURLINFO_SSL_VERIFYRESULT, &verified);
    return verified < 2;
}

static void say_failure(struct errand *errand, CURLcode code, bool asked) {
    struct err *err = &errand->err;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: err_set(err, ERR_ABSENT, "its name is not known"); break;
    case CURLE_COULDNT_CONNECT: err_set(err, ERR_ABSENT, "cannot connect: nobody listens there"); break;
    case CURLE_OPERATION_TIMEDOUT:
        err_set(err, ERR_ABSENT, asked ? "has not answered in time" : "cannot connect in time");
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        err_set(err, ERR_INVALID, "%s",
                errand->misnamed ? "its certificate is vouched for, but has another name"
                                 : "nobody that is trusted here vouches for it");
        break;
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        err_set(err, ERR_INVALID, "its key is another one than before");
        break;
    case CURLE_SSL_CACERT_BADFILE: err_set(err, ERR_INVALID, "the file of --ca cannot be read"); break;
    case CURLE_SSL_CONNECT_ERROR:
        err_set(err, ERR_INVALID, "does not speak TLS 1.3; write http:// if it has none");
        break;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
        err_set(err, ERR_INVALID, "does not speak HTTP; its API has another port");
        break;
    case CURLE_GOT_NOTHING: err_set(err, ERR_ABSENT, "has closed the connection without an answer"); break;
    default: err_set(err, ERR_SYSTEM, "%s", curl_easy_strerror(code)); break;
    }
}

static enum errand_end end_of(CURLcode code, bool asked) {
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH: return ERRAND_DISTRUSTED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_WEIRD_SERVER_REPLY: // who speaks no HTTP has understood nothing
    case CURLE_UNSUPPORTED_PROTOCOL: return ERRAND_UNREACHED;
    default: return asked ? ERRAND_LOST : ERRAND_UNREACHED;
    }
}

static void finish(struct courier *courier, struct errand *errand, CURLcode code) {
    curl_off_t named = 0, connected = 0;
    long status = 0, connects = 0;
    curl_easy_getinfo(errand->handle, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(errand->handle, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(errand->handle, CURLINFO_NAMELOOKUP_TIME_T, &named);
    curl_easy_getinfo(errand->handle, CURLINFO_CONNECT_TIME_T, &connected);
    if (connects > 0 && connected > 0)
        errand->connect_us = connected > named ? (uint32_t)(connected - named) + 1 : 1;
    errand->status = (unsigned)status;
    if (errand->end == ERRAND_STOPPED) {
        code = CURLE_OK;
    } else if (code == CURLE_OK) {
        errand->end = ERRAND_ANSWERED;
    } else {
        bool asked = was_asked(errand->handle);
        errand->end = end_of(code, asked);
        errand->late = code == CURLE_OPERATION_TIMEDOUT;
        errand->misnamed = is_misnamed(errand->handle, code);
        if (!errand->err.text[0]) say_failure(errand, code, asked);
    }
    drop(courier, errand);
    *courier->last = errand;
    courier->last = &errand->next;
}

static void perform(struct courier *courier) {
    int running, left;
    CURLMsg *message;
    curl_multi_perform(courier->multi, &running);
    while ((message = curl_multi_info_read(courier->multi, &left))) {
        struct errand *errand = NULL;
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result; // the message is gone with the handle
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &errand);
        finish(courier, errand, code);
    }
}

static struct errand *take(struct courier *courier) {
    struct errand *errand = courier->over;
    if (!errand) return NULL;
    courier->over = errand->next;
    if (!courier->over) courier->last = &courier->over;
    errand->next = NULL;
    return errand;
}

struct errand *courier_wait(struct courier *courier, int timeout_ms, int also) {
    struct curl_waitfd extra = {.fd = also, .events = CURL_WAIT_POLLIN};
    if (courier->over) return take(courier);
    perform(courier);
    if (courier->over) return take(courier);
    curl_multi_poll(courier->multi, &extra, also >= 0 ? 1 : 0, timeout_ms, NULL);
    perform(courier);
    return take(courier);
}

// --- a first meeting ------------------------------------------------------------------------------------

static int read_key(CURL *handle, char key[COURIER_KEY_SIZE], struct err *err) {
    struct curl_certinfo *info = NULL;
    curl_easy_getinfo(handle, CURLINFO_CERTINFO, &info);
    for (struct curl_slist *line = info && info->num_of_certs > 0 ? info->certinfo[0] : NULL; line;
         line = line->next)
        if (strncmp(line->data, "Cert:", 5) == 0) return tls_fingerprint_of(str_of(line->data + 5), key, err);
    return err_set(err, ERR_INVALID, "shows no certificate");
}

int courier_meet(const char *url, unsigned connect_ms, char key[COURIER_KEY_SIZE], struct err *err) {
    CURL *handle = curl_easy_init();
    struct errand none = {0};
    if (!handle) return err_set(err, ERR_MEMORY, "memory is out");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(handle, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)connect_ms);
    CURLcode code = curl_easy_perform(handle);
    int status = -1;
    if (code == CURLE_OK) {
        status = read_key(handle, key, err);
    } else {
        say_failure(&none, code, false);
        err_set(err, none.err.code, "%s", none.err.text);
    }
    curl_easy_cleanup(handle);
    return status;
}

// The head of a request: parsed by llhttp without any leniency, then checked for what llhttp lets pass.
//
// Refused are all the ways in which two readers can disagree about where a message ends or whom it is for:
// both lengths, two lengths, codings other than chunked, folded lines, white space before a colon, control
// characters, no or several Host. llhttp sees to most of them; its strictness is tested, not believed.
#include "gateway/http_private.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

const char *http_method_name(enum http_method method) {
    static const char *const names[METHOD_COUNT] = {
#define METHOD_NAME(name) [METHOD_##name] = #name,
        HTTP_METHODS(METHOD_NAME)
#undef METHOD_NAME
    };
    return names[method];
}

bool http_is_token(struct str text, const char *token) {
    return text.len == strlen(token) && strncasecmp(text.ptr, token, text.len) == 0;
}

// --- llhttp's events ------------------------------------------------------------------------------------

static struct http_work *work_of(llhttp_t *parser) {
    return parser->data;
}

static uint16_t offset_of(const struct http_work *work, const char *at) {
    return (uint16_t)(at - work->head.data); // the head is shorter than 64 KiB
}

static int on_url(llhttp_t *parser, const char *at, size_t len) {
    struct http_work *work = work_of(parser);
    work->target = offset_of(work, at);
    work->target_len = (uint16_t)len;
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len) {
    struct http_work *work = work_of(parser);
    if (work->in_body) return 0;
    if (work->field_count == HTTP_HEADERS_MAX) {
        work->crowded = true;
        return HPE_USER;
    }
    work->fields[work->field_count++] =
        (struct http_field){.name = offset_of(work, at), .name_len = (uint16_t)len};
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len) {
    struct http_work *work = work_of(parser);
    if (work->in_body) return 0;
    struct http_field *field = &work->fields[work->field_count - 1];
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t')) len--;
    field->value = offset_of(work, at);
    field->value_len = (uint16_t)len;
    return 0;
}

// What follows in the head's memory is none of llhttp's business unless it is chunks.
static int on_head(llhttp_t *parser) {
    parser->upgrade = 0; // we speak nothing else
    return HPE_PAUSED;
}

static int on_chunk(llhttp_t *parser) {
    struct http_work *work = work_of(parser);
    work->too_large = parser->content_length > work->limit - work->body.len;
    return work->too_large ? HPE_USER : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    struct http_work *work = work_of(parser);
    work->memory = buf_append(&work->body, at, len) != 0;
    return work->memory ? HPE_USER : 0;
}

static int on_complete(llhttp_t *parser) {
    work_of(parser)->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t events = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_chunk_header = on_chunk,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

// --- faults ---------------------------------------------------------------------------------------------

static enum http_event refuse_syntax(struct http *http, enum llhttp_errno result) {
    switch (result) {
    case HPE_INVALID_METHOD:
        return http_broken(http, 501,
                           "no resource here knows this method; use GET, POST, PUT, PATCH or DELETE");
    case HPE_INVALID_VERSION: return http_broken(http, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
    case HPE_INVALID_URL: return http_broken(http, 400, "the request target is malformed");
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING:
        return http_broken(http, 400, "the length of the body is told wrongly or twice; tell it once");
    default: return http_broken(http, 400, "the head of the request is malformed");
    }
}

// --- checks ---------------------------------------------------------------------------------------------

// METHOD SP target SP HTTP/1.x and nothing more: RTSP and others, which llhttp knows, too, do not get
// through, nor do more blanks than two.
static bool line_is_exact(const struct http_work *work) {
    const char *line = work->head.data, *target = line + work->target, *end = target + work->target_len;
    while (*line == '\r' || *line == '\n') line++;
    size_t method = strlen(llhttp_method_name((llhttp_method_t)work->parser.method));
    size_t left = (size_t)(work->head.data + work->head.len - end);
    return (size_t)(target - line) == method + 1 && left > 11 && memcmp(end, " HTTP/1.", 8) == 0 &&
           memcmp(end + 9, "\r\n", 2) == 0;
}

static bool find_method(const llhttp_t *parser, enum http_method *method) {
    const char *name = llhttp_method_name((llhttp_method_t)parser->method);
    for (int i = 0; i < METHOD_COUNT; i++) {
        if (strcmp(name, http_method_name((enum http_method)i)) != 0) continue;
        *method = (enum http_method)i;
        return true;
    }
    return false;
}

// An authority: what may stand in Host. Nothing of a path, a user or a second name.
static bool is_authority(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("/?#@\\,\"<>^`{|}", c) != NULL) return false;
    }
    return true;
}

// "/path?query", "http://host/path?query" (only the path counts), or "*" for OPTIONS.
static bool split_target(struct http_request *request, struct str target) {
    if (str_equal_text(target, "*")) {
        request->path = target;
        return request->method == METHOD_OPTIONS;
    }
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2 && target.ptr[0] != '/'; i++) {
        size_t len = strlen(schemes[i]);
        if (target.len < len || strncasecmp(target.ptr, schemes[i], len) != 0) continue;
        struct str host = {.ptr = target.ptr + len, .len = 0};
        while (len + host.len < target.len && strchr("/?", host.ptr[host.len]) == NULL) host.len++;
        if (host.len == 0 || !is_authority(host)) return false;
        target = (struct str){.ptr = host.ptr + host.len, .len = target.len - len - host.len};
        if (target.len == 0 || target.ptr[0] == '?') {
            request->path = STR("/");
            if (target.len > 0) request->query = (struct str){.ptr = target.ptr + 1, .len = target.len - 1};
            return true;
        }
    }
    if (target.ptr[0] != '/') return false;
    const char *mark = memchr(target.ptr, '?', target.len);
    request->path = (struct str){.ptr = target.ptr, .len = mark ? (size_t)(mark - target.ptr) : target.len};
    if (mark != NULL)
        request->query = (struct str){.ptr = mark + 1, .len = target.len - request->path.len - 1};
    return memchr(target.ptr, '#', target.len) == NULL;
}

static enum http_event check_host(struct http *http) {
    struct str host;
    int found = http_header(&http->request, "host", &host);
    if (found < 0 || (found == 0 && http->request.minor > 0))
        return http_broken(http, 400, "there must be exactly one Host header");
    if (found > 0 && !is_authority(host)) return http_broken(http, 400, "the Host header is malformed");
    return HTTP_BEGUN;
}

static enum http_event check_length(struct http *http) {
    struct http_work *work = http->work;
    struct str coding, length;
    int codings = http_header(&http->request, "transfer-encoding", &coding);
    int lengths = http_header(&http->request, "content-length", &length);
    if (codings < 0 || lengths < 0 || (codings > 0 && lengths > 0))
        return http_broken(http, 400, "the length of the body is told twice; tell it once");
    if (codings > 0 && http->request.minor == 0)
        return http_broken(http, 400, "HTTP/1.0 has no Transfer-Encoding; send Content-Length");
    if (codings > 0 && !http_is_token(coding, "chunked"))
        return http_broken(http, 501, "the only Transfer-Encoding here is chunked");
    if (lengths > 0 && !text_parse_u64(length, &work->length))
        return http_broken(http, 400, "Content-Length is not a whole number");
    work->chunked = codings > 0;
    http->request.has_length = codings > 0 || lengths > 0;
    return HTTP_BEGUN;
}

static enum http_event check_expectation(struct http *http) {
    struct str expect;
    int found = http_header(&http->request, "expect", &expect);
    if (found == 0) return HTTP_BEGUN;
    if (found < 0 || !http_is_token(expect, "100-continue"))
        return http_broken(http, 417, "the only expectation met here is 100-continue");
    http->request.expect_continue = http->request.minor > 0;
    return HTTP_BEGUN;
}

static enum http_event check_line(struct http *http) {
    struct http_work *work = http->work;
    struct http_request *request = &http->request;
    if (work->parser.http_major != 1 || work->parser.http_minor > 1)
        return refuse_syntax(http, HPE_INVALID_VERSION);
    if (!line_is_exact(work)) return http_broken(http, 400, "the request line is malformed");
    if (!find_method(&work->parser, &request->method)) return refuse_syntax(http, HPE_INVALID_METHOD);
    request->minor = work->parser.http_minor;
    request->keep_alive = llhttp_should_keep_alive(&work->parser) != 0;
    struct str target = {.ptr = work->head.data + work->target, .len = work->target_len};
    if (target.len == 0 || !split_target(request, target)) return refuse_syntax(http, HPE_INVALID_URL);
    return HTTP_BEGUN;
}

enum http_event http_parse_head(struct http *http) {
    static enum http_event (*const checks[])(struct http *) = {check_line, check_host, check_length,
                                                               check_expectation};
    struct http_work *work = http->work;
    llhttp_init(&work->parser, HTTP_REQUEST, &events);
    work->parser.data = work;
    enum llhttp_errno result = llhttp_execute(&work->parser, work->head.data, work->head.len);
    if (work->crowded) return http_broken(http, 431, "there are too many headers; send fewer");
    if (result != HPE_PAUSED) return refuse_syntax(http, result);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (checks[i](http) == HTTP_FAULT) return HTTP_FAULT;
    if (work->chunked) { // llhttp goes on with them; whatever of the head it has not seen yet comes first
        const char *rest = llhttp_get_error_pos(&work->parser), *end = work->head.data + work->head.len;
        work->in_body = true;
        llhttp_resume(&work->parser);
        if (rest < end && llhttp_execute(&work->parser, rest, (size_t)(end - rest)) != HPE_OK)
            return refuse_syntax(http, HPE_INTERNAL);
    }
    http->phase = HTTP_ANSWERING;
    return HTTP_BEGUN;
}

// --- headers --------------------------------------------------------------------------------------------

bool http_header_at(const struct http_request *request, size_t index, struct str *name, struct str *value) {
    const struct http_work *work = request->work;
    if (index >= work->field_count) return false;
    const struct http_field *field = &work->fields[index];
    *name = (struct str){.ptr = work->head.data + field->name, .len = field->name_len};
    *value = (struct str){.ptr = work->head.data + field->value, .len = field->value_len};
    return true;
}

int http_header(const struct http_request *request, const char *name, struct str *value) {
    const struct http_work *work = request->work;
    size_t len = strlen(name);
    int count = 0;
    *value = (struct str){0};
    for (size_t i = 0; i < work->field_count; i++) {
        const struct http_field *field = &work->fields[i];
        if (field->name_len != len || strncasecmp(work->head.data + field->name, name, len) != 0) continue;
        if (count++ == 0) *value = (struct str){work->head.data + field->value, field->value_len};
    }
    return count > 1 ? -1 : count;
}

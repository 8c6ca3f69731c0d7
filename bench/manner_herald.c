// Herald's identities over HTTP/1.1, on connections that stay.
//
//     GET /v1/identities?login=NAME           ──►  200 and the identity
//     POST /v1/identities {"login","name"}    ──►  201 and the identity: it is on the disk
#include "inquiry.h"

#include <string.h>
#include <strings.h>

#define HEAD_END   "\r\n\r\n"
#define LENGTH     "\r\ncontent-length:"
#define LENGTH_LEN (sizeof LENGTH - 1)

static bool does(enum work work) {
    return work != WORK_LOGIN;
}

static int ask(struct line *line, uint32_t slot) {
    const char *name = line->slots[slot].name;
    struct buf *out = &line->out;
    if (line->work == WORK_LOOKUP)
        return buf_printf(out, "GET /v1/identities?login=%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", name);
    int rc = buf_printf(out, "POST /v1/identities HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                             "application/json\r\nContent-Length: ");
    size_t length = out->len;
    rc |= buf_append_text(out, "000" HEAD_END);
    size_t body = out->len;
    rc |= buf_printf(out, "{\"login\":\"%s\",\"name\":\"", name) | record_name(out, name) |
          buf_append_text(out, "\"}");
    if (rc != 0) return -1;
    size_t bytes = out->len - body;
    for (int digit = 2; digit >= 0; digit--, bytes /= 10)
        out->data[length + (size_t)digit] = (char)('0' + bytes % 10);
    return 0;
}

// Bytes of the body that Content-Length tells. False: it tells none.
static bool read_length(struct str head, size_t *length) {
    for (const char *at = head.ptr, *end = head.ptr + head.len; at != NULL && (size_t)(end - at) > LENGTH_LEN;
         at = memchr(at + 1, '\r', (size_t)(end - at - 1))) {
        if (strncasecmp(at, LENGTH, LENGTH_LEN) != 0) continue;
        const char *digits = at + LENGTH_LEN;
        for (*length = 0; digits < end && *digits == ' ';) digits++;
        for (; digits < end && *digits >= '0' && *digits <= '9' && *length < UINT32_MAX; digits++)
            *length = *length * 10 + (size_t)(*digits - '0');
        return true;
    }
    return false;
}

static const char *check(const struct line *line, struct str head, struct str body) {
    const char *name = line->slots[line->oldest].name;
    const char *status = line->work == WORK_LOOKUP ? "HTTP/1.1 200" : "HTTP/1.1 201";
    if (strncmp(head.ptr, status, strlen(status)) != 0) return "refused";
    if (!record_has(body, "\"login\":\"", name, "\"")) return "the answer is about somebody else";
    return NULL;
}

static size_t take(struct line *line, const char *data, size_t len) {
    size_t taken = 0, length = 0;
    while (taken < len) {
        const char *at = data + taken, *end = memmem(at, len - taken, HEAD_END, 4);
        if (end == NULL) break;
        struct str head = {at, (size_t)(end - at) + 2}, body = {end + 4, 0};
        if (head.len < 12 || strncmp(at, "HTTP/1.1 ", 9) != 0 || !read_length(head, &length))
            return INQUIRY_GARBLED;
        size_t whole = head.len + 2 + length;
        if (whole > len - taken) break;
        body.len = length;
        line_answered_next(line, check(line, head, body), (struct str){at, whole});
        taken += whole;
    }
    return taken;
}

const struct manner manner_herald = {.name = "herald", .does = does, .ask = ask, .take = take};

// Responses into bytes.
#include "gateway/http.h"

#include <stdio.h>
#include <time.h>

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

unsigned http_status_at(unsigned index) {
    return index < sizeof reasons / sizeof *reasons ? reasons[index].status : 0;
}

const char *http_reason(unsigned status) {
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "";
}

static const char *connection_line(const struct http_request *request, const struct http_reply *reply) {
    bool last = reply->close || request == NULL || !request->keep_alive;
    if (last) return "Connection: close\r\n";
    return request->minor == 0 ? "Connection: keep-alive\r\n" : "";
}

static int put_line(struct buf *out, const char *before, const char *text) {
    return buf_append_text(out, before) | buf_append_text(out, text) | buf_append_text(out, "\r\n");
}

static int write_head(struct buf *out, const struct http_request *request, const struct http_reply *reply,
                      const char *date) {
    int rc = buf_append_text(out, "HTTP/1.1 ") | buf_append_u64(out, reply->status);
    rc |= buf_append_text(out, " ") | buf_append_text(out, http_reason(reply->status));
    rc |= put_line(out, "\r\nDate: ", date);
    if (reply->type != NULL) rc |= put_line(out, "Content-Type: ", reply->type);
    if (reply->stream)
        rc |= buf_append_text(out, request->minor > 0 ? "Transfer-Encoding: chunked\r\n" : "");
    else if (reply->status != 204 && reply->status != 304)
        rc |= buf_append_text(out, "Content-Length: ") | buf_append_u64(out, reply->body.len) |
              buf_append_text(out, "\r\n");
    rc |= buf_append_str(out, reply->headers);
    rc |= buf_append_text(out, connection_line(request, reply));
    return rc | buf_append_text(out, "\r\n");
}

int http_write(struct buf *out, const struct http_request *request, const struct http_reply *reply,
               const char *date) {
    size_t before = out->len;
    bool bodiless =
        (request != NULL && request->method == METHOD_HEAD) || reply->status == 204 || reply->status == 304;
    if (write_head(out, request, reply, date) == 0 && (bodiless || buf_append_str(out, reply->body) == 0))
        return 0;
    buf_truncate(out, before);
    return -1;
}

int http_write_continue(struct buf *out) {
    return buf_append_text(out, "HTTP/1.1 100 Continue\r\n\r\n");
}

int http_write_chunk(struct buf *out, const struct http_request *request, struct str piece) {
    size_t before = out->len;
    if (piece.len == 0) return 0; // would end the stream
    if (request->minor == 0) return buf_append_str(out, piece);
    if (buf_printf(out, "%zx\r\n", piece.len) == 0 && buf_append_str(out, piece) == 0 &&
        buf_append_text(out, "\r\n") == 0)
        return 0;
    buf_truncate(out, before);
    return -1;
}

int http_write_last(struct buf *out, const struct http_request *request) {
    return request->minor == 0 ? 0 : buf_append_text(out, "0\r\n\r\n");
}

void http_date(int64_t wall_ms, char date[HTTP_DATE_SIZE]) {
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year > 8099) {
        seconds = 0; // a clock beyond all calendars
        gmtime_r(&seconds, &tm);
    }
    // Names are English whatever the locale.
    (void)snprintf(date, HTTP_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                   months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

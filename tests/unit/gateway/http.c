// Requests out of bytes: every story is played whole, byte by byte, and cut in two at every byte, and must
// read the same each time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transcript.h"

#include <stdio.h>
#include <stdlib.h>

static void expect_of(struct str bytes, const char *expected) {
    struct buf told = {0};
    transcript_cut(bytes, 0, &told);
    if (strcmp(told.data, expected) != 0)
        fail_msg("sent:\n%.*s\nexpected:\n%s\ntold:\n%s", (int)bytes.len, bytes.ptr, expected, told.data);
    for (size_t cut = 1; cut < bytes.len; cut++) {
        buf_truncate(&told, 0);
        transcript_cut(bytes, cut, &told);
        if (strcmp(told.data, expected) != 0)
            fail_msg("cut at %zu:\n%.*s\nexpected:\n%s\ntold:\n%s", cut, (int)bytes.len, bytes.ptr, expected,
                     told.data);
    }
    buf_truncate(&told, 0);
    transcript_bytewise(bytes, &told);
    assert_string_equal(told.data, expected);
    buf_free(&told);
}

#define EXPECT(bytes, expected) expect_of(STR(bytes), expected)
#define H                       "Host: h\r\n"
#define TOLD                    " [Host=h]"

static void a_request_is_its_line_and_headers(void **state) {
    (void)state;
    EXPECT("GET / HTTP/1.1\r\n" H "\r\n", "GET /" TOLD " stays {}\n");
    EXPECT("DELETE /v1/x?a=1&b HTTP/1.1\r\nHOST:  h \t\r\nX-Y: 1 2\r\nEmpty:\r\n\r\n",
           "DELETE /v1/x ?a=1&b [HOST=h] [X-Y=1 2] [Empty=] stays {}\n");
    EXPECT("GET /? HTTP/1.1\r\n" H "\r\n", "GET / ?" TOLD " stays {}\n");
    EXPECT("\r\nGET / HTTP/1.1\r\n" H "\r\n",
           "GET /" TOLD " stays {}\n"); // an empty line before is passed over
}

static void a_connection_serves_one_request_after_the_other(void **state) {
    (void)state;
    EXPECT("GET /1 HTTP/1.1\r\n" H "\r\nPOST /2 HTTP/1.1\r\nContent-Length: 3\r\n" H
           "\r\nabcGET /3 HTTP/1.1\r\n" H "\r\n",
           "GET /1" TOLD " stays {}\nPOST /2 [Content-Length=3]" TOLD " stays {abc}\nGET /3" TOLD
           " stays {}\n");
}

static void a_body_has_a_length_or_chunks(void **state) {
    (void)state;
    EXPECT("POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
           "POST /" TOLD " [Content-Length=0] stays {}\n");
    EXPECT("POST / HTTP/1.1\r\n" H
           "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n"
           "GET / HTTP/1.1\r\n" H "\r\n",
           "POST /" TOLD " [Transfer-Encoding=chunked] stays {abc0123456789}\nGET /" TOLD " stays {}\n");
    // Trailers are read over; they are not headers.
    EXPECT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nHost: evil\r\n\r\n",
           "POST /" TOLD " [Transfer-Encoding=Chunked] stays {a}\n");
    EXPECT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST /" TOLD " [Transfer-Encoding=chunked] stays {}\n");
}

static void a_body_beyond_its_limit_is_refused_before_it_is_held(void **state) {
    (void)state;
    EXPECT("POST / HTTP/1.1\r\n" H "Content-Length: 65\r\n\r\n", "fault 413\n");
    EXPECT("POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551615\r\n\r\n", "fault 413\n");
    EXPECT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n41\r\n", "fault 413\n");
    EXPECT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n40\r\n", "fault 413\n");
    EXPECT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "fault 413\n");
}

static void framing_without_content_is_bounded_too(void **state) {
    (void)state;
    struct buf bytes = {0}, told = {0};
    buf_append_text(&bytes, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;");
    for (int i = 0; i < 40000; i++) buf_append(&bytes, "x", 1);
    transcript_cut(buf_str(&bytes), 0, &told);
    assert_string_equal(told.data, "fault 413\n");
    buf_free(&bytes);
    buf_free(&told);
}

static void who_expects_100_gets_it_only_for_a_body_that_is_taken(void **state) {
    (void)state;
    EXPECT("PUT / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
           "100\nPUT /" TOLD " [Expect=100-Continue] [Content-Length=1] stays {x}\n");
    EXPECT("PUT / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 999\r\n\r\n", "fault 413\n");
    EXPECT("GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n",
           "GET /" TOLD " [Expect=100-continue] stays {}\n");
    EXPECT("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
           "PUT / [Expect=100-continue] [Content-Length=1] closes {x}\n");
    EXPECT("PUT / HTTP/1.1\r\n" H "Expect: a-miracle\r\n\r\n", "fault 417\n");
}

static void connections_end_as_they_say(void **state) {
    (void)state;
    EXPECT("GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n",
           "GET /" TOLD " [Connection=close] closes {}\n");
    EXPECT("GET / HTTP/1.0\r\n\r\n", "GET / closes {}\n");
    EXPECT("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / [Connection=keep-alive] stays {}\n");
    EXPECT("GET / HTTP/1.1\r\n" H "Connection: Keep-Alive, Close\r\n\r\n",
           "GET /" TOLD " [Connection=Keep-Alive, Close] closes {}\n");
    // We upgrade to nothing: the request is an ordinary one.
    EXPECT("GET / HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /2 HTTP/1.1\r\n" H
           "\r\n",
           "GET /" TOLD " [Connection=Upgrade] [Upgrade=websocket] stays {}\nGET /2" TOLD " stays {}\n");
    EXPECT("POST / HTTP/1.1\r\n" H
           "Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
           "POST /" TOLD " [Connection=Upgrade] [Upgrade=h2c] [Transfer-Encoding=chunked] stays {a}\n");
}

static void targets_have_three_forms(void **state) {
    (void)state;
    EXPECT("GET http://example.org:3781/v1?x HTTP/1.1\r\n" H "\r\n", "GET /v1 ?x" TOLD " stays {}\n");
    EXPECT("GET HTTP://example.org HTTP/1.1\r\n" H "\r\n", "GET /" TOLD " stays {}\n");
    EXPECT("GET https://example.org?x HTTP/1.1\r\n" H "\r\n", "GET / ?x" TOLD " stays {}\n");
    EXPECT("OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS *" TOLD " stays {}\n");
    EXPECT("GET * HTTP/1.1\r\n" H "\r\n", "fault 400\n");
    EXPECT("GET http:///x HTTP/1.1\r\n" H "\r\n", "fault 400\n");
    EXPECT("GET http://a@b/x HTTP/1.1\r\n" H "\r\n", "fault 400\n");
    EXPECT("GET ftp://a/x HTTP/1.1\r\n" H "\r\n", "fault 400\n");
    EXPECT("GET /a#b HTTP/1.1\r\n" H "\r\n", "fault 400\n");
    EXPECT("GET x HTTP/1.1\r\n" H "\r\n", "fault 400\n");
    EXPECT("GET /\x01 HTTP/1.1\r\n" H "\r\n", "fault 400\n");
}

static void host_is_told_exactly_once(void **state) {
    (void)state;
    EXPECT("GET / HTTP/1.1\r\n\r\n", "fault 400\n");
    EXPECT("GET / HTTP/1.1\r\n" H H "\r\n", "fault 400\n");
    EXPECT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "fault 400\n");
    EXPECT("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "fault 400\n");
    EXPECT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "fault 400\n");
    EXPECT("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET / [Host=[::1]:80] stays {}\n");
    EXPECT("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / [Host=] stays {}\n");
}

// What one reader could take for two messages, another for one.
static void smuggling_is_refused(void **state) {
    (void)state;
    static const char *const heads[] = {
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: 1 1\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length : 1\r\n",
        "Content-Length\t: 1\r\n",
        " Content-Length: 1\r\n",
        "X: 1\r\n Content-Length: 1\r\n",
        "X: 1\r\n\tContent-Length: 1\r\n",
        "X: 1\nContent-Length: 1\r\n",
        "X: 1\rContent-Length: 1\r\n",
        "X: 1\r\n\rContent-Length: 1\r\n",
        "X\r\n",
        ": 1\r\n",
        "X Y: 1\r\n",
        "X(: 1\r\n",
        "X: \x01\r\n",
        "X: \x7f\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding:\013chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer_Encoding: chunked\r\nTransfer-Encoding\x01: chunked\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct buf bytes = {0}, told = {0};
        buf_printf(&bytes, "POST / HTTP/1.1\r\n" H "%s\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n" H "\r\n",
                   heads[i]);
        transcript_cut(buf_str(&bytes), 0, &told);
        if (strcmp(told.data, "fault 400\n") != 0 && strcmp(told.data, "fault 501\n") != 0)
            fail_msg("%s\ntold: %s", heads[i], told.data);
        expect_of(buf_str(&bytes), told.data);
        buf_free(&bytes);
        buf_free(&told);
    }
    EXPECT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "fault 400\n");
    EXPECT("GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n", "fault 400\n");
    EXPECT("GET / HTTP/1.1\r\nHo\0st: h\r\n\r\n", "fault 400\n");
    EXPECT("GET / HTTP/1.1\n" H "\r\n", "fault 400\n");
    EXPECT("GET / HTTP/1.1\r\n" H "\n", "fault 400\n");
    EXPECT("\nGET / HTTP/1.1\r\n" H "\r\n", "fault 400\n");
    EXPECT("GET / HTTP/1.1\r\r\n" H "\r\n", "fault 400\n");
}

static void bad_chunks_are_refused(void **state) {
    (void)state;
    static const char *const chunks[] = {
        "x\r\n",
        "-1\r\n",
        "+1\r\na\r\n",
        "0x1\r\na\r\n",
        " 1\r\na\r\n",
        "1 \r\na\r\n",
        "1\na\r\n",
        "1\r\na\n",
        "1\r\nab\r\n",
        "1\r\naXX",
        "\r\n",
        ";x\r\n",
        "1;\x01\r\na\r\n",
        "1\ra\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\n\r\n",
        "0\r\n\n",
        "1;x=\"\n\"\r\na\r\n",
        "10000000000000000\r\n",
    };
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        struct buf bytes = {0}, told = {0};
        buf_printf(&bytes, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n%s", chunks[i]);
        transcript_cut(buf_str(&bytes), 0, &told);
        if (strcmp(told.data, "fault 400\n") != 0) fail_msg("%s\ntold: %s", chunks[i], told.data);
        expect_of(buf_str(&bytes), told.data);
        buf_free(&bytes);
        buf_free(&told);
    }
}

static void what_is_not_our_http_is_told_so(void **state) {
    (void)state;
    EXPECT("\x16\x03\x01", "fault 400\n");
    EXPECT("{\"command\":\"LOGIN\"}\n", "fault 400\n");
    EXPECT("BREW / HTTP/1.1\r\n" H "\r\n", "fault 501\n");
    EXPECT("CONNECT a:1 HTTP/1.1\r\n" H "\r\n", "fault 501\n");
    EXPECT("TRACE / HTTP/1.1\r\n" H "\r\n", "fault 501\n");
    EXPECT("GET / HTTP/2.0\r\n" H "\r\n", "fault 505\n");
    EXPECT("GET / HTTP/1.2\r\n" H "\r\n", "fault 505\n");
    EXPECT("GET / HTTP/0.9\r\n\r\n", "fault 505\n");
    EXPECT("GET /\r\n\r\n", "fault 505\n");
    EXPECT("SOURCE / ICE/1.0\r\n\r\n", "fault 400\n");
    EXPECT("GET  / HTTP/1.1\r\n" H "\r\n", "fault 400\n");
    EXPECT("GET /  HTTP/1.1\r\n" H "\r\n", "fault 400\n");
    EXPECT("get / HTTP/1.1\r\n" H "\r\n", "fault 400\n");
}

static void heads_have_limits(void **state) {
    (void)state;
    struct buf bytes = {0}, told = {0};
    buf_append_text(&bytes, "GET /");
    while (bytes.len < HTTP_HEAD_MAX) buf_append(&bytes, "x", 1);
    transcript_cut(buf_str(&bytes), 0, &told);
    assert_string_equal(told.data, "fault 414\n");
    buf_truncate(&told, 0);
    transcript_cut(buf_str(&bytes), 100, &told);
    assert_string_equal(told.data, "fault 414\n");

    buf_truncate(&bytes, 0);
    buf_truncate(&told, 0);
    buf_append_text(&bytes, "GET / HTTP/1.1\r\n" H "X: ");
    while (bytes.len < HTTP_HEAD_MAX - 4) buf_append(&bytes, "x", 1);
    buf_append_text(&bytes, "\r\n\r\n"); // just fits
    struct buf longer = {0};
    buf_append_str(&longer, (struct str){bytes.data, bytes.len - 4});
    buf_append_text(&longer, "x\r\n\r\n");
    transcript_cut(buf_str(&bytes), 0, &told);
    assert_memory_equal(told.data, "GET /", 5);
    buf_truncate(&told, 0);
    transcript_bytewise(buf_str(&longer), &told);
    assert_string_equal(told.data, "fault 431\n");

    for (unsigned count = HTTP_HEADERS_MAX; count <= HTTP_HEADERS_MAX + 1; count++) {
        buf_truncate(&bytes, 0);
        buf_truncate(&told, 0);
        buf_append_text(&bytes, "GET / HTTP/1.1\r\n" H);
        for (unsigned i = 1; i < count; i++) buf_append_text(&bytes, "X: y\r\n");
        buf_append_text(&bytes, "\r\n");
        transcript_cut(buf_str(&bytes), 0, &told);
        assert_memory_equal(told.data, count > HTTP_HEADERS_MAX ? "fault 431" : "GET / [Ho", 9);
    }
    buf_free(&bytes);
    buf_free(&longer);
    buf_free(&told);
}

static void an_idle_connection_holds_nothing(void **state) {
    (void)state;
    struct http http;
    http_init(&http);
    struct str input = STR("GET / HTTP/1.1\r\n" H "\r\nGET");
    assert_int_equal(http_next(&http, &input), HTTP_BEGUN);
    assert_int_equal(http.phase, HTTP_ANSWERING);
    assert_false(http_has_body(&http));
    http_done(&http); // answered without asking for a body
    assert_null(http.work);
    assert_int_equal(http.phase, HTTP_IDLE);
    assert_int_equal(input.len, 3); // the next one is the owner's to keep
    assert_int_equal(http_next(&http, &input), HTTP_MORE);
    assert_int_equal(http.phase, HTTP_ARRIVING);
    http_late(&http);
    assert_int_equal(http.fault.status, 408);
    http_fini(&http);
}

static void escapes_are_decoded_strictly(void **state) {
    (void)state;
    struct buf out = {0};
    struct err err;
    assert_int_equal(http_decode(STR("a%20b+c%C3%a9%2f"), &out, &err), 0);
    assert_true(str_equal(buf_str(&out), STR("a b+c\xc3\xa9/")));
    assert_int_equal(http_decode(STR(""), &out, &err), 0);
    assert_int_equal(out.len, 0);
    static const char *const wrong[] = {
        "%",   "%4",  "%zz", "a%4",       "%00",      "%0a",
        "%7f", "%ff", "%c3", "%zz%bb%bf", "%gf%bb%bf"}; // what would be UTF-8 if they were digits
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(http_decode(str_of(wrong[i]), &out, &err), -1);
    buf_free(&out);
}

static void parameters_are_walked_in_order(void **state) {
    (void)state;
    struct str query = STR("a=1&&b&c=x=y&=z&"), name, value;
    static const char *const expected[][2] = {{"a", "1"}, {"b", ""}, {"c", "x=y"}, {"", "z"}};
    for (size_t i = 0; i < 4; i++) {
        assert_true(http_parameter(&query, &name, &value));
        assert_true(str_equal_text(name, expected[i][0]));
        assert_true(str_equal_text(value, expected[i][1]));
    }
    assert_false(http_parameter(&query, &name, &value));
}

static void answers_are_framed(void **state) {
    (void)state;
    struct buf out = {0};
    struct http_request get = {.method = METHOD_GET, .minor = 1, .keep_alive = true};
    struct http_request head = {.method = METHOD_HEAD, .minor = 1, .keep_alive = true};
    struct http_request old = {.method = METHOD_GET, .minor = 0, .keep_alive = true};
    struct http_reply reply = {
        .status = 200, .type = "text/plain", .headers = STR("A: b\r\n"), .body = STR("hi")};
    const char *shared =
        "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nA: b\r\n";
    http_write(&out, &get, &reply, "D");
    assert_memory_equal(out.data, shared, strlen(shared));
    assert_true(str_equal_text((struct str){out.data + strlen(shared), out.len - strlen(shared)}, "\r\nhi"));
    buf_truncate(&out, 0);
    http_write(&out, &head, &reply, "D");
    assert_true(str_equal_text((struct str){out.data + strlen(shared), out.len - strlen(shared)}, "\r\n"));
    buf_truncate(&out, 0);
    http_write(&out, &old, &reply, "D");
    assert_true(str_equal_text((struct str){out.data + strlen(shared), out.len - strlen(shared)},
                               "Connection: keep-alive\r\n\r\nhi"));
    buf_truncate(&out, 0);
    http_write(&out, &get, &(struct http_reply){.status = 204, .close = true}, "D");
    assert_true(
        str_equal_text(buf_str(&out), "HTTP/1.1 204 No Content\r\nDate: D\r\nConnection: close\r\n\r\n"));
    buf_truncate(&out, 0);
    http_write_chunk(&out, &get, STR("0123456789abcdef"));
    http_write_chunk(&out, &get, STR(""));
    http_write_last(&out, &get);
    assert_true(str_equal_text(buf_str(&out), "10\r\n0123456789abcdef\r\n0\r\n\r\n"));
    buf_free(&out);
    char date[HTTP_DATE_SIZE];
    http_date(784111777000, date);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_its_line_and_headers),
        cmocka_unit_test(a_connection_serves_one_request_after_the_other),
        cmocka_unit_test(a_body_has_a_length_or_chunks),
        cmocka_unit_test(a_body_beyond_its_limit_is_refused_before_it_is_held),
        cmocka_unit_test(framing_without_content_is_bounded_too),
        cmocka_unit_test(who_expects_100_gets_it_only_for_a_body_that_is_taken),
        cmocka_unit_test(connections_end_as_they_say),
        cmocka_unit_test(targets_have_three_forms),
        cmocka_unit_test(host_is_told_exactly_once),
        cmocka_unit_test(smuggling_is_refused),
        cmocka_unit_test(bad_chunks_are_refused),
        cmocka_unit_test(what_is_not_our_http_is_told_so),
        cmocka_unit_test(heads_have_limits),
        cmocka_unit_test(an_idle_connection_holds_nothing),
        cmocka_unit_test(escapes_are_decoded_strictly),
        cmocka_unit_test(parameters_are_walked_in_order),
        cmocka_unit_test(answers_are_framed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

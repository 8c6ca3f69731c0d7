// Finding a route, and what the table promises of itself.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/metrics.h"
#include "gateway/routes.h"

#include <string.h>

static const char *operation(enum http_method method, const char *path, const char *param) {
    struct str found;
    unsigned allowed;
    const struct route *route = route_find(method, str_of(path), &found, &allowed);
    if (route == NULL) return allowed != 0 ? "another method" : "nothing";
    assert_true(str_equal_text(found, param));
    return route->operation;
}

static void a_path_and_a_method_lead_to_one_route(void **state) {
    (void)state;
    assert_string_equal(operation(METHOD_GET, "/v1/identities", ""), "listIdentities");
    assert_string_equal(operation(METHOD_HEAD, "/v1/identities", ""), "listIdentities");
    assert_string_equal(operation(METHOD_POST, "/v1/identities", ""), "createIdentity");
    assert_string_equal(operation(METHOD_PATCH, "/v1/identities/x%20y", "x%20y"), "modifyIdentity");
    assert_string_equal(operation(METHOD_PUT, "/v1/settings/app/theme", "app/theme"), "putSetting");
    assert_string_equal(operation(METHOD_GET, "/v1/settings", ""), "listSettings");
    assert_string_equal(operation(METHOD_PUT, "/v1/identities", ""), "another method");
    assert_string_equal(operation(METHOD_POST, "/metrics", ""), "another method");
}

static void near_misses_are_nothing(void **state) {
    (void)state;
    static const char *const paths[] = {"/",
                                        "",
                                        "/v1",
                                        "/v1/",
                                        "/v1/identities/",
                                        "/v1//identities",
                                        "/V1/identities",
                                        "/v1/identities/a/b",
                                        "/v1/identitie",
                                        "/v1/identitiess",
                                        "//v1/identities",
                                        "/v1/settings/",
                                        "/v1/./identities",
                                        "/health",
                                        "/health/",
                                        "/metrics/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(operation(METHOD_GET, paths[i], ""), "nothing") != 0) fail_msg("found: %s", paths[i]);
}

static void allow_lists_what_a_path_knows(void **state) {
    (void)state;
    struct str param;
    unsigned allowed;
    struct buf out = {0};
    assert_null(route_find(METHOD_OPTIONS, STR("/v1/identities/x"), &param, &allowed));
    assert_int_equal(route_allow(allowed, &out), 0);
    assert_true(str_equal_text(buf_str(&out), "Allow: GET, HEAD, PATCH, DELETE, OPTIONS\r\n"));
    buf_free(&out);
}

static void every_row_is_whole(void **state) {
    (void)state;
    const struct route *route;
    unsigned count = 0;
    for (; (route = route_at(count)) != NULL; count++) {
        assert_int_equal(route_index(route), count);
        assert_true((route->handle == NULL) != (route->prepare == NULL));
        assert_true((route->takes == TAKES_NOTHING) == (route->body == NULL));
        assert_non_null(route->operation);
        assert_non_null(route->about);
        assert_non_null(route->gives);
    }
    assert_true(count <= METRICS_ROUTES);
    unsigned statuses = 0;
    while (http_status_at(statuses) != 0) statuses++;
    assert_true(statuses <= METRICS_STATUSES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_and_a_method_lead_to_one_route),
        cmocka_unit_test(near_misses_are_nothing),
        cmocka_unit_test(allow_lists_what_a_path_knows),
        cmocka_unit_test(every_row_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

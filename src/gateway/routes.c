// The table of routes, and finding one.
#include "gateway/routes.h"

#include "gateway/handlers.h"

#include <string.h>

#define JSON_MAX (16u * 1024)

#define IDENTITIES "/v1/identities"
#define IDENTITY   "/v1/identities/{uuid}"
#define SETTINGS   "/v1/settings"
#define SETTING    "/v1/settings/{key}"

static const struct route routes[] = {
    {METHOD_POST, IDENTITIES, WHO_CREATOR, TAKES_JSON, JSON_MAX, .prepare = identities_create,
     .headers = "Idempotency-Key", .operation = "createIdentity", .tag = "identities",
     .about = "Makes an account. Without a password only an admin can change it later.",
     .body = "NewIdentity", .gives = "201 Identity,409,422"},
    {METHOD_GET, IDENTITIES, WHO_READER, TAKES_NOTHING, JSON_MAX, .handle = identities_list,
     .query = "login limit after", .headers = "If-None-Match", .operation = "listIdentities",
     .tag = "identities",
     .about =
         "With `login` the one account of that login; else a page of all, in the order of their creation.",
     .gives = "200 IdentityOrPage,304,404"},
    {METHOD_GET, IDENTITY, WHO_READER, TAKES_NOTHING, JSON_MAX, .handle = identities_get,
     .headers = "If-None-Match", .operation = "getIdentity", .tag = "identities", .about = "One account.",
     .gives = "200 Identity,304,404"},
    {METHOD_PATCH, IDENTITY, WHO_OWNER, TAKES_PATCH, JSON_MAX, .prepare = identities_modify,
     .headers = "If-Match Idempotency-Key", .operation = "modifyIdentity", .tag = "identities",
     .about =
         "Changes login, name or password: those that the body has. A new login or password ends the open "
         "sessions of the account.",
     .body = "IdentityPatch", .gives = "200 Identity,404,409,412,422"},
    {METHOD_DELETE, IDENTITY, WHO_OWNER, TAKES_NOTHING, JSON_MAX, .prepare = identities_delete,
     .headers = "If-Match Idempotency-Key", .operation = "deleteIdentity", .tag = "identities",
     .about = "Deletes an account. Its open sessions end; its login is free.", .gives = "204,404,412"},

    {METHOD_POST, "/v1/activities", WHO_ACCOUNT, TAKES_JSON, 0, .handle = activities_post,
     .operation = "postActivity", .tag = "activities",
     .about = "Publishes an activity to everyone who listens now, stamped with the account's login like any "
              "other.",
     .body = "Activity", .gives = "202 Accepted"},

    {METHOD_GET, SETTINGS, WHO_READER, TAKES_NOTHING, JSON_MAX, .handle = settings_list,
     .query = "prefix limit after", .operation = "listSettings", .tag = "settings",
     .about = "A page of the settings whose keys begin with `prefix`, in the order of their bytes, without "
              "their values.",
     .gives = "200 SettingPage"},
    {METHOD_GET, SETTING, WHO_READER, TAKES_NOTHING, JSON_MAX, .handle = settings_get,
     .headers = "If-None-Match", .operation = "getSetting", .tag = "settings",
     .about = "The value of a setting, as it was put.", .gives = "200 Value,304,404"},
    {METHOD_PUT, SETTING, WHO_ADMIN, TAKES_BYTES, CHANGE_VALUE_MAX, .prepare = settings_put,
     .headers = "If-Match If-None-Match Idempotency-Key", .operation = "putSetting", .tag = "settings",
     .about =
         "Makes or replaces a setting. With `If-Match` only that version, with `If-None-Match: *` only when "
         "there is none.",
     .body = "Value", .gives = "200 Setting,412"},
    {METHOD_DELETE, SETTING, WHO_ADMIN, TAKES_NOTHING, JSON_MAX, .prepare = settings_delete,
     .headers = "If-Match Idempotency-Key", .operation = "deleteSetting", .tag = "settings",
     .about = "Deletes a setting.", .gives = "204,404,412"},

    {METHOD_GET, "/v1/changes", WHO_READER, TAKES_NOTHING, JSON_MAX, .handle = changes_follow,
     .query = "since", .headers = "Last-Event-ID", .operation = "followChanges", .tag = "changes",
     .about = "The change log as Server-Sent Events, from the clock `since` (or `Last-Event-ID`) on, without "
              "secrets and values; without either, what changes from now on. A comment comes every 15 s when "
              "nothing else does.",
     .gives = "200 Events,410"},

    {METHOD_GET, "/health/live", WHO_ANYONE, TAKES_NOTHING, JSON_MAX, .handle = health_live,
     .operation = "live", .tag = "health", .about = "This process answers.", .gives = "200 Health"},
    {METHOD_GET, "/health/ready", WHO_ANYONE, TAKES_NOTHING, JSON_MAX, .handle = health_ready,
     .operation = "ready", .tag = "health",
     .about = "This server can be given work: it reads its store and is not stopping.",
     .gives = "200 Health,503"},
    {METHOD_GET, "/metrics", WHO_ANYONE, TAKES_NOTHING, JSON_MAX, .handle = metrics_get,
     .operation = "metrics", .tag = "health", .about = "Metrics in the text format of Prometheus.",
     .gives = "200 Metrics"},
};
#define ROUTES (sizeof routes / sizeof *routes)

const struct route *route_at(unsigned index) {
    return index < ROUTES ? &routes[index] : NULL;
}

unsigned route_index(const struct route *route) {
    return (unsigned)(route - routes);
}

// --- finding --------------------------------------------------------------------------------------------

static struct str segment(struct str *path) {
    const char *slash = memchr(path->ptr, '/', path->len);
    struct str one = {.ptr = path->ptr, .len = slash ? (size_t)(slash - path->ptr) : path->len};
    size_t taken = one.len + (slash != NULL);
    *path = (struct str){.ptr = path->ptr + taken, .len = path->len - taken};
    return one;
}

static bool matches(const char *pattern, struct str path, struct str *param) {
    struct str left = str_of(pattern);
    while (left.len > 0 && path.len > 0) {
        struct str wanted = segment(&left), found = segment(&path);
        if (wanted.len > 0 && wanted.ptr[0] == '{') {
            if (found.len == 0) return false;
            *param = found;
            if (str_equal_text(wanted, "{key}")) { // has slashes of its own
                param->len = found.len + (size_t)(path.ptr + path.len - (found.ptr + found.len));
                return true;
            }
        } else if (!str_equal(wanted, found)) {
            return false;
        }
        if (left.len == 0) return path.len == 0 && path.ptr[-1] != '/';
    }
    return false;
}

const struct route *route_find(enum http_method method, struct str path, struct str *param,
                               unsigned *allowed) {
    enum http_method asked = method == METHOD_HEAD ? METHOD_GET : method;
    struct str found;
    *allowed = 0;
    *param = (struct str){0};
    for (unsigned i = 0; i < ROUTES; i++) {
        found = (struct str){0};
        if (!matches(routes[i].path, path, &found)) continue;
        if (routes[i].method == asked) {
            *param = found;
            return &routes[i];
        }
        *allowed |= 1u << routes[i].method;
    }
    return NULL;
}

int route_allow(unsigned allowed, struct buf *out) {
    if (allowed & 1u << METHOD_GET) allowed |= 1u << METHOD_HEAD;
    allowed |= 1u << METHOD_OPTIONS;
    int rc = buf_append_text(out, "Allow: ");
    const char *before = "";
    for (int i = 0; i < METHOD_COUNT; i++) {
        if ((allowed & 1u << i) == 0) continue;
        rc |= buf_printf(out, "%s%s", before, http_method_name((enum http_method)i));
        before = ", ";
    }
    return rc | buf_append_text(out, "\r\n");
}

bool route_names(const char *names, struct str name) {
    while (names != NULL && *names != '\0') {
        size_t len = strcspn(names, " ");
        if (str_equal((struct str){.ptr = names, .len = len}, name)) return true;
        names += len + strspn(names + len, " ");
    }
    return false;
}

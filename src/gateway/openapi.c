// docs/openapi.yaml out of the table of routes. tests/system/test_http_api.py holds the two together, and
// every answer of a server under test against the schemas.
#include "gateway/gateway.h"
#include "gateway/problem.h"
#include "gateway/routes.h"

#include <string.h>

static const char *const preamble = "openapi: 3.1.0\n"
                                    "info:\n"
                                    "  title: Herald\n"
                                    "  version: \"1\"\n"
                                    "  license: {name: Apache-2.0, identifier: Apache-2.0}\n"
                                    "  description: >-\n"
                                    "    Accounts, settings, the change log, activities. Every GET also "
                                    "answers HEAD; every path answers OPTIONS.\n"
                                    "    docs/http.md says what this page cannot.\n"
                                    "servers:\n"
                                    "  - url: http://127.0.0.1:3781\n"
                                    "paths:\n";

static const char *const schemas[] = {
    "  securitySchemes:",
    "    account: {type: http, scheme: basic, description: An account's login and password.}",
    "    admin: {type: http, scheme: bearer, description: An admin token.}",
    "  schemas:",
    "    Uuid: {type: string, pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'}",
    "    Time: {type: string, pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$'}",
    "    Login:",
    "      type: string",
    "      minLength: 1",
    "      description: >-",
    "        1 to 64 characters without white space, control or invisible characters; kept as NFC, unique "
    "without",
    "        regard to case. \"anonymous\" is nobody's.",
    "    Identity:",
    "      type: object",
    "      additionalProperties: false",
    "      required: [uuid, login, name, created_at, modified_at, created_from]",
    "      properties:",
    "        uuid: {$ref: '#/components/schemas/Uuid'}",
    "        login: {$ref: '#/components/schemas/Login'}",
    "        name: {type: string, description: The real name; may be empty.}",
    "        created_at: {$ref: '#/components/schemas/Time'}",
    "        modified_at: {$ref: '#/components/schemas/Time'}",
    "        created_from: {type: string, description: The address of the client that made it.}",
    "    IdentityPage:",
    "      type: object",
    "      additionalProperties: false",
    "      required: [identities, next]",
    "      properties:",
    "        identities: {type: array, items: {$ref: '#/components/schemas/Identity'}}",
    "        next: {type: [string, 'null'], description: \"Send it as `after`; null: this was the last "
    "page.\"}",
    "    IdentityOrPage:",
    "      oneOf:",
    "        - $ref: '#/components/schemas/Identity'",
    "        - $ref: '#/components/schemas/IdentityPage'",
    "    NewIdentity:",
    "      type: object",
    "      additionalProperties: false",
    "      required: [login]",
    "      properties:",
    "        login: {$ref: '#/components/schemas/Login'}",
    "        name: {type: [string, 'null'], description: \"At most 256 bytes, no control characters.\"}",
    "        password: {type: [string, 'null'], description: \"1 to 1024 bytes; null: none.\"}",
    "    IdentityPatch:",
    "      type: object",
    "      additionalProperties: false",
    "      minProperties: 1",
    "      properties:",
    "        login: {$ref: '#/components/schemas/Login'}",
    "        name: {type: [string, 'null']}",
    "        password: {type: [string, 'null'], description: \"null takes it away.\"}",
    "    Setting:",
    "      type: object",
    "      additionalProperties: false",
    "      required: [key, version, size, modified_at]",
    "      properties:",
    "        key: {type: string}",
    "        version: {type: integer, minimum: 1}",
    "        size: {type: integer, minimum: 0, maximum: 65536}",
    "        modified_at: {$ref: '#/components/schemas/Time'}",
    "    SettingPage:",
    "      type: object",
    "      additionalProperties: false",
    "      required: [settings, next]",
    "      properties:",
    "        settings: {type: array, items: {$ref: '#/components/schemas/Setting'}}",
    "        next: {type: [string, 'null']}",
    "    Activity: {type: object, description: \"Any object; `authenticated_user` is replaced.\"}",
    "    Accepted:",
    "      type: object",
    "      additionalProperties: false",
    "      required: [authenticated_user]",
    "      properties: {authenticated_user: {$ref: '#/components/schemas/Login'}}",
    "    Health:",
    "      type: object",
    "      additionalProperties: false",
    "      required: [status]",
    "      properties: {status: {enum: [live, ready]}}",
    "    Change:",
    "      description: The data of one event of the change log.",
    "      type: object",
    "      additionalProperties: false",
    "      required: [clock, kind, at]",
    "      properties:",
    "        clock: {type: string, pattern: '^\\d+\\.\\d+$'}",
    "        kind: {enum: [create, modify, delete, setting_put, setting_delete, token_add, token_revoke]}",
    "        at: {$ref: '#/components/schemas/Time'}",
    "        uuid: {$ref: '#/components/schemas/Uuid'}",
    "        login: {type: string}",
    "        name: {type: string}",
    "        key: {type: string}",
    "        sets: {type: array, items: {enum: [login, name, password]}}",
    "    Problem:",
    "      description: What is wrong, and what to do (RFC 9457).",
    "      type: object",
    "      additionalProperties: false",
    "      required: [type, title, status, code]",
    "      properties:",
    "        type: {type: string, pattern: '^urn:herald:problem:'}",
    "        title: {type: string}",
    "        status: {type: integer}",
    "        detail: {type: string}",
    "        field: {type: string, description: \"The member, parameter or header that it is about.\"}",
    "        code:",
    "          enum:",
};

// --- parameters -----------------------------------------------------------------------------------------

static const struct {
    const char *name, *where, *schema, *about;
} parameters[] = {
    {"uuid", "path", "{$ref: '#/components/schemas/Uuid'}", "Of the account."},
    {"key", "path", "{type: string, maxLength: 255}",
     "1 to 255 printable ASCII characters without blanks; slashes may stand as they are."},
    {"login", "query", "{type: string}", "The login of one account, in any case."},
    {"limit", "query", "{type: integer, minimum: 1, maximum: 1000, default: 100}",
     "The most that a page holds."},
    {"after", "query", "{type: string}", "What the page before had as `next`."},
    {"prefix", "query", "{type: string}", "What the keys begin with."},
    {"since", "query", "{type: string}", "EPOCH.CLOCK or CLOCK: what came after it."},
    {"If-Match", "header", "{type: string}", "An ETag: only if it is still that version (else 412)."},
    {"If-None-Match", "header", "{type: string}",
     "An ETag: 304 if it is still that; on PUT `*`: only if there is none."},
    {"Idempotency-Key", "header", "{type: string, minLength: 1, maxLength: 255}",
     "The same request with the same key is done once, and answered the same again for a day."},
    {"Last-Event-ID", "header", "{type: string}", "As `since`, and before it; browsers send it."},
    {"Herald-Clock", "header", "{type: string}",
     "EPOCH.CLOCK of an answer: wait until this server has reached it."},
    {"Herald-Consistency", "header", "{enum: [local, causal, linearizable]}",
     "How fresh what is read must be."},
    {"Herald-Write-Concern", "header", "{type: string, default: majority}",
     "`majority`, `all`, or how many members must have it on disk."},
};

static int put_parameter(struct buf *out, const char *name, size_t len) {
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        if (strlen(parameters[i].name) != len || strncmp(parameters[i].name, name, len) != 0) continue;
        return buf_printf(
            out,
            "        - name: %s\n          in: %s\n%s          schema: %s\n          description: \"%s\"\n",
            parameters[i].name, parameters[i].where,
            strcmp(parameters[i].where, "path") == 0 ? "          required: true\n" : "",
            parameters[i].schema, parameters[i].about);
    }
    return -1;
}

static int put_parameters(struct buf *out, const char *names) {
    int rc = 0;
    while (names != NULL && *names != '\0') {
        size_t len = strcspn(names, " ");
        rc |= put_parameter(out, names, len);
        names += len + strspn(names + len, " ");
    }
    return rc;
}

static int put_all_parameters(struct buf *out, const struct route *route) {
    if (route->who == WHO_ANYONE) return 0;
    int rc = buf_append_text(out, "      parameters:\n");
    if (strstr(route->path, "{uuid}") != NULL) rc |= put_parameters(out, "uuid");
    if (strstr(route->path, "{key}") != NULL) rc |= put_parameters(out, "key");
    rc |= put_parameters(out, route->query) | put_parameters(out, route->headers);
    rc |= put_parameters(out, "Herald-Clock Herald-Consistency");
    return rc | put_parameters(out, route->prepare != NULL ? "Herald-Write-Concern" : "");
}

// --- bodies and answers ---------------------------------------------------------------------------------

static const char *media_of(struct str schema) {
    static const char *const others[][2] = {
        {"Value", "application/octet-stream"}, {"Events", "text/event-stream"}, {"Metrics", "text/plain"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (str_equal_text(schema, others[i][0])) return others[i][1];
    return "application/json";
}

static int put_content(struct buf *out, const char *indent, struct str schema) {
    const char *media = media_of(schema);
    int rc = buf_printf(out, "%scontent:\n%s  %s:\n%s    schema: ", indent, indent, media, indent);
    if (strcmp(media, "application/json") != 0) return rc | buf_append_text(out, "{type: string}\n");
    return rc | buf_printf(out, "{$ref: '#/components/schemas/%.*s'}\n", (int)schema.len, schema.ptr);
}

static int put_request_body(struct buf *out, const struct route *route) {
    if (route->body == NULL) return 0;
    int rc = buf_append_text(out, "      requestBody:\n        required: true\n");
    rc |= put_content(out, "        ", str_of(route->body));
    if (route->takes == TAKES_PATCH)
        rc |= buf_printf(out,
                         "          application/merge-patch+json:\n            schema: {$ref: "
                         "'#/components/schemas/%s'}\n",
                         route->body);
    return rc;
}

static int put_answer(struct buf *out, const struct route *route, struct str status, struct str schema) {
    bool problem = status.ptr[0] >= '4', repeats = status.ptr[0] == '2' && route->prepare != NULL;
    int rc = buf_printf(out, "        \"%.*s\":\n", (int)status.len, status.ptr);
    if (problem) return rc | buf_append_text(out, "          $ref: '#/components/responses/Problem'\n");
    rc |= buf_append_text(out, "          description: Done.\n");
    if (repeats)
        rc |= buf_append_text(
            out, "          headers: {Idempotency-Replayed: {$ref: '#/components/headers/Replayed'}}\n");
    return rc | (schema.len > 0 ? put_content(out, "          ", schema) : 0);
}

// "200 Identity,304,404"
static int put_listed(struct buf *out, const struct route *route, const char *list) {
    int rc = 0;
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        const char *blank = memchr(list, ' ', len);
        size_t status = blank != NULL ? (size_t)(blank - list) : len;
        struct str schema = {blank != NULL ? blank + 1 : list, blank != NULL ? len - status - 1 : 0};
        rc |= put_answer(out, route, (struct str){list, status}, schema);
        list += len + (list[len] == ',');
    }
    return rc;
}

// What follows from who may and what is taken.
static int put_answers(struct buf *out, const struct route *route) {
    int rc = buf_append_text(out, "      responses:\n") | put_listed(out, route, route->gives);
    if (route->who == WHO_ANYONE) return rc;
    rc |= put_listed(out, route, "400,401,403,429,503");
    if (route->takes != TAKES_NOTHING) rc |= put_listed(out, route, "411,413");
    if (route->takes == TAKES_JSON || route->takes == TAKES_PATCH) rc |= put_listed(out, route, "415");
    if (route->prepare != NULL && strstr(route->gives, "422") == NULL) rc |= put_listed(out, route, "422");
    return rc;
}

static int put_security(struct buf *out, enum who who) {
    static const char *const lines[] = {
        [WHO_ANYONE] = "[]",
        [WHO_READER] = "[{}, {account: []}, {admin: []}]",
        [WHO_CREATOR] = "[{}, {admin: []}]",
        [WHO_OWNER] = "[{account: []}, {admin: []}]",
        [WHO_ACCOUNT] = "[{account: []}]",
        [WHO_ADMIN] = "[{admin: []}]",
    };
    return buf_printf(out, "      security: %s\n", lines[who]);
}

static int put_route(struct buf *out, const struct route *route) {
    static const char *const methods[METHOD_COUNT] = {[METHOD_GET] = "get",
                                                      [METHOD_POST] = "post",
                                                      [METHOD_PUT] = "put",
                                                      [METHOD_PATCH] = "patch",
                                                      [METHOD_DELETE] = "delete"};
    int rc = buf_printf(
        out, "    %s:\n      operationId: %s\n      tags: [%s]\n      description: >-\n        %s\n",
        methods[route->method], route->operation, route->tag, route->about);
    rc |= put_security(out, route->who) | put_all_parameters(out, route) | put_request_body(out, route);
    return rc | put_answers(out, route);
}

int gateway_openapi(struct buf *out) {
    static const char *const codes[] = {
#define OPENAPI_CODE(name, code, status, title) code,
        PROBLEMS(OPENAPI_CODE)
#undef OPENAPI_CODE
    };
    const struct route *route;
    const char *path = "";
    int rc = buf_append_text(out, "# Made of src/gateway/routes.c by tests/unit/gateway/openapi.c.\n");
    rc |= buf_append_text(out, preamble);
    for (unsigned i = 0; (route = route_at(i)) != NULL; i++) {
        if (strcmp(path, route->path) != 0) rc |= buf_printf(out, "  %s:\n", route->path);
        path = route->path;
        rc |= put_route(out, route);
    }
    rc |= buf_append_text(out, "components:\n"
                               "  headers:\n"
                               "    Replayed:\n"
                               "      description: >-\n"
                               "        The request was done before, under its Idempotency-Key; this is the "
                               "answer that it got then.\n"
                               "      schema: {const: \"true\"}\n"
                               "  responses:\n"
                               "    Problem:\n"
                               "      description: What is wrong, and what to do.\n"
                               "      content:\n"
                               "        application/problem+json:\n"
                               "          schema: {$ref: '#/components/schemas/Problem'}\n");
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) rc |= buf_printf(out, "%s\n", schemas[i]);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        rc |= buf_printf(out, "            - %s\n", codes[i]);
    return rc;
}

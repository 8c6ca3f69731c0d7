// Whom to trust: certificates that are read, made and judged.
#include "tls_world.h"

#include "base/secret.h"

#include <time.h>

struct world {
    struct folder folder;
    struct credential authority;
};

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    folder_make(&world->folder);
    credential_make(&world->authority, (struct wanted){.from = -DAY, .until = DAY});
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    credential_free(&world->authority);
    folder_remove(&world->folder);
    free(world);
    return 0;
}

// --- reading
// ------------------------------------------------------------------------------------------------

// What is said about the files chain.pem and key.pem; NULL: they are good.
static const char *told(const struct world *world, struct err *err) {
    char chain[PATH_ROOM], key[PATH_ROOM];
    *err = (struct err){0};
    struct tls_certificate *certificate = tls_certificate_load(
        folder_file(&world->folder, "chain.pem", chain), folder_file(&world->folder, "key.pem", key), err);
    if (certificate == NULL) return err->text;
    tls_certificate_close(certificate);
    return NULL;
}

static void put(const struct world *world, const struct credential *credential) {
    char path[PATH_ROOM];
    write_certificate(folder_file(&world->folder, "chain.pem", path), credential);
    write_key(folder_file(&world->folder, "key.pem", path), credential, 0600);
}

static void assert_told(const struct world *world, const char *words) {
    struct err err;
    const char *text = told(world, &err);
    assert_non_null(text);
    if (strstr(text, words) == NULL) fail_msg("\"%s\" is not in \"%s\"", words, text);
    assert_non_null(strstr(text, world->folder.path)); // which file
}

static void what_is_wrong_with_the_files_is_said(void **state) {
    const struct world *world = *state;
    struct credential good, other;
    char chain[PATH_ROOM], key[PATH_ROOM];
    struct err err;
    credential_make(&good, (struct wanted){.names = "DNS:a", .from = -DAY, .until = DAY});
    credential_make(&other, (struct wanted){.names = "DNS:a", .from = -DAY, .until = DAY});
    folder_file(&world->folder, "chain.pem", chain);
    folder_file(&world->folder, "key.pem", key);
    assert_told(world, "there is no file");
    put(world, &good);
    assert_null(told(world, &err));

    write_key(key, &other, 0600);
    assert_told(world, "is not that of the certificate in");
    write_key(key, &good, 0644);
    assert_told(world, "others may read the key in");
    assert_told(world, "chmod 600");
    write_key(key, &good, 0400);
    assert_null(told(world, &err));
    chmod(key, 0600);
    write_text(key, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    assert_told(world, "an encrypted key");
    write_text(key, "hear ye\n");
    assert_told(world, "no private key");
    write_key(key, &good, 0600);

    write_text(chain, "");
    assert_told(world, "no certificate");
    write_text(chain, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_told(world, "no certificate");
    assert_int_equal(unlink(chain), 0);
    assert_int_equal(mkdir(chain, 0700), 0);
    assert_told(world, "not a regular file");
    credential_free(&good);
    credential_free(&other);
}

static void a_certificate_out_of_its_time_is_refused(void **state) {
    const struct world *world = *state;
    struct credential old, early;
    credential_make(&old, (struct wanted){.names = "DNS:a", .from = -2 * DAY, .until = -DAY});
    credential_make(&early, (struct wanted){.names = "DNS:a", .from = DAY, .until = 2 * DAY});
    put(world, &old);
    assert_told(world, "expired at 2");
    put(world, &early);
    assert_told(world, "is not valid before 2");
    credential_free(&old);
    credential_free(&early);
}

static void a_chain_is_sent_whole(void **state) {
    const struct world *world = *state;
    struct credential middle, leaf;
    char path[PATH_ROOM], key[PATH_ROOM], root[PATH_ROOM];
    struct err err;
    credential_make(&middle, (struct wanted){.from = -DAY, .until = DAY, .by = &world->authority});
    X509_NAME *name = X509_get_subject_name(middle.own); // signed under this name, not the root's
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"middle", -1, -1, 0);
    assert_true(X509_sign(middle.own, world->authority.key, EVP_sha256()) > 0);
    credential_make(&leaf,
                    (struct wanted){.names = "DNS:a.example", .from = -DAY, .until = DAY, .by = &middle});
    FILE *file = fopen(folder_file(&world->folder, "chain.pem", path), "w");
    assert_non_null(file);
    PEM_write_X509(file, leaf.own);
    PEM_write_X509(file, middle.own);
    fclose(file);
    write_key(folder_file(&world->folder, "key.pem", key), &leaf, 0600);
    write_certificate(folder_file(&world->folder, "root.pem", root), &world->authority);
    struct tls_certificate *certificate = tls_certificate_load(path, key, &err);
    assert_non_null(certificate);
    struct tls_context *serving = tls_context_server(certificate, &err);
    struct tls_context *asking = tls_context_client(&(struct tls_authorities){.file = root}, &err);
    struct pair pair;
    pair_open(&pair, asking, serving, &(struct tls_wish){.host = "a.example"});
    settle(&pair);
    assert_true(greeted(&pair));
    pair_close(&pair);
    tls_certificate_close(certificate);
    tls_context_close(serving);
    tls_context_close(asking);
    credential_free(&middle);
    credential_free(&leaf);
}

// --- judging
// ------------------------------------------------------------------------------------------------

struct verdict {
    bool asked, accept;
    char fingerprint[TLS_FINGERPRINT_SIZE], fault[160];
};

static bool on_accept(void *context, const struct tls_peer *peer) {
    struct verdict *verdict = context;
    assert_false(verdict->asked);
    verdict->asked = true;
    memcpy(verdict->fingerprint, peer->fingerprint, sizeof verdict->fingerprint);
    snprintf(verdict->fault, sizeof verdict->fault, "%s", peer->fault != NULL ? peer->fault : "");
    return verdict->accept;
}

// Connects to `host` at a server with `credential`. NULL: both are satisfied; else what the client says.
static const char *meet(const struct world *world, const struct credential *credential,
                        const char *authorities, const char *host, struct verdict *verdict, struct err *err) {
    struct tls_context *serving = server_of(&world->folder, credential);
    struct tls_context *asking = tls_context_client(&(struct tls_authorities){.file = authorities}, err);
    struct tls_wish wish = {.host = host, .accept = verdict != NULL ? on_accept : NULL, .context = verdict};
    struct pair pair;
    assert_non_null(asking);
    pair_open(&pair, asking, serving, &wish);
    settle(&pair);
    bool well = greeted(&pair);
    *err = pair.client.err;
    assert_int_equal(well, !pair.client.failed);
    if (!well) assert_true(pair.server.failed); // it was told
    pair_close(&pair);
    tls_context_close(serving);
    tls_context_close(asking);
    return well ? NULL : err->text;
}

static void only_who_is_vouched_for_under_its_name_is_believed(void **state) {
    const struct world *world = *state;
    struct credential server, stranger;
    char root[PATH_ROOM], other[PATH_ROOM];
    struct err err;
    credential_make(&server, (struct wanted){.names = "DNS:a.example,DNS:*.b.example,IP:127.0.0.1,IP:::1",
                                             .from = -DAY,
                                             .until = DAY,
                                             .by = &world->authority});
    credential_make(&stranger, (struct wanted){.from = -DAY, .until = DAY});
    write_certificate(folder_file(&world->folder, "root.pem", root), &world->authority);
    write_certificate(folder_file(&world->folder, "other.pem", other), &stranger);
    assert_null(meet(world, &server, root, "a.example", NULL, &err));
    assert_null(meet(world, &server, root, "A.Example", NULL, &err));
    assert_null(meet(world, &server, root, "x.b.example", NULL, &err));
    assert_null(meet(world, &server, root, "127.0.0.1", NULL, &err));
    assert_null(meet(world, &server, root, "::1", NULL, &err));
    assert_string_equal(meet(world, &server, root, "b.example", NULL, &err),
                        "TLS: the certificate of b.example was not accepted: hostname mismatch");
    assert_non_null(meet(world, &server, root, "x.y.b.example", NULL, &err));
    assert_string_equal(meet(world, &server, root, "127.0.0.2", NULL, &err),
                        "TLS: the certificate of 127.0.0.2 was not accepted: IP address mismatch");
    assert_non_null(meet(world, &server, other, "a.example", NULL, &err));
    assert_non_null(strstr(err.text, "was not accepted: "));
    assert_non_null(meet(world, &server, NULL, "a.example", NULL, &err)); // nobody is trusted
    credential_free(&server);
    credential_free(&stranger);
}

// A server whose certificate ends while it runs: the client notices.
static void an_expired_certificate_is_not_believed(void **state) {
    const struct world *world = *state;
    struct credential server;
    char root[PATH_ROOM];
    struct err err;
    credential_make(
        &server,
        (struct wanted){.names = "DNS:a.example", .from = -DAY, .until = 2, .by = &world->authority});
    write_certificate(folder_file(&world->folder, "root.pem", root), &world->authority);
    struct tls_context *serving = server_of(&world->folder, &server);
    struct tls_context *asking = tls_context_client(&(struct tls_authorities){.file = root}, &err);
    struct tls_wish wish = {.host = "a.example"};
    bool refused = false;
    for (time_t until = time(NULL) + 20; !refused && time(NULL) < until;) {
        struct pair pair;
        pair_open(&pair, asking, serving, &wish);
        settle(&pair);
        refused = pair.client.failed;
        err = pair.client.err;
        pair_close(&pair);
    }
    assert_true(refused);
    assert_string_equal(err.text,
                        "TLS: the certificate of a.example was not accepted: certificate has expired");
    tls_context_close(serving);
    tls_context_close(asking);
    credential_free(&server);
}

static void a_pinned_key_is_believed_and_no_other(void **state) {
    const struct world *world = *state;
    struct credential server, other;
    struct err err;
    struct tls_certificate *certificate;
    credential_make(&server, (struct wanted){.names = "DNS:elsewhere", .from = -DAY, .until = DAY});
    credential_make(&other, (struct wanted){.names = "DNS:elsewhere", .from = -DAY, .until = DAY});
    certificate = certificate_of(&world->folder, &server);
    struct verdict first = {.accept = true}, second = {.accept = false};
    assert_null(meet(world, &server, NULL, "a.example", &first, &err));
    assert_true(first.asked);
    assert_string_equal(first.fingerprint,
                        tls_certificate_fingerprint(certificate)); // what the server prints
    assert_int_equal(strlen(first.fingerprint), TLS_FINGERPRINT_SIZE - 1);
    assert_string_not_equal(first.fault, "");
    assert_non_null(meet(world, &other, NULL, "a.example", &second, &err));
    assert_true(second.asked);
    assert_string_not_equal(first.fingerprint, second.fingerprint);
    tls_certificate_close(certificate);
    credential_free(&server);
    credential_free(&other);
}

static void a_pin_may_refuse_who_is_vouched_for(void **state) {
    const struct world *world = *state;
    struct credential server;
    char root[PATH_ROOM];
    struct err err;
    struct verdict verdict = {.accept = false};
    credential_make(
        &server,
        (struct wanted){.names = "DNS:a.example", .from = -DAY, .until = DAY, .by = &world->authority});
    write_certificate(folder_file(&world->folder, "root.pem", root), &world->authority);
    assert_string_equal(
        meet(world, &server, root, "a.example", &verdict, &err),
        "TLS: the certificate of a.example was not accepted: its key is not the one that is known");
    assert_string_equal(verdict.fault, "");
    credential_free(&server);
}

static void authorities_that_cannot_be_read_are_named(void **state) {
    const struct world *world = *state;
    char path[PATH_ROOM];
    struct err err;
    assert_null(tls_context_client(
        &(struct tls_authorities){.file = folder_file(&world->folder, "none", path)}, &err));
    assert_non_null(strstr(err.text, path));
    struct tls_context *system = tls_context_client(&(struct tls_authorities){.system = true}, &err);
    assert_non_null(system);
    tls_context_close(system);
}

// --- making
// -------------------------------------------------------------------------------------------------

static const struct str NAMES[] = {{"box", 3},           {"localhost", 9}, {"127.0.0.1", 9}, {"::1", 3},
                                   {"chat.example", 12}, {"two words", 9}, {"", 0}};
#define NAME_COUNT (sizeof NAMES / sizeof *NAMES)

static struct tls_certificate *make_own(const struct world *world) {
    struct err err = {0};
    struct tls_certificate *own = tls_certificate_own(world->folder.path, NAMES, NAME_COUNT, &err);
    if (own == NULL) fail_msg("%s", err.text);
    return own;
}

static unsigned mode_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

static void a_server_makes_its_own_once_and_it_holds_for_its_names(void **state) {
    const struct world *world = *state;
    char path[PATH_ROOM], key[PATH_ROOM];
    struct err err;
    folder_file(&world->folder, "tls_certificate.pem", path);
    folder_file(&world->folder, "tls_key.pem", key);
    struct tls_certificate *own = make_own(world), *again = make_own(world);
    assert_string_equal(tls_certificate_fingerprint(own), tls_certificate_fingerprint(again));
    assert_int_equal(tls_certificate_expires(own), tls_certificate_expires(again));
    int64_t years = (tls_certificate_expires(own) - time(NULL) + DAY) / (365 * DAY);
    assert_int_equal(years, 10);
    assert_int_equal(mode_of(key), 0600);
    assert_int_equal(mode_of(path), 0644);

    // As its own authority: openssl's rules for names and times hold, for each of them.
    struct tls_context *serving = tls_context_server(own, &err);
    struct tls_context *asking = tls_context_client(&(struct tls_authorities){.file = path}, &err);
    const char *hosts[] = {"box", "localhost", "127.0.0.1", "::1", "chat.example", "elsewhere"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct pair pair;
        pair_open(&pair, asking, serving, &(struct tls_wish){.host = hosts[i]});
        settle(&pair);
        assert_int_equal(greeted(&pair), strcmp(hosts[i], "elsewhere") != 0);
        pair_close(&pair);
    }
    tls_context_close(serving);
    tls_context_close(asking);
    tls_certificate_close(own);
    tls_certificate_close(again);
}

static void a_new_certificate_keeps_the_fingerprint(void **state) {
    const struct world *world = *state;
    char path[PATH_ROOM], key[PATH_ROOM];
    struct tls_certificate *own = make_own(world), *again, *stranger;
    struct credential old = {0}, other;
    folder_file(&world->folder, "tls_certificate.pem", path);
    folder_file(&world->folder, "tls_key.pem", key);
    assert_int_equal(unlink(path), 0); // lost
    again = make_own(world);
    assert_string_equal(tls_certificate_fingerprint(own), tls_certificate_fingerprint(again));
    tls_certificate_close(again);

    FILE *file = fopen(key, "r"); // expired
    old.key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    struct credential expired;
    credential_make(&expired,
                    (struct wanted){.names = "DNS:box", .from = -2 * DAY, .until = -DAY, .same_as = &old});
    write_certificate(path, &expired);
    again = make_own(world);
    assert_string_equal(tls_certificate_fingerprint(own), tls_certificate_fingerprint(again));
    assert_true(tls_certificate_expires(again) > time(NULL));
    tls_certificate_close(again);

    credential_make(&other, (struct wanted){.names = "DNS:box", .from = -DAY, .until = DAY}); // another's
    write_certificate(path, &other);
    again = make_own(world);
    assert_string_equal(tls_certificate_fingerprint(own), tls_certificate_fingerprint(again));
    tls_certificate_close(again);

    assert_int_equal(unlink(key), 0); // without its key it is worth nothing
    stranger = make_own(world);
    assert_string_not_equal(tls_certificate_fingerprint(own), tls_certificate_fingerprint(stranger));
    tls_certificate_close(stranger);
    tls_certificate_close(own);
    credential_free(&old);
    credential_free(&expired);
    credential_free(&other);
}

static void a_key_of_its_own_that_others_may_read_is_not_used(void **state) {
    const struct world *world = *state;
    char key[PATH_ROOM];
    struct err err;
    tls_certificate_close(make_own(world));
    chmod(folder_file(&world->folder, "tls_key.pem", key), 0644);
    assert_null(tls_certificate_own(world->folder.path, NAMES, NAME_COUNT, &err));
    assert_non_null(strstr(err.text, "others may read the key in"));
    write_text(key, "spoilt");
    chmod(key, 0600);
    assert_null(tls_certificate_own(world->folder.path, NAMES, NAME_COUNT, &err)); // never overwritten
    assert_non_null(strstr(err.text, "no private key"));
}

static void a_directory_that_cannot_be_written_is_named(void **state) {
    const struct world *world = *state;
    char path[PATH_ROOM];
    struct err err;
    folder_file(&world->folder, "nowhere", path);
    assert_null(tls_certificate_own(path, NAMES, NAME_COUNT, &err));
    assert_non_null(strstr(err.text, "nowhere/tls_key.pem"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_wrong_with_the_files_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_out_of_its_time_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_chain_is_sent_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_who_is_vouched_for_under_its_name_is_believed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_expired_certificate_is_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pinned_key_is_believed_and_no_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pin_may_refuse_who_is_vouched_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(authorities_that_cannot_be_read_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_server_makes_its_own_once_and_it_holds_for_its_names, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_new_certificate_keeps_the_fingerprint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_of_its_own_that_others_may_read_is_not_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_written_is_named, set_up, tear_down),
    };
    struct err err;
    if (secret_init(&err) != 0) return 1;
    return cmocka_run_group_tests_name("net tls_trust", tests, NULL, NULL);
}

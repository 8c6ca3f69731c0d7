// A client's session, told as what it says to the world: each story is a list of messages and the log of
// what followed.
#include "stream/session.h"
#include "fault.h"

#include "base/dice.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

// --- the world as one session sees it -------------------------------------------------------------------

struct world {
    struct session session;
    char log[2048]; // "reply LOGIN_SUCCESS 'logged in as user alice'; entered; ..."
    bool redirect;  // `entered` sends a REDIRECT
    bool busy;      // `publish` says not now
    unsigned finished;
    int activity; // what the messages carry: only its address matters
};

static const struct secret_key KEY = {{1, 2, 3}};

__attribute__((format(printf, 2, 3))) static void note(struct world *world, const char *format, ...) {
    size_t len = strlen(world->log);
    va_list arguments;
    va_start(arguments, format);
    if (len > 0) len += (size_t)snprintf(world->log + len, sizeof world->log - len, "; ");
    (void)vsnprintf(world->log + len, sizeof world->log - len, format, arguments);
    va_end(arguments);
}

static void on_reply(void *context, enum command command, const char *info) {
    struct world *world = context;
    assert_int_equal(world->finished, 0);
    note(world, "reply %s '%s'", command_name(command), info);
}

static void on_finish(void *context) {
    struct world *world = context;
    note(world, "finish");
    world->finished++;
}

static void on_ask_login(void *context, struct str username, struct str secret) {
    note(context, "ask login %.*s %.*s", (int)username.len, username.ptr, (int)secret.len, secret.ptr);
}

static void on_ask_register(void *context, struct str username, struct str secret) {
    note(context, "ask register %.*s %.*s", (int)username.len, username.ptr, (int)secret.len, secret.ptr);
}

static bool on_entered(void *context, bool again) {
    struct world *world = context;
    note(world, again ? "entered again" : "entered");
    return world->redirect;
}

static bool on_publish(void *context, const struct message *message, struct str user) {
    struct world *world = context;
    assert_ptr_equal(message->activity, &world->activity);
    note(world, world->busy ? "busy" : "publish as %.*s", (int)user.len, user.ptr);
    return !world->busy;
}

static void on_adopt(void *context) {
    note(context, "adopt");
}

static const struct session_ops OPS = {
    .reply = on_reply,
    .finish = on_finish,
    .ask_login = on_ask_login,
    .ask_register = on_ask_register,
    .entered = on_entered,
    .publish = on_publish,
    .adopt = on_adopt,
};

static void begin(struct world *world) {
    *world = (struct world){0};
    session_init(&world->session, &OPS, world, &KEY);
}

static void end(struct world *world) {
    session_fini(&world->session);
}
#define WORLD(name)                                                                                          \
    __attribute__((cleanup(end))) struct world name;                                                         \
    begin(&name)

static enum session_result say(struct world *world, enum command command, const char *username,
                               const char *secret) {
    struct message message = {.command = command,
                              .username = str_of(username),
                              .secret = str_of(secret),
                              .activity = &world->activity};
    return session_message(&world->session, &message);
}

// What was noted since the last call.
static const char *noted(struct world *world) {
    static char log[sizeof world->log];
    memcpy(log, world->log, sizeof log);
    world->log[0] = '\0';
    return log;
}

static void alice_logs_in(struct world *world) {
    say(world, COMMAND_LOGIN, "alice", "rabbit");
    assert_string_equal(noted(world), "ask login alice rabbit");
    session_login_done(&world->session, true, "alice", NULL);
    assert_string_equal(noted(world), "reply LOGIN_SUCCESS 'logged in as user alice'; entered");
}

#define REFUSED_AUTHOR                                                                                       \
    "reply AUTHENTICATION_FAIL 'the username and secret of the message are not those of the logged in "      \
    "user'; finish"

// --- LOGIN ----------------------------------------------------------------------------------------------

static void anonymous_enters_at_once_whatever_its_secret(void **state) {
    (void)state;
    static const char *const secrets[] = {NULL, "", "anything"};
    static const char *const spellings[] = {"anonymous", "Anonymous", "ANONYMOUS"};
    for (size_t i = 0; i < 3; i++) {
        WORLD(world);
        say(&world, COMMAND_LOGIN, spellings[i], secrets[i]);
        assert_string_equal(noted(&world), "reply LOGIN_SUCCESS 'logged in as user anonymous'; entered");
        assert_int_equal(world.session.state, SESSION_IN);
        assert_true(world.session.entered && world.session.anonymous);
    }
}

static void a_user_enters_when_the_answer_comes(void **state) {
    (void)state;
    WORLD(world);
    say(&world, COMMAND_LOGIN, "Alice", "rabbit");
    assert_string_equal(noted(&world), "ask login Alice rabbit");
    assert_int_equal(world.session.state, SESSION_ASKING);
    assert_false(world.session.entered);
    session_login_done(&world.session, true, "alice", NULL);
    assert_string_equal(noted(&world), "reply LOGIN_SUCCESS 'logged in as user alice'; entered");
    assert_int_equal(world.session.state, SESSION_IN);
    assert_string_equal(session_user(&world.session), "alice");
    say(&world, COMMAND_ACTIVITY_MESSAGE, "Alice", "rabbit"); // as it was spelled then, too
    say(&world, COMMAND_ACTIVITY_MESSAGE, "ALICE", "rabbit");
    assert_string_equal(noted(&world), "publish as alice; publish as alice");
}

static void a_refused_login_is_told_and_closed(void **state) {
    (void)state;
    WORLD(world);
    say(&world, COMMAND_LOGIN, "alice", "wrong");
    noted(&world);
    session_login_done(&world.session, false, NULL, "unknown user or wrong secret");
    assert_string_equal(noted(&world), "reply LOGIN_FAILED 'unknown user or wrong secret'; finish");
    assert_int_equal(world.session.state, SESSION_CLOSED);
    assert_false(world.session.entered);
}

static void a_redirected_client_hears_success_first_and_is_then_over(void **state) {
    (void)state;
    WORLD(world);
    world.redirect = true;
    say(&world, COMMAND_LOGIN, "anonymous", NULL);
    assert_string_equal(noted(&world), "reply LOGIN_SUCCESS 'logged in as user anonymous'; entered; finish");
    assert_int_equal(world.session.state, SESSION_CLOSED);
    assert_false(world.session.entered); // does not count
    say(&world, COMMAND_LOGIN, "anonymous", NULL);
    assert_string_equal(noted(&world), "");
}

static void a_user_without_a_secret_is_invalid(void **state) {
    (void)state;
    WORLD(world);
    say(&world, COMMAND_LOGIN, "alice", NULL);
    assert_string_equal(noted(&world), "reply INVALID_MESSAGE 'LOGIN needs a secret unless the username is "
                                       "anonymous'; finish");
}

static void a_second_login_counts_and_enters_again(void **state) {
    (void)state;
    WORLD(world);
    alice_logs_in(&world);
    say(&world, COMMAND_LOGIN, "bob", "builder");
    assert_string_equal(noted(&world), "ask login bob builder");
    assert_true(world.session.entered); // still hears
    session_login_done(&world.session, true, "bob", NULL);
    assert_string_equal(noted(&world), "reply LOGIN_SUCCESS 'logged in as user bob'; entered again");
    say(&world, COMMAND_ACTIVITY_MESSAGE, "bob", "builder");
    assert_string_equal(noted(&world), "publish as bob");
    say(&world, COMMAND_ACTIVITY_MESSAGE, "alice", "rabbit"); // no longer she
    assert_string_equal(noted(&world), REFUSED_AUTHOR);
}

static void a_second_login_may_be_anonymous_and_forgets_the_first(void **state) {
    (void)state;
    WORLD(world);
    alice_logs_in(&world);
    say(&world, COMMAND_LOGIN, "anonymous", NULL);
    assert_string_equal(noted(&world), "reply LOGIN_SUCCESS 'logged in as user anonymous'; entered again");
    say(&world, COMMAND_ACTIVITY_MESSAGE, "alice", "rabbit");
    assert_string_equal(noted(&world), REFUSED_AUTHOR);
}

static void a_second_login_that_fails_closes(void **state) {
    (void)state;
    WORLD(world);
    alice_logs_in(&world);
    say(&world, COMMAND_LOGIN, "bob", "wrong");
    session_login_done(&world.session, false, NULL, "no");
    assert_string_equal(noted(&world), "ask login bob wrong; reply LOGIN_FAILED 'no'; finish");
    assert_true(world.session.entered); // it counted: the owner takes it out of the load
}

static void an_answer_to_a_session_that_is_over_is_ignored(void **state) {
    (void)state;
    WORLD(world);
    say(&world, COMMAND_LOGIN, "alice", "rabbit");
    session_invalid(&world.session, "the line is too long");
    assert_string_equal(noted(&world),
                        "ask login alice rabbit; reply INVALID_MESSAGE 'the line is too long'; finish");
    session_login_done(&world.session, true, "alice", NULL);
    session_register_done(&world.session, true, "alice", NULL);
    session_invalid(&world.session, "again");
    assert_string_equal(noted(&world), "");
    assert_int_equal(world.session.state, SESSION_CLOSED);
}

// --- REGISTER -------------------------------------------------------------------------------------------

static void a_registered_client_is_not_logged_in_but_may_log_in(void **state) {
    (void)state;
    WORLD(world);
    say(&world, COMMAND_REGISTER, "alice", "rabbit");
    assert_string_equal(noted(&world), "ask register alice rabbit");
    session_register_done(&world.session, true, "alice", NULL);
    assert_string_equal(noted(&world), "reply REGISTER_SUCCESS 'register success for alice'");
    assert_int_equal(world.session.state, SESSION_NEW);
    assert_false(world.session.entered);
    alice_logs_in(&world);
}

static void registering_does_not_let_one_publish(void **state) {
    (void)state;
    WORLD(world);
    say(&world, COMMAND_REGISTER, "alice", "rabbit");
    session_register_done(&world.session, true, "alice", NULL);
    noted(&world);
    say(&world, COMMAND_ACTIVITY_MESSAGE, "alice", "rabbit");
    assert_string_equal(noted(&world),
                        "reply AUTHENTICATION_FAIL 'ACTIVITY_MESSAGE needs a LOGIN before it'; finish");
}

static void a_refused_registration_is_told_and_closed(void **state) {
    (void)state;
    WORLD(world);
    say(&world, COMMAND_REGISTER, "alice", "rabbit");
    noted(&world);
    session_register_done(&world.session, false, "alice", "alice is already registered with the system");
    assert_string_equal(noted(&world),
                        "reply REGISTER_FAILED 'alice is already registered with the system'; finish");
}

static void anonymous_cannot_be_registered(void **state) {
    (void)state;
    static const char *const spellings[] = {"anonymous", "aNONYMOUS"};
    for (size_t i = 0; i < 2; i++) {
        WORLD(world);
        say(&world, COMMAND_REGISTER, spellings[i], "x");
        assert_string_equal(noted(&world), "reply REGISTER_FAILED 'anonymous is reserved'; finish");
    }
}

static void registering_after_login_is_invalid(void **state) {
    (void)state;
    WORLD(world);
    alice_logs_in(&world);
    say(&world, COMMAND_REGISTER, "carol", "x");
    assert_string_equal(noted(&world),
                        "reply INVALID_MESSAGE 'REGISTER is not accepted after LOGIN'; finish");
}

// --- ACTIVITY_MESSAGE: who may publish as whom ----------------------------------------------------------

static void an_activity_before_login_fails(void **state) {
    (void)state;
    WORLD(world);
    say(&world, COMMAND_ACTIVITY_MESSAGE, "anonymous", NULL);
    assert_string_equal(noted(&world),
                        "reply AUTHENTICATION_FAIL 'ACTIVITY_MESSAGE needs a LOGIN before it'; finish");
}

static void rows_of_who_may_publish_as_whom(void **state) {
    (void)state;
    static const struct {
        const char *asked, *username, *secret, *stamped; // stamped NULL: refused
    } rows[] = {
        {"alice", "alice", "rabbit", "alice"},
        {"alice", "ALICE", "rabbit", "alice"}, // any case
        {"ALICE", "ALICE", "rabbit", "alice"}, // as asked: stamped as the account is called
        {"ALICE", "aLICE", "rabbit", "alice"},
        {"alice", "alice", "Rabbit", NULL},
        {"alice", "alice", "", NULL},
        {"alice", "alice", NULL, NULL},
        {"alice", "bob", "builder", NULL},
        {"alice", "", "rabbit", NULL},
        {"alice", "alice ", "rabbit", NULL},
        {"alice", "anonymous", NULL, "anonymous"},
        {"alice", "anonymous", "wrong", "anonymous"},
        {"alice", "Anonymous", "", "anonymous"},
        {"anonymous", "anonymous", NULL, "anonymous"},
        {"anonymous", "ANONYMOUS", "x", "anonymous"},
        {"anonymous", "alice", "rabbit", NULL}, // even with the right secret
        {"anonymous", "", NULL, NULL},
        {"\xc3\x85sa", "A\xcc\x8aSA", "rabbit", "\xc3\xa5sa"}, // composed or not, any case
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        WORLD(world);
        say(&world, COMMAND_LOGIN, rows[i].asked, "rabbit");
        if (strcmp(rows[i].asked, "anonymous") != 0)
            session_login_done(&world.session, true,
                               (unsigned char)*rows[i].asked < 0x80 ? "alice" : "\xc3\xa5sa", NULL);
        noted(&world);
        char expected[160] = REFUSED_AUTHOR;
        if (rows[i].stamped) (void)snprintf(expected, sizeof expected, "publish as %s", rows[i].stamped);
        assert_int_equal(say(&world, COMMAND_ACTIVITY_MESSAGE, rows[i].username, rows[i].secret),
                         SESSION_TAKEN);
        assert_string_equal(noted(&world), expected);
        assert_int_equal(world.finished, rows[i].stamped ? 0 : 1);
    }
}

static void a_spelling_too_long_to_keep_still_names_its_user(void **state) {
    (void)state;
    // 64 times o with ogonek and macron, decomposed: 320 bytes as it comes, 128 normalised.
    char asked[64 * 5 + 1] = "", name[64 * 2 + 1] = "";
    for (int i = 0; i < 64; i++) {
        memcpy(asked + i * 5, "o\xcc\xa8\xcc\x84", 6);
        memcpy(name + i * 2, "\xc7\xad", 3);
    }
    WORLD(world);
    say(&world, COMMAND_LOGIN, asked, "rabbit");
    session_login_done(&world.session, true, name, NULL);
    noted(&world);
    say(&world, COMMAND_ACTIVITY_MESSAGE, asked, "rabbit");
    char expected[sizeof name + 16];
    (void)snprintf(expected, sizeof expected, "publish as %s", name);
    assert_string_equal(noted(&world), expected);
}

static void a_busy_reel_changes_nothing_and_takes_it_later(void **state) {
    (void)state;
    WORLD(world);
    alice_logs_in(&world);
    struct session before = world.session;
    world.busy = true;
    assert_int_equal(say(&world, COMMAND_ACTIVITY_MESSAGE, "alice", "rabbit"), SESSION_AGAIN);
    assert_memory_equal(&before, &world.session, sizeof before);
    world.busy = false;
    assert_int_equal(say(&world, COMMAND_ACTIVITY_MESSAGE, "alice", "rabbit"), SESSION_TAKEN);
    assert_string_equal(noted(&world), "busy; publish as alice");
}

// --- the other commands ---------------------------------------------------------------------------------

static void a_farewell_is_answered_by_closing_only(void **state) {
    (void)state;
    static const enum command farewells[] = {COMMAND_LOGOUT, COMMAND_INVALID_MESSAGE,
                                             COMMAND_AUTHENTICATION_FAIL};
    for (size_t i = 0; i < 3; i++) {
        for (int logged_in = 0; logged_in < 2; logged_in++) {
            WORLD(world);
            if (logged_in) alice_logs_in(&world);
            say(&world, farewells[i], NULL, NULL);
            assert_string_equal(noted(&world), "finish");
            assert_int_equal(world.session.state, SESSION_CLOSED);
        }
    }
}

static void a_server_introduces_itself_with_its_first_message_only(void **state) {
    (void)state;
    WORLD(server);
    say(&server, COMMAND_AUTHENTICATE, NULL, "s3cret");
    assert_string_equal(noted(&server), "adopt");
    assert_int_equal(server.session.state, SESSION_ADOPTED);
    say(&server, COMMAND_LOGOUT, NULL, NULL);
    session_invalid(&server.session, "no longer its business");
    assert_string_equal(noted(&server), "");

    const char *late = "reply INVALID_MESSAGE 'AUTHENTICATE is accepted as the first message only'; finish";
    WORLD(client);
    alice_logs_in(&client);
    say(&client, COMMAND_AUTHENTICATE, NULL, "s3cret");
    assert_string_equal(noted(&client), late);

    WORLD(registered);
    say(&registered, COMMAND_REGISTER, "alice", "rabbit");
    session_register_done(&registered.session, true, "alice", NULL);
    noted(&registered);
    say(&registered, COMMAND_AUTHENTICATE, NULL, "s3cret");
    assert_string_equal(noted(&registered), late);
}

static void what_no_client_may_say_is_invalid_and_named(void **state) {
    (void)state;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        enum command command = (enum command)i;
        if ((command_from(command) & FROM_CLIENT) || command == COMMAND_AUTHENTICATE ||
            command == COMMAND_AUTHENTICATION_FAIL)
            continue;
        for (int logged_in = 0; logged_in < 2; logged_in++) {
            WORLD(world);
            if (logged_in) alice_logs_in(&world);
            say(&world, command, "alice", "rabbit");
            const char *log = noted(&world);
            char opening[80];
            (void)snprintf(opening, sizeof opening, "reply INVALID_MESSAGE '%s is ", command_name(command));
            assert_memory_equal(log, opening, strlen(opening));
            assert_non_null(strstr(log, "'; finish"));
            assert_int_equal(world.session.state, SESSION_CLOSED);
        }
    }
}

static void after_it_is_over_nothing_is_heard(void **state) {
    (void)state;
    WORLD(world);
    say(&world, COMMAND_LOGOUT, NULL, NULL);
    noted(&world);
    for (int i = 0; i < COMMAND_COUNT; i++)
        assert_int_equal(say(&world, (enum command)i, "alice", "rabbit"), SESSION_TAKEN);
    assert_string_equal(noted(&world), "");
}

static void without_memory_a_login_is_refused(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        WORLD(world);
        fault_after(n);
        say(&world, COMMAND_LOGIN, "Alice", "rabbit");
        if (world.session.state == SESSION_ASKING) session_login_done(&world.session, true, "alice", NULL);
        if (!fault_off()) {
            assert_int_equal(world.session.state, SESSION_IN);
            assert_int_equal(n, 3); // the spelling, the name
            return;
        }
        assert_int_equal(world.session.state, SESSION_CLOSED);
        assert_non_null(strstr(noted(&world),
                               "reply LOGIN_FAILED 'the server is out of memory; try again later'; finish"));
    }
}

static void no_trace_of_the_secret_is_left(void **state) {
    (void)state;
    WORLD(world);
    alice_logs_in(&world);
    say(&world, COMMAND_LOGOUT, NULL, NULL);
    static const struct secret_digest nothing;
    assert_memory_equal(&world.session.secret, &nothing, sizeof nothing);
    session_fini(&world.session);
    static const struct session empty;
    assert_memory_equal(&world.session, &empty, sizeof empty);
}

// --- authenticated_user never lies ----------------------------------------------------------------------

// The oracle knows by heart which spelling is whose and what the secrets are; it uses nothing of ours.
enum who { NOBODY, ANONYMOUS, ALICE, ASA };

static const struct {
    const char *spelling;
    enum who who;
} NAMES[] = {
    {"anonymous", ANONYMOUS}, {"AnonYmous", ANONYMOUS}, {"alice", ALICE},     {"Alice", ALICE},
    {"ALICE", ALICE},         {"\xc3\xa5sa", ASA},      {"A\xcc\x8aSA", ASA}, {"\xc3\x85sa", ASA},
    {"asa", NOBODY},          {"alice\n", NOBODY},      {"", NOBODY},         {"mallory", NOBODY},
};
static const char *const SECRETS[] = {NULL, "", "rabbit", "rabbit2", "moose", "Moose"};
static const char *const USERS[] = {[ANONYMOUS] = "anonymous", [ALICE] = "Alice", [ASA] = "\xc3\xa5sa"};

static bool is_right(enum who who, const char *secret) {
    return secret &&
           ((who == ALICE && strcmp(secret, "rabbit") == 0) || (who == ASA && strcmp(secret, "moose") == 0));
}

// What is to be stamped on `named`'s message with `secret` when `proven` was proven last; NOBODY: refused.
static enum who may_speak(enum who proven, enum who named, const char *secret) {
    if (proven == NOBODY) return NOBODY;
    if (named == ANONYMOUS) return ANONYMOUS;
    return named == proven && is_right(named, secret) ? named : NOBODY;
}

// One connection's life. Returns how many activities were published.
static unsigned live(struct dice *dice) {
    WORLD(world);
    enum who proven = NOBODY;
    unsigned published = 0;
    for (int turn = 0; turn < 40 && world.session.state != SESSION_CLOSED; turn++) {
        size_t name = dice_below(dice, sizeof NAMES / sizeof *NAMES);
        const char *secret = SECRETS[dice_below(dice, sizeof SECRETS / sizeof *SECRETS)];
        bool honest = dice_below(dice, 8) != 0; // mostly, or the connection would soon be closed
        while (honest && (NAMES[name].who == NOBODY || (proven > ANONYMOUS && NAMES[name].who != proven)))
            name = dice_below(dice, sizeof NAMES / sizeof *NAMES);
        enum who who = NAMES[name].who;
        if (honest && (who == ALICE || who == ASA)) secret = who == ALICE ? "rabbit" : "moose";
        uint64_t choice = dice_below(dice, 20);
        noted(&world);
        if (choice < 6) {
            say(&world, COMMAND_LOGIN, NAMES[name].spelling, secret);
            if (world.session.state == SESSION_ASKING)
                session_login_done(&world.session, is_right(who, secret),
                                   is_right(who, secret) ? USERS[who] : NULL, "no");
            if (who == ANONYMOUS || is_right(who, secret)) proven = who;
            assert_int_equal(world.session.state == SESSION_IN, who == ANONYMOUS || is_right(who, secret));
        } else if (choice < 8) {
            say(&world, COMMAND_REGISTER, NAMES[name].spelling, secret);
            if (world.session.state == SESSION_ASKING)
                session_register_done(&world.session, dice_below(dice, 4) != 0, NAMES[name].spelling, "no");
        } else if (choice < 19) {
            world.busy = dice_below(dice, 4) == 0;
            enum session_result result = say(&world, COMMAND_ACTIVITY_MESSAGE, NAMES[name].spelling, secret);
            enum who stamp = may_speak(proven, who, secret);
            char expected[64] = "busy";
            if (!world.busy)
                (void)snprintf(expected, sizeof expected, "publish as %s", stamp ? USERS[stamp] : "");
            const char *log = noted(&world);
            assert_int_equal(result, stamp && world.busy ? SESSION_AGAIN : SESSION_TAKEN);
            if (stamp)
                assert_string_equal(log, expected);
            else
                assert_memory_equal(log, "reply AUTHENTICATION_FAIL", 25);
            assert_true(stamp || world.session.state == SESSION_CLOSED);
            published += stamp && !world.busy;
        } else if (dice_below(dice, 8) == 0) {
            say(&world, (enum command)dice_below(dice, COMMAND_COUNT), NAMES[name].spelling, secret);
            if (world.session.state != SESSION_IN) // LOGIN anonymous may be among them: it ends here
                break;
            if (world.session.anonymous) proven = ANONYMOUS;
        }
        assert_true(world.finished == (world.session.state == SESSION_CLOSED));
    }
    session_fini(&world.session);
    return published;
}

static void authenticated_user_never_lies(void **state) {
    (void)state;
    const char *given = getenv("HERALD_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("HERALD_SEED=%" PRIu64 "\n", seed);
    struct dice dice;
    dice_seed(&dice, seed);
    unsigned published = 0;
    for (int i = 0; i < 5000; i++) published += live(&dice);
    assert_true(published > 1000); // the stories got somewhere
}

int main(void) {
    if (secret_init(NULL) < 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anonymous_enters_at_once_whatever_its_secret),
        cmocka_unit_test(a_user_enters_when_the_answer_comes),
        cmocka_unit_test(a_refused_login_is_told_and_closed),
        cmocka_unit_test(a_redirected_client_hears_success_first_and_is_then_over),
        cmocka_unit_test(a_user_without_a_secret_is_invalid),
        cmocka_unit_test(a_second_login_counts_and_enters_again),
        cmocka_unit_test(a_second_login_may_be_anonymous_and_forgets_the_first),
        cmocka_unit_test(a_second_login_that_fails_closes),
        cmocka_unit_test(an_answer_to_a_session_that_is_over_is_ignored),
        cmocka_unit_test(a_registered_client_is_not_logged_in_but_may_log_in),
        cmocka_unit_test(registering_does_not_let_one_publish),
        cmocka_unit_test(a_refused_registration_is_told_and_closed),
        cmocka_unit_test(anonymous_cannot_be_registered),
        cmocka_unit_test(registering_after_login_is_invalid),
        cmocka_unit_test(an_activity_before_login_fails),
        cmocka_unit_test(rows_of_who_may_publish_as_whom),
        cmocka_unit_test(a_spelling_too_long_to_keep_still_names_its_user),
        cmocka_unit_test(a_busy_reel_changes_nothing_and_takes_it_later),
        cmocka_unit_test(a_farewell_is_answered_by_closing_only),
        cmocka_unit_test(a_server_introduces_itself_with_its_first_message_only),
        cmocka_unit_test(what_no_client_may_say_is_invalid_and_named),
        cmocka_unit_test(after_it_is_over_nothing_is_heard),
        cmocka_unit_test(without_memory_a_login_is_refused),
        cmocka_unit_test(no_trace_of_the_secret_is_left),
        cmocka_unit_test(authenticated_user_never_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

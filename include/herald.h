// libherald: a client of Herald's activity stream, for any event loop. herald(3).
//
// A session keeps itself logged in at one of several servers: it finds the nearest that answers, registers or
// logs in, follows redirects, and, when the connection is lost, starts over after a random wait. It has no
// threads and never blocks; the program's own loop drives it:
//
//     while (herald_next(session, &event) == 1) ...     // what has happened
//     poll herald_fd(session) for herald_events(session), at most herald_timeout(session) milliseconds
//     herald_step(session);                              // then again
//
// A session belongs to the thread that uses it; different sessions may live on different threads. Text is
// UTF-8. Nothing here prints, exits, installs a signal handler or raises SIGPIPE.
#ifndef HERALD_H
#define HERALD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HERALD_API __attribute__((visibility("default")))

// --- what to be ----------------------------------------------------------------------------------------

// TLS 1.3. A server whose key is known (herald_know) must have that key. Of others an authority must vouch
// for the name or address they were asked for by.
enum herald_tls {
    HERALD_TLS_OFF = 0,
    HERALD_TLS_ON = 1,
    HERALD_TLS_FIRST_USE = 2, // of whom nothing is known may be anybody: HERALD_MET tells its key, to be kept
};

struct herald_options {
    size_t size;                // sizeof(struct herald_options): lets later versions add members
    const char *const *servers; // "host:port", "[v6]:port" or "host" (port 3780)
    size_t server_count;        // at least 1
    const char *user;           // NULL or "anonymous": anonymous
    const char *secret;         // of the user; NULL with a user: herald_open fails unless do_register
    int do_register;            // register the user first; without a secret one is made: HERALD_REGISTERED
    int once;                   // do not start over when the connection is lost: HERALD_ENDED instead
    // For one server to accept, and again to answer (a registration: 10,000 more). 0: 5,000.
    uint32_t connect_timeout_ms;
    // No login that lasted for so long: HERALD_ENDED. 0: never, but with `once` after one round of servers.
    uint32_t give_up_ms;
    uint32_t max_redirects; // in a row, without a stay; 0: 8
    uint32_t max_message;   // longest line accepted from a server, bytes; 0: 4 MiB
    uint32_t max_unsent;    // bytes of publications that may wait to be sent; 0: 4 MiB
    int tls;                // enum herald_tls
    const char *ca_file;    // with TLS: who may vouch for servers (PEM); NULL: those this machine trusts
};

typedef struct herald herald;

// Begins. The options are copied. NULL: `error` (of `capacity` bytes, may be NULL) says why in one sentence.
HERALD_API herald *herald_open(const struct herald_options *options, char *error, size_t capacity);
// Closes at once and frees; for an orderly end see herald_logout. Secrets are wiped. NULL is fine.
HERALD_API void herald_close(herald *session);

// With TLS: the key that `server` has to have, as HERALD_MET told it, or heraldd when it started. Before the
// first step, for the servers that are listed, or later. -1: herald_error says why.
HERALD_API int herald_know(herald *session, const char *server, const char *key);

// --- driving it ----------------------------------------------------------------------------------------

#define HERALD_READ  1
#define HERALD_WRITE 2

HERALD_API int herald_fd(const herald *session);     // the same for the session's whole life; never read it
HERALD_API int herald_events(const herald *session); // HERALD_READ | HERALD_WRITE: what to poll herald_fd for
// Milliseconds until herald_step is due anyway; -1: only by events. It changes: ask before each wait.
HERALD_API int herald_timeout(const herald *session);
// Does what can be done now. Call it when the descriptor is ready, when the timeout is over, and whenever you
// like.
HERALD_API void herald_step(herald *session);
// Steps once, waiting at most `timeout_ms` (-1: without end) for something to do: a loop for programs without
// one. A signal ends the wait; so do events that were not taken yet.
HERALD_API void herald_wait(herald *session, int timeout_ms);

// --- what happens --------------------------------------------------------------------------------------

enum herald_kind {
    HERALD_CONNECTED = 1, // server: connected and asked, not logged in yet; latency_ms: until it accepted
    HERALD_REGISTERED,    // user; text: the secret (also when it was given); server; comes once
    HERALD_LOGGED_IN,     // user; server; from now on it hears, and what was published is sent
    HERALD_ACTIVITY,      // json: the activity object, one line of text; user: its authenticated_user
    HERALD_REDIRECTED,    // server: where it is going
    HERALD_LOST,          // text: why; server: which, "" when none answered. It starts over after wait_ms
    HERALD_ENDED,         // for good: status, text. Nothing follows
    HERALD_MET,           // server; text: its key, "SHA256:...", known from now on, for nobody vouches for it
};

// How a session ended.
enum herald_status {
    HERALD_DONE = 0,        // as asked, by herald_logout: the server has taken everything and closed its side
    HERALD_REFUSED = 1,     // a server refused: wrong secret, taken name, a wrong message; text: its words
    HERALD_UNREACHABLE = 3, // no server answered, or redirects without end; text tells of each
    HERALD_UNKNOWN = 4,     // a connection was lost while publications, or the registration, were under way:
                            // they may have been taken. Publications that were heard back have been
    HERALD_NO_MEMORY = 5,
};

// Texts are never NULL ("" when there is nothing to say); they live until the next call of herald_next or
// herald_close. Words and names are a stranger's: make them safe before showing them.
struct herald_event {
    enum herald_kind kind;
    enum herald_status status;
    const char *server; // "host:port"
    const char *user;
    const char *text;
    const char *json;
    size_t json_len;
    uint32_t latency_ms;
    uint32_t wait_ms;
};

// 1: *event is the oldest that was not given yet. 0: none now. Memory is bounded: while 512 events or 1 MiB
// of them wait to be taken, the session does not read from the server.
HERALD_API int herald_next(herald *session, struct herald_event *event);

// --- what to do ----------------------------------------------------------------------------------------

// Publishes one JSON object, which is copied. It is sent when the session is logged in. What was not sent
// when a connection is lost goes out on the next one; what was sent is not sent again, unless the server has
// redirected us and cannot have taken it. 0: taken. -1: not a JSON object, too long, or the session is over
// (herald_error says which). -2: max_unsent is reached, step and try again.
HERALD_API int herald_publish(herald *session, const char *json, size_t len);
HERALD_API size_t herald_unsent(const herald *session); // bytes

// Ends in good order: what is unsent is sent, LOGOUT follows, and when the server has closed its side
// HERALD_ENDED comes with HERALD_DONE. Without a login, and with nothing to send or to register, it ends at
// once.
HERALD_API void herald_logout(herald *session);

HERALD_API const char *herald_error(const herald *session); // of the last call that failed; never NULL
HERALD_API const char *herald_version(void);

#ifdef __cplusplus
}
#endif
#endif

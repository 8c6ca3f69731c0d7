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
// Everything belongs to the thread that uses the session. Text is UTF-8. Nothing here ever prints, exits,
// installs a signal handler or touches errno's meaning; SIGPIPE is avoided.
#ifndef HERALD_H
#define HERALD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HERALD_API __attribute__((visibility("default")))

// --- what to be ---------------------------------------------------------------------------------------------

struct herald_options {
    size_t size;                // sizeof(struct herald_options): lets later versions add members
    const char *const *servers; // "host:port", "[v6]:port" or "host" (port 3780)
    size_t server_count;        // at least 1
    const char *user;           // NULL or "anonymous": anonymous
    const char *secret;         // of the user; NULL with a user: herald_open fails unless do_register
    int do_register;            // register the user first; without a secret one is made (HERALD_REGISTERED tells it)
    int once;                   // do not start over when the connection is lost: HERALD_ENDED instead
    uint32_t connect_timeout_ms; // for one server to accept and answer; 0: 5,000
    uint32_t give_up_ms;        // no login for so long: HERALD_ENDED; 0: never, but with `once` after one round of the servers
    uint32_t max_redirects;     // in a row without a stay; 0: 8
    uint32_t max_message;       // longest line accepted from a server, bytes; 0: 4 MiB
    uint32_t max_unsent;        // bytes of publications that may wait to be sent; 0: 4 MiB
};

typedef struct herald herald;

// Begins. The options are copied. NULL: `error` (of `capacity` bytes, may be NULL) says why in one sentence.
HERALD_API herald *herald_open(const struct herald_options *options, char *error, size_t capacity);
// Closes at once and frees; for an orderly end see herald_logout. Secrets are wiped. NULL is fine.
HERALD_API void herald_close(herald *session);

// --- driving it ---------------------------------------------------------------------------------------------

#define HERALD_READ 1
#define HERALD_WRITE 2

HERALD_API int herald_fd(const herald *session);     // the same for the session's whole life; never read from it yourself
HERALD_API int herald_events(const herald *session); // HERALD_READ | HERALD_WRITE: what to poll herald_fd for
HERALD_API int herald_timeout(const herald *session); // milliseconds until herald_step is due anyway; -1: only by events
// Does what can be done now. Call it when the descriptor is ready, when the timeout is over, and whenever you like.
HERALD_API void herald_step(herald *session);
// Steps once, waiting at most `timeout_ms` (-1: without end) for something to do: a loop for programs without one.
HERALD_API void herald_wait(herald *session, int timeout_ms);

// --- what happens -------------------------------------------------------------------------------------------

enum herald_kind {
    HERALD_CONNECTED = 1, // server: connected, not logged in yet; latency_ms
    HERALD_REGISTERED,    // text: the secret (also when it was given); comes once
    HERALD_LOGGED_IN,     // user; from now on it hears, and what was published is sent
    HERALD_ACTIVITY,      // json: the activity object as text; user: its authenticated_user
    HERALD_REDIRECTED,    // server: where it is going
    HERALD_LOST,          // text: why; server: which. It starts over after wait_ms
    HERALD_ENDED,         // for good: status, text. Nothing follows
};

// How a session ended.
enum herald_status {
    HERALD_DONE = 0,        // as asked, by herald_logout: the server has taken everything and closed its side
    HERALD_REFUSED = 1,     // the server refused: wrong secret, taken name, a wrong message; text: its words
    HERALD_UNREACHABLE = 3, // no server answered, or redirects without end; text tells of each
    HERALD_UNKNOWN = 4,     // the connection was lost while publications were under way: they may have been taken
    HERALD_NO_MEMORY = 5,
};

// Slices live until the next call of herald_next or herald_close; they are NUL-terminated too.
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

// 1: *event is the oldest that was not given yet. 0: none now. Memory is bounded: while more than a few hundred
// activities wait to be taken, the session does not read from the server.
HERALD_API int herald_next(herald *session, struct herald_event *event);

// --- what to do ---------------------------------------------------------------------------------------------

// Publishes one JSON object, which is copied. It is sent when the session is logged in; what was not sent when
// a connection is lost goes out on the next one, what was sent is not sent again. 0: taken. -1: not a JSON object, or
// too long (herald_error says which). -2: max_unsent is reached, step and try again.
HERALD_API int herald_publish(herald *session, const char *json, size_t len);
HERALD_API size_t herald_unsent(const herald *session); // bytes

// Ends in good order: what is unsent is sent, LOGOUT follows, and when the server has closed its side HERALD_ENDED
// comes with HERALD_DONE.
HERALD_API void herald_logout(herald *session);

HERALD_API const char *herald_error(const herald *session); // of the last call that failed; never NULL
HERALD_API const char *herald_version(void);

#ifdef __cplusplus
}
#endif
#endif

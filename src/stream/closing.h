// Why a connection ends: one list for the enum, the log and the counters.
#pragma once

// name, words for the log
#define CLOSE_REASONS(X)                                                                                     \
    X(GONE, "the other side closed")                                                                         \
    X(LOGOUT, "ended in good order")                                                                         \
    X(REFUSED, "a message was refused")                                                                      \
    X(REDIRECTED, "redirected to another server")                                                            \
    X(LAPPED, "lapped: it read too slowly for the reel")                                                     \
    X(TLS, "what it sent was not proper TLS")                                                                \
    X(SILENT, "no complete message in time")                                                                 \
    X(LINGERED, "it did not close its side in time")                                                         \
    X(LIMIT, "a limit of connections was reached")                                                           \
    X(MEMORY, "memory is out")                                                                               \
    X(ADOPTED, "it is a server's link now")                                                                  \
    X(ENDED, "its account was renamed, deleted or given a new secret")                                       \
    X(STOPPING, "the server is stopping")

enum close_reason {
#define CLOSE_ENUM(name, words) CLOSE_##name,
    CLOSE_REASONS(CLOSE_ENUM)
#undef CLOSE_ENUM
        CLOSE_COUNT
};

const char *close_words(enum close_reason reason);

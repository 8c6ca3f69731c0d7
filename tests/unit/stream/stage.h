// A node alone on a stage: what it does is written into a transcript, which the tests read. A line an action:
//
//   send 1 {"command":...}     hold 1 / release 1     up 1 herald / up 1 plain     cut 1 WHY     dial HOST
//   publish 1 ORIGIN SEQUENCE USER     heard ID / gone ID     hint ID COUNT us     told ROUND
//   granted NAME / refused NAME / timed out NAME
#pragma once

#include "stream/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define INTERVAL 5000u
#define SECRET   "the server secret"

struct stage {
    struct node node;
    struct stream_settings settings;
    struct parser *parser;
    uint64_t now;
    bool busy;   // the reel is
    bool settle; // what is granted becomes an account at once
    char transcript[16384];
    char account[64];
};

// targets: host names of --connect, a letter each. Our id is "m".
struct stage *begin_with(const char *targets);
struct stage *begin(void);
void end(struct stage *stage);

void assert_acts(struct stage *stage, const char *expected); // all since the last time, and forgets them
void forget_acts(struct stage *stage);
unsigned acts_with(struct stage *stage, const char *text);

void pass(struct stage *stage, uint64_t ms); // time, and the node ticks whenever it wants to
enum node_result say(struct stage *stage, uint32_t link, const char *line);
void arrive(struct stage *stage, uint32_t link, const char *line);

// A Herald child on `link`; a plain one that is quiet no more; and the first target as a Herald of this name.
void herald_child(struct stage *stage, uint32_t link, const char *id);
void plain_child(struct stage *stage, uint32_t link);
void herald_parent(struct stage *stage, uint32_t link, const char *id);

#define HELLO "{\"command\":\"AUTHENTICATE\",\"secret\":\"" SECRET "\"}"
#define HELLO_AS(id)                                                                                         \
    "{\"command\":\"AUTHENTICATE\",\"secret\":\"" SECRET "\",\"herald\":{\"version\":1,\"id\":\"" id "\"}}"
#define HERALD(id) "{\"command\":\"HERALD\",\"version\":1,\"id\":\"" id "\"}"
#define ANNOUNCE_AT(id, load, host)                                                                          \
    "{\"command\":\"SERVER_ANNOUNCE\",\"id\":\"" id "\",\"load\":" load ",\"hostname\":\"" host              \
    "\",\"port\":3780}"
#define ANNOUNCE(id)  ANNOUNCE_AT(id, "2", id)
#define OURS          ANNOUNCE_AT("m", "4", "here")
#define INVALID(info) "{\"command\":\"INVALID_MESSAGE\",\"info\":\"" info "\"}"

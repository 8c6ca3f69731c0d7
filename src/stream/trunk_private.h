// Shared by trunk.c and trunk_flush.c.
#pragma once

#include "stream/stream_private.h"

// One link's socket.
struct cable {
    uint32_t id; // the node's link
    struct trunk *trunk;
    struct sock *sock;
    struct address address;
    struct framer framer;
    bool accepted; // counted at the door
    bool up, herald;
    bool held;                 // nothing goes out but what is already cut in two
    bool blocked;              // waiting for the socket
    bool choked;               // to be given up at the end of the turn
    bool finishing;            // the node has forgotten it; closes once all is sent
    bool shut;                 // our side is closed
    enum reader_result result; // of this turn's flush
    reel_pos cursor;
    reel_pos end;         // hears the reel up to here; UINT64_MAX: for ever
    struct buf rest;      // of a frame that was cut in two by a full socket
    struct buf lane;      // lines of this link alone, between frames
    struct buf stalled;   // a line that the reel had no room for
    uint64_t deadline_ms; // finishing
    UT_hash_handle hh;    // by id
};

struct trunk {
    struct stream *stream;
    struct cable *cables;
    uint32_t last_id;
    struct dial *dial;
    struct parser *parser;
    struct buf frame;     // scratch: the frame being encoded
    struct buf envelopes; // scratch: of one batch
    char *input;
    bool appended;
    uint64_t deadline_ms;
};

// A link's part of a pass over the reel.
enum reader_result cable_flush(struct cable *cable, const struct reel *reel, reel_pos head, reel_pos tail);

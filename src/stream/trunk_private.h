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

#define BATCH_FRAMES 256
#define BATCH_BYTES  (256u * 1024)

// What goes out on a link next, and on every other that stands where it does.
struct batch {
    reel_pos from, head; // it was gathered from here, and at most up to there
    reel_pos next;       // and this follows
    bool herald;         // with envelopes
    size_t count;        // frames
    size_t left_out;     // more of them, which had come from the link that it was gathered for
    struct buf bytes;
    struct {
        reel_pos next;
        size_t end; // of its bytes
        uint32_t source;
    } frames[BATCH_FRAMES];
};

struct trunk {
    struct stream *stream;
    struct cable *cables;
    uint32_t last_id;
    struct dial *dial;
    struct parser *parser;
    struct buf frame;   // scratch: the frame being encoded
    struct batch batch; // scratch, for a pass
    char *input;
    bool appended;
    uint64_t deadline_ms;
};

// A link's part of a pass over the reel.
enum reader_result cable_flush(struct cable *cable, const struct reel *reel, reel_pos head, reel_pos tail);

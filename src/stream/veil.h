// TLS between a client's socket and the rest of its connection: only who speaks it has a veil.
//
//   socket ──recv──► veil_receive ──► plain ──► framer
//      ▲                  └─► held ──┐  (handshake, alerts)
//      └──── send ◄──── veil_flush ◄─┴── sealed ◄── the reel and the lane
//
// What is sent is copied once, by sealing it, a batch at a time; what the socket does not take is held, so at
// most VEIL_BATCH and what the records add. An idle veil holds nothing but what OpenSSL keeps.
#pragma once

#include "net/tls.h"
#include "stream/reader.h"

#define VEIL_BATCH (4u * TLS_RECORD_MAX) // bytes sealed for one send

struct veil;

// Scratch that the veils of one thread share.
struct veil_scratch {
    struct buf plain, sealed;
};
void veil_scratch_free(struct veil_scratch *scratch); // wipes

struct veil *veil_open(struct tls_context *context, struct err *err);
void veil_close(struct veil *veil); // NULL is fine

// What came off the socket, at most `most` bytes ever; *plain, which lives until the next call with this
// scratch, is what was said. -1: the connection is broken, `err` says why; veil_flush sends the alert.
int veil_receive(struct veil *veil, struct veil_scratch *scratch, struct str cipher, size_t most,
                 struct str *plain, struct err *err);
bool veil_holds(const struct veil *veil); // veil_flush has something to send
bool veil_ended(const struct veil *veil); // the client has said that nothing more comes

// What reader_flush is for others. last: when all is sent, nothing follows; this is told, too.
enum reader_result veil_flush(struct veil *veil, struct veil_scratch *scratch, struct reader *reader,
                              const struct reel *reel, int fd, reel_pos head, reel_pos tail, bool last,
                              uint64_t *delivered);

// A connection: bytes in, requests to calls, answers out. On its gate's thread.
//
//   socket ──recv──► (tls_receive ──►) http_next ──► call_begin ──► ... ──► conn_reply ──► scratch
//      ▲                                                                                   │
//      └───────────────── send ◄─── out, what the socket did not take ◄─── (tls_send ◄───) ┘
//
//   phase:  OPEN ──conn_finish──► LEAVING ──all sent──► LINGERING ──the other side closed, or too long──►
//   gone
//
// One request at a time is served; while it is being answered the socket is not read, and what was read
// behind it waits in `held`. A client that does not read its answers is not read either.
#pragma once

#include "gateway/http.h"
#include "gateway/problem.h"
#include "net/sock.h"

#define CONN_OUT_MAX     (64u * 1024) // answers not sent yet: over it no request is taken
#define CONN_LINGER_MS   2000u
#define CONN_LINGER_SIZE (1u << 20) // thrown away meanwhile

struct gate;
struct tls;
struct call;
struct route;

enum conn_phase { CONN_OPEN, CONN_LEAVING, CONN_LINGERING };
// What a deadline is for; each has its list, and one length of wait.
enum conn_wait {
    CONN_IDLES,
    CONN_ARRIVES,
    CONN_BLOCKED,
    CONN_LINGERS,
    CONN_WAITS,
    CONN_NOTHING = CONN_WAITS
};

struct conn {
    struct mail mail; // core thread to shard at the start, back at the end
    struct address from;
    int fd; // until the gate has it in `sock`
    struct gate *gate;
    struct sock *sock;
    struct http http;
    struct buf held; // read, not yet looked at
    struct buf out;  // not yet sent; with TLS, records
    struct tls *tls; // NULL: in the clear
    struct call *call;
    const struct route *route; // of the request that is arriving
    struct str param;          // its path parameter, still encoded; in the request's memory
    struct follow *follow;     // it is being sent the change log
    enum conn_phase phase;
    enum conn_wait wait;
    bool eof, doomed;
    bool unveiled;    // its first bytes have told whether it speaks TLS
    bool farewell;    // its last record is written
    bool fresh;       // something was answered or sent: its wait begins anew
    uint64_t due_ms;  // of `wait`
    uint64_t paid_us; // what it has said is paid by then
    size_t drained;
    struct conn *prev, *next;         // wait
    struct conn *all_prev, *all_next; // every connection of the gate
};

struct conn *conn_new(int fd, const struct address *from, struct gate *gate); // core thread
void conn_free(struct conn *conn); // core thread, when its gate is done with it

void conn_arrived(struct mail *mail, void *shard); // mail.deliver

// Answers the request that is being served and forgets it: what lies in its memory is then gone. Outside of
// conn_ready, conn_settle must follow.
void conn_reply(struct conn *conn, const struct http_reply *reply);
void conn_problem(struct conn *conn, enum problem problem, const char *detail, const char *field,
                  struct str headers);
// Begins an answer whose bytes follow by conn_stream, until conn_finish.
void conn_reply_stream(struct conn *conn, const char *type, struct str headers);
// Bytes of an answer without a length; conn_settle sends them. False: memory is out, and it is doomed.
bool conn_stream(struct conn *conn, struct str piece);
void conn_stream_last(struct conn *conn); // that was all
// Sends what there is to send, goes on with what is held, arms the deadline, closes if it is doomed: the last
// thing that is done with a connection in any callback, for it may be gone afterwards.
void conn_settle(struct conn *conn);
void conn_finish(struct conn *conn); // close once everything is sent
void conn_close(struct conn *conn);
void conn_late(struct conn *conn);  // its deadline is over
void conn_drain(struct conn *conn); // the server is stopping

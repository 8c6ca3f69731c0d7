// HTTP requests carried out and their answers brought back, many at a time. The door to libcurl.
//
//   courier_send ──► connections, kept open for the next ──► server
//   courier_wait ◄── an errand that is over: answered, or why not
//
// No proxy of the environment is used, no redirect is followed, and a path goes as it is given. One courier
// belongs to one thread.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define COURIER_BODY_MAX   (4u << 20) // bytes of an answer
#define COURIER_HEADERS    8
#define COURIER_CLOCK_SIZE 44 // "EPOCH.CLOCK"
#define COURIER_KEY_SIZE   52 // "SHA256:" and base64, with the terminator

enum errand_end {
    ERRAND_ANSWERED,   // status, and what belongs to it
    ERRAND_UNREACHED,  // nothing was asked; err says why
    ERRAND_DISTRUSTED, // nothing was asked: the server is not the one that it should be
    ERRAND_LOST,       // it was asked, and no answer came: it may have been done
    ERRAND_STOPPED,    // on_bytes has had enough
};

struct errand {
    // What is asked. Texts are the caller's and outlive the errand.
    const char *method, *url;
    struct str body;
    const char *headers[COURIER_HEADERS + 1]; // "Name: value"; ends with NULL
    const char *ca;                           // file (PEM) of who may vouch; NULL: those this machine trusts
    const char *key;     // "SHA256:...": of the server's public key, which then nobody vouches for
    unsigned connect_ms; // to connect
    unsigned answer_ms;  // in all; 0: without end
    // Of an answer with 200: takes its bytes as they come, in place of `answer`. False: enough.
    bool (*on_bytes)(struct errand *errand, struct str bytes);
    void *context;

    // What came of it.
    enum errand_end end;
    unsigned status;
    struct buf answer; // the caller's to wipe
    char clock[COURIER_CLOCK_SIZE], etag[32];
    unsigned retry_after_s;
    uint32_t connect_us; // how long connecting took; 0: there was a connection
    bool late;           // of UNREACHED and LOST: the time was over
    bool misnamed;       // of DISTRUSTED: it is vouched for, but its certificate has another name
    struct err err;      // without the server's name

    // The courier's.
    void *handle, *lines;
    struct errand *next;
};

struct courier;
struct courier *courier_open(struct err *err);
void courier_close(struct courier *courier); // those under way are dropped. NULL is fine

// The errand is the courier's until it comes back. -1: it is not begun; `err`.
int courier_send(struct courier *courier, struct errand *errand, struct err *err);
// The next that is over; NULL: none within `timeout_ms`, or `also` (a descriptor, or -1) is readable.
struct errand *courier_wait(struct courier *courier, int timeout_ms, int also);
void courier_drop(struct courier *courier, struct errand *errand); // one that has not come back
unsigned courier_busy(const struct courier *courier);              // errands under way

// Connects and asks for nothing: the key of the server at `url`, whoever vouches for it. -1: `err`.
int courier_meet(const char *url, unsigned connect_ms, char key[COURIER_KEY_SIZE], struct err *err);

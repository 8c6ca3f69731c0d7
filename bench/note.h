// The activity that is published: an ActivityStreams Note of an exact size, whose first member says who sent
// it, as which in its sequence, and when it was to be sent. Fixed width, so that reading it costs a few
// instructions.
//
//   {"id":"load:RRRRRRRR:PPPPPPPP:SSSSSSSS:TTTTTTTTTTTTTTTT","type":"Note","@context":"...","content":"xxx..."}
//          this run      publisher sequence ns since the run began         if there is room
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NOTE_MARK_LEN   15u // "load:RRRRRRRR: with its quotation mark
#define NOTE_FIELDS_LEN (NOTE_MARK_LEN + 8u + 1u + 8u + 1u + 16u)
#define NOTE_MOST       99999999u // publisher, sequence

struct note {
    uint32_t publisher, sequence;
    uint64_t due_ns;
};

struct note_form {
    char mark[NOTE_MARK_LEN + 1];
    size_t least; // bytes of the smallest Note
};

void note_form_init(struct note_form *form, uint32_t run);

// Appends a Note of `size` bytes (at least form->least). *fields: where in `out` the fields begin. -1: memory
// is out.
int note_write(const struct note_form *form, size_t size, struct buf *out, size_t *fields);

// Puts numbers into the fields of a Note.
void note_fill(char *fields, const struct note *note);

static inline uint32_t note_digits8(const char *digits) {
    uint64_t v;
    memcpy(&v, digits, sizeof v);
    v -= 0x3030303030303030u;
    v = v * 10 + (v >> 8); // pairs; then fours and eights, in two multiplications
    v = ((v & 0x000000FF000000FFu) * 0x000F424000000064u) +
        (((v >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u);
    return (uint32_t)(v >> 32);
}

static inline void note_read(const char *fields, struct note *note) {
    const char *at = fields + NOTE_MARK_LEN;
    note->publisher = note_digits8(at);
    note->sequence = note_digits8(at + 9);
    note->due_ns = (uint64_t)note_digits8(at + 18) * 100000000u + note_digits8(at + 26);
}

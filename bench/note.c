// The activity that is published: writing it. See note.h.
#include "note.h"

#include <assert.h>
#include <stdio.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "note_digits8 reads eight digits as one number");

static const char zeros[] = "00000000:00000000:0000000000000000";
static const char begin[] = "{\"id\":";
static const char middle[] = "\",\"type\":\"Note\"";
static const char room_for[] = ",\"@context\":\"https://www.w3.org/ns/activitystreams\"";
static const char content[] = ",\"content\":\"";
static const char end[] = "\"}";

void note_form_init(struct note_form *form, uint32_t run) {
    snprintf(form->mark, sizeof form->mark, "\"load:%08x:", run);
    form->least = strlen(begin) + NOTE_FIELDS_LEN + strlen(middle) + strlen(content) + strlen(end);
}

int note_write(const struct note_form *form, size_t size, struct buf *out, size_t *fields) {
    assert(size >= form->least);
    size_t filler = size - form->least;
    const char *context = filler >= strlen(room_for) ? room_for : "";
    filler -= strlen(context);
    if (buf_append_text(out, begin) != 0) return -1;
    *fields = out->len;
    if (buf_append_text(out, form->mark) != 0 || buf_append_text(out, zeros) != 0 ||
        buf_append_text(out, middle) != 0 || buf_append_text(out, context) != 0 ||
        buf_append_text(out, content) != 0 || buf_reserve(out, filler) != 0)
        return -1;
    memset(out->data + out->len, 'x', filler);
    out->len += filler;
    return buf_append_text(out, end);
}

static void put_digits(char *at, uint64_t value, size_t digits) {
    while (digits-- > 0) {
        at[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

void note_fill(char *fields, const struct note *note) {
    char *at = fields + NOTE_MARK_LEN;
    put_digits(at, note->publisher, 8);
    put_digits(at + 9, note->sequence, 8);
    put_digits(at + 18, note->due_ns, 16);
}

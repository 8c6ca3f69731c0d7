// Comma-separated values (RFC 4180): records out of text, and fields into it. Pure.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

#define CSV_FIELDS 64

struct csv_row {
    struct buf text; // the fields, unquoted, one behind the other
    size_t ends[CSV_FIELDS], count;
};

// How long the first record of `text` is, with its line end; a quoted field may hold line ends. 0: it does
// not end here, and more may come. `last`: nothing more comes.
size_t csv_measure(struct str text, bool last);
// Takes one record apart. -1: `err` says what is wrong with it.
int csv_parse(struct str record, struct csv_row *row, struct err *err);
struct str csv_field(const struct csv_row *row, size_t index); // empty: there is no such
void csv_fini(struct csv_row *row);                            // wipes

// Appends a field, quoted where it must be, with a comma before it unless it is the `first`. -1: memory is
// out.
int csv_write(struct buf *out, struct str field, bool first);

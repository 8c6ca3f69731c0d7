// The records of a file to be imported, one after the other, and where one is in it.
//
//   bytes ──► a record (CSV: also over several lines) ──► login, name, password ──► a request's body
//               └─► the chain: a digest of all records so far, by which a file is known again
#pragma once

#include "base/secret.h"
#include "cli/csv.h"
#include "cli/wish.h"
#include "wire/value.h"

#define IMPORT_RECORD_MAX (16u * 1024) // bytes

struct import_reader {
    int fd;
    enum wish_format format;
    struct buf held;
    size_t at; // of `held`: what is not taken yet
    bool eof;
    uint64_t line;   // of the file, where the record that came last begins; from 1
    uint64_t lines;  // that were taken
    uint64_t offset; // bytes that were taken
    struct secret_digest chain;
    bool headed; // CSV: the names of the columns were read
    size_t columns[3];
    struct csv_row row;
    struct parser *parser; // not ours
};

struct import_record {
    struct buf login, name; // the name may be empty
    bool named;             // there was a column or member for the name
    struct buf body;        // JSON; to be wiped
};
void import_record_fini(struct import_record *record);

int import_open(struct import_reader *reader, const char *path, enum wish_format format,
                struct parser *parser, struct err *err);
void import_close(struct import_reader *reader);

enum import_result { IMPORT_RECORD, IMPORT_END, IMPORT_WRONG, IMPORT_FAILED };
// IMPORT_WRONG: this record cannot be used, the next may be; `err` says why. IMPORT_FAILED: nothing more can.
enum import_result import_next(struct import_reader *reader, struct import_record *record, struct err *err);

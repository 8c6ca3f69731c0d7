// The record of a name: the same for every kind of server. See inquiry.h.
#include "inquiry.h"

#include <stdio.h>
#include <string.h>

int record_name(struct buf *out, const char *name) {
    return buf_append_text(out, RECORD_CALLED) | buf_append_text(out, name);
}

int record_write(struct buf *out, const char *name) {
    size_t len = strlen(name); // the uuid of a name is its end
    return buf_printf(out,
                      "{\"uuid\":\"01234567-89ab-4cde-8f01-%.12s\",\"login\":\"%s\",\"name\":\"" RECORD_CALLED
                      "%s\",\"created_at\":\"2026-01-01T00:00:00.000Z\",\"modified_at\":"
                      "\"2026-01-01T00:00:00.000Z\",\"created_from\":\"127.0.0.1\"}",
                      len > 12 ? name + len - 12 : name, name, name);
}

bool record_has(struct str text, const char *before, const char *name, const char *after) {
    char wanted[128];
    int len = snprintf(wanted, sizeof wanted, "%s%s%s", before, name, after);
    return len > 0 && (size_t)len < sizeof wanted && text.len > 0 &&
           memmem(text.ptr, text.len, wanted, (size_t)len) != NULL;
}

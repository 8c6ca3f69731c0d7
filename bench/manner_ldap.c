// An LDAP directory, version 3 (RFC 4511), as its administrator, so that no access rules are looked at.
//
//     bind ──► bound
//     search below ou=people for (uid=NAME)              ──►  the entry; done
//     add uid=NAME,ou=people: inetOrgPerson, uid, cn, sn ──►  added
//
// BER in the few shapes that this needs: lengths of what holds other things are always two bytes long.
#include "inquiry.h"

#include <stdlib.h>
#include <string.h>

#define PEOPLE   "ou=people," INQUIRY_SUFFIX
#define MANAGER  "cn=manager," INQUIRY_SUFFIX
#define PASSWORD "secret" // of a server that lives for one run

enum {
    BER_BOOLEAN = 0x01,
    BER_INTEGER = 0x02,
    BER_TEXT = 0x04,
    BER_ENUM = 0x0a,
    BER_SEQUENCE = 0x30,
    BER_SET = 0x31,
    BER_PASSWORD = 0x80, // in a bind
    BER_EQUAL = 0xa3,    // in a filter
    BIND = 0x60,
    BOUND = 0x61,
    SEARCH = 0x63,
    ENTRY = 0x64,
    DONE = 0x65,
    ADD = 0x68,
    ADDED = 0x69
};

#define ID_BIND  1u
#define ID_FIRST 2u // of the first slot

struct ldap {
    bool found; // the search under way has had its entry
};

static bool does(enum work work) {
    return work != WORK_LOGIN;
}

// --- writing --------------------------------------------------------------------------------------------

struct writer {
    struct buf *out;
    int rc;
};

static void put(struct writer *writer, int tag, const void *bytes, size_t len) {
    unsigned char head[2] = {(unsigned char)tag, (unsigned char)len}; // all that is put is short
    writer->rc |= buf_append(writer->out, head, 2) | buf_append(writer->out, bytes, len);
}

static void put_text(struct writer *writer, int tag, const char *text) {
    put(writer, tag, text, strlen(text));
}

static void put_number(struct writer *writer, int tag, unsigned value) {
    unsigned char bytes[3] = {(unsigned char)(value >> 16), (unsigned char)(value >> 8),
                              (unsigned char)value};
    unsigned from = value < 0x80 ? 2 : value < 0x8000 ? 1 : 0;
    put(writer, tag, bytes + from, 3 - from);
}

// What follows is held, until put_end of what it returns.
static size_t put_begin(struct writer *writer, int tag) {
    unsigned char head[4] = {(unsigned char)tag, 0x82, 0, 0};
    writer->rc |= buf_append(writer->out, head, sizeof head);
    return writer->out->len;
}

static void put_end(struct writer *writer, size_t begun) {
    if (writer->rc != 0) return;
    size_t len = writer->out->len - begun;
    writer->out->data[begun - 2] = (char)(len >> 8);
    writer->out->data[begun - 1] = (char)len;
}

static void put_attribute(struct writer *writer, const char *type, const char *value) {
    size_t attribute = put_begin(writer, BER_SEQUENCE);
    put_text(writer, BER_TEXT, type);
    size_t values = put_begin(writer, BER_SET);
    put_text(writer, BER_TEXT, value);
    put_end(writer, values);
    put_end(writer, attribute);
}

static int greet(struct line *line) {
    struct writer writer = {&line->out, 0};
    size_t message = put_begin(&writer, BER_SEQUENCE);
    put_number(&writer, BER_INTEGER, ID_BIND);
    size_t bind = put_begin(&writer, BIND);
    put_number(&writer, BER_INTEGER, 3);
    put_text(&writer, BER_TEXT, MANAGER);
    put_text(&writer, BER_PASSWORD, PASSWORD);
    put_end(&writer, bind);
    put_end(&writer, message);
    return writer.rc;
}

static void put_search(struct writer *writer, const char *name) {
    size_t search = put_begin(writer, SEARCH);
    put_text(writer, BER_TEXT, PEOPLE);
    put_number(writer, BER_ENUM, 1);    // one level
    put_number(writer, BER_ENUM, 0);    // aliases are not followed
    put_number(writer, BER_INTEGER, 0); // no limit of size
    put_number(writer, BER_INTEGER, 0); // nor of time
    put(writer, BER_BOOLEAN, "", 1);    // values, too
    size_t equal = put_begin(writer, BER_EQUAL);
    put_text(writer, BER_TEXT, "uid");
    put_text(writer, BER_TEXT, name);
    put_end(writer, equal);
    put_end(writer, put_begin(writer, BER_SEQUENCE)); // every attribute
    put_end(writer, search);
}

static void put_entry(struct writer *writer, const char *name) {
    struct buf full = {0};
    char dn[INQUIRY_NAME + sizeof PEOPLE + 8] = "uid=";
    strcat(strcat(strcat(dn, name), ","), PEOPLE);
    writer->rc |= record_name(&full, name) | buf_append(&full, "", 1);
    size_t add = put_begin(writer, ADD);
    put_text(writer, BER_TEXT, dn);
    size_t attributes = put_begin(writer, BER_SEQUENCE);
    put_attribute(writer, "objectClass", "inetOrgPerson");
    put_attribute(writer, "uid", name);
    if (writer->rc == 0) put_attribute(writer, "cn", full.data);
    put_attribute(writer, "sn", name);
    put_end(writer, attributes);
    put_end(writer, add);
    buf_free(&full);
}

static int ask(struct line *line, uint32_t slot) {
    struct writer writer = {&line->out, 0};
    struct ldap *ldap = line->state_of_manner;
    const char *name = line->slots[slot].name;
    ldap[slot].found = false;
    size_t message = put_begin(&writer, BER_SEQUENCE);
    put_number(&writer, BER_INTEGER, slot + ID_FIRST);
    if (line->work == WORK_LOOKUP)
        put_search(&writer, name);
    else
        put_entry(&writer, name);
    put_end(&writer, message);
    return writer.rc;
}

// --- reading --------------------------------------------------------------------------------------------

// The element at the front: its tag and what it holds. Bytes of all of it; 0: it has not come whole, or it is
// longer than anything here.
static size_t element(struct str data, int *tag, struct str *held) {
    if (data.len < 2) return 0;
    const unsigned char *at = (const unsigned char *)data.ptr;
    size_t len = at[1], head = 2;
    if (len > 0x80) {
        size_t bytes = len & 0x7f;
        if (bytes > 4 || data.len < 2 + bytes) return 0;
        for (len = 0; head < 2 + bytes; head++) len = len << 8 | at[head];
    }
    if (data.len - head < len) return 0;
    *tag = at[0];
    *held = (struct str){data.ptr + head, len};
    return head + len;
}

static bool take_element(struct str *from, int *tag, struct str *held) {
    size_t len = element(*from, tag, held);
    *from = (struct str){from->ptr + len, from->len - len};
    return len > 0;
}

static unsigned number_of(struct str held) {
    unsigned value = 0;
    for (size_t i = 0; i < held.len && i < 4; i++) value = value << 8 | (unsigned char)held.ptr[i];
    return value;
}

static bool is_entry_of(struct str entry, const char *name) {
    struct str dn;
    int tag;
    return take_element(&entry, &tag, &dn) && record_has(dn, "uid=", name, "," PEOPLE) &&
           record_has(entry, RECORD_CALLED, name, "");
}

// False: this is not the protocol.
static bool take_message(struct line *line, struct str message) {
    struct ldap *ldap = line->state_of_manner;
    struct str id, held, code = {0}, rest;
    int tag, operation, kind;
    if (!take_element(&message, &tag, &id) || tag != BER_INTEGER ||
        !take_element(&message, &operation, &held))
        return false;
    rest = held;
    bool well = take_element(&rest, &kind, &code) && kind == BER_ENUM && number_of(code) == 0;
    unsigned number = number_of(id), slot = number - ID_FIRST;
    if (operation == BOUND && number == ID_BIND) {
        if (well)
            line_ready(line);
        else
            line_refused(line, "the bind was refused", held);
        return true;
    }
    if (slot >= line->depth || line->slots[slot].asked_ns == 0) return false;
    if (operation == ENTRY) {
        ldap[slot].found = is_entry_of(held, line->slots[slot].name);
        return true;
    }
    if (operation != (line->work == WORK_LOOKUP ? DONE : ADDED)) return false;
    const char *wrong = !well                                            ? "refused"
                        : line->work == WORK_LOOKUP && !ldap[slot].found ? "the entry is not there"
                                                                         : NULL;
    line_answered(line, slot, wrong, held);
    return true;
}

static size_t take(struct line *line, const char *data, size_t len) {
    size_t taken = 0;
    while (taken < len) {
        struct str message;
        int tag;
        if (data[taken] != BER_SEQUENCE) return INQUIRY_GARBLED;
        size_t whole = element((struct str){data + taken, len - taken}, &tag, &message);
        if (whole == 0) break;
        if (!take_message(line, message)) return INQUIRY_GARBLED;
        taken += whole;
    }
    return taken;
}

static int open_line(struct line *line) {
    line->state_of_manner = calloc(line->depth, sizeof(struct ldap));
    return line->state_of_manner != NULL ? 0 : -1;
}

static void close_line(struct line *line) {
    free(line->state_of_manner);
}

const struct manner manner_ldap = {.name = "ldap",
                                   .does = does,
                                   .open = open_line,
                                   .close = close_line,
                                   .greet = greet,
                                   .ask = ask,
                                   .take = take};

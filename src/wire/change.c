// The encoding of changes. One function, `fields`, walks over a change in the order of its bytes, to write
// and to read: the two cannot differ.
//
//   version | kind | flags | time | [expected] | [admin] | [scope, key, fingerprint] | what the kind has
//
// One change has one encoding, so replicas that hold the same changes hold the same bytes.
#include "wire/change.h"

#include <assert.h>
#include <string.h>

#define CHANGE_VERSION 2 // 1 had accounts only, and was never written to a log

enum { FLAG_EXPECTS = 1, FLAG_REQUEST = 2, FLAG_SECRET = 4, FLAG_ADMIN = 8, FLAGS_ALL = 15 };

const char *change_kind_name(enum change_kind kind) {
    switch (kind) {
#define CHANGE_NAME(name, number, text)                                                                      \
    case CHANGE_##name: return text;
        CHANGE_KINDS(CHANGE_NAME)
#undef CHANGE_NAME
    }
    return NULL;
}

bool change_deletes(enum change_kind kind) {
    return kind == CHANGE_DELETE || kind == CHANGE_SETTING_DELETE || kind == CHANGE_TOKEN_REVOKE;
}

const char *outcome_name(enum outcome outcome) {
    static const char *const names[] = {
#define OUTCOME_TEXT(name, text) text,
        OUTCOMES(OUTCOME_TEXT)
#undef OUTCOME_TEXT
    };
    return names[outcome];
}

bool setting_key_valid(struct str key) {
    size_t begin = 0; // of the segment
    if (key.len == 0 || key.len > CHANGE_SETTING_MAX) return false;
    for (size_t i = 0; i <= key.len; i++) {
        if (i < key.len && (key.ptr[i] < '!' || key.ptr[i] > '~')) return false;
        if (i < key.len && key.ptr[i] != '/') continue;
        struct str segment = {key.ptr + begin, i - begin};
        if (str_equal_text(segment, ".") || str_equal_text(segment, "..")) return false;
        begin = i + 1;
    }
    return true;
}

// --- bytes, in either direction; a fault sticks, and empties what is left to read -------------------------

struct coder {
    struct buf *out; // NULL: reads
    struct str left;
    int status;
};

static void coder_fail(struct coder *coder) {
    coder->status = -1;
    coder->left.len = 0;
}

// What is there has to be so: when writing it is our own doing, when reading it is input.
static void require(struct coder *coder, bool holds) {
    assert(!coder->out || holds);
    if (!holds) coder_fail(coder);
}

// The next `len` bytes to read, or NULL.
static const char *take(struct coder *coder, size_t len) {
    const char *bytes = coder->left.ptr;
    if (coder->status == 0 && len > coder->left.len) coder_fail(coder);
    if (coder->status != 0) return NULL;
    coder->left = (struct str){bytes + len, coder->left.len - len};
    return bytes;
}

static void code_bytes(struct coder *coder, void *bytes, size_t len) {
    if (coder->out) {
        if (coder->status == 0) coder->status = buf_append(coder->out, bytes, len);
    } else {
        const char *from = take(coder, len);
        if (from) memcpy(bytes, from, len);
    }
}

static uint64_t code_natural(struct coder *coder, uint64_t value, unsigned width) {
    uint8_t bytes[8] = {0};
    for (unsigned i = 0; i < width; i++) bytes[i] = (uint8_t)(value >> (8 * i));
    code_bytes(coder, bytes, width);
    value = 0;
    for (unsigned i = 0; i < width; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void code_text(struct coder *coder, char *text, size_t capacity, size_t least) {
    size_t len = (size_t)code_natural(coder, coder->out ? strnlen(text, capacity) : 0, 2);
    require(coder, len < capacity && len >= least);
    if (coder->out) {
        code_bytes(coder, text, len);
        return;
    }
    const char *bytes = take(coder, len);
    if (!bytes) return;
    require(coder, !memchr(bytes, '\0', len) && text_is_utf8((struct str){bytes, len}));
    if (coder->status != 0) return;
    memcpy(text, bytes, len);
    text[len] = '\0';
}

static void code_value(struct coder *coder, struct str *value) {
    size_t len = (size_t)code_natural(coder, value->len, 4);
    require(coder, len <= CHANGE_VALUE_MAX);
    if (coder->out)
        code_bytes(coder, (void *)value->ptr, len);
    else
        *value = (struct str){take(coder, len), len};
}

// --- what a change has ------------------------------------------------------------------------------------

#define CODE_TEXT(coder, field, least) code_text(coder, field, sizeof(field), least)

static void code_login(struct coder *coder, struct login *login) {
    CODE_TEXT(coder, login->name, 1);
    CODE_TEXT(coder, login->fold, 1);
}

static void code_secret(struct coder *coder, struct change *change, bool has) {
    if (!has) return;
    code_bytes(coder, change->secret_key.bytes, sizeof change->secret_key.bytes);
    CODE_TEXT(coder, change->secret_hash, 1);
}

static void code_uuid(struct coder *coder, struct change *change) {
    code_bytes(coder, change->uuid.bytes, sizeof change->uuid.bytes);
}

static void code_create(struct coder *coder, struct change *change, bool secret) {
    code_uuid(coder, change);
    code_login(coder, &change->login);
    CODE_TEXT(coder, change->name, 0);
    CODE_TEXT(coder, change->created_from, 0);
    code_secret(coder, change, secret);
}

static void code_modify(struct coder *coder, struct change *change, bool secret) {
    code_uuid(coder, change);
    change->credential = code_natural(coder, change->credential, 8);
    change->sets = (unsigned)code_natural(coder, change->sets, 1);
    require(coder, change->sets >= 1 && change->sets <= 7);
    require(coder, !secret || change->sets & CHANGE_SETS_SECRET);
    if (change->sets & CHANGE_SETS_LOGIN) code_login(coder, &change->login);
    if (change->sets & CHANGE_SETS_NAME) CODE_TEXT(coder, change->name, 0);
    code_secret(coder, change, secret);
}

static void code_setting(struct coder *coder, struct change *change) {
    CODE_TEXT(coder, change->setting, 1);
    require(coder, coder->status != 0 || setting_key_valid(str_of(change->setting)));
    if (change->kind == CHANGE_SETTING_PUT) code_value(coder, &change->value);
}

static void code_token(struct coder *coder, struct change *change) {
    code_uuid(coder, change);
    if (change->kind != CHANGE_TOKEN_ADD) return;
    CODE_TEXT(coder, change->label, 0);
    code_bytes(coder, change->token.bytes, sizeof change->token.bytes);
}

static bool is_of_token(const struct change *change) {
    return change->kind == CHANGE_TOKEN_ADD || change->kind == CHANGE_TOKEN_REVOKE;
}

static unsigned flags_of(const struct change *change) {
    bool may =
        change->kind == CHANGE_CREATE || (change->kind == CHANGE_MODIFY && change->sets & CHANGE_SETS_SECRET);
    return (change->expects ? FLAG_EXPECTS : 0u) | (change->request.key[0] ? FLAG_REQUEST : 0u) |
           (may && change->secret_hash[0] ? FLAG_SECRET : 0u) |
           (!is_of_token(change) && !uuid_is_nil(&change->admin) ? FLAG_ADMIN : 0u);
}

static void fields(struct coder *coder, struct change *change) {
    require(coder, code_natural(coder, CHANGE_VERSION, 1) == CHANGE_VERSION);
    change->kind = (enum change_kind)code_natural(coder, (uint64_t)change->kind, 1);
    require(coder, change_kind_name(change->kind) != NULL);
    unsigned flags = (unsigned)code_natural(coder, coder->out ? flags_of(change) : 0, 1);
    bool secret = flags & FLAG_SECRET;
    require(coder, flags <= FLAGS_ALL);
    require(coder, !secret || change->kind == CHANGE_CREATE || change->kind == CHANGE_MODIFY);

    change->at_ms = (int64_t)code_natural(coder, (uint64_t)change->at_ms, 8);
    change->expects = flags & FLAG_EXPECTS;
    require(coder, !change->expects || (change->kind != CHANGE_CREATE && !is_of_token(change)));
    if (change->expects) change->expected = code_natural(coder, change->expected, 8);
    if (flags & FLAG_ADMIN) {
        code_bytes(coder, change->admin.bytes, sizeof change->admin.bytes);
        require(coder, coder->status != 0 || (!is_of_token(change) && !uuid_is_nil(&change->admin)));
    }
    if (flags & FLAG_REQUEST) {
        code_bytes(coder, change->request.scope.bytes, sizeof change->request.scope.bytes);
        CODE_TEXT(coder, change->request.key, 1);
        code_bytes(coder, change->request.fingerprint.bytes, sizeof change->request.fingerprint.bytes);
    }
    switch (change->kind) {
    case CHANGE_CREATE: code_create(coder, change, secret); break;
    case CHANGE_MODIFY: code_modify(coder, change, secret); break;
    case CHANGE_DELETE:
        code_uuid(coder, change);
        change->credential = code_natural(coder, change->credential, 8);
        break;
    case CHANGE_SETTING_PUT:
    case CHANGE_SETTING_DELETE: code_setting(coder, change); break;
    case CHANGE_TOKEN_ADD:
    case CHANGE_TOKEN_REVOKE: code_token(coder, change); break;
    }
}

int change_encode(const struct change *change, struct buf *out) {
    size_t start = out->len;
    struct coder coder = {.out = out};
    struct change copy = *change; // for fields() writes back what it has read
    fields(&coder, &copy);
    secret_wipe(&copy, sizeof copy);
    if (coder.status != 0) buf_truncate(out, start);
    return coder.status;
}

int change_decode(struct str bytes, struct change *change) {
    struct coder coder = {.left = bytes};
    memset(change, 0, sizeof *change); // so that equal changes are equal bytes
    fields(&coder, change);
    return coder.status != 0 || coder.left.len > 0 ? -1 : 0;
}

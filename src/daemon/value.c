// The value of one option: text to field, field to text, what is permitted.
//
//   "1MiB" ──option_set──► config.stream.max_message ──option_print──► "1MiB"

#include "daemon/option.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static void *field_of(struct config *config, enum option_id id) {
    return (char *)config + option_of(id)->offset;
}

static const void *field_in(const struct config *config, enum option_id id) {
    return (const char *)config + option_of(id)->offset;
}

// --- numbers: held as unsigned, an enum, size_t or uint64_t ------------------------------------------------

static bool number_parse(enum option_type type, struct str text, uint64_t *value) {
    switch (type) {
    case TYPE_SIZE: return text_parse_size(text, value);
    case TYPE_DURATION: return text_parse_duration(text, value);
    case TYPE_COUNT: return text_parse_u64(text, value);
    default: return false;
    }
}

static int number_print(enum option_type type, uint64_t value, struct buf *out) {
    static const struct {
        enum option_type type;
        uint64_t unit;
        const char *name;
    } units[] = {
        {TYPE_SIZE, 1u << 30, "GiB"},  {TYPE_SIZE, 1u << 20, "MiB"}, {TYPE_SIZE, 1u << 10, "KiB"},
        {TYPE_DURATION, 3600000, "h"}, {TYPE_DURATION, 60000, "m"},  {TYPE_DURATION, 1000, "s"},
        {TYPE_DURATION, 1, "ms"},
    };
    for (size_t i = 0; value > 0 && i < sizeof units / sizeof *units; i++)
        if (units[i].type == type && value % units[i].unit == 0)
            return buf_printf(out, "%" PRIu64 "%s", value / units[i].unit, units[i].name);
    return buf_printf(out, "%" PRIu64, value);
}

static void number_store(struct config *config, enum option_id id, uint64_t value) {
    if (option_of(id)->size == sizeof value) {
        memcpy(field_of(config, id), &value, sizeof value);
    } else {
        unsigned small = (unsigned)value;
        assert(option_of(id)->size == sizeof small && small == value);
        memcpy(field_of(config, id), &small, sizeof small);
    }
}

static uint64_t number_load(const struct config *config, enum option_id id) {
    uint64_t value;
    unsigned small;
    if (option_of(id)->size == sizeof value) {
        memcpy(&value, field_in(config, id), sizeof value);
        return value;
    }
    assert(option_of(id)->size == sizeof small);
    memcpy(&small, field_in(config, id), sizeof small);
    return small;
}

static int number_set(struct config *config, enum option_id id, struct str text) {
    const struct option *option = option_of(id);
    uint64_t value, least = 0, most = 0, also = 0;
    if (!number_parse(option->type, text, &value)) return -1;
    bool table = number_parse(option->type, str_of(option->least), &least) &&
                 number_parse(option->type, str_of(option->most), &most) &&
                 (!option->also || number_parse(option->type, str_of(option->also), &also));
    assert(table);
    if ((value < least || value > most) && !(option->also && value == also)) return -1;
    number_store(config, id, value);
    return 0;
}

// --- choices: "auto|yes|no", an enum of the same order -----------------------------------------------------

// The word number `index`; len 0 past the last.
static struct str choice_at(const char *words, unsigned index) {
    for (; index > 0; index--) {
        words = strchr(words, '|');
        if (!words) return (struct str){0};
        words++;
    }
    return (struct str){.ptr = words, .len = strcspn(words, "|")};
}

static int choice_set(struct config *config, enum option_id id, struct str text) {
    for (unsigned i = 0; choice_at(option_of(id)->least, i).len > 0; i++) {
        if (!str_equal(choice_at(option_of(id)->least, i), text)) continue;
        number_store(config, id, i);
        return 0;
    }
    return -1;
}

// --- texts -------------------------------------------------------------------------------------------------

// One line that survives a herald.conf: no control characters, no blanks at its ends.
static bool text_is_line(struct str text) {
    if (!text_is_utf8(text)) return false;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) return false;
    return text.len == 0 || (text.ptr[0] != ' ' && text.ptr[text.len - 1] != ' ');
}

// A name or a numeric address that others can connect to; no port.
static bool host_is_usable(struct str text) {
    char host[ADDRESS_HOST_MAX + 1];
    struct address address;
    if (!str_copy(text, host, sizeof host) || strcspn(host, " /[]@,") != text.len) return false;
    if (address_parse(host, 1, &address)) return !address_is_wildcard(&address);
    return !strchr(host, ':');
}

static int text_set(struct config *config, enum option_id id, struct str text) {
    const struct option *option = option_of(id);
    uint64_t least = 0, most = 0;
    bool table = text_parse_u64(str_of(option->least), &least) && text_parse_u64(str_of(option->most), &most);
    assert(table && most < option->size);
    if (text.len < least || text.len > most || !text_is_line(text)) return -1;
    if (option->type == TYPE_HOST && text.len > 0 && !host_is_usable(text)) return -1;
    return str_copy(text, field_of(config, id), option->size) ? 0 : -1;
}

// --- addresses ---------------------------------------------------------------------------------------------

// Where there may be no address, these say why not: by the family, for it has no length.
static const struct {
    const char *word;
    sa_family_t family;
} no_addresses[] = {{"auto", AF_UNSPEC}, {"off", AF_UNIX}};

bool address_is_off(const struct address *address) {
    return address->len == 0 && address->storage.any.sa_family == AF_UNIX;
}

static int address_set(struct config *config, enum option_id id, struct str text) {
    char host[ADDRESS_HOST_MAX + 1];
    uint16_t port;
    struct address address = {0};
    for (size_t i = 0; option_of(id)->also && i < sizeof no_addresses / sizeof *no_addresses; i++) {
        if (!str_equal_text(text, no_addresses[i].word)) continue;
        address.storage.any.sa_family = no_addresses[i].family;
        memcpy(field_of(config, id), &address, sizeof address);
        return 0;
    }
    if (!address_split(text, host, &port)) return -1;
    if (!address_parse(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &address)) return -1;
    memcpy(field_of(config, id), &address, sizeof address);
    return 0;
}

static int address_print(const struct address *address, struct buf *out) {
    char text[ADDRESS_TEXT_SIZE];
    if (address->len == 0) return buf_append_text(out, no_addresses[address_is_off(address)].word);
    address_format(address, text);
    return buf_append_text(out, text);
}

static bool address_same(const struct address *a, const struct address *b) {
    char x[ADDRESS_TEXT_SIZE], y[ADDRESS_TEXT_SIZE];
    if (a->len == 0 || b->len == 0) return a->len == b->len && address_is_off(a) == address_is_off(b);
    address_format(a, x);
    address_format(b, y);
    return strcmp(x, y) == 0;
}

static int targets_set(struct config *config, struct str text) {
    struct stream_settings *stream = &config->stream;
    size_t count = stream->connect_count;
    while (text.len > 0) {
        const char *comma = memchr(text.ptr, ',', text.len);
        struct str one = {.ptr = text.ptr, .len = comma ? (size_t)(comma - text.ptr) : text.len};
        text.ptr += one.len + (comma != NULL);
        text.len -= one.len + (comma != NULL);
        while (one.len > 0 && one.ptr[0] == ' ') one.ptr++, one.len--;
        while (one.len > 0 && one.ptr[one.len - 1] == ' ') one.len--;
        struct settings_target target;
        if (count == SETTINGS_MAX_CONNECT || !address_split(one, target.host, &target.port)) return -1;
        if (target.port == 0 || !text_is_line(str_of(target.host)) || !host_is_usable(str_of(target.host)))
            return -1;
        stream->connect[count++] = target;
    }
    stream->connect_count = count;
    return 0;
}

static int targets_print(const struct config *config, struct buf *out) {
    int rc = 0;
    for (size_t i = 0; i < config->stream.connect_count && rc == 0; i++) {
        const struct settings_target *target = &config->stream.connect[i];
        const char *format = strchr(target->host, ':') ? "%s[%s]:%u" : "%s%s:%u";
        rc = buf_printf(out, format, i > 0 ? ", " : "", target->host, target->port);
    }
    return rc;
}

static bool targets_same(const struct stream_settings *a, const struct stream_settings *b) {
    if (a->connect_count != b->connect_count) return false;
    for (size_t i = 0; i < a->connect_count; i++)
        if (strcmp(a->connect[i].host, b->connect[i].host) != 0 || a->connect[i].port != b->connect[i].port)
            return false;
    return true;
}

// --- by type -----------------------------------------------------------------------------------------------

int option_set(struct config *config, enum option_id id, struct str value) {
    switch (option_of(id)->type) {
    case TYPE_TEXT:
    case TYPE_PATH:
    case TYPE_HOST:
    case TYPE_SECRET: return text_set(config, id, value);
    case TYPE_ADDRESS: return address_set(config, id, value);
    case TYPE_TARGETS: return targets_set(config, value);
    case TYPE_SIZE:
    case TYPE_DURATION:
    case TYPE_COUNT: return number_set(config, id, value);
    case TYPE_CHOICE: return choice_set(config, id, value);
    }
    return -1;
}

int option_print(const struct config *config, enum option_id id, struct buf *out) {
    switch (option_of(id)->type) {
    case TYPE_TEXT:
    case TYPE_PATH:
    case TYPE_HOST: return buf_append_text(out, field_in(config, id));
    case TYPE_SECRET: return buf_append_text(out, *(const char *)field_in(config, id) ? "(set)" : "");
    case TYPE_ADDRESS: return address_print(field_in(config, id), out);
    case TYPE_TARGETS: return targets_print(config, out);
    case TYPE_SIZE:
    case TYPE_DURATION:
    case TYPE_COUNT: return number_print(option_of(id)->type, number_load(config, id), out);
    case TYPE_CHOICE:
        return buf_append_str(out, choice_at(option_of(id)->least, (unsigned)number_load(config, id)));
    }
    return -1;
}

// "auto|yes|no" as "auto, yes or no".
static int permitted_words(const char *words, struct buf *out) {
    int rc = 0;
    for (unsigned i = 0; rc == 0 && choice_at(words, i).len > 0; i++) {
        bool last = choice_at(words, i + 1).len == 0;
        rc |= buf_append_text(out, i == 0 ? "" : last ? " or " : ", ");
        rc |= buf_append_str(out, choice_at(words, i));
    }
    return rc;
}

int option_permitted(enum option_id id, struct buf *out) {
    const struct option *option = option_of(id);
    const char *also = option->also ? option->also : "", *comma = option->also ? ", or " : "";
    switch (option->type) {
    case TYPE_TEXT:
    case TYPE_SECRET:
        return buf_printf(out, "%s to %s bytes of UTF-8 on one line, no blanks at the ends", option->least,
                          option->most);
    case TYPE_PATH: return buf_printf(out, "a path of at most %s bytes", option->most);
    case TYPE_HOST:
        return buf_append_text(out, "a host name or numeric address without a port, not a wildcard");
    case TYPE_ADDRESS:
        return buf_printf(out, "a numeric address and a port, such as 127.0.0.1:3780 or [::]:3780%s",
                          option->also ? ", or auto or off" : "");
    case TYPE_TARGETS: return buf_printf(out, "HOST:PORT, at most %d of them", SETTINGS_MAX_CONNECT);
    case TYPE_SIZE:
        return buf_printf(out, "%s to %s%s%s, such as 4096, 64KiB or 1MiB", option->least, option->most,
                          comma, also);
    case TYPE_DURATION:
        return buf_printf(out, "%s to %s%s%s, such as 250ms, 5s or 2m", option->least, option->most, comma,
                          also);
    case TYPE_COUNT:
        return buf_printf(out, "a whole number, %s to %s%s%s", option->least, option->most, comma, also);
    case TYPE_CHOICE: return permitted_words(option->least, out);
    }
    return -1;
}

bool option_same(const struct config *a, const struct config *b, enum option_id id) {
    switch (option_of(id)->type) {
    case TYPE_TEXT:
    case TYPE_PATH:
    case TYPE_HOST:
    case TYPE_SECRET: return strcmp(field_in(a, id), field_in(b, id)) == 0;
    case TYPE_ADDRESS: return address_same(field_in(a, id), field_in(b, id));
    case TYPE_TARGETS: return targets_same(&a->stream, &b->stream);
    case TYPE_SIZE:
    case TYPE_DURATION:
    case TYPE_COUNT:
    case TYPE_CHOICE: return number_load(a, id) == number_load(b, id);
    }
    return false;
}

void option_copy(struct config *to, const struct config *from, enum option_id id) {
    memcpy(field_of(to, id), field_in(from, id), option_of(id)->size);
    if (option_of(id)->type == TYPE_TARGETS) to->stream.connect_count = from->stream.connect_count;
}

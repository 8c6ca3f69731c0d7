// Flags and a herald.conf, as a user may mistype them. Either something is said, or all of it holds: what was
// taken prints as a file that means the same, reading it again changes nothing, and the settings are fit to
// run with. A secret is never repeated.
//
// Input: words of the command line, one a line; an empty line; the file.
#include "base/secret.h"
#include "daemon/option.h"
#include "wire/message.h"
#include "world.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_WORDS 32
#define MARK       "S3CRETMARK"

static int files[2]; // in memory: the user's, and the one that is printed
static char paths[2][64];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    check(secret_init(NULL) == 0);
    for (int i = 0; i < 2; i++) {
        files[i] = memfd_create("herald.conf", MFD_CLOEXEC);
        check(files[i] >= 0 && fchmod(files[i], 0600) == 0);
        snprintf(paths[i], sizeof paths[i], "/proc/self/fd/%d", files[i]);
    }
    return 0;
}

static void fill(int i, struct str text) {
    check(ftruncate(files[i], 0) == 0);
    check(pwrite(files[i], text.ptr, text.len, 0) == (ssize_t)text.len);
}

// True when every mark stands where only a secret stands: behind `before` at the beginning of a line.
static bool marks_are_secrets(struct str text, const char *before) {
    size_t len = strlen(before);
    for (size_t at = 0; at + sizeof MARK - 1 <= text.len; at++) {
        if (memcmp(text.ptr + at, MARK, sizeof MARK - 1) != 0) continue;
        if (at < len || memcmp(text.ptr + at - len, before, len) != 0) return false;
        if (at > len && text.ptr[at - len - 1] != '\n') return false;
    }
    return true;
}

static int load(struct config *config, int argc, char **argv, struct buf *said) {
    struct complaints complaints = {0};
    int rc = config_load(config, argc, argv, &complaints);
    bool asked = config->wish == CONFIG_HELP || config->wish == CONFIG_VERSION;
    check(asked || (rc == 0) == (complaints.count == 0));
    check((complaints.count == 0) == (complaints.errors.len == 0));
    check(buf_append_str(said, buf_str(&complaints.errors)) == 0);
    check(buf_append_str(said, buf_str(&complaints.warnings)) == 0);
    complaints_free(&complaints);
    return asked ? -1 : rc;
}

static void no_change(void *context, const char *key, bool applied) {
    (void)context, (void)key, (void)applied;
    abort();
}

// SIGHUP with the file as it was.
static void check_reload(const struct config *config) {
    static struct config fresh;
    struct complaints complaints = {0};
    check(config_reload(config, &fresh, &complaints) == 0);
    config_diff(config, &fresh, no_change, NULL);
    complaints_free(&complaints);
}

static void check_printed(const struct config *config, struct buf *said) {
    static struct config again;
    struct buf text = {0};
    config_print(config, &text);
    fill(1, buf_str(&text));
    char name[] = "heraldd", flag[] = "-c", secret[] = "--secret=another";
    char *argv[] = {name, flag, paths[1], secret, NULL};
    check(load(&again, 4, argv, said) == 0);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (option_of((enum option_id)i)->type == TYPE_SECRET || i == OPTION_secret_file) continue;
        check(option_same(config, &again, (enum option_id)i));
    }
    check(buf_append_str(said, buf_str(&text)) == 0);
    buf_free(&text);
}

static void check_settings(const struct config *config, struct buf *said) {
    struct machine machine = {.cores = 3, .descriptors = 5000};
    struct stream_settings settings;
    struct complaints complaints = {0};
    if (config_settings(config, &machine, &settings, &complaints) == 0) {
        check(settings.shards >= 1 && settings.hash_threads >= 1 && settings.hash_queue >= 1);
        check(settings.max_connections >= 1 && settings.max_connections <= machine.descriptors);
        check(settings.reel_segments >= 4 &&
              settings.reel_segment_size >= settings.max_message + ACTIVITY_FRAME_SLACK);
        check(settings.announce_interval_ms > 0 && settings.register_timeout_ms > 0 &&
              settings.lock_window_ms > 0);
        check(settings.login_delay_max_ms >= settings.login_delay_ms &&
              settings.connect_count <= SETTINGS_MAX_CONNECT);
        for (size_t i = 0; i < settings.connect_count; i++)
            check(settings.connect[i].port && settings.connect[i].host[0]);
    } else {
        check(complaints.count > 0);
    }
    check(buf_append_str(said, buf_str(&complaints.errors)) == 0);
    complaints_free(&complaints);
}

// The words, each a block of its own that ends where the word ends; returns where the file begins.
static struct str split(struct str text, char **words, int *count) {
    while (text.len > 0) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        size_t len = newline ? (size_t)(newline - text.ptr) : text.len, whole = len + (newline != NULL);
        struct str word = {text.ptr, len};
        text = (struct str){text.ptr + whole, text.len - whole};
        if (len == 0 || *count == MOST_WORDS) break;
        char *copy = calloc(1, len + 1);
        check(copy != NULL);
        memcpy(copy, word.ptr, len);
        words[(*count)++] = copy;
    }
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct config config;
    char name[] = "heraldd", flag[] = "-c";
    char *argv[MOST_WORDS + 4] = {name, flag, paths[0]};
    int words = 0;
    struct buf said = {0};
    struct str input = {(const char *)data, size};
    struct str file = split(input, argv + 3, &words), line = {input.ptr, input.len - file.len};
    bool discreet = marks_are_secrets(line, "--secret=") && marks_are_secrets(file, "secret = ");
    fill(0, file);
    bool elsewhere = false; // another file than ours
    for (int i = 3; i < 3 + words; i++)
        elsewhere |= strcmp(argv[i], "-c") == 0 || strncmp(argv[i], "--config", 8) == 0;
    if (!elsewhere && load(&config, 3 + words, argv, &said) == 0) {
        check_reload(&config);
        check_printed(&config, &said);
        check_settings(&config, &said);
    }
    if (discreet) check(!contains(buf_str(&said), STR(MARK)));
    for (int i = 3; i < 3 + words; i++) free(argv[i]);
    config_wipe(&config);
    buf_free(&said);
    return 0;
}

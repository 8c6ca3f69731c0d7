// Where a password comes from.
#include "cli/password.h"

#include "cli/place.h"
#include "cli/prompt.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MOST 1024 // bytes of a password, as servers take them

static void strip(struct buf *line) {
    while (line->len > 0 && (line->data[line->len - 1] == '\n' || line->data[line->len - 1] == '\r'))
        line->len--;
}

int password_file(const char *path, const char *what, struct buf *line) {
    struct err err = {0};
    if (place_read(path, MOST + 2, 1, line, &err)) {
        say("%s: %s", what, err.text);
        return -1;
    }
    strip(line);
    if (line->len > 0 && !memchr(line->data, '\n', line->len) && !memchr(line->data, '\0', line->len))
        return 0;
    say("%s: %s must hold one line", what, path);
    return -1;
}

// Byte by byte, for what follows is not ours: perhaps another password.
static int read_line(const char *option, struct buf *line) {
    char byte = '\0';
    ssize_t got;
    while ((got = read(STDIN_FILENO, &byte, 1)) == 1 || (got < 0 && errno == EINTR)) {
        if (got < 0) continue;
        if (byte == '\n' || byte == '\0' || line->len > MOST) break;
        if (buf_append(line, &byte, 1)) return -1;
    }
    strip(line);
    if (line->len > 0 && line->len <= MOST && byte != '\0') return 0;
    say("%s -: standard input must hold it in one line", option);
    return -1;
}

static int ask(const char *option, const char *question, bool twice, struct buf *answer) {
    struct err err = {0};
    struct buf again = {0};
    char instead[64] = "";
    str_copy(str_of(option), instead, sizeof instead - 16);
    strcat(instead, "-file FILE");
    int status = prompt_secret(question, instead, answer, &err);
    if (!status && twice) status = prompt_secret("again: ", instead, &again, &err);
    if (status && err.code == ERR_INVALID) err_set(&err, ERR_INVALID, "no password was given");
    if (!status && twice && !str_equal(buf_str(answer), buf_str(&again)))
        status = err_set(&err, ERR_INVALID, "the two are not the same; try again");
    buf_wipe(&again);
    if (status) say("%s", err.text);
    return status;
}

bool password_settle(struct wish_password *password, const char *option, const char *question, bool twice) {
    struct buf text = {0};
    char file[64] = "";
    int status = 0;
    if (password->given) return true;
    if (buf_reserve(&text, MOST * 4)) status = -1; // so that it does not move
    str_copy(str_of(option), file, sizeof file - 8);
    strcat(file, "-file");
    if (!status && password->file)
        status = password_file(password->file, file, &text);
    else if (!status && password->line)
        status = read_line(option, &text);
    else if (!status)
        status = ask(option, question, twice, &text);
    if (!status && (status = wish_set_password(password, buf_str(&text)))) say("memory is out");
    buf_wipe(&text);
    return !status;
}

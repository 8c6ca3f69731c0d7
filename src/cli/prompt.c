// Asking for a secret: the terminal without echo, character by character, and put back whatever happens.
#include "cli/prompt.h"

#include "cli/say.h"
#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#define ANSWER_MOST 4096

enum key { KEY_CONTROL_C = 3, KEY_CONTROL_D = 4, KEY_BACKSPACE = 8, KEY_CONTROL_U = 21, KEY_DELETE = 127 };

static void drop_last(struct buf *answer) {
    while (answer->len > 0 && (answer->data[answer->len - 1] & 0xC0) == 0x80) answer->len--;
    if (answer->len > 0) answer->len--;
}

// 1: the answer is complete; 0: go on; -1: given up.
static int take_key(unsigned char key, struct buf *answer) {
    switch (key) {
    case '\r':
    case '\n': return 1;
    case KEY_CONTROL_C:
    case KEY_CONTROL_D: return -1;
    case KEY_CONTROL_U: answer->len = 0; return 0;
    case KEY_BACKSPACE:
    case KEY_DELETE: drop_last(answer); return 0;
    default: return answer->len < ANSWER_MOST && key >= ' ' ? buf_append(answer, &key, 1) : 0;
    }
}

static int read_answer(int terminal, int signals, struct buf *answer) {
    struct pollfd waits[] = {{.fd = terminal, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        unsigned char key;
        if (poll(waits, 2, -1) < 0 && errno != EINTR) return -1;
        if (waits[1].revents) return -1;
        if (!waits[0].revents) continue;
        if (read(terminal, &key, 1) != 1) return -1;
        int taken = take_key(key, answer);
        if (taken) return taken < 0 ? -1 : 0;
    }
}

int prompt_secret(const char *question, const char *instead, struct buf *answer, struct err *err) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    struct termios before, quiet;
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0 || tcgetattr(terminal, &before) != 0) {
        if (terminal >= 0) close(terminal);
        return err_set(err, ERR_ABSENT, "there is no terminal to ask at; use %s", instead);
    }
    int signals = signals_open(ends, sizeof ends / sizeof *ends);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    answer->len = 0;
    int status = tcsetattr(terminal, TCSAFLUSH, &quiet);
    if (!status) status = say_raw(terminal, str_of(question));
    if (!status) status = read_answer(terminal, signals, answer);
    tcsetattr(terminal, TCSAFLUSH, &before);
    (void)say_raw(terminal, STR("\n"));
    close(signals);
    close(terminal);
    if (!status && answer->len > 0) return 0;
    return err_set(err, ERR_INVALID, "no secret was given");
}

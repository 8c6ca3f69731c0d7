// One terminal window: a scrolling region above, two rows below it, drawn with the sequences that every
// terminal of the last decades knows (ECMA-48, DECSTBM, DECSC).
#include "cli/screen.h"

#include "base/glyph.h"
#include "cli/plain.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OUT_MOST (256u * 1024) // bytes that may wait for the terminal

#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h"
#define ALL_ROWS    "\033[r"
#define PLAIN       "\033[0m"
#define CLEAR       "\033[H\033[2J"
#define CLEAR_BELOW "\033[J"
#define CLEAR_RIGHT "\033[K"
#define SAVE        "\0337"
#define RESTORE     "\0338"

static const int deaths[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

// --- the terminal ---------------------------------------------------------------------------------------

// For those who die without screen_close: a handler has no other way to know the terminal.
static struct termios found;
static volatile sig_atomic_t found_fd = -1;

static void die(int number) {
    static const char last[] = ALL_ROWS PLAIN SHOW_CURSOR "\r\n";
    if (found_fd >= 0) {
        (void)!write(found_fd, last, sizeof last - 1);
        tcsetattr(found_fd, TCSANOW, &found);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void set_raw(const struct screen *screen) {
    struct termios raw = screen->before;
    raw.c_iflag &= ~(tcflag_t)(IXON | INLCR | IGNCR);
    raw.c_iflag |= ICRNL;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static void measure(struct screen *screen) {
    struct winsize size;
    bool known = ioctl(screen->fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;
    screen->rows = known ? size.ws_row : 24;
    screen->columns = known ? size.ws_col : 80;
}

// --- output ---------------------------------------------------------------------------------------------

bool screen_waits(const struct screen *screen) {
    return screen->written < screen->out.len;
}

__attribute__((format(printf, 2, 3))) static void put(struct screen *screen, const char *format, ...) {
    char piece[64];
    va_list list;
    va_start(list, format);
    int len = vsnprintf(piece, sizeof piece, format, list);
    va_end(list);
    assert(len >= 0 && (size_t)len < sizeof piece);
    if (buf_append(&screen->out, piece, (size_t)len)) screen->stale = true;
}

static void put_text(struct screen *screen, struct str text) {
    if (buf_append_str(&screen->out, text)) screen->stale = true;
}

// False when the terminal has so much before it that what comes now has to wait: it is then drawn anew.
static bool has_room(struct screen *screen) {
    if (screen->out.len - screen->written <= OUT_MOST) return true;
    screen->stale = true;
    return false;
}

static void write_out(struct screen *screen) {
    while (screen_waits(screen)) {
        ssize_t done =
            write(screen->fd, screen->out.data + screen->written, screen->out.len - screen->written);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0 && errno == EAGAIN) return;
        screen->written = done < 0 ? screen->out.len : screen->written + (size_t)done; // nobody is there
    }
    screen->out.len = screen->written = 0;
}

// --- drawing --------------------------------------------------------------------------------------------

static unsigned region(const struct screen *screen) {
    return screen->rows >= 4 ? screen->rows - 2 : screen->rows > 1 ? screen->rows - 1 : 0;
}

static size_t height(const struct screen *screen, size_t width) {
    return width == 0 ? 1 : (width + screen->columns - 1) / screen->columns;
}

static void put_line(struct screen *screen, const struct screen_line *line) {
    put(screen, HIDE_CURSOR "\033[%u;1H\r\n", region(screen));
    put_text(screen, buf_str(&line->text));
    put(screen, PLAIN);
    screen->typed_due = true;
}

static void draw_lines(struct screen *screen) {
    size_t have = screen->kept_count < SCREEN_KEPT ? screen->kept_count : SCREEN_KEPT, rows = 0, count = 0;
    while (count < have && rows < region(screen)) {
        count++;
        rows += height(screen, screen->kept[(screen->kept_count - count) % SCREEN_KEPT].width);
    }
    for (; count > 0; count--) put_line(screen, &screen->kept[(screen->kept_count - count) % SCREEN_KEPT]);
}

static void draw_status(struct screen *screen) {
    struct str status = buf_str(&screen->status);
    screen->status_due = false;
    if (screen->rows < 4) return;
    status.len = plain_fit(status, screen->columns);
    put(screen, HIDE_CURSOR "\033[%u;1H\033[7m", screen->rows - 1);
    put_text(screen, status);
    for (size_t width = plain_width(status); width < screen->columns; width++) put(screen, " ");
    put(screen, PLAIN);
    screen->typed_due = true;
}

static void draw_typed(struct screen *screen) {
    screen->typed_due = false;
    put(screen, HIDE_CURSOR "\033[%u;1H%s", screen->rows, screen->left > 0 ? "< " : "> ");
    put_text(screen, buf_str(&screen->typed));
    put(screen, SAVE);
    put_text(screen, buf_str(&screen->behind));
    put(screen, CLEAR_RIGHT RESTORE SHOW_CURSOR);
}

static void draw_all(struct screen *screen) {
    screen->stale = false;
    screen->out.len = screen->written = 0; // never so full: screen_show
    put(screen, ALL_ROWS PLAIN CLEAR);
    if (region(screen) > 1) put(screen, "\033[1;%ur", region(screen));
    if (region(screen) > 0) draw_lines(screen);
    draw_status(screen);
    draw_typed(screen);
}

void screen_show(struct screen *screen) {
    if (!screen->is_on) return;
    write_out(screen);
    if (screen->stale && !screen_waits(screen)) draw_all(screen);
    if (screen->status_due && has_room(screen)) draw_status(screen);
    if (screen->typed_due && has_room(screen)) draw_typed(screen);
    write_out(screen);
}

// --- what is shown --------------------------------------------------------------------------------------

void screen_print(struct screen *screen, struct str line, size_t width) {
    struct screen_line *kept = &screen->kept[screen->kept_count++ % SCREEN_KEPT];
    kept->text.len = 0;
    kept->width = width;
    if (buf_append_str(&kept->text, line)) return;
    if (screen->is_on && region(screen) > 0 && has_room(screen) && !screen->stale) put_line(screen, kept);
}

void screen_status(struct screen *screen, struct str plain) {
    if (str_equal(buf_str(&screen->status), plain)) return;
    screen->status.len = 0;
    (void)buf_append_str(&screen->status, plain);
    screen->status_due = true;
}

// One character of what is typed, as it is drawn: what cannot be seen is a question mark.
static struct glyph seen(wchar_t character) {
    struct glyph glyph = glyph_of((uint32_t)character);
    if (glyph.kind == GLYPH_SPACE) return glyph_of(' ');
    return glyph.kind == GLYPH_SHOWN ? glyph : glyph_of('?');
}

static void append_seen(struct buf *out, struct glyph glyph) {
    char bytes[GLYPH_MAX_BYTES];
    (void)buf_append(out, bytes, glyph_encode(glyph.character, bytes));
}

static size_t width_of(const wchar_t *text, size_t from, size_t to) {
    size_t width = 0;
    for (; from < to; from++) width += seen(text[from]).width;
    return width;
}

// How many characters are hidden at the left, so that the cursor is seen: none if all fit; as many as before
// if that will do, so that the text does not move with every key; else half of the row is before the cursor.
static size_t hide_left(const wchar_t *text, size_t len, size_t cursor, size_t room, size_t left) {
    size_t least = cursor, half = cursor, width = 0;
    while (least > 0 && (width += seen(text[least - 1]).width) <= room) {
        least--;
        if (width <= room / 2) half = least;
    }
    if (least == 0 && width_of(text, 0, len) <= room) return 0;
    return left >= least && left <= cursor ? left : half;
}

void screen_typed(struct screen *screen, const wchar_t *text, size_t len, size_t cursor) {
    size_t room = screen->columns > 4 ? screen->columns - 3 : 1; // the prompt, and the cursor behind the last
    size_t width = 0;
    struct buf typed = {0}, behind = {0};
    if (len == 0) screen->left = 0;
    screen->left = hide_left(text, len, cursor, room, screen->left);
    for (size_t i = screen->left; i < len; i++) {
        struct glyph glyph = seen(text[i]);
        width += glyph.width;
        if (width > room) break;
        append_seen(i < cursor ? &typed : &behind, glyph);
    }
    if (!str_equal(buf_str(&typed), buf_str(&screen->typed)) ||
        !str_equal(buf_str(&behind), buf_str(&screen->behind)))
        screen->typed_due = true;
    buf_wipe(&screen->typed);
    buf_wipe(&screen->behind);
    screen->typed = typed;
    screen->behind = behind;
}

// --- coming and going -----------------------------------------------------------------------------------

void screen_enter(struct screen *screen) {
    bool taken = !screen->is_on;
    measure(screen);
    screen->is_on = true;
    screen->stale = true; // what waits belongs to another size
    screen->out.len = screen->written = 0;
    if (taken) set_raw(screen);
    for (unsigned i = 0; taken && i < screen->rows; i++)
        put(screen, "\r\n"); // what is there moves up, and stays
    screen_show(screen);
}

void screen_leave(struct screen *screen) {
    if (!screen->is_on) return;
    write_out(screen);
    screen->out.len = screen->written = 0;
    put(screen, ALL_ROWS PLAIN "\033[%u;1H" CLEAR_BELOW SHOW_CURSOR, region(screen) + 1);
    write_out(screen);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &screen->before);
    screen->is_on = false;
}

int screen_open(struct screen *screen, struct err *err) {
    const char *term = getenv("TERM"), *name = ttyname(STDOUT_FILENO);
    *screen = (struct screen){.fd = -1};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &screen->before) != 0)
        return err_set(err, ERR_ABSENT, "needs a terminal");
    if (!term || !term[0] || strcmp(term, "dumb") == 0)
        return err_set(err, ERR_ABSENT, "needs a terminal that is not dumb (TERM)");
    screen->fd = name ? open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    if (screen->fd < 0) screen->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (screen->fd < 0) return err_system(err, errno, "cannot use the terminal");
    found = screen->before;
    found_fd = screen->fd;
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) signal(deaths[i], die);
    return 0;
}

void screen_close(struct screen *screen) {
    if (screen->fd < 0) return;
    screen_leave(screen);
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) signal(deaths[i], SIG_DFL);
    found_fd = -1;
    close(screen->fd);
    screen->fd = -1;
    for (size_t i = 0; i < SCREEN_KEPT; i++) buf_free(&screen->kept[i].text);
    buf_free(&screen->status);
    buf_wipe(&screen->typed);
    buf_wipe(&screen->behind);
    buf_free(&screen->out);
}

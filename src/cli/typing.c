// The line that is being typed.
//
//   el_wgets ──► el_key ──► the owner's loop: server, signals, screen ──► a key
//
// libedit draws into nothing: it knows one cursor on an empty screen, while the window has other rows that
// change under it. What it has in its line is shown by cli/screen.h.
#include "cli/typing.h"

#include "base/glyph.h"
#include "base/secret.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HISTORY_SIZE 1000

struct typing {
    EditLine *edit;
    HistoryW *history;
    FILE *nowhere;
    typing_key *key;
    void *context;
};

static int el_key(EditLine *edit, wchar_t *character) {
    struct typing *typing = NULL;
    el_wget(edit, EL_CLIENTDATA, (void **)&typing);
    return typing->key(typing->context, character);
}

// Keys that terminals send and libedit does not know. Those that mean nothing here must not leave a part of
// their sequence in the line.
static void bind_keys(EditLine *edit) {
    static const wchar_t *const keys[][2] = {
        {L"\\e[3~", L"ed-delete-next-char"},
        {L"\\e[1~", L"ed-move-to-beg"},
        {L"\\e[7~", L"ed-move-to-beg"},
        {L"\\e[H", L"ed-move-to-beg"},
        {L"\\eOH", L"ed-move-to-beg"},
        {L"\\e[4~", L"ed-move-to-end"},
        {L"\\e[8~", L"ed-move-to-end"},
        {L"\\e[F", L"ed-move-to-end"},
        {L"\\eOF", L"ed-move-to-end"},
        {L"\\e[1;5D", L"ed-prev-word"},
        {L"\\e[1;5C", L"em-next-word"},
        {L"\\e[1;3D", L"ed-prev-word"},
        {L"\\e[1;3C", L"em-next-word"},
        {L"\\e[2~", L"ed-ignore"},
        {L"\\e[5~", L"ed-ignore"},
        {L"\\e[6~", L"ed-ignore"},
        {L"\\e[15~", L"ed-ignore"},
        {L"\\e[17~", L"ed-ignore"},
        {L"\\e[18~", L"ed-ignore"},
        {L"\\e[19~", L"ed-ignore"},
        {L"\\e[20~", L"ed-ignore"},
        {L"\\e[21~", L"ed-ignore"},
        {L"\\e[23~", L"ed-ignore"},
        {L"\\e[24~", L"ed-ignore"},
        {L"\\eOP", L"ed-ignore"},
        {L"\\eOQ", L"ed-ignore"},
        {L"\\eOR", L"ed-ignore"},
        {L"\\eOS", L"ed-ignore"},
        {L"^W", L"ed-delete-prev-word"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        el_wset(edit, EL_BIND, keys[i][0], keys[i][1], NULL);
}

static int open_history(struct typing *typing) {
    HistEventW event;
    typing->history = history_winit();
    if (!typing->history) return -1;
    history_w(typing->history, &event, H_SETSIZE, HISTORY_SIZE);
    history_w(typing->history, &event, H_SETUNIQUE, 1);
    el_wset(typing->edit, EL_HIST, history_w, typing->history);
    return 0;
}

struct typing *typing_open(typing_key *key, void *context, struct err *err) {
    // Which characters are letters is the locale's business, and text here is UTF-8 whatever the user has
    // set.
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    struct typing *typing = calloc(1, sizeof *typing);
    if (!typing) goto memory;
    *typing = (struct typing){.key = key, .context = context, .nowhere = fopen("/dev/null", "we")};
    if (!typing->nowhere) {
        err_system(err, errno, "cannot open /dev/null");
        typing_close(typing);
        return NULL;
    }
    typing->edit = el_init_fd("herald", stdin, typing->nowhere, typing->nowhere, STDIN_FILENO, STDOUT_FILENO,
                              STDERR_FILENO);
    if (!typing->edit) goto memory;
    el_wset(typing->edit, EL_CLIENTDATA, typing);
    el_wset(typing->edit, EL_EDITOR, L"emacs");
    el_wset(typing->edit, EL_SIGNAL, 0);
    el_wset(typing->edit, EL_GETCFN, el_key);
    // Between two lines the terminal stays as it is: what comes in just then must not be echoed into the
    // window.
    el_wset(typing->edit, EL_SETTY, L"-x", L"-icanon", L"-echo", L"-ixon", NULL);
    el_wset(typing->edit, EL_SETTY, L"-d", L"-ixon", NULL);
    bind_keys(typing->edit);
    if (open_history(typing) == 0) return typing;
memory:
    err_set(err, ERR_MEMORY, "memory is out");
    typing_close(typing);
    return NULL;
}

void typing_close(struct typing *typing) {
    if (!typing) return;
    if (typing->edit) el_end(typing->edit);
    if (typing->history) history_wend(typing->history);
    if (typing->nowhere) fclose(typing->nowhere);
    free(typing);
}

void typing_resize(struct typing *typing) {
    el_resize(typing->edit);
}

struct typed typing_now(const struct typing *typing) {
    const LineInfoW *line = el_wline(typing->edit);
    return (struct typed){
        .text = line->buffer,
        .len = (size_t)(line->lastchar - line->buffer),
        .cursor = (size_t)(line->cursor - line->buffer),
    };
}

bool typing_line(struct typing *typing, struct buf *line) {
    int count = 0;
    const wchar_t *text = el_wgets(typing->edit, &count);
    line->len = 0;
    if (!text || count <= 0) return false;
    for (int i = 0; i < count && text[i] != L'\n' && text[i] != L'\r'; i++) {
        char bytes[GLYPH_MAX_BYTES];
        if (buf_append(line, bytes, glyph_encode((uint32_t)text[i], bytes))) return false;
    }
    return true;
}

void typing_remember(struct typing *typing, struct str line) {
    HistEventW event;
    wchar_t *wide = calloc(line.len + 1, sizeof *wide);
    size_t count = 0;
    if (!wide) return;
    while (line.len > 0) {
        struct glyph glyph = glyph_next(line);
        wide[count++] = (wchar_t)glyph.character;
        line.ptr += glyph.len;
        line.len -= glyph.len;
    }
    history_w(typing->history, &event, H_ENTER, wide);
    secret_wipe(wide, count * sizeof *wide);
    free(wide);
}

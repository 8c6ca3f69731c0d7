// A list of the roll, page by page.
#include "cli/pages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int pages_add(const struct pages *pages, const struct value *page, struct buf *out, struct buf *next) {
    struct value_walk walk = value_walk(value_member(page, pages->things));
    struct str following = value_member_text(page, "next");
    const struct value *thing;
    int status = 0;
    if (following.len > 0 && str_equal(following, buf_str(next))) { // it would never end
        say("the list goes on where it has been before; is that a Herald?");
        return -1;
    }
    while (!status && (thing = value_next(&walk))) status = pages->add(pages->context, out, thing);
    buf_truncate(next, 0);
    if (!status) status = buf_append_str(next, following);
    if (status) say("memory is out");
    return status ? -1 : 0;
}

// Asks for the page that `next` begins with; nothing: the first.
static enum outcome ask_page(const struct pages *pages, struct ask *ask, const struct buf *next) {
    char path[ROLL_PATH_MAX];
    api_fill(pages->api, ask, "GET", pages->path, pages->tail);
    if (next->len > 0) {
        int len = snprintf(path, sizeof path, "%s&after=", ask->path);
        if (len < 0 || (size_t)len + 3 * next->len >= sizeof path) {
            say("the list is asked for in too many words to go on; choose a shorter prefix");
            return OUTCOME_REFUSED;
        }
        api_fill(pages->api, ask, "GET", path, buf_str(next));
    }
    ask->patient |= pages->patient;
    return api_ask(pages->api, ask);
}

static enum outcome write_page(const struct pages *pages, const struct ask *ask, bool first,
                               struct buf *next) {
    struct buf out = {0};
    const struct value *page = api_value(pages->api, ask);
    enum outcome outcome = OUTCOME_REFUSED;
    if (!page) return outcome;
    if (first && buf_append_str(&out, pages->heading))
        say("memory is out");
    else if (pages_add(pages, page, &out, next) == 0)
        outcome = OUTCOME_DONE;
    if (outcome == OUTCOME_DONE && say_raw(pages->fd, buf_str(&out))) {
        say("cannot write to %s: %s", pages->where, strerror(errno));
        outcome = OUTCOME_REFUSED;
    }
    buf_free(&out);
    return outcome;
}

enum outcome pages_write(const struct pages *pages) {
    struct buf next = {0};
    enum outcome outcome;
    bool first = true;
    do {
        struct ask ask = {0};
        outcome = ask_page(pages, &ask, &next);
        if (outcome == OUTCOME_DONE) outcome = write_page(pages, &ask, first, &next);
        ask_fini(&ask);
        first = false;
    } while (outcome == OUTCOME_DONE && next.len > 0);
    buf_free(&next);
    return outcome;
}

// Lines of standard input.
//
//   standard input ──► lines ──► note_publish ──► session
//                        ▲            │ full: the line waits, nothing more is read
//                        └────────────┘
#include "cli/feed.h"

#include "cli/say.h"

#include <unistd.h>

void feed_init(struct feed *feed) {
    lines_init(&feed->lines);
    feed->scratch = (struct buf){0};
    feed->has_line = feed->failed = false;
    feed->reads = true;
}

void feed_fini(struct feed *feed) {
    lines_fini(&feed->lines);
    buf_wipe(&feed->scratch);
}

bool feed_wants(const struct feed *feed) {
    return feed->reads && !feed->has_line;
}

void feed_read(struct feed *feed) {
    lines_read(&feed->lines, STDIN_FILENO);
}

void feed_stop(struct feed *feed) {
    feed->reads = feed->has_line = false;
}

static void refuse(struct feed *feed, const char *why) {
    say("line %llu: %s", (unsigned long long)feed->lines.number, why);
    feed->failed = true;
    feed_stop(feed);
}

void feed_give(struct feed *feed, herald *session, const char *user, bool notes) {
    while (feed->reads) {
        if (!feed->has_line) {
            enum frame_result result = lines_next(&feed->lines, &feed->line);
            if (result == FRAME_TOO_LONG) refuse(feed, "it is too long");
            if (result == FRAME_MEMORY) refuse(feed, "memory is out");
            if (result == FRAME_MORE && feed->lines.ended) feed_stop(feed);
            if (result != FRAME_LINE) return;
        }
        int status = note_publish(session, feed->line, user, notes, &feed->scratch);
        feed->has_line = status == -2;
        if (status == -1) refuse(feed, herald_error(session));
        if (status != 0) return;
    }
}

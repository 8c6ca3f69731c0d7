// Many clients in one loop. See crowd.h.
//
//   epoll ──► recv into `input`, behind the member's tail ──► hear: activities, in bulk
//                                                        └──► a frame of another kind: dialect->look ──► the
//                                                             member's state
#include "crowd.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define INPUT      (256u * 1024) // bytes read from one socket in one turn
#define EVENTS     1024
#define STARTS     64         // connections begun in one turn
#define QUIET_NS   300000000u // so long must nothing change for everyone to be where he stays
#define LOGIN_HEAD "{\"command\":\"LOGIN\","
#define STUCK_ROOM 4096 // bytes that the kernel is asked to take for a member that will not read

static void crowd_fail(struct crowd *crowd, const struct member *member, const char *what,
                       const char *detail) {
    if (crowd->failed) return;
    crowd->failed = true;
    err_set(&crowd->err, ERR_SYSTEM, "client %u at %s: %s%s%s", member->index,
            crowd->places[member->place].where.text, what, detail[0] != '\0' ? ": " : "", detail);
}

static void set_state(struct crowd *crowd, struct member *member, enum member_state state) {
    if (member->state == IN) crowd->in--, crowd->places[member->place].members--;
    if (state == IN) crowd->in++, crowd->places[member->place].members++;
    if (state == GONE) crowd->gone++;
    member->state = state;
    crowd->changed_ns = gauge_now_ns();
}

static void hang_up(struct member *member) {
    if (member->fd >= 0) close(member->fd);
    member->fd = -1;
    member->writing = false;
    buf_truncate(&member->out, 0);
    buf_truncate(&member->tail, 0);
}

static void lose(struct crowd *crowd, struct member *member, const char *what, const char *detail) {
    crowd_fail(crowd, member, what, detail);
    hang_up(member);
    set_state(crowd, member, GONE);
}

// --- places
// -------------------------------------------------------------------------------------------------

// The place of that address, a new one if need be; -1: there is no room for it.
static int keep_place(struct crowd *crowd, const struct place *place, struct err *err) {
    for (size_t i = 0; i < crowd->place_count; i++) {
        const struct place *other = &crowd->places[i].where;
        if (other->len == place->len && memcmp(&other->address, &place->address, place->len) == 0)
            return (int)i;
    }
    if (crowd->place_count == CROWD_MAX_PLACES)
        return err_set(err, ERR_LIMIT, "more than %d servers", CROWD_MAX_PLACES);
    crowd->places[crowd->place_count].where = *place;
    return (int)crowd->place_count++;
}

// --- connecting
// ---------------------------------------------------------------------------------------------

static void watch(struct crowd *crowd, struct member *member, int operation, bool write) {
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = member};
    member->writing = write;
    if (epoll_ctl(crowd->epoll, operation, member->fd, &event) != 0)
        lose(crowd, member, "epoll_ctl", strerror(errno));
}

static void dial(struct crowd *crowd, struct member *member, unsigned at) {
    set_state(crowd, member, CONNECTING);
    member->place = at;
    member->fd =
        place_dial(&crowd->places[at].where, member->index >= crowd->count - crowd->stuck ? STUCK_ROOM : 0);
    if (member->fd < 0) {
        lose(crowd, member, "connect", strerror(errno));
        return;
    }
    watch(crowd, member, EPOLL_CTL_ADD, true);
}

static void connected(struct crowd *crowd, struct member *member) {
    int failure = 0;
    socklen_t len = sizeof failure;
    (void)getsockopt(member->fd, SOL_SOCKET, SO_ERROR, &failure, &len);
    if (failure != 0) {
        lose(crowd, member, "connect", strerror(failure));
        return;
    }
    set_state(crowd, member, ASKING);
    struct greeter greeter = {member->index, crowd->publishes, crowd_credentials(crowd, member)};
    if (crowd->dialect->greet(&member->out, &greeter) != 0)
        lose(crowd, member, "memory is out", "");
    else
        crowd_send(crowd, member);
}

static void moved(struct crowd *crowd, struct member *member, const struct sighting *seen) {
    char port[8];
    struct err err;
    snprintf(port, sizeof port, "%u", seen->port);
    struct place found;
    int place = place_find(&found, seen->what, port, &err) == 0 ? keep_place(crowd, &found, &err) : -1;
    if (place < 0)
        lose(crowd, member, "REDIRECT", err.text);
    else if (crowd->hold)
        lose(crowd, member, "redirected after everyone had settled", "");
    else if (member->hops == CROWD_MAX_HOPS)
        lose(crowd, member, "redirected once more after 5 times", "");
    else {
        hang_up(member);
        member->hops++;
        dial(crowd, member, (unsigned)place);
    }
}

// --- reading
// ------------------------------------------------------------------------------------------------

static void take_frame(struct crowd *crowd, struct member *member, struct str frame) {
    struct sighting seen;
    switch (crowd->dialect->look(crowd->parser, frame, &seen)) {
    case SIGHT_NOTHING: break;
    case SIGHT_IN:
        if (member->state != ASKING) {
            lose(crowd, member, "the server let in who was in", "");
            break;
        }
        member->in_ns = gauge_now_ns();
        set_state(crowd, member, IN);
        break;
    case SIGHT_PING:
        if (buf_append_text(&member->out, crowd->dialect->pong) != 0)
            lose(crowd, member, "memory is out", "");
        else
            crowd_send(crowd, member);
        break;
    case SIGHT_MOVE: moved(crowd, member, &seen); break;
    case SIGHT_WRONG: lose(crowd, member, "the server said", seen.what); break;
    }
}

static void take_bytes(struct crowd *crowd, struct member *member, const char *data, size_t len,
                       uint64_t now_ns) {
    unsigned hops = member->hops;
    while (len > 0) {
        if (member->state == IN && crowd->hear != NULL) {
            size_t taken = crowd->hear(crowd->context, member, data, len, now_ns);
            data += taken;
            len -= taken;
        }
        size_t frame = len > 0 ? crowd->dialect->frame(data, len) : 0;
        if (frame == DIALECT_GARBLED) {
            lose(crowd, member, "the server sent what is not the protocol", "");
            return;
        }
        if (frame == 0) break;
        take_frame(crowd, member, (struct str){data, frame});
        if (member->hops != hops || member->state == GONE) return; // it has left this connection
        data += frame;
        len -= frame;
    }
    buf_truncate(&member->tail, 0);
    if (len > crowd->max_frame)
        lose(crowd, member, "the server sent more at once than it should", "");
    else if (len > 0 && buf_append(&member->tail, data, len) != 0)
        lose(crowd, member, "memory is out", "");
}

static void readable(struct crowd *crowd, struct member *member) {
    size_t before = member->tail.len;
    ssize_t got = recv(member->fd, crowd->input + before, INPUT, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        lose(crowd, member, "the server closed the connection", got < 0 ? strerror(errno) : "");
        return;
    }
    uint64_t now_ns = gauge_now_ns();
    if (before > 0) memcpy(crowd->input, member->tail.data, before);
    take_bytes(crowd, member, crowd->input, before + (size_t)got, now_ns);
}

void crowd_send(struct crowd *crowd, struct member *member) {
    while (member->out.len > 0) {
        ssize_t sent = send(member->fd, member->out.data, member->out.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) {
            // What the server had to say about it is worth more than the error: reading finds it.
            buf_truncate(&member->out, 0);
            break;
        }
        buf_consume(&member->out, (size_t)sent);
    }
    bool more = member->out.len > 0;
    if (more != member->writing) watch(crowd, member, EPOLL_CTL_MOD, more);
}

void crowd_turn(struct crowd *crowd, uint64_t until_ns) {
    struct epoll_event events[EVENTS];
    uint64_t now = gauge_now_ns(), wait = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
    int count = epoll_pwait2(crowd->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        struct member *member = events[i].data.ptr;
        if (member->state == CONNECTING) {
            connected(crowd, member);
            continue;
        }
        if ((events[i].events & EPOLLOUT) != 0) crowd_send(crowd, member);
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0 && member->fd >= 0) readable(crowd, member);
    }
}

// --- everyone
// -----------------------------------------------------------------------------------------------

static bool start_some(struct crowd *crowd, const struct options *options) {
    size_t begin = options->begin < crowd->server_count ? options->begin : crowd->server_count;
    for (unsigned i = 0; i < STARTS; i++) {
        if (crowd->started == crowd->count || crowd->started - crowd->in - crowd->gone >= options->pace)
            return false;
        struct member *member = &crowd->members[crowd->started];
        member->dialled_ns = gauge_now_ns();
        dial(crowd, member, (unsigned)(crowd->started++ % begin));
    }
    return true; // there may be more, after a look at the others
}

int crowd_bring(struct crowd *crowd, const struct options *options, struct err *err) {
    uint64_t deadline_ns = (uint64_t)(options->deadline * 1e9), said_ns = gauge_now_ns();
    for (;;) {
        bool more = start_some(crowd, options);
        uint64_t now = gauge_now_ns();
        bool settled = crowd->in + crowd->gone == crowd->count;
        uint64_t until = crowd->changed_ns + (settled ? QUIET_NS : deadline_ns);
        if (now >= until) break;
        if (options->progress && now - said_ns >= 1000000000u) {
            fprintf(stderr, "load: %u of %u clients are logged in\n", crowd->in, crowd->count);
            said_ns = now;
        }
        crowd_turn(crowd, more ? now : until);
    }
    if (crowd->in == crowd->count) return 0;
    if (!crowd->failed)
        return err_set(err, ERR_SYSTEM, "only %u of %u clients are logged in, and nothing happened for %g s",
                       crowd->in, crowd->count, options->deadline);
    return err_set(err, ERR_SYSTEM, "only %u of %u clients are logged in; %.160s", crowd->in, crowd->count,
                   crowd->err.text);
}

unsigned crowd_hops(const struct crowd *crowd, uint32_t hops[CROWD_MAX_HOPS + 1]) {
    unsigned most = 0;
    for (unsigned i = 0; i <= CROWD_MAX_HOPS; i++) hops[i] = 0;
    for (uint32_t i = 0; i < crowd->count; i++) {
        const struct member *member = &crowd->members[i];
        if (member->state != IN) continue;
        hops[member->hops]++;
        if (member->hops > most) most = member->hops;
    }
    return most;
}

struct str crowd_credentials(const struct crowd *crowd, const struct member *member) {
    return buf_str(&crowd->logins[member->index % crowd->login_count]);
}

void crowd_stick(struct crowd *crowd) {
    for (uint32_t i = crowd->count - crowd->stuck; i < crowd->count; i++) {
        struct member *member = &crowd->members[i];
        if (member->state != IN) continue;
        (void)epoll_ctl(crowd->epoll, EPOLL_CTL_DEL, member->fd, NULL);
        set_state(crowd, member, STUCK);
    }
}

// --- life
// ---------------------------------------------------------------------------------------------------

static int add_login(struct crowd *crowd, struct str name, struct str secret) {
    struct buf *grown = realloc(crowd->logins, (crowd->login_count + 1) * sizeof *grown);
    if (grown == NULL) return -1;
    crowd->logins = grown;
    struct buf *login = &grown[crowd->login_count++];
    *login = (struct buf){0};
    if (message_write_login(login, COMMAND_LOGIN, name, secret) != 0) return -1;
    assert(memcmp(login->data, LOGIN_HEAD, sizeof LOGIN_HEAD - 1) == 0);
    buf_consume(login, sizeof LOGIN_HEAD - 1);
    buf_truncate(login, login->len - 2); // without "}\n"
    return 0;
}

static int read_logins(struct crowd *crowd, const char *path, struct err *err) {
    char name[LOGIN_MAX_BYTES + 1], secret[512];
    FILE *file = fopen(path, "re");
    if (file == NULL) return err_system(err, errno, "cannot read %s", path);
    int result = 0;
    while (result == 0 && fscanf(file, "%256s %511s", name, secret) == 2)
        result = add_login(crowd, str_of(name), str_of(secret));
    fclose(file);
    if (result != 0) return err_set(err, ERR_MEMORY, "memory is out");
    if (crowd->login_count == 0) return err_set(err, ERR_INVALID, "%s has no line NAME SECRET", path);
    return 0;
}

int crowd_open(struct crowd *crowd, const struct options *options, size_t max_frame, struct err *err) {
    *crowd = (struct crowd){.dialect = options->dialect,
                            .count = options->clients,
                            .stuck = options->stuck,
                            .publishes = options->mode == MODE_LOAD,
                            .max_frame = max_frame,
                            .changed_ns = gauge_now_ns()};
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd->members = calloc(options->clients, sizeof *crowd->members);
    crowd->input = malloc(INPUT + max_frame);
    crowd->parser = parser_open(max_frame, 64);
    if (crowd->epoll < 0) return err_system(err, errno, "epoll_create1");
    if (crowd->members == NULL || crowd->input == NULL || crowd->parser == NULL)
        return err_set(err, ERR_MEMORY, "memory is out");
    for (uint32_t i = 0; i < crowd->count; i++) crowd->members[i] = (struct member){.index = i, .fd = -1};
    for (size_t i = 0; i < options->server_count; i++) {
        struct place place;
        if (place_parse(&place, options->servers[i], err) != 0 || keep_place(crowd, &place, err) < 0)
            return -1;
    }
    crowd->server_count = crowd->place_count;
    if (strcmp(options->login, LOGIN_ANONYMOUS) != 0) return read_logins(crowd, options->login, err);
    if (add_login(crowd, STR(LOGIN_ANONYMOUS), (struct str){0}) != 0)
        return err_set(err, ERR_MEMORY, "memory is out");
    return 0;
}

void crowd_close(struct crowd *crowd) {
    for (uint32_t i = 0; crowd->members != NULL && i < crowd->count; i++) {
        hang_up(&crowd->members[i]);
        buf_free(&crowd->members[i].out);
        buf_free(&crowd->members[i].tail);
    }
    for (size_t i = 0; i < crowd->login_count; i++) buf_wipe(&crowd->logins[i]);
    if (crowd->parser != NULL) parser_close(crowd->parser);
    if (crowd->epoll >= 0) close(crowd->epoll);
    free(crowd->logins);
    free(crowd->members);
    free(crowd->input);
}

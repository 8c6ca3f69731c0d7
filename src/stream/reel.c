// The reel: every activity of this server passes here, once.
//
//   reel_append ──► bytes ─► index ─► counts ─► head     one thread at a time, under the lock
//                                                │
//   reel_enter ─► pin ─► spans between a cursor and the head ─► reel_leave     any number at once, no lock
//
// Why no reader ever sees a byte change:
//
// 1. Below the head. Bytes, index, counts and the seals of earlier segments are written before the head that
//    covers them is stored (release); who loads that head (acquire) sees them, and they stay as they are
//    until their segment is recycled.
// 2. Above the tail. Opening serial s+1 overwrites serial r = s+1-N. The tail was moved past r one segment
//    earlier, when s was opened. A pass stores its pin, then loads the tail; the appender stored the tail,
//    and now loads the pins. All four are seq_cst, so they have one order: either the appender finds the pin,
//    which is r or less, and says BUSY; or the pass finds a tail above r and never goes there.
// 3. After the pass. Leaving stores the pin with release and the appender loads it with acquire (seq_cst is
//    both), so whatever a pass read was read before it is overwritten. A pin of a later pass says the same of
//    all passes before it.
#include "stream/reel.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CACHE_LINE   64
#define FIRST_SERIAL 1u // so that position 0 lies before every tail: a cursor nobody set is lapped
#define NO_PIN       UINT64_MAX

// Of the index: one frame. Behind the last one stands one with only its offset, where that frame ends; the
// first offset of a segment is 0 and never written.
struct entry {
    uint64_t sequence;
    uint32_t offset, source, origin;
};

struct segment {
    uint64_t first;         // frames appended before its first one
    uint32_t used;          // bytes, once sealed: read only when the head is in a later segment
    uint32_t before;        // `used` of the segment before it, which may be gone
    _Atomic uint32_t count; // frames; release, after their entries
};

struct pin {
    alignas(CACHE_LINE) _Atomic reel_pos tail; // the tail when its pass began, NO_PIN between passes
};

struct reel {
    alignas(CACHE_LINE) _Atomic reel_pos head;
    _Atomic uint64_t frames; // ever appended
    alignas(CACHE_LINE) _Atomic reel_pos tail;

    alignas(CACHE_LINE) unsigned segment_count; // from here on nothing changes, up to the lock
    unsigned participants;
    size_t segment_size, index_size; // per segment: bytes, entries
    struct segment *segments;
    struct pin *pins;
    char *bytes;
    struct entry *index;

    alignas(CACHE_LINE) pthread_mutex_t lock; // held for copying one frame and its bookkeeping, never in I/O
    uint64_t local_sequence;                  // the last one given
};

// --- positions -------------------------------------------------------------------------------------------

static reel_pos pos_of(uint64_t serial) {
    return serial << 32;
}

static uint64_t serial_of(reel_pos pos) {
    return pos >> 32;
}

static uint32_t offset_of(reel_pos pos) {
    return (uint32_t)pos;
}

static size_t slot_at(const struct reel *reel, reel_pos pos) {
    return serial_of(pos) % reel->segment_count;
}

static struct segment *segment_at(const struct reel *reel, reel_pos pos) {
    return &reel->segments[slot_at(reel, pos)];
}

static struct entry *index_at(const struct reel *reel, reel_pos pos) {
    return &reel->index[slot_at(reel, pos) * reel->index_size];
}

static char *bytes_at(const struct reel *reel, reel_pos pos) {
    return &reel->bytes[slot_at(reel, pos) * reel->segment_size + offset_of(pos)];
}

// The least serial that readers may reach while `serial` is being written; one retired segment lies between
// it and the next one to be overwritten. Never above `serial`, as `spare` is at most half the ring.
static uint64_t least_serial(const struct reel *reel, uint64_t serial, unsigned spare) {
    uint64_t beyond = serial + 2 + spare;
    return beyond > reel->segment_count + FIRST_SERIAL ? beyond - reel->segment_count : FIRST_SERIAL;
}

// --- opening ---------------------------------------------------------------------------------------------

static void *map(size_t size) {
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

// Aligned and zeroed. Sizes are those of types that are themselves whole cache lines, or are rounded up here.
static void *lines(size_t size) {
    size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *memory = aligned_alloc(CACHE_LINE, size);
    return memory != NULL ? memset(memory, 0, size) : NULL;
}

struct reel *reel_open(unsigned segments, size_t segment_size, unsigned participants, struct err *err) {
    size_t index_size = segment_size / REEL_MIN_FRAME + 1;
    if (segments < REEL_MIN_SEGMENTS || segments > UINT32_MAX / 2) {
        err_set(err, ERR_INVALID, "a reel needs at least %d segments", REEL_MIN_SEGMENTS);
        return NULL;
    }
    if (segment_size < REEL_MIN_FRAME || segment_size >= UINT32_MAX ||
        segment_size > SIZE_MAX / sizeof(struct entry) / segments) {
        err_set(err, ERR_INVALID, "a segment of the reel must hold from %d bytes to 4 GiB", REEL_MIN_FRAME);
        return NULL;
    }
    struct reel *reel = lines(sizeof *reel);
    if (reel == NULL) goto out_of_memory;
    pthread_mutex_init(&reel->lock, NULL); // without attributes it cannot fail
    reel->segment_count = segments;
    reel->segment_size = segment_size;
    reel->index_size = index_size;
    reel->participants = participants;
    reel->segments = calloc(segments, sizeof *reel->segments);
    reel->pins = lines((participants + (size_t)1) * sizeof *reel->pins);
    reel->bytes = map(segments * segment_size);
    reel->index = map(segments * index_size * sizeof *reel->index);
    if (reel->segments == NULL || reel->pins == NULL || reel->bytes == NULL || reel->index == NULL)
        goto out_of_memory;
    // Frames are rarely the shortest, so most of the index is never touched; huge pages would take it all the
    // same.
    (void)madvise(reel->index, segments * index_size * sizeof *reel->index, MADV_NOHUGEPAGE);
    for (unsigned i = 0; i < participants; i++) atomic_init(&reel->pins[i].tail, NO_PIN);
    atomic_init(&reel->tail, pos_of(FIRST_SERIAL));
    atomic_init(&reel->head, pos_of(FIRST_SERIAL));
    segment_at(reel, pos_of(FIRST_SERIAL))->before = UINT32_MAX; // no position ends there
    return reel;

out_of_memory:
    err_set(err, ERR_MEMORY, "no memory for a reel of %u segments of %zu bytes", segments, segment_size);
    reel_close(reel);
    return NULL;
}

void reel_close(struct reel *reel) {
    if (reel == NULL) return;
    if (reel->bytes != NULL) munmap(reel->bytes, reel->segment_count * reel->segment_size);
    if (reel->index != NULL)
        munmap(reel->index, reel->segment_count * reel->index_size * sizeof *reel->index);
    pthread_mutex_destroy(&reel->lock);
    free(reel->pins);
    free(reel->segments);
    free(reel);
}

// --- appending -------------------------------------------------------------------------------------------

// Seals the segment that ends at *head and opens the next one there. False, and nothing has changed: a pass
// may still be sending from what would be overwritten.
static bool open_next(struct reel *reel, reel_pos *head) {
    uint64_t serial = serial_of(*head) + 1;
    assert(serial < UINT32_MAX); // 4 PiB with the default segments
    for (unsigned i = 0; i < reel->participants; i++) {
        if (serial_of(atomic_load(&reel->pins[i].tail)) + reel->segment_count <= serial) return false;
    }
    reel_pos next = pos_of(serial);
    struct segment *segment = segment_at(reel, next);
    segment_at(reel, *head)->used = offset_of(*head);
    segment->before = offset_of(*head);
    segment->first = atomic_load_explicit(&reel->frames, memory_order_relaxed);
    atomic_store_explicit(&segment->count, 0, memory_order_relaxed);
    atomic_store(&reel->tail, pos_of(least_serial(reel, serial, 0)));
    *head = next;
    return true;
}

enum reel_result reel_append(struct reel *reel, struct str frame, uint32_t source, uint32_t origin,
                             uint64_t sequence) {
    enum reel_result result = REEL_BUSY;
    assert(frame.len >= REEL_MIN_FRAME && frame.len <= reel->segment_size);
    pthread_mutex_lock(&reel->lock);
    reel_pos head = atomic_load_explicit(&reel->head, memory_order_relaxed);
    if (frame.len > reel->segment_size - offset_of(head) && !open_next(reel, &head)) goto out;

    struct segment *segment = segment_at(reel, head);
    uint32_t count = atomic_load_explicit(&segment->count, memory_order_relaxed);
    struct entry *entry = index_at(reel, head) + count; // its offset is there already
    memcpy(bytes_at(reel, head), frame.ptr, frame.len);
    entry->source = source;
    entry->origin = origin;
    entry->sequence = origin == REEL_LOCAL ? ++reel->local_sequence : sequence;
    head += frame.len;
    entry[1].offset = offset_of(head);
    atomic_store_explicit(&segment->count, count + 1, memory_order_release);
    atomic_store_explicit(&reel->frames, segment->first + count + 1, memory_order_relaxed);
    atomic_store_explicit(&reel->head, head, memory_order_release);
    result = REEL_OK;
out:
    pthread_mutex_unlock(&reel->lock);
    return result;
}

reel_pos reel_head(const struct reel *reel) {
    return atomic_load_explicit(&reel->head, memory_order_acquire);
}

uint64_t reel_count(const struct reel *reel) {
    return atomic_load_explicit(&reel->frames, memory_order_relaxed);
}

size_t reel_lag_limit(const struct reel *reel) {
    return (reel->segment_count - 2) * reel->segment_size;
}

// --- passes ----------------------------------------------------------------------------------------------

reel_pos reel_enter(struct reel *reel, unsigned participant, unsigned spare) {
    assert(participant < reel->participants && spare <= reel->segment_count / 2);
    _Atomic reel_pos *pin = &reel->pins[participant].tail;
    assert(atomic_load_explicit(pin, memory_order_relaxed) == NO_PIN); // passes do not nest
    atomic_store(pin, atomic_load_explicit(&reel->tail, memory_order_relaxed));
    reel_pos tail = atomic_load(&reel->tail); // it may have moved before the pin was seen
    reel_pos strict = pos_of(least_serial(reel, serial_of(reel_head(reel)), spare));
    return strict > tail ? strict : tail;
}

void reel_leave(struct reel *reel, unsigned participant) {
    assert(participant < reel->participants);
    atomic_store_explicit(&reel->pins[participant].tail, NO_PIN, memory_order_release);
}

bool reel_lapped(const struct reel *reel, reel_pos *pos, reel_pos tail) {
    if (*pos >= tail) return false;
    if (serial_of(*pos) + 1 != serial_of(tail) || offset_of(*pos) != segment_at(reel, tail)->before)
        return true;
    *pos = tail;
    return false;
}

// Into the next segment, when `pos` stands at the end of a sealed one. `end` is beyond it.
static reel_pos step(const struct reel *reel, reel_pos pos, reel_pos end) {
    if (serial_of(pos) == serial_of(end)) return pos;
    uint32_t used = segment_at(reel, pos)->used;
    assert(offset_of(pos) <= used);
    return offset_of(pos) == used ? pos_of(serial_of(pos) + 1) : pos;
}

struct str reel_span(const struct reel *reel, reel_pos *pos, reel_pos end) {
    if (*pos >= end) return (struct str){0};
    *pos = step(reel, *pos, end);
    uint32_t until = serial_of(*pos) == serial_of(end) ? offset_of(end) : segment_at(reel, *pos)->used;
    return (struct str){.ptr = bytes_at(reel, *pos), .len = until - offset_of(*pos)};
}

// How many frames of its segment end at `pos` or before it; of a frame that begins there, its place in the
// index. Most who ask stand a few frames before the end, so the search starts there, in longer and longer
// strides. For them that is as fast as remembering the answer, and the shards need not share a memory of it.
static uint32_t frames_until(const struct reel *reel, reel_pos pos) {
    const struct entry *index = index_at(reel, pos);
    uint32_t offset = offset_of(pos), least = 0;
    uint32_t most = atomic_load_explicit(&segment_at(reel, pos)->count, memory_order_acquire);
    if (index[most].offset == offset) return most; // the head, or the end of a sealed segment
    for (uint32_t stride = 1; stride <= most; stride *= 2) {
        if (index[most - stride + 1].offset <= offset) {
            least = most - stride + 1;
            break;
        }
        most -= stride;
    }
    while (least < most) { // at least `least` and at most `most` of them end at or before `pos`
        uint32_t middle = least + (most - least) / 2;
        if (index[middle + 1].offset <= offset)
            least = middle + 1;
        else
            most = middle;
    }
    return least;
}

// Of the frame at `pos`, the `place`-th of its segment.
static bool frame_at(const struct reel *reel, reel_pos pos, uint32_t place, reel_pos end,
                     struct reel_frame *frame) {
    const struct entry *entry = index_at(reel, pos) + place;
    assert(entry->offset == offset_of(pos)); // a frame's beginning
    *frame = (struct reel_frame){
        .bytes = {.ptr = bytes_at(reel, pos), .len = entry[1].offset - entry->offset},
        .source = entry->source,
        .origin = entry->origin,
        .sequence = entry->sequence,
        .next = pos_of(serial_of(pos)) | entry[1].offset,
        .place = place,
    };
    return frame->next <= end;
}

bool reel_frame(const struct reel *reel, reel_pos pos, reel_pos end, struct reel_frame *frame) {
    if (pos >= end) return false;
    pos = step(reel, pos, end);
    return pos < end && frame_at(reel, pos, frames_until(reel, pos), end, frame);
}

bool reel_frame_next(const struct reel *reel, reel_pos end, struct reel_frame *frame) {
    if (frame->next >= end) return false;
    reel_pos pos = step(reel, frame->next, end);
    return pos < end && frame_at(reel, pos, pos == frame->next ? frame->place + 1 : 0, end, frame);
}

uint64_t reel_frames_between(const struct reel *reel, reel_pos from, reel_pos to) {
    assert(from <= to);
    if (from == to) return 0;
    return segment_at(reel, to)->first + frames_until(reel, to) - segment_at(reel, from)->first -
           frames_until(reel, from);
}

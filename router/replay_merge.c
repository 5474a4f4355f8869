/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames stand in a heap by the first event that each still has to give: known for those that are open, bounded from
 * below for the others. The first of the heap gives its event, or is opened if it is not: so a frame is in memory only
 * while its range overlaps the present time, and where frames hardly overlap each is loaded once.
 *
 * Where so many overlap that they do not fit, the latest events of all are let go, down to half the bound; the frames
 * that lost some keep the key of the first, and are opened again when the order gets there. Until then nothing behind
 * that key is held (`bound`). So frames that all overlap are read once for each half of the bound that they hold
 * together: more reading, never a wrong order, never more memory.
 */
#include "router/replay_merge.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>

#include "router/xalloc.h"

#define SAMPLES 64 /* keys looked at in each frame to find the bound */

struct entry { /* an event of an open frame: 24 bytes */
    int64_t time_ms;
    uint32_t offset, size, name_at; /* offset: in the frame's text as loaded … */
    uint32_t at;                    /* … and as it is held */
};

struct frame {
    struct replay_frame place;
    struct replay_key next; /* the first event to give: exact while open, else a lower bound */
    struct replay_key rest; /* the first that is not held though the frame is open, if has_rest */
    bool open, has_rest;
    bool counted; /* was open once: merge.left knows its events */
    bool guessed; /* until then merge.left may have too many of it */
    struct buf text;
    struct entry *entries;
    size_t count, done;
};

struct merge {
    struct merge_options options;
    struct replay_key after;
    struct frame *frames;
    struct frame **heap;
    size_t heap_count;
    struct frame *given; /* its first event was handed out: to be passed */
    struct replay_key bound;
    bool bounded; /* nothing from `bound` on is held */
    size_t held;
    uint64_t left, uncounted; /* uncounted: frames whose `left` is a guess */
    uint64_t unreadable, loads;
    struct line_clock clock;
};

int replay_key_cmp(const struct replay_key *a, const struct replay_key *b)
{
    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms ? -1 : 1;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

/* ---- the heap ---- */

static void sift_down(struct merge *m, size_t i)
{
    struct frame *moved = m->heap[i];

    for (size_t child; (child = 2 * i + 1) < m->heap_count; i = child) {
        if (child + 1 < m->heap_count && replay_key_cmp(&m->heap[child + 1]->next, &m->heap[child]->next) < 0)
            child++;
        if (replay_key_cmp(&moved->next, &m->heap[child]->next) <= 0)
            break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = moved;
}

static void order_heap(struct merge *m)
{
    for (size_t i = m->heap_count / 2; i-- > 0;)
        sift_down(m, i);
}

static void drop_first(struct merge *m)
{
    m->heap[0] = m->heap[--m->heap_count];
    if (m->heap_count)
        sift_down(m, 0);
}

/* ---- frames ---- */

static struct replay_key key_of(const struct merge *m, const struct frame *f, const struct entry *e)
{
    return (struct replay_key){m->options.by_arrival ? 0 : e->time_ms, f->place.offset + e->offset, f->place.file};
}

static size_t held_by(const struct frame *f)
{
    return f->text.capacity + f->count * sizeof *f->entries;
}

static void close_frame(struct merge *m, struct frame *f)
{
    m->held -= held_by(f);
    buf_fini(&f->text);
    free(f->entries);
    f->entries = NULL;
    f->count = f->done = 0;
    f->open = false;
}

/* How many of its events come before the key. */
static size_t count_before(const struct merge *m, const struct frame *f, const struct replay_key *key)
{
    size_t low = f->done, high = f->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct replay_key k = key_of(m, f, &f->entries[middle]);
        if (replay_key_cmp(&k, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Keeps the lines of its entries only. */
static void compact(struct frame *f)
{
    struct buf kept = BUF_INIT;
    struct entry *entries = xarray(f->count - f->done + 1, sizeof *entries);
    size_t bytes = 0;

    for (size_t i = f->done; i < f->count; i++)
        bytes += f->entries[i].size;
    if (!buf_reserve(&kept, bytes + 1))
        xfail("out of memory");
    for (size_t i = f->done; i < f->count; i++) {
        struct entry e = f->entries[i];
        buf_add(&kept, f->text.data + e.at, e.size);
        e.at = (uint32_t)(kept.size - e.size);
        entries[i - f->done] = e;
    }
    buf_fini(&f->text);
    free(f->entries);
    f->text = kept;
    f->entries = entries;
    f->count -= f->done;
    f->done = 0;
}

/* Lets go of its events from the bound on. */
static void cut(struct merge *m, struct frame *f)
{
    size_t keep = count_before(m, f, &m->bound);

    if (keep == f->count)
        return;
    f->rest = key_of(m, f, &f->entries[keep]);
    f->has_rest = true;
    m->held -= held_by(f);
    f->count = keep;
    compact(f);
    m->held += held_by(f);
    if (f->done == f->count)
        close_frame(m, f);
}

/* A frame that is not open any more waits for its rest. False: it has none, and is done with. */
static bool waits(struct frame *f)
{
    if (!f->has_rest)
        return false;
    f->next = f->rest;
    f->has_rest = false;
    return true;
}

/* ---- too much at once ---- */

struct sample {
    struct replay_key key;
    size_t bytes; /* that it stands for */
};

static int compare_samples(const void *a, const void *b)
{
    return replay_key_cmp(&((const struct sample *)a)->key, &((const struct sample *)b)->key);
}

static size_t take_samples(const struct merge *m, struct sample *samples)
{
    size_t count = 0;

    for (size_t i = 0; i < m->heap_count; i++) {
        const struct frame *f = m->heap[i];
        size_t pending = f->count - f->done, step = pending / SAMPLES + 1;
        for (size_t k = f->done; f->open && k < f->count; k += step)
            samples[count++] =
                (struct sample){key_of(m, f, &f->entries[k]), held_by(f) / ((pending + step - 1) / step)};
    }
    qsort(samples, count, sizeof *samples, compare_samples);
    return count;
}

static void cut_all(struct merge *m)
{
    for (size_t i = 0; i < m->heap_count; i++) {
        struct frame *f = m->heap[i];
        if (!f->open)
            continue;
        cut(m, f);
        if (!f->open)
            waits(f);
    }
    order_heap(m);
}

static void let_go(struct merge *m)
{
    size_t room = 0, bytes = 0, i = 0;

    for (size_t k = 0; k < m->heap_count; k++)
        room += m->heap[k]->open ? SAMPLES : 0;
    struct sample *samples = xarray(room + 1, sizeof *samples);
    size_t count = take_samples(m, samples);
    while (i < count && bytes + samples[i].bytes <= m->options.bytes_max / 2)
        bytes += samples[i++].bytes;
    i = i ? i : 1; /* the first stays: there is always something to give */
    if (i < count && (!m->bounded || replay_key_cmp(&samples[i].key, &m->bound) < 0)) {
        m->bound = samples[i].key;
        m->bounded = true;
        cut_all(m);
        malloc_trim(0); /* what was let go lies between what was kept: else it stays ours */
    }
    free(samples);
}

/* ---- opening a frame ---- */

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

struct reading { /* a frame's lines into its entries */
    struct merge *merge;
    struct frame *frame;
    size_t capacity;
    uint64_t in_window;
    bool sorted;
};

static void add_entry(struct reading *g, const struct entry *e)
{
    struct frame *f = g->frame;

    if (f->count == g->capacity) {
        g->capacity = g->capacity ? 2 * g->capacity : f->place.events + 1 < 1 << 16 ? f->place.events + 1 : 1 << 16;
        f->entries = xrealloc(f->entries, g->capacity * sizeof *f->entries);
    }
    g->sorted &= !f->count || f->entries[f->count - 1].time_ms <= e->time_ms;
    f->entries[f->count++] = *e;
}

static void take_line(struct reading *g, size_t offset, size_t size)
{
    struct merge *m = g->merge;
    struct frame *f = g->frame;
    struct archive_line line;

    if (!line_read((struct str){f->text.data + offset, size}, &m->clock, &line)) {
        m->unreadable += !f->counted;
        return;
    }
    if (line.time_ms < m->options.from_ms || line.time_ms >= m->options.to_ms)
        return;
    struct entry e = {line.time_ms, (uint32_t)offset, (uint32_t)size, line.name_at, (uint32_t)offset};
    struct replay_key key = key_of(m, f, &e);
    if ((m->options.after && replay_key_cmp(&key, &m->after) <= 0))
        return;
    g->in_window++;
    if (!f->counted || replay_key_cmp(&key, &f->next) >= 0)
        add_entry(g, &e);
}

static void take_lines(struct reading *g)
{
    struct buf *text = &g->frame->text;

    for (size_t at = 0; at < text->size;) {
        const char *end = memchr(text->data + at, '\n', text->size - at);
        size_t size = end ? (size_t)(end - text->data) - at : text->size - at;
        take_line(g, at, size);
        at += size + 1;
    }
}

/* What it was said to hold at most is replaced by what it holds. */
static void count(struct merge *m, struct frame *f, uint64_t in_window)
{
    if (f->counted)
        return;
    f->counted = true;
    m->left = m->left - f->place.events + in_window;
    m->uncounted -= f->guessed;
}

/* Few of its lines are wanted: the others go. */
static void thin_out(struct frame *f)
{
    size_t bytes = 0;

    for (size_t i = 0; i < f->count; i++)
        bytes += f->entries[i].size;
    if (f->count && bytes < f->text.size / 2)
        compact(f);
}

/* Afterwards it is open, or waits(), or has nothing. */
static bool open_frame(struct merge *m, struct frame *f)
{
    struct reading g = {.merge = m, .frame = f, .sorted = true};

    m->loads++;
    if (!m->options.load(m->options.context, &f->place, &f->text)) {
        buf_fini(&f->text);
        return false;
    }
    xbuf(&f->text);
    assert(f->text.size <= UINT32_MAX);
    take_lines(&g);
    count(m, f, g.in_window);
    if (!g.sorted && !m->options.by_arrival)
        qsort(f->entries, f->count, sizeof *f->entries, compare_entries);
    thin_out(f);
    f->open = true;
    m->held += held_by(f);
    if (m->bounded)
        cut(m, f);
    if (f->open && !f->count)
        close_frame(m, f);
    if (f->open)
        f->next = key_of(m, f, &f->entries[0]);
    return true;
}

/* ---- in order ---- */

/* The first of the heap has changed. */
static void settle_first(struct merge *m)
{
    struct frame *f = m->heap[0];

    if (f->open || waits(f))
        sift_down(m, 0);
    else
        drop_first(m);
}

static void pass_given(struct merge *m)
{
    struct frame *f = m->given;

    if (!f)
        return;
    assert(f == m->heap[0]);
    m->given = NULL;
    m->left--;
    if (++f->done < f->count)
        f->next = key_of(m, f, &f->entries[f->done]);
    else
        close_frame(m, f);
    settle_first(m);
}

int merge_next(struct merge *m, struct merge_event *out)
{
    pass_given(m);
    while (m->heap_count) {
        struct frame *f = m->heap[0];
        if (f->open) {
            const struct entry *e = &f->entries[f->done];
            *out = (struct merge_event){{f->text.data + e->at, e->size}, f->next, e->time_ms, e->name_at};
            m->given = f;
            return 1;
        }
        if (m->bounded && replay_key_cmp(&f->next, &m->bound) >= 0)
            m->bounded = false;
        if (!open_frame(m, f))
            return -1;
        settle_first(m);
        if (m->held > m->options.bytes_max)
            let_go(m);
    }
    return 0;
}

/* ---- life ---- */

static bool in_window(const struct merge *m, const struct replay_frame *f)
{
    if (f->time_max_ms < m->options.from_ms || f->time_min_ms >= m->options.to_ms)
        return false;
    return !m->options.after || m->options.by_arrival || f->time_max_ms >= m->after.time_ms;
}

struct merge *merge_create(const struct merge_options *options, const struct replay_frame *frames, size_t count)
{
    struct merge *m = xalloc(sizeof *m);

    m->options = *options;
    if (options->after) {
        m->after = *options->after;
        m->options.after = &m->after;
    }
    m->frames = xarray(count + 1, sizeof *m->frames);
    m->heap = xarray(count + 1, sizeof(struct frame *));
    for (size_t i = 0; i < count; i++) {
        const struct replay_frame *p = &frames[i];
        if (!in_window(m, p))
            continue;
        struct frame *f = &m->frames[m->heap_count];
        f->place = *p;
        f->next = (struct replay_key){options->by_arrival ? 0 : p->time_min_ms, p->offset, p->file};
        m->heap[m->heap_count++] = f;
        m->left += p->events;
        f->guessed = options->after || p->time_min_ms < options->from_ms || p->time_max_ms >= options->to_ms;
        m->uncounted += f->guessed;
    }
    order_heap(m);
    return m;
}

void merge_destroy(struct merge *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->heap_count; i++)
        if (m->heap[i]->open)
            close_frame(m, m->heap[i]);
    free(m->heap);
    free(m->frames);
    free(m);
}

void merge_bound(struct merge *m, size_t bytes_max)
{
    m->options.bytes_max = bytes_max;
}

uint64_t merge_left(const struct merge *m, bool *exact_out)
{
    if (exact_out)
        *exact_out = m->uncounted == 0;
    return m->left;
}

uint64_t merge_unreadable(const struct merge *m)
{
    return m->unreadable;
}

size_t merge_held(const struct merge *m)
{
    return m->held;
}

uint64_t merge_loads(const struct merge *m)
{
    return m->loads;
}

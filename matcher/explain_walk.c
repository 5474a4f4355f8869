/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run over an event that finds the values at a pattern's paths, the elements of arrays they stand in, and which
 * leaves each satisfies.
 *
 * The paths are sorted, so those that go on from where the run stands are a range, and each key of the event narrows
 * it; what leaves an empty range is skipped unread. A key with dots narrows as its parts would, one after the other.
 *
 *     a.b  a.b.c  a.d  e          at {"a": {"b":     exact: a.b     below: a.b.c
 *
 * The event passed the matcher before. Recursion goes as deep as it nests, LIMIT_JSON_DEPTH at most.
 */
#include "matcher/explain_int.h"

#include <stdio.h>

struct scope {          /* where the run stands, in terms of the paths */
    uint32_t exact;     /* the path that ends here; path_count: none */
    uint32_t low, high; /* those that go on */
    size_t size;        /* bytes of them behind us, with the dot */
};

struct frame { /* an open array: places are made when a value needs them */
    struct frame *outer;
    uint32_t array, index;
    size_t offset;
    const struct explain_place *made; /* for the present index */
};

struct walker {
    struct explain_run *run;
    struct json_reader reader;
    struct frame *frame;
    uint32_t array_count;
    struct buf key;
};

/* ---- narrowing ---- */

/* The first path from low on that is not before `key` (all) or not before all that begin with it (past). */
static uint32_t bound(const struct explainer *x, const struct scope *in, struct str key, bool past)
{
    uint32_t low = in->low, high = in->high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct str rest = {x->paths[middle].ptr + in->size, x->paths[middle].size - in->size};
        if (past && rest.size > key.size)
            rest.size = key.size;
        int order = str_cmp(rest, key);
        if (order < 0 || (past && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* key: room for one byte behind it. */
static struct scope narrow(const struct explainer *x, const struct scope *in, struct buf *key)
{
    struct scope out = {.exact = x->path_count, .size = in->size + key->size + 1};
    struct str name = buf_view(key);
    uint32_t at = bound(x, in, name, false);
    if (at < in->high && x->paths[at].size == in->size + name.size &&
        memcmp(x->paths[at].ptr + in->size, name.ptr ? name.ptr : "", name.size) == 0)
        out.exact = at;
    buf_char(key, '.');
    if (!key->failed) {
        out.low = bound(x, in, buf_view(key), false);
        out.high = bound(x, in, buf_view(key), true);
    }
    return out;
}

/* ---- values ---- */

static const struct explain_place *make_place(struct walker *w, struct frame *frame)
{
    if (!frame || frame->made)
        return frame ? frame->made : NULL;
    const struct explain_place *outer = make_place(w, frame->outer);
    struct explain_place *place = arena_new(w->run->arena, struct explain_place);
    if (place)
        *place = (struct explain_place){outer, frame->array, frame->index, outer ? outer->depth + 1 : 1, frame->offset};
    return frame->made = place;
}

static bool keep(struct walker *w, struct explain_values *values, uint32_t most, struct str raw)
{
    struct explain_run *r = w->run;
    if (values->count++ >= most)
        return true;
    if ((values->kept & (values->kept - 1)) == 0) { /* a power of two: full */
        uint32_t capacity = values->kept ? values->kept * 2 : 1;
        struct explain_value *list = arena_array(r->arena, capacity, sizeof(*list));
        if (!list)
            return explain_no_memory(r->diag);
        if (values->kept)
            memcpy(list, values->list, values->kept * sizeof(*list));
        values->list = list;
    }
    const struct explain_place *place = make_place(w, w->frame);
    if (w->frame && (!place || r->arena->failed))
        return explain_no_memory(r->diag);
    values->list[values->kept++] = (struct explain_value){raw, place};
    return true;
}

static bool add_value(struct walker *w, uint32_t path, struct str raw)
{
    struct explain_run *r = w->run;
    struct buf *text = &r->x->text;
    const uint32_t *ids;
    if (!keep(w, &r->fields[path], EXPLAIN_VALUES, raw))
        return false;
    buf_clear(text);
    buf_printf(text, "{\"%u\":", (unsigned)path);
    buf_str(text, raw);
    buf_char(text, '}');
    long count = explain_ask(r, &ids);
    for (long i = 0; i < count; i++)
        if (!keep(w, &r->hits[ids[i]], EXPLAIN_HITS, raw))
            return false;
    return count >= 0;
}

/* ---- the run ---- */

static bool walk_value(struct walker *w, struct json_token *t, const struct scope *scope);

static bool walk_object(struct walker *w, struct json_token *t, const struct scope *scope)
{
    while (json_next(&w->reader, t) == JSON_KEY) {
        buf_clear(&w->key);
        json_decode(&w->key, t->raw);
        struct scope below = narrow(w->run->x, scope, &w->key);
        if (w->key.failed)
            return explain_no_memory(w->run->diag);
        json_next(&w->reader, t);
        if (below.low == below.high && below.exact == w->run->x->path_count)
            json_skip(&w->reader, t);
        else if (!walk_value(w, t, &below))
            return false;
    }
    return true;
}

static bool walk_array(struct walker *w, struct json_token *t, const struct scope *scope)
{
    struct frame frame = {.outer = w->frame, .array = w->array_count++, .offset = scope->size ? scope->size - 1 : 0};
    w->frame = &frame;
    bool done = true;
    for (; done && json_next(&w->reader, t) > JSON_ERROR && t->type != JSON_ARRAY_END; frame.index++) {
        frame.made = NULL;
        done = walk_value(w, t, scope);
    }
    w->frame = frame.outer;
    return done;
}

static bool walk_value(struct walker *w, struct json_token *t, const struct scope *scope)
{
    if (t->type == JSON_OBJECT)
        return walk_object(w, t, scope);
    if (t->type == JSON_ARRAY)
        return walk_array(w, t, scope);
    return scope->exact == w->run->x->path_count || add_value(w, scope->exact, t->raw);
}

bool explain_walk(struct explain_run *r)
{
    struct walker w = {.run = r};
    struct json_token t;
    const struct scope top = {.exact = r->x->path_count, .high = r->x->path_count};
    json_reader_init(&w.reader, r->event);
    json_next(&w.reader, &t);
    bool done = walk_value(&w, &t, &top);
    buf_fini(&w.key);
    return done;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches, see batch.h. A batch is an array of deliveries; its body is written when it goes, from the inputs, which
 * stay valid until their deliveries are completed.
 *
 * Nothing is started from inside a completion: a batch that comes back only wakes the pump, which runs from the loop.
 * Answers come from outside: they are checked as JSON, and identifiers looked up in the batch's keys, sorted: so an
 * answer costs no more than its size.
 */
#include "targets/batch.h"

#include <event2/event.h>
#include <stdlib.h>

#include "matcher/json.h"

#define LIST              "batchItemFailures"
#define ANSWER_BYTES      65536 /* and for each event … */
#define ANSWER_ITEM_BYTES 1024  /* … a key, which has the names of event, rule and target */

const char *const batch_formats[] = {"json", "ndjson", NULL};

/* ---- filling and going ---- */

static void batch_free(struct batch *b)
{
    free(b->items);
    free(b);
}

static void go(struct batcher *r, struct batch *b)
{
    TAILQ_INSERT_TAIL(&r->away, b, link);
    r->away_count++;
    r->go(r->context, b);
}

static void take_open(struct batcher *r)
{
    event_del(r->due);
    r->open = NULL;
}

static void pump(struct batcher *r)
{
    while (r->away_count < r->limit) {
        struct batch *b = TAILQ_FIRST(&r->waiting);
        if (b) {
            TAILQ_REMOVE(&r->waiting, b, link);
        } else if (r->open && r->open->due && r->open->count) {
            b = r->open;
            take_open(r);
        } else {
            return;
        }
        go(r, b);
    }
}

static void pump_cb(evutil_socket_t fd, short what, void *context)
{
    pump(context);
}

static void due_cb(evutil_socket_t fd, short what, void *context)
{
    batcher_flush(context);
}

void batcher_flush(struct batcher *r)
{
    if (r->open)
        r->open->due = true;
    pump(r);
}

/* It can take no more. */
static void close_open(struct batcher *r)
{
    struct batch *b = r->open;
    take_open(r);
    TAILQ_INSERT_TAIL(&r->waiting, b, link);
}

static bool open_one(struct batcher *r)
{
    struct timeval wait = {r->options.max_wait / 1000, r->options.max_wait % 1000 * 1000};

    r->open = calloc(1, sizeof *r->open);
    if (!r->open)
        return false;
    r->open->of = r;
    if (event_add(r->due, &wait) != 0)
        r->open->due = true; /* no memory to wait with */
    return true;
}

static bool put_in(struct batch *b, struct delivery *d)
{
    if (b->count == b->capacity) {
        size_t capacity = b->capacity ? 2 * b->capacity : 16;
        struct delivery **items = realloc(b->items, capacity * sizeof(struct delivery *));
        if (!items)
            return false;
        b->items = items;
        b->capacity = capacity;
    }
    b->items[b->count++] = d;
    b->bytes += d->input.size;
    return true;
}

static bool is_full(const struct batch *b, const struct batch_options *o)
{
    return b->count >= (size_t)o->max_events || b->bytes >= (size_t)o->max_bytes;
}

void batcher_add(struct batcher *r, struct delivery *d)
{
    const struct batch_options *o = &r->options;
    struct verdict v = {.retry_after_ms = -1};

    if (r->open && r->open->bytes + d->input.size > (size_t)o->max_bytes && r->open->count)
        close_open(r);
    if ((r->open || open_one(r)) && put_in(r->open, d)) {
        if (is_full(r->open, o))
            close_open(r);
    } else {
        verdict_set(&v, VERDICT_RETRY, "THROTTLING", "out of memory");
        r->host->complete(r->host, d, &v);
    }
    pump(r);
}

/* ---- bodies ---- */

/* An event is compact JSON; what a template made of it may be anything. */
static void write_input(const struct delivery *d, struct buf *out)
{
    if (d->input.ptr == d->event.ptr)
        buf_str(out, d->input);
    else if (json_check(d->input, NULL, NULL))
        json_minify(out, d->input);
    else
        json_write_string(out, d->input);
}

static void write_item(const struct batch *b, const struct delivery *d, struct buf *out)
{
    if (!b->of->options.envelope) {
        write_input(d, out);
        return;
    }
    buf_char(out, '{');
    json_write_member(out, "itemIdentifier", d->idempotency_key);
    json_write_key(out, "input");
    write_input(d, out);
    buf_char(out, '}');
}

void batch_write(const struct batch *b, struct buf *out)
{
    bool lines = b->of->options.format == BATCH_NDJSON;

    buf_reserve(out, b->bytes + b->count + 2);
    for (size_t i = 0; i < b->count; i++) {
        if (!lines)
            buf_char(out, i ? ',' : '[');
        write_item(b, b->items[i], out);
        if (lines)
            buf_char(out, '\n');
    }
    if (!lines)
        buf_char(out, ']');
}

const char *batch_content_type(const struct batch *b)
{
    return b->of->options.format == BATCH_NDJSON ? "application/x-ndjson" : "application/json";
}

/* ---- ends ---- */

static void wake_pump(struct batcher *r)
{
    if (!TAILQ_EMPTY(&r->waiting) || r->open)
        event_active(r->pump, EV_TIMEOUT, 0);
}

static void take_back(struct batch *b)
{
    TAILQ_REMOVE(&b->of->away, b, link);
    b->of->away_count--;
}

void batch_release(struct batch *b)
{
    struct batcher *r = b->of;

    take_back(b);
    batch_free(b);
    wake_pump(r);
}

/* The second half goes by itself; both are next in line. False: out of memory. */
static bool split(struct batch *b)
{
    struct batcher *r = b->of;
    struct batch *other = calloc(1, sizeof *other);
    size_t half = b->count / 2;

    if (!other)
        return false;
    other->of = r;
    for (size_t i = half; i < b->count; i++)
        if (!put_in(other, b->items[i])) {
            batch_free(other);
            return false;
        }
    b->count = half;
    b->bytes -= other->bytes;
    take_back(b);
    TAILQ_INSERT_HEAD(&r->waiting, other, link);
    TAILQ_INSERT_HEAD(&r->waiting, b, link);
    wake_pump(r);
    return true;
}

void batch_complete(struct batch *b, const struct verdict *v)
{
    struct host *host = b->of->host;

    if (v->kind == VERDICT_FAILED && b->count > 1 && split(b))
        return;
    struct verdict told = *v;
    for (size_t i = 0; i < b->count; i++) {
        host->complete(host, b->items[i], &told);
        told.no_fault = true; /* one answer is one fault */
    }
    batch_release(b);
}

static int key_cmp(const void *a, const void *b)
{
    const struct delivery *x = *(struct delivery *const *)a, *y = *(struct delivery *const *)b;
    return str_cmp(x->idempotency_key, y->idempotency_key);
}

/* Marks in `failed` what has this key: more than one, when an event came from the journal and from a replay. */
static bool mark(const struct batch *b, struct str key, bool *failed)
{
    size_t low = 0, high = b->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(b->items[middle]->idempotency_key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == b->count || !str_eq(b->items[low]->idempotency_key, key))
        return false;
    for (; low < b->count && str_eq(b->items[low]->idempotency_key, key); low++)
        failed[low] = true;
    return true;
}

enum named { NAMED_NONE, NAMED_SOME, NAMED_WRONG }; /* no such list; a good one; one that cannot be right */

static enum named read_list(const struct batch *b, struct str list, struct buf *key, bool *failed)
{
    struct json_reader r;
    struct json_token t;

    json_reader_init(&r, list);
    if (json_next(&r, &t) != JSON_ARRAY)
        return json_type_of(list) == JSON_NULL ? NAMED_SOME : NAMED_WRONG;
    while (json_next(&r, &t) != JSON_ARRAY_END) {
        if (!json_skip(&r, &t) || t.raw.ptr[0] != '{')
            return NAMED_WRONG;
        struct str raw = json_member(t.raw, "itemIdentifier");
        if (raw.size < 2 || raw.ptr[0] != '"')
            return NAMED_WRONG;
        buf_clear(key);
        json_decode(key, raw);
        if (key->failed || !mark(b, buf_view(key), failed))
            return NAMED_WRONG;
    }
    return NAMED_SOME;
}

/* items are sorted by key afterwards. */
static enum named read_answer(struct batch *b, struct str answer, bool *failed)
{
    struct buf key = BUF_INIT;
    struct str list;

    if (!answer.size)
        return NAMED_NONE;
    if (!json_check(answer, NULL, NULL))
        return memmem(answer.ptr, answer.size, LIST, strlen(LIST)) ? NAMED_WRONG : NAMED_NONE;
    while (answer.size && strchr(" \t\r\n", answer.ptr[0]))
        answer = (struct str){answer.ptr + 1, answer.size - 1};
    if (answer.ptr[0] != '{' || !(list = json_member(answer, LIST)).ptr)
        return NAMED_NONE;
    qsort(b->items, b->count, sizeof(struct delivery *), key_cmp);
    enum named named = read_list(b, list, &key, failed);
    buf_fini(&key);
    return named;
}

void batch_settle(struct batch *b, struct str answer, bool partial)
{
    bool *failed = calloc(b->count, sizeof *failed);
    enum named named = failed ? read_answer(b, answer, failed) : NAMED_WRONG;
    struct host *host = b->of->host;
    struct verdict done = {.kind = VERDICT_SETTLED, .retry_after_ms = -1}, again = {.retry_after_ms = -1};

    verdict_set(&again, VERDICT_RETRY, "BATCH_ITEM_FAILURE", "the answer names it in " LIST);
    if (named == NAMED_WRONG)
        verdict_set(&again, VERDICT_RETRY, "BATCH_ANSWER", "%s",
                    failed ? "the " LIST " of the answer cannot be read, or name what is not in the batch"
                           : "out of memory");
    else if (named == NAMED_NONE && partial)
        verdict_set(&again, VERDICT_RETRY, "BATCH_ANSWER", "the answer is partial but has no " LIST);
    bool all = named == NAMED_WRONG || (named == NAMED_NONE && partial);
    again.no_fault = !all;
    for (size_t i = 0; i < b->count; i++) {
        host->complete(host, b->items[i], all || failed[i] ? &again : &done);
        again.no_fault = true;
    }
    free(failed);
    batch_release(b);
}

size_t batch_answer_bytes(const struct batch *b)
{
    return ANSWER_BYTES + b->count * ANSWER_ITEM_BYTES;
}

/* ---- life cycle ---- */

uint32_t batch_gathers(const struct batch_options *o)
{
    return o->written ? (uint32_t)o->max_events : 0;
}

bool batcher_init(struct batcher *r, struct host *host, const struct batch_options *options, uint32_t limit,
                  batch_go *start, void *context)
{
    *r = (struct batcher){.options = *options, .host = host, .limit = limit, .go = start, .context = context};
    TAILQ_INIT(&r->waiting);
    TAILQ_INIT(&r->away);
    r->due = event_new(host->base, -1, 0, due_cb, r);
    r->pump = event_new(host->base, -1, 0, pump_cb, r);
    return r->due && r->pump;
}

static void free_all(struct batch_queue *q)
{
    struct batch *b;

    while ((b = TAILQ_FIRST(q))) {
        TAILQ_REMOVE(q, b, link);
        batch_free(b);
    }
}

void batcher_fini(struct batcher *r)
{
    if (!r->host)
        return;
    if (r->open)
        batch_free(r->open);
    free_all(&r->waiting);
    free_all(&r->away);
    if (r->due)
        event_free(r->due);
    if (r->pump)
        event_free(r->pump);
}

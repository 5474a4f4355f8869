/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packed form of untried deliveries: one zstd frame, with its checksum, of one record a delivery:
 *
 *     format (once)
 *     route   number of a route met before, or the next number and then its six names
 *     event   0: that of the record before; 1: origin, position, accepted (wall, age), id, event
 *     id      distance to the id before
 *
 * Numbers are LEB128; those that may go down (position, times) are zigzag distances to the last ones; a text is its
 * size and its bytes. A record of an event that repeats costs three bytes before compression.
 *
 * Compression is zstd's level 1: measured, ten million deliveries of events of 300 bytes took 36 bytes each, and a turn
 * of 1,000 of them a quarter of the processor time that as many rows take, packing included; the negative levels saved
 * no time and packed worse. Routes are compared with the last LOOK_BACK different ones only: a rule set with thousands
 * of rules on one target writes some names again, and compression takes them out.
 */
#include "router/owed_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "matcher/buf.h"
#include "router/xalloc.h"

#define FORMAT    1
#define LEVEL     1
#define LOOK_BACK 32
#define NAMES     6
#define BYTES_MAX (256u << 20) /* more than any block has: who says so is damaged */

struct route_names {
    struct str names[NAMES];
};

/* Those of a row in the order they are written. */
static struct route_names names_of(const struct owed_row *row)
{
    return (struct route_names){
        {row->bus, row->rule, row->target_id, row->subscription, row->rule_arn, row->target_arn}};
}

/* What the next record is told from. */
struct before {
    int64_t id;
    uint64_t position;
    struct weir_time accepted;
};

struct span { /* in the bytes gathered: they move while they grow */
    size_t offset, size;
};

struct owed_packing {
    ZSTD_CCtx *compressor;
    struct buf raw, packed;
    struct before before;
    struct span origin, event_id, event;  /* of the last event; none: raw has no record yet */
    struct span routes[LOOK_BACK][NAMES]; /* route n stands at n % LOOK_BACK */
    uint64_t route_count;
};

struct owed_pack *owed_pack_create(void)
{
    struct owed_pack *p = xalloc(sizeof *p);

    p->work = xalloc(sizeof *p->work);
    p->work->compressor = ZSTD_createCCtx();
    if (!p->work->compressor)
        xfail("out of memory");
    ZSTD_CCtx_setParameter(p->work->compressor, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(p->work->compressor, ZSTD_c_checksumFlag, 1);
    return p;
}

void owed_pack_destroy(struct owed_pack *p)
{
    if (!p)
        return;
    ZSTD_freeCCtx(p->work->compressor);
    buf_fini(&p->work->raw);
    buf_fini(&p->work->packed);
    free(p->work);
    free(p);
}

/* ---- writing ---- */

static void put_number(struct buf *b, uint64_t n)
{
    char bytes[10];
    size_t size = 0;

    for (; n >= 0x80; n >>= 7)
        bytes[size++] = (char)(n | 0x80);
    bytes[size++] = (char)n;
    buf_add(b, bytes, size);
}

static void put_distance(struct buf *b, uint64_t now, uint64_t before)
{
    int64_t distance = (int64_t)(now - before);
    put_number(b, (uint64_t)distance << 1 ^ (distance < 0 ? UINT64_MAX : 0));
}

static struct span put_text(struct buf *b, struct str text)
{
    put_number(b, text.size);
    struct span span = {b->size, text.size};
    buf_str(b, text);
    return span;
}

static bool is_text(const struct buf *b, struct span span, struct str text)
{
    return span.size == text.size && (!span.size || memcmp(b->data + span.offset, text.ptr, span.size) == 0);
}

void owed_pack_begin(struct owed_pack *p)
{
    struct owed_packing *w = p->work;

    buf_clear(&w->raw);
    w->before = (struct before){0};
    w->route_count = 0;
    *p = (struct owed_pack){.work = w};
    put_number(&w->raw, FORMAT);
}

static bool is_route(const struct owed_packing *w, uint64_t number, const struct route_names *r)
{
    const struct span *spans = w->routes[number % LOOK_BACK];

    for (size_t i = 0; i < NAMES; i++)
        if (!is_text(&w->raw, spans[i], r->names[i]))
            return false;
    return true;
}

static void put_route(struct owed_packing *w, const struct owed_row *row)
{
    struct route_names r = names_of(row);

    for (uint64_t back = 1; back <= w->route_count && back <= LOOK_BACK; back++)
        if (is_route(w, w->route_count - back, &r)) {
            put_number(&w->raw, w->route_count - back);
            return;
        }
    put_number(&w->raw, w->route_count);
    for (size_t i = 0; i < NAMES; i++)
        w->routes[w->route_count % LOOK_BACK][i] = put_text(&w->raw, r.names[i]);
    w->route_count++;
}

static bool is_event(const struct owed_packing *w, const struct owed_row *row)
{
    return row->position == w->before.position && row->accepted.wall_ms == w->before.accepted.wall_ms &&
           row->accepted.age_ms == w->before.accepted.age_ms && is_text(&w->raw, w->origin, row->origin) &&
           is_text(&w->raw, w->event_id, row->event_id) && is_text(&w->raw, w->event, row->event);
}

static void put_event(struct owed_packing *w, const struct owed_row *row)
{
    struct buf *b = &w->raw;

    w->origin = put_text(b, row->origin);
    put_distance(b, row->position, w->before.position);
    put_distance(b, (uint64_t)row->accepted.wall_ms, (uint64_t)w->before.accepted.wall_ms);
    put_distance(b, (uint64_t)row->accepted.age_ms, (uint64_t)w->before.accepted.age_ms);
    w->event_id = put_text(b, row->event_id);
    w->event = put_text(b, row->event);
    w->before.position = row->position;
    w->before.accepted = row->accepted;
}

void owed_pack_add(struct owed_pack *p, const struct owed_row *row)
{
    struct owed_packing *w = p->work;

    put_route(w, row);
    bool again = p->count && is_event(w, row);
    put_number(&w->raw, !again);
    if (!again)
        put_event(w, row);
    put_distance(&w->raw, (uint64_t)row->id, (uint64_t)w->before.id);
    xbuf(&w->raw);
    w->before.id = row->id;
    if (row->id > p->last_id)
        p->last_id = row->id;
    if (!p->count++) {
        p->first_id = row->id;
        p->age = row->accepted.age_ms;
    }
    p->bytes = w->raw.size;
}

static bool cannot(const char *doing, size_t code, struct weir_diag *diag)
{
    *diag = (struct weir_diag){.code = WEIR_E_IO};
    snprintf(diag->message, sizeof diag->message, "cannot %s deliveries: %s", doing, ZSTD_getErrorName(code));
    return false;
}

bool owed_pack_finish(struct owed_pack *p, struct str *body_out, struct weir_diag *diag)
{
    struct owed_packing *w = p->work;

    buf_clear(&w->packed);
    buf_reserve(&w->packed, ZSTD_compressBound(w->raw.size));
    xbuf(&w->packed);
    size_t size = ZSTD_compress2(w->compressor, w->packed.data, w->packed.capacity, w->raw.data, w->raw.size);
    if (ZSTD_isError(size))
        return cannot("pack", size, diag);
    *body_out = (struct str){w->packed.data, size};
    return true;
}

/* ---- reading ---- */

struct reader {
    const char *at, *end;
    bool bad;            /* ran past the end, or found what nobody writes */
    struct owed_row row; /* the record's; the event's part stays for the next */
    struct route_names *routes;
    size_t route_count, route_capacity;
};

static uint64_t get_number(struct reader *r)
{
    uint64_t n = 0;

    for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
        unsigned char c = (unsigned char)*r->at++;
        n |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return n;
    }
    r->bad = true;
    return 0;
}

static uint64_t get_distance(struct reader *r, uint64_t before)
{
    uint64_t n = get_number(r);
    return before + (n >> 1 ^ (0 - (n & 1)));
}

static struct str get_text(struct reader *r)
{
    uint64_t size = get_number(r);

    if (size > (uint64_t)(r->end - r->at)) {
        r->bad = true;
        return STR("");
    }
    struct str text = {r->at, size};
    r->at += size;
    return text;
}

static void get_route(struct reader *r)
{
    uint64_t number = get_number(r);

    if (r->bad || number > r->route_count) {
        r->bad = true;
        return;
    }
    if (number == r->route_count) {
        if (r->route_count == r->route_capacity) {
            r->route_capacity = r->route_capacity ? 2 * r->route_capacity : 16;
            r->routes = xrealloc(r->routes, r->route_capacity * sizeof *r->routes);
        }
        for (size_t i = 0; i < NAMES; i++)
            r->routes[r->route_count].names[i] = get_text(r);
        r->route_count++;
    }
    const struct str *names = r->routes[number].names;
    r->row.bus = names[0];
    r->row.rule = names[1];
    r->row.target_id = names[2];
    r->row.subscription = names[3];
    r->row.rule_arn = names[4];
    r->row.target_arn = names[5];
}

static void get_event(struct reader *r)
{
    struct owed_row *row = &r->row;

    row->origin = get_text(r);
    row->position = get_distance(r, row->position);
    row->accepted.wall_ms = (int64_t)get_distance(r, (uint64_t)row->accepted.wall_ms);
    row->accepted.age_ms = (int64_t)get_distance(r, (uint64_t)row->accepted.age_ms);
    row->event_id = get_text(r);
    row->event = get_text(r);
}

static void get_record(struct reader *r)
{
    get_route(r);
    if (get_number(r))
        get_event(r);
    r->row.id = (int64_t)get_distance(r, (uint64_t)r->row.id);
}

/* Walks all records; each NULL: only to see whether they are whole. */
static bool walk(struct reader *r, struct str raw, void (*each)(void *context, const struct owed_row *row),
                 void *context)
{
    r->at = raw.ptr;
    r->end = raw.ptr + raw.size;
    r->row = (struct owed_row){.origin = STR(""), .error_code = STR(""), .error_message = STR("")};
    r->route_count = 0;
    if (get_number(r) != FORMAT)
        r->bad = true;
    while (!r->bad && r->at < r->end) {
        get_record(r);
        if (!r->bad && each)
            each(context, &r->row);
        r->row.place.index++;
    }
    return !r->bad;
}

static bool damaged(struct weir_diag *diag)
{
    *diag = (struct weir_diag){.code = WEIR_E_IO};
    snprintf(diag->message, sizeof diag->message, "a block of owed deliveries is damaged");
    return false;
}

static bool decompress(struct str body, struct buf *out, struct weir_diag *diag)
{
    unsigned long long size = ZSTD_getFrameContentSize(body.ptr, body.size);

    if (size > BYTES_MAX) /* also: unknown, or no frame */
        return damaged(diag);
    buf_reserve(out, (size_t)size + 1);
    xbuf(out);
    size_t got = ZSTD_decompress(out->data, (size_t)size, body.ptr, body.size);
    if (ZSTD_isError(got))
        return cannot("unpack", got, diag);
    out->size = got;
    return true;
}

bool owed_unpack(struct str body, void (*each)(void *context, const struct owed_row *row), void *context,
                 struct weir_diag *diag)
{
    struct buf raw = BUF_INIT;
    struct reader r = {0};

    bool ok = decompress(body, &raw, diag);
    if (ok && !walk(&r, buf_view(&raw), NULL, NULL))
        ok = damaged(diag);
    if (ok)
        walk(&r, buf_view(&raw), each, context);
    free(r.routes);
    buf_fini(&raw);
    return ok;
}

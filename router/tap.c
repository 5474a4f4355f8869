/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taps, see tap.h. All are under one lock, held for a copy of an event at most. A counter of open taps, read without
 * it, is all that dispatch looks at while nobody watches.
 */
#include "router/tap.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/dispatch_int.h"
#include "router/xalloc.h"

struct tap {
    uint64_t id;                  /* 0: free */
    struct tap_filter filter;     /* owned texts */
    struct weir_matcher *matcher; /* NULL: all */
    struct weir_scratch *scratch; /* dispatch's */
    struct buf records;
    uint64_t missed;
    struct tap_waiter *waiter;
    int64_t asked_age_ms;
};

struct taps {
    pthread_mutex_t lock;
    atomic_uint count;
    uint64_t last_id;
    bool closed;
    struct tap list[TAPS_MAX];
};

struct taps *taps_create(void)
{
    struct taps *t = xalloc(sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

static void clear(struct tap *tap)
{
    free((char *)tap->filter.bus.ptr);
    free((char *)tap->filter.pattern.ptr);
    free((char *)tap->filter.miss_bus.ptr);
    free((char *)tap->filter.miss_rule.ptr);
    weir_scratch_destroy(tap->scratch);
    weir_matcher_unref(tap->matcher);
    buf_fini(&tap->records);
    *tap = (struct tap){0};
}

void taps_destroy(struct taps *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < TAPS_MAX; i++)
        clear(&t->list[i]);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static struct tap *find(struct taps *t, uint64_t id)
{
    for (size_t i = 0; id && i < TAPS_MAX; i++)
        if (t->list[i].id == id)
            return &t->list[i];
    return NULL;
}

/* ---- opening ---- */

static bool compile(struct tap *tap, struct weir_diag *diag)
{
    struct weir_builder *b = weir_builder_create();

    if (!b)
        xfail("out of memory");
    weir_builder_allow_extensions(b);
    if (weir_builder_add(b, 0, tap->filter.pattern.ptr, tap->filter.pattern.size, diag))
        tap->matcher = weir_builder_build(b, diag);
    weir_builder_destroy(b);
    tap->scratch = tap->matcher ? weir_scratch_create(tap->matcher) : NULL;
    if (tap->matcher && !tap->scratch)
        xfail("out of memory");
    return tap->matcher != NULL;
}

uint64_t tap_open(struct taps *t, const struct tap_filter *f, struct weir_time now, struct weir_diag *diag)
{
    struct tap made = {.asked_age_ms = now.age_ms};

    made.filter = (struct tap_filter){xstr(f->bus), xstr(f->pattern), xstr(f->miss_bus), xstr(f->miss_rule)};
    if (f->pattern.size && !compile(&made, diag)) {
        clear(&made);
        return 0;
    }
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < TAPS_MAX && !made.id && !t->closed; i++)
        if (!t->list[i].id) {
            made.id = ++t->last_id;
            t->list[i] = made;
            atomic_fetch_add(&t->count, 1);
        }
    pthread_mutex_unlock(&t->lock);
    if (!made.id) {
        clear(&made);
        *diag = (struct weir_diag){.code = WEIR_E_LIMIT};
        snprintf(diag->message, sizeof diag->message, "there are %d taps already (TAPS_MAX)", TAPS_MAX);
    }
    return made.id;
}

/* ---- reading ---- */

static void deliver(struct mail *m)
{
    struct tap_waiter *w = (struct tap_waiter *)((char *)m - offsetof(struct tap_waiter, mail));
    w->done(w);
}

static void copy_names(struct tap_waiter *w, const struct tap_filter *f)
{
    size_t size = f->miss_bus.size + f->miss_rule.size;

    w->miss_bus = w->miss_rule = (struct str){w->names, 0};
    if (!f->miss_rule.size || size > sizeof w->names)
        return;
    memcpy(w->names, f->miss_bus.ptr, f->miss_bus.size);
    memcpy(w->names + f->miss_bus.size, f->miss_rule.ptr, f->miss_rule.size);
    w->miss_bus = (struct str){w->names, f->miss_bus.size};
    w->miss_rule = (struct str){w->names + f->miss_bus.size, f->miss_rule.size};
}

/* Under the lock. tap NULL: it is gone. */
static void answer(struct tap *tap, struct tap_waiter *w)
{
    w->gone = !tap;
    if (tap) {
        w->records = tap->records;
        w->missed = tap->missed;
        copy_names(w, &tap->filter);
        tap->records = (struct buf)BUF_INIT;
        tap->missed = 0;
        tap->waiter = NULL;
    }
    w->mail.deliver = deliver;
    mailbox_post(w->mailbox, &w->mail);
}

void tap_wait(struct taps *t, uint64_t id, struct tap_waiter *w, struct weir_time now)
{
    pthread_mutex_lock(&t->lock);
    struct tap *tap = find(t, id);
    w->id = id;
    if (tap) {
        tap->asked_age_ms = now.age_ms;
        if (tap->waiter)
            answer(tap, tap->waiter);
    }
    if (!tap || tap->records.size)
        answer(tap, w);
    else
        tap->waiter = w;
    pthread_mutex_unlock(&t->lock);
}

void tap_cancel(struct taps *t, uint64_t id, struct tap_waiter *w)
{
    pthread_mutex_lock(&t->lock);
    struct tap *tap = find(t, id);
    if (tap && tap->waiter == w)
        answer(tap, w);
    pthread_mutex_unlock(&t->lock);
}

static void close_tap(struct taps *t, struct tap *tap)
{
    if (tap->waiter)
        answer(NULL, tap->waiter);
    clear(tap);
    atomic_fetch_sub(&t->count, 1);
}

bool tap_close(struct taps *t, uint64_t id)
{
    pthread_mutex_lock(&t->lock);
    struct tap *tap = find(t, id);
    if (tap)
        close_tap(t, tap);
    pthread_mutex_unlock(&t->lock);
    return tap != NULL;
}

void taps_close(struct taps *t)
{
    pthread_mutex_lock(&t->lock);
    t->closed = true;
    for (size_t i = 0; i < TAPS_MAX; i++)
        if (t->list[i].id)
            close_tap(t, &t->list[i]);
    pthread_mutex_unlock(&t->lock);
}

static struct str take_text(const char **at, size_t size)
{
    struct str text = {*at, size};
    *at += size;
    return text;
}

bool tap_next(const struct buf *records, size_t *at, struct tap_event *out)
{
    struct tap_record head;

    if (*at >= records->size)
        return false;
    memcpy(&head, records->data + *at, sizeof head);
    const char *text = records->data + *at + sizeof head;
    *out = (struct tap_event){.position = head.position, .arrived_wall_ms = head.arrived_wall_ms};
    out->bus = take_text(&text, head.bus_size);
    out->origin = take_text(&text, head.origin_size);
    out->rules = take_text(&text, head.rules_size);
    out->event = take_text(&text, head.event_size);
    *at += head.size;
    return true;
}

/* ---- the dispatch thread ---- */

bool taps_any(const struct taps *t)
{
    return t && atomic_load_explicit(&t->count, memory_order_relaxed) != 0;
}

static bool misses(const struct tap *tap, const struct ruleset *set, const uint32_t *rules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(set->rules[rules[i]].name, tap->filter.miss_rule) &&
            str_eq(set->rules[rules[i]].bus, tap->filter.miss_bus))
            return false;
    return true;
}

static bool passes(const struct tap *tap, const struct ruleset *set, const struct incoming *in, const uint32_t *rules,
                   size_t count)
{
    const uint32_t *ids;
    struct weir_diag diag;

    if (tap->filter.bus.size && !str_eq(tap->filter.bus, in->bus))
        return false;
    if (tap->filter.miss_rule.size && (!str_eq(tap->filter.miss_bus, in->bus) || !misses(tap, set, rules, count)))
        return false;
    return !tap->matcher || weir_match(tap->matcher, tap->scratch, in->event.ptr, in->event.size,
                                       in->checked ? WEIR_CHECKED : WEIR_TRUSTED, &ids, &diag) > 0;
}

static void write_rules(struct buf *out, const struct ruleset *set, const uint32_t *rules, size_t count)
{
    const char *comma = "";

    buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (set->rules[rules[i]].is_archive)
            continue;
        buf_text(out, comma);
        json_write_string(out, set->rules[rules[i]].name);
        comma = ",";
    }
    buf_char(out, ']');
    xbuf(out);
}

static void add(struct tap *tap, const struct incoming *in, struct str rules)
{
    static const char padding[8];
    struct tap_record head = {.bus_size = (uint32_t)in->bus.size,
                              .origin_size = (uint32_t)in->origin.size,
                              .rules_size = (uint32_t)rules.size,
                              .event_size = (uint32_t)in->event.size,
                              .position = in->position,
                              .arrived_wall_ms = in->arrived_wall_ms};
    size_t size = sizeof head + in->bus.size + in->origin.size + rules.size + in->event.size;

    head.size = (uint32_t)((size + 7) & ~(size_t)7);
    if (tap->records.size && tap->records.size + head.size > TAP_BYTES) {
        tap->missed++;
        return;
    }
    buf_add(&tap->records, &head, sizeof head);
    buf_str(&tap->records, in->bus);
    buf_str(&tap->records, in->origin);
    buf_str(&tap->records, rules);
    buf_str(&tap->records, in->event);
    buf_add(&tap->records, padding, head.size - size);
    xbuf(&tap->records);
    if (tap->waiter)
        answer(tap, tap->waiter);
}

void taps_offer(struct taps *t, const struct ruleset *set, const struct incoming *in, const uint32_t *rules,
                size_t rule_count)
{
    struct buf names = BUF_INIT;

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < TAPS_MAX; i++) {
        struct tap *tap = &t->list[i];
        if (!tap->id || !passes(tap, set, in, rules, rule_count))
            continue;
        if (!names.size)
            write_rules(&names, set, rules, rule_count);
        add(tap, in, buf_view(&names));
    }
    pthread_mutex_unlock(&t->lock);
    buf_fini(&names);
}

void taps_expire(struct taps *t, struct weir_time now)
{
    if (!taps_any(t))
        return;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < TAPS_MAX; i++)
        if (t->list[i].id && now.age_ms - t->list[i].asked_age_ms > TAP_SILENT_MS)
            close_tap(t, &t->list[i]);
    pthread_mutex_unlock(&t->lock);
}

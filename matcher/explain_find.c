/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the way to a path ends in an event, as the matcher sees it: arrays are looked through, keys are joined with
 * dots. The object at which it ends that comes nearest is kept: its keys are what may have been meant.
 *
 * One reader runs over the event once and descends only where the path can go on. Places are written down where one is
 * kept. Recursion goes as deep as the event nests, LIMIT_JSON_DEPTH at most.
 */
#include "matcher/explain_int.h"

struct walk {
    struct explain_run *run;
    struct explain_search *s; /* NULL: it is a key that is looked for */
    struct str name, name_at; /* that key, and where it is */
    struct json_reader reader;
    struct json_token token; /* the present one */
    struct buf at;           /* where it is: detail.items[2].id */
    struct buf key;
};

static bool stopped(const struct walk *w)
{
    return w->at.failed || w->key.failed || w->run->arena->failed || w->name_at.ptr;
}

static struct str keep_at(struct walk *w)
{
    return arena_str(w->run->arena, buf_view(&w->at));
}

/* The present key goes behind `at`; its text is good until the next. */
static struct str enter_key(struct walk *w)
{
    buf_clear(&w->key);
    json_decode(&w->key, w->token.raw);
    if (w->at.size)
        buf_char(&w->at, '.');
    buf_str(&w->at, buf_view(&w->key));
    json_next(&w->reader, &w->token);
    return buf_view(&w->key);
}

static void visit(struct walk *w, struct str rest, bool here);

static void visit_array(struct walk *w, struct str rest, bool here)
{
    size_t size = w->at.size;
    unsigned i = 0;

    for (; !stopped(w) && json_next(&w->reader, &w->token) > JSON_ERROR && w->token.type != JSON_ARRAY_END; i++) {
        buf_printf(&w->at, "[%u]", i);
        visit(w, rest, here);
        w->at.size = size;
    }
    if (!i && here && !w->s->empty_at.ptr)
        w->s->empty_at = keep_at(w);
}

static bool leads_to(struct str key, struct str rest)
{
    return key.size < rest.size && rest.ptr[key.size] == '.' && str_starts(rest, key);
}

static void visit_object(struct walk *w, struct str rest)
{
    const char *start = w->token.raw.ptr;
    size_t size = w->at.size;
    bool led = false;

    while (!stopped(w) && json_next(&w->reader, &w->token) == JSON_KEY) {
        struct str key = enter_key(w);
        bool here = str_eq(key, rest);
        if (here || leads_to(key, rest)) {
            led = true;
            visit(w, here ? rest : (struct str){rest.ptr + key.size + 1, rest.size - key.size - 1}, here);
        } else {
            json_skip(&w->reader, &w->token);
        }
        w->at.size = size;
    }
    if (led || (w->s->deepest.ptr && rest.size >= w->s->rest.size))
        return;
    w->s->deepest = (struct str){start, (size_t)(w->reader.text + w->reader.offset - start)};
    w->s->rest = rest;
    w->s->deepest_at = keep_at(w);
}

/* The present token is a value's first. here: the path ends at it. */
static void visit(struct walk *w, struct str rest, bool here)
{
    if (w->token.type == JSON_ARRAY) {
        visit_array(w, rest, here);
    } else if (w->token.type == JSON_OBJECT && !here) {
        visit_object(w, rest);
    } else if (w->token.type == JSON_OBJECT) {
        json_skip(&w->reader, &w->token);
        if (!w->s->object_at.ptr)
            w->s->object_at = keep_at(w);
    } else if (!here && !w->s->scalar.ptr) {
        w->s->scalar = w->token.raw;
        w->s->scalar_at = keep_at(w);
    }
}

/* ---- a key anywhere ---- */

static void look(struct walk *w)
{
    size_t size = w->at.size;
    bool in_object = w->token.type == JSON_OBJECT;

    if (!in_object && w->token.type != JSON_ARRAY)
        return;
    for (unsigned i = 0; !stopped(w) && json_next(&w->reader, &w->token) > JSON_ERROR; i++) {
        if (w->token.type == JSON_OBJECT_END || w->token.type == JSON_ARRAY_END)
            break;
        if (!in_object)
            buf_printf(&w->at, "[%u]", i);
        else if (str_eq(enter_key(w), w->name))
            w->name_at = keep_at(w);
        look(w);
        w->at.size = size;
    }
}

static bool begin(struct walk *w)
{
    json_reader_init(&w->reader, w->run->event);
    return json_next(&w->reader, &w->token) == JSON_OBJECT && explain_spend(w->run, w->run->event.size);
}

static bool end(struct walk *w)
{
    bool done = !w->at.failed && !w->key.failed && !w->run->arena->failed;
    buf_fini(&w->at);
    buf_fini(&w->key);
    return done || explain_no_memory(w->run->diag);
}

bool explain_find(struct explain_run *r, struct str path, struct explain_search *out)
{
    struct walk w = {.run = r, .s = out};

    *out = (struct explain_search){.object_at = {NULL, 0}};
    if (begin(&w))
        visit(&w, path, false);
    return end(&w);
}

bool explain_find_key(struct explain_run *r, struct str name, struct str *at_out)
{
    struct walk w = {.run = r, .name = name};

    if (begin(&w))
        look(&w);
    *at_out = w.name_at;
    return end(&w);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding what stands at a path of an event, as the matcher sees it: arrays are looked through, keys are joined with
 * dots. Where nothing stands there, the object at which the way ends is kept, the one that comes nearest: its keys are
 * what may have been meant. One pass over the event, which descends only where the path can go on.
 */
#include "matcher/explain_int.h"

struct walk {
    struct explain_search *s;
    struct buf at; /* where it is: detail.items[2].id */
    bool failed;
};

static struct str keep_at(struct walk *w, struct str at)
{
    struct str kept = arena_str(w->s->run->arena, at);
    w->failed |= !kept.ptr;
    return kept;
}

static void found(struct walk *w, struct str value)
{
    struct explain_leaf *leaf = w->s->leaf;

    leaf->value_count++;
    if (w->s->prefer) {
        if (!leaf->found_count && explain_satisfies(w->s->run, w->s->index, value))
            leaf->found[leaf->found_count++] = (struct explain_found){value, keep_at(w, buf_view(&w->at))};
        return;
    }
    bool shown = leaf->found_count < EXPLAIN_FOUND;
    if (!shown && (leaf->near_count || leaf->value_count > EXPLAIN_VALUES))
        return;
    w->failed |= !explain_near_value(w->s->run, leaf, value);
    if (!shown && !leaf->near_count)
        return;
    uint32_t at = shown ? leaf->found_count++ : EXPLAIN_FOUND - 1; /* what comes near is worth a place */
    leaf->found[at] = (struct explain_found){value, keep_at(w, buf_view(&w->at))};
}

static void visit(struct walk *w, struct str value, struct str rest, bool here);

static void visit_array(struct walk *w, struct str array, struct str rest, bool here)
{
    struct json_reader r;
    struct json_token t;
    size_t size = w->at.size;

    json_reader_init(&r, array);
    json_next(&r, &t);
    for (unsigned i = 0; json_next(&r, &t) != JSON_ARRAY_END && json_skip(&r, &t); i++) {
        buf_printf(&w->at, "[%u]", i);
        visit(w, t.raw, rest, here);
        w->at.size = size;
    }
}

static struct str key_text(struct walk *w, const struct json_token *t)
{
    if (!t->escaped)
        return (struct str){t->raw.ptr + 1, t->raw.size - 2};
    struct str text = json_decode_in(w->s->run->arena, t->raw);
    w->failed |= !text.ptr;
    return text;
}

static bool leads_to(struct str key, struct str rest)
{
    return key.size < rest.size && rest.ptr[key.size] == '.' && str_starts(rest, key);
}

static void descend(struct walk *w, struct str key, struct str value, struct str rest)
{
    size_t size = w->at.size;
    bool here = str_eq(key, rest);

    if (size)
        buf_char(&w->at, '.');
    buf_str(&w->at, key);
    if (!here)
        rest = (struct str){rest.ptr + key.size + 1, rest.size - key.size - 1};
    visit(w, value, rest, here);
    w->at.size = size;
}

static void visit_object(struct walk *w, struct str object, struct str rest)
{
    struct json_reader r;
    struct json_token t;
    bool led = false;

    json_reader_init(&r, object);
    json_next(&r, &t);
    while (json_next(&r, &t) == JSON_KEY) {
        struct str key = key_text(w, &t);
        json_next(&r, &t);
        json_skip(&r, &t);
        if (!key.ptr || (!str_eq(key, rest) && !leads_to(key, rest)))
            continue;
        led = true;
        descend(w, key, t.raw, rest);
    }
    struct explain_search *s = w->s;
    if (!led && (!s->deepest.ptr || rest.size < s->rest.size)) {
        s->deepest = object;
        s->rest = rest;
        s->deepest_at = keep_at(w, buf_view(&w->at));
    }
}

/* here: the path ends at this value. */
static void visit(struct walk *w, struct str value, struct str rest, bool here)
{
    enum json_type type = json_type_of(value);

    if (w->failed || w->at.failed)
        return;
    if (type == JSON_ARRAY)
        visit_array(w, value, rest, here);
    else if (type == JSON_OBJECT && here)
        w->s->object_at = keep_at(w, buf_view(&w->at));
    else if (type == JSON_OBJECT)
        visit_object(w, value, rest);
    else if (here)
        found(w, value);
    else if (!w->s->scalar.ptr) {
        w->s->scalar = value;
        w->s->scalar_at = keep_at(w, buf_view(&w->at));
    }
}

static struct str trimmed(struct str text)
{
    while (text.size && (text.ptr[0] == ' ' || text.ptr[0] == '\n' || text.ptr[0] == '\t' || text.ptr[0] == '\r'))
        text = (struct str){text.ptr + 1, text.size - 1};
    return text;
}

bool explain_find(struct explain_search *s)
{
    struct walk w = {.s = s};

    if (s->run->bytes < s->run->event.size)
        return true;
    s->run->bytes -= s->run->event.size;
    s->leaf->looked = true;
    visit(&w, trimmed(s->run->event), s->leaf->leaf->path, false);
    bool ok = !w.failed && !w.at.failed;
    buf_fini(&w.at);
    return ok;
}

/* ---- a key anywhere ---- */

struct key_search {
    struct walk walk;
    struct str name, at;
};

static void look(struct key_search *k, struct str value)
{
    struct json_reader r;
    struct json_token t;
    enum json_type type = json_type_of(value);
    size_t size = k->walk.at.size;

    if (k->at.ptr || k->walk.failed || (type != JSON_OBJECT && type != JSON_ARRAY))
        return;
    json_reader_init(&r, value);
    json_next(&r, &t);
    for (unsigned i = 0; json_next(&r, &t) != JSON_OBJECT_END && t.type != JSON_ARRAY_END && !k->at.ptr; i++) {
        if (type == JSON_ARRAY) {
            buf_printf(&k->walk.at, "[%u]", i);
        } else {
            struct str key = key_text(&k->walk, &t);
            if (size)
                buf_char(&k->walk.at, '.');
            buf_str(&k->walk.at, key.ptr ? key : STR(""));
            if (key.ptr && str_eq(key, k->name))
                k->at = keep_at(&k->walk, buf_view(&k->walk.at));
            json_next(&r, &t);
        }
        json_skip(&r, &t);
        look(k, t.raw);
        k->walk.at.size = size;
    }
}

struct str explain_find_key(struct explain_run *r, struct str name)
{
    struct explain_search s = {.run = r};
    struct key_search k = {.walk = {.s = &s}, .name = name};

    if (r->bytes < r->event.size)
        return (struct str){NULL, 0};
    r->bytes -= r->event.size;
    look(&k, trimmed(r->event));
    buf_fini(&k.walk.at);
    return k.at;
}

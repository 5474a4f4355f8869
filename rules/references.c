/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One open-addressing table for all names of a load. Growing leaves the old slots in the load's arena, which is a
 * third of the final size at worst and goes with the load.
 */
#include "rules/references.h"

#include <stdio.h>
#include <stdlib.h>

#include "matcher/hash.h"
#include "rules/documents.h"
#include "targets/bus.h"

#define SLOTS_MIN 64

/* The slot that has the name, or the free one where it would go. */
static struct reference **slot_of(const struct references *r, struct str scope, struct str name)
{
    size_t at = hash_bytes(hash_bytes(0, scope.ptr, scope.size), name.ptr, name.size) & (r->slot_count - 1);
    while (r->slots[at] && !(str_eq(r->slots[at]->name, name) && str_eq(r->slots[at]->scope, scope)))
        at = (at + 1) & (r->slot_count - 1);
    return &r->slots[at];
}

static bool grow(struct references *r)
{
    struct references bigger = *r;
    bigger.slot_count = r->slot_count ? r->slot_count * 2 : SLOTS_MIN;
    bigger.slots = arena_array(r->arena, bigger.slot_count, sizeof(*bigger.slots));
    bigger.list = arena_array(r->arena, bigger.slot_count, sizeof(*bigger.list));
    if (!bigger.slots || !bigger.list)
        return false;
    for (size_t i = 0; i < r->count; i++) {
        bigger.list[i] = r->list[i];
        *slot_of(&bigger, r->list[i]->scope, r->list[i]->name) = r->list[i];
    }
    *r = bigger;
    return true;
}

bool references_add(struct references *r, struct str scope, struct str name, struct diag_pos pos, void *thing,
                    const struct reference **earlier_out)
{
    *earlier_out = NULL;
    if ((r->count + 1) * 2 > r->slot_count && !grow(r))
        return false;
    struct reference **slot = slot_of(r, scope, name);
    if (*slot) {
        *earlier_out = *slot;
        return false;
    }
    struct reference *one = arena_new(r->arena, struct reference);
    if (!one)
        return false;
    *one = (struct reference){scope, name, pos, thing};
    *slot = one;
    r->list[r->count++] = one;
    return true;
}

void *references_find(const struct references *r, struct str scope, struct str name)
{
    struct reference *one = r->slot_count ? *slot_of(r, scope, name) : NULL;
    return one ? one->thing : NULL;
}

/* ---- near names ---- */

static bool is_target_scope(struct str scope)
{
    const struct adapter *adapter = target_adapter_find(scope);
    return adapter && !adapter->no_target;
}

/* scope {NULL,0}: the names of all targets. */
static const char *near_name(const struct references *r, struct str scope, struct str name)
{
    const char **names = calloc(r->count + 1, sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; names && i < r->count; i++)
        if (scope.ptr ? str_eq(r->list[i]->scope, scope) : is_target_scope(r->list[i]->scope))
            names[count++] = r->list[i]->name.ptr;
    const char *near = names ? diag_near(name, names, count) : NULL;
    free(names);
    return near;
}

void references_near(const struct references *r, struct str scope, struct str name, char hint[REFERENCES_HINT_SIZE])
{
    const char *near = near_name(r, scope, name);
    hint[0] = '\0';
    if (near)
        snprintf(hint, REFERENCES_HINT_SIZE, "; did you mean '%s'?", near);
}

/* ---- targets ---- */

bool references_may_see(struct diag_pos from, struct str made, bool builtin)
{
    return !made.ptr || builtin || document_holds(from);
}

/* What the reference is and where it stands. */
struct asked {
    const struct references *names;
    const char *type; /* the only kind allowed, or NULL */
    struct str text;
    struct diag_pos pos;
    struct diags *diags;
};

static const struct target_def *find(const struct asked *q, struct str scope, struct str name)
{
    const struct target_def *def = references_find(q->names, scope, name);
    return def && references_may_see(q->pos, def->made, def->builtin) ? def : NULL;
}

/* The only target of that name; several: NULL, and their kinds go to `kinds` as "queue/a or topic/a". */
static const struct target_def *find_any(const struct asked *q, struct buf *kinds)
{
    const struct target_def *found = NULL;
    unsigned count = 0;
    for (const struct adapter *const *a = target_adapters; *a; a++) {
        const struct target_def *def = find(q, str_from((*a)->type), q->text);
        if (!def || *a == &bus_adapter || (*a)->no_target)
            continue;
        buf_printf(kinds, "%s%s/%.*s", count ? " or " : "", (*a)->type, STR_ARG(q->text));
        found = def;
        count++;
    }
    return count == 1 ? found : NULL;
}

/* A bus goes by its bare name where nothing else does: buses are named after what they carry, as other things are. */
static const struct target_def *find_bus(const struct asked *q, const struct buf *kinds)
{
    return kinds->size ? NULL : find(q, str_from(bus_adapter.type), q->text);
}

/* Did an API make one of that name? kind {NULL,0}: of any kind. */
static bool is_made(const struct asked *q, struct str kind, struct str name)
{
    bool made = kind.ptr && references_find(q->names, kind, name);
    for (const struct adapter *const *a = target_adapters; *a && !kind.ptr && !made; a++)
        made = !(*a)->no_target && references_find(q->names, str_from((*a)->type), name);
    return made;
}

/* kind: in words, and whose near names may be meant; NULL: any. */
static const struct target_def *unknown(const struct asked *q, struct str kind, struct str name)
{
    char hint[REFERENCES_HINT_SIZE];
    if (document_holds(q->pos)) {
        const struct target_def *missing = q->names->dangling(q->names->context, q->text);
        q->diags->out_of_memory |= !missing;
        return q->type ? NULL : missing; /* the set shows it all the same */
    }
    references_near(q->names, kind, name, hint);
    if (is_made(q, kind, name))
        snprintf(hint, sizeof(hint), REFERENCES_MADE_HINT);
    diag_error(q->diags, q->pos, "unknown %.*s '%.*s'%s", STR_ARG(kind.ptr ? kind : STR("target")), STR_ARG(name),
               hint);
    return NULL;
}

static const char *with_article(const char *type)
{
    return strchr("aeiou", type[0]) ? "an" : "a";
}

static const struct target_def *right_kind(const struct asked *q, const struct target_def *def)
{
    const char *type = def->adapter->type;
    if (!q->type && def->adapter->no_target) {
        diag_error(q->diags, q->pos, "'%.*s' is %s %s, which is no target", STR_ARG(q->text), with_article(type), type);
        return NULL;
    }
    if (!q->type || strcmp(type, q->type) == 0)
        return def;
    diag_error(q->diags, q->pos, "'%.*s' is %s %s; %s %s is needed here", STR_ARG(q->text), with_article(type), type,
               with_article(q->type), q->type);
    return NULL;
}

static const struct target_def *find_in_kind(const struct asked *q, struct str kind, struct str name)
{
    if (!target_adapter_find(kind)) {
        diag_error(q->diags, q->pos, "unknown kind '%.*s' in reference '%.*s'", STR_ARG(kind), STR_ARG(q->text));
        return NULL;
    }
    const struct target_def *def = find(q, kind, name);
    return def ? right_kind(q, def) : unknown(q, kind, name);
}

static const struct target_def *find_by_name(const struct asked *q)
{
    struct buf kinds = BUF_INIT;
    if (q->type && document_holds(q->pos)) /* what has the name now is not what was meant */
        return unknown(q, str_from(q->type), q->text);
    const struct target_def *def = find_any(q, &kinds);
    if (!def && !q->type)
        def = find_bus(q, &kinds);
    if (kinds.size && !def && !q->type)
        diag_error(q->diags, q->pos, "'%.*s' names several targets; write %s", STR_ARG(q->text), buf_cstr(&kinds));
    else
        def = def ? right_kind(q, def) : unknown(q, str_from(q->type), q->text);
    q->diags->out_of_memory |= kinds.failed;
    buf_fini(&kinds);
    return def;
}

const struct target_def *references_find_target(const struct references *r, const char *type, struct str text,
                                                struct diag_pos pos, struct diags *diags)
{
    const struct asked q = {r, type, text, pos, diags};
    const char *slash = text.size ? memchr(text.ptr, '/', text.size) : NULL;
    const struct target_def *def;
    if (str_starts(text, STR("arn:"))) {
        def = find(&q, STR("arn"), text);
        return def ? right_kind(&q, def) : unknown(&q, str_from(type), text);
    }
    if (slash) {
        struct str kind = {text.ptr, (size_t)(slash - text.ptr)};
        struct str name = {slash + 1, text.size - kind.size - 1};
        return find_in_kind(&q, kind, name);
    }
    def = type ? find(&q, str_from(type), text) : NULL;
    return def ? def : find_by_name(&q);
}

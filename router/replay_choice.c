/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a replay is for: rules of the archive's bus, one target of them, events that match a pattern. Chosen by names,
 * looked up again in every rule set that comes.
 *
 * A target is meant whether a rule names it itself or reaches it through a topic.
 */
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/replay_int.h"
#include "router/xalloc.h"
#include "targets/archive.h"

void choice_fini(struct replay_choice *c)
{
    free(c->rules);
    *c = (struct replay_choice){0};
}

static void choose(struct replay_choice *c, const struct rule *rule)
{
    c->rules[rule->index / 64] |= UINT64_C(1) << (rule->index % 64);
}

static void choose_none(const struct dispatch *d, struct replay_choice *c)
{
    c->rules = xarray(d->set->rule_count / 64 + 1, sizeof(uint64_t));
}

bool choice_has(const struct replay_choice *c, const struct rule *rule)
{
    return !rule->is_archive && (!c->rules || (c->rules[rule->index / 64] >> (rule->index % 64) & 1));
}

bool choice_takes(const struct replay_choice *c, const struct route *route)
{
    return !c->only || route_leads_to(route, c->only);
}

const struct bus *replay_bus(const struct dispatch *d, struct str archive)
{
    const struct target_def *def = ruleset_target(d->set, archive_adapter.type, archive);
    if (!def)
        return NULL;
    const struct archive_options *options = def->options;
    return ruleset_bus(d->set, options->bus.size ? options->bus : STR("default"));
}

/* ---- by the request: rules ---- */

static const char *near_rule(const struct dispatch *d, const struct bus *bus, struct str name)
{
    const char **names = xarray(d->set->rule_count, sizeof *names);
    size_t count = 0;

    for (uint32_t i = 0; i < d->set->rule_count; i++)
        if (!d->set->rules[i].is_archive && str_eq(d->set->rules[i].bus, bus->name))
            names[count++] = d->set->rules[i].name.ptr;
    const char *found = diag_near(name, names, count);
    free(names);
    return found;
}

static bool choose_rules(struct dispatch *d, struct replay_call *call, const struct bus *bus, struct replay_choice *out)
{
    const struct replay_request *q = &call->request;

    if (q->rule_count)
        choose_none(d, out);
    for (uint32_t i = 0; i < q->rule_count; i++) {
        const struct rule *rule = ruleset_rule(d->set, bus->name, q->rules[i]);
        if (rule && !rule->is_archive) {
            choose(out, rule);
            continue;
        }
        const char *near = near_rule(d, bus, q->rules[i]);
        replay_refuse(call, 404, "no rule '%.*s' on bus '%.*s'%s%s%s", STR_ARG(q->rules[i]), STR_ARG(bus->name),
                      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return false;
    }
    return true;
}

/* ---- by the request: target ---- */

static bool is_called(const struct target_def *def, struct str text)
{
    size_t type = strlen(def->adapter->type);

    if (str_eq(def->name, text) || str_eq(def->arn, text))
        return true;
    return text.size == type + 1 + def->name.size && memcmp(text.ptr, def->adapter->type, type) == 0 &&
           text.ptr[type] == '/' && memcmp(text.ptr + type + 1, def->name.ptr, def->name.size) == 0;
}

struct candidates { /* targets of the chosen rules */
    const struct target_def **list;
    size_t count;
};

static void add_candidate(struct candidates *c, const struct target_def *def)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i] == def)
            return;
    if (def && def->adapter != &archive_adapter)
        c->list[c->count++] = def;
}

static struct candidates gather(struct dispatch *d, const struct bus *bus, const struct replay_choice *choice)
{
    const struct generation *g = d->generation;
    struct candidates c = {xarray(d->set->target_count + 1, sizeof *c.list), 0};

    for (uint32_t i = 0; i < d->set->rule_count; i++) {
        const struct rule *rule = &d->set->rules[i];
        if (!str_eq(rule->bus, bus->name) || !choice_has(choice, rule))
            continue;
        for (uint32_t k = 0; k < rule->target_count; k++)
            add_candidate(&c, rule->targets[k].target);
        for (uint32_t k = g->spans[i].first; k < g->spans[i].first + g->spans[i].count; k++)
            add_candidate(&c, g->routes[k].outlet ? g->routes[k].outlet->def : NULL);
    }
    return c;
}

static void refuse_target(struct replay_call *call, const struct candidates *c)
{
    const char **names = xarray(c->count + 1, sizeof *names);
    struct str text = call->request.target;

    for (size_t i = 0; i < c->count; i++)
        names[i] = c->list[i]->name.ptr;
    const char *near = diag_near(text, names, c->count);
    replay_refuse(call, 404, "none of the rules that it goes to has a target '%.*s'%s%s%s", STR_ARG(text),
                  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    free(names);
}

static bool choose_target(struct dispatch *d, struct replay_call *call, const struct bus *bus,
                          struct replay_choice *out)
{
    struct str text = call->request.target;
    const struct target_def *other = NULL;

    if (!text.size)
        return true;
    struct candidates c = gather(d, bus, out);
    for (size_t i = 0; i < c.count; i++)
        if (is_called(c.list[i], text) && out->only)
            other = c.list[i];
        else if (is_called(c.list[i], text))
            out->only = c.list[i];
    if (!out->only)
        refuse_target(call, &c);
    else if (other)
        replay_refuse(call, 400, "'%.*s' is a %s and a %s: write %s/%.*s or %s/%.*s", STR_ARG(text),
                      out->only->adapter->type, other->adapter->type, out->only->adapter->type, STR_ARG(text),
                      other->adapter->type, STR_ARG(text));
    free(c.list);
    return out->only && !other;
}

bool choice_make(struct dispatch *d, struct replay_call *call, const struct bus *bus, struct replay_choice *out)
{
    *out = (struct replay_choice){0};
    if (choose_rules(d, call, bus, out) && choose_target(d, call, bus, out))
        return true;
    choice_fini(out);
    return false;
}

/* ---- by names ---- */

static const struct target_def *target_again(const struct dispatch *d, struct str target)
{
    const char *slash = memchr(target.ptr, '/', target.size);
    char type[32];

    snprintf(type, sizeof type, "%.*s", (int)(slash - target.ptr), target.ptr);
    return ruleset_target(d->set, type, (struct str){slash + 1, target.size - (size_t)(slash + 1 - target.ptr)});
}

bool choice_again(const struct dispatch *d, const struct bus *bus, struct str rules, struct str target,
                  struct replay_choice *out)
{
    struct json_reader reader;
    struct json_token t;
    struct buf name = BUF_INIT;

    *out = (struct replay_choice){0};
    json_reader_init(&reader, rules);
    json_next(&reader, &t);
    while (json_next(&reader, &t) == JSON_STRING) {
        if (!out->rules)
            choose_none(d, out);
        buf_clear(&name);
        json_decode(&name, t.raw);
        xbuf(&name);
        const struct rule *rule = ruleset_rule(d->set, bus->name, buf_view(&name));
        if (rule && !rule->is_archive)
            choose(out, rule);
    }
    buf_fini(&name);
    if (target.size)
        out->only = target_again(d, target);
    return !target.size || out->only;
}

/* ---- the pattern ---- */

bool filter_open(struct replay_filter *f, struct str pattern, struct weir_diag *diag)
{
    struct weir_builder *b = weir_builder_create();

    if (!b)
        xfail("out of memory");
    *f = (struct replay_filter){0};
    weir_builder_allow_extensions(b);
    if (weir_builder_add(b, 0, pattern.ptr, pattern.size, diag))
        f->matcher = weir_builder_build(b, diag);
    weir_builder_destroy(b);
    f->scratch = f->matcher ? weir_scratch_create(f->matcher) : NULL;
    if (f->matcher && !f->scratch)
        xfail("out of memory");
    return f->matcher != NULL;
}

void filter_close(struct replay_filter *f)
{
    weir_scratch_destroy(f->scratch);
    weir_matcher_unref(f->matcher);
    *f = (struct replay_filter){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platform applications: push gateways and the devices behind them. An application becomes an http target with the
 * entry's name, and each of its endpoints a topic of its own that has that target as its one subscription (see
 * targets/topic.h); so whatever publishes to topics publishes to endpoints, and a topic's subscription to an endpoint
 * is one to its gateway.
 *
 * The topics have no options in any file, so theirs are filled here, after the walk over all definitions has given them
 * the defaults.
 */
#include "rules/load_int.h"

#include <stdio.h>

#include "targets/topic.h"

#define SECTION   "platform_applications"
#define WHAT_SIZE 300

static struct str endpoint_name(struct load *l, const struct topic_application *a, struct str id)
{
    struct buf name = BUF_INIT;
    buf_printf(&name, TOPIC_ENDPOINT "%.*s/%.*s/%.*s", STR_ARG(a->platform), STR_ARG(a->name), STR_ARG(id));
    struct str kept = name.failed ? (struct str){NULL, 0} : arena_str(&l->temp, buf_view(&name));
    buf_fini(&name);
    l->diags->out_of_memory |= !kept.ptr;
    return kept;
}

static bool read_one(struct load *l, const struct node_pair *pair, struct topic_application *out)
{
    char what[WHAT_SIZE];
    snprintf(what, sizeof(what), "platform application '%.*s'", STR_ARG(pair->key->text));
    if (pair->value->type == NODE_MAP)
        return options_fill(&l->options, topic_application_options, pair->value, pair->key->pos, what, NULL, out);
    return diag_error(l->diags, pair->value->pos, "%s must be a mapping, not %s", what, node_type_name(pair->value));
}

/* ---- declared ---- */

/* Only the gateway's URL is an http target's. */
static const struct node *http_node(struct load *l, const struct node *entry)
{
    struct node *n = arena_new(&l->temp, struct node);
    struct node_pair *pair = arena_new(&l->temp, struct node_pair);
    if (!n || !pair)
        return NULL;
    for (uint32_t i = 0; i < entry->count; i++)
        if (str_is(entry->pairs[i].key->text, "url"))
            *pair = entry->pairs[i];
    *n = *entry;
    n->pairs = pair;
    n->count = 1;
    return n;
}

static bool declare(struct load *l, const struct node_pair *pair)
{
    struct topic_application a = {.platform = {NULL, 0}};
    if (!read_one(l, pair, &a))
        return !l->diags->out_of_memory;
    const struct node *n = http_node(l, pair->value);
    if (!n || !load_target_add(l, target_adapter_find(STR("http")), pair->key->text, pair->key->pos, n))
        return load_out_of_memory(l);
    const struct topic_endpoint *e = a.endpoints.items;
    for (size_t i = 0; i < a.endpoints.count; i++) {
        struct str name = endpoint_name(l, &a, e[i].id);
        if (!name.ptr || !load_target_add(l, &topic_adapter, name, pair->key->pos, NULL))
            return load_out_of_memory(l);
    }
    return true;
}

static bool each(struct load *l, bool (*take)(struct load *l, const struct node_pair *pair))
{
    for (const struct load_file *f = l->files; f; f = f->next) {
        const struct node *section = load_section(l, f, SECTION);
        for (uint32_t i = 0; section && i < section->count; i++)
            if (!take(l, &section->pairs[i]))
                return false;
    }
    return true;
}

bool load_applications(struct load *l)
{
    return each(l, declare);
}

/* ---- filled ---- */

static bool fill_endpoint(struct load *l, const struct topic_application *a, struct topic_endpoint *e,
                          const struct target_def *gateway)
{
    struct str name = endpoint_name(l, a, e->id);
    struct target_def *topic = name.ptr ? references_find(&l->names, str_from(topic_adapter.type), name) : NULL;
    struct topic_subscription *s = arena_new(&l->set->keep, struct topic_subscription);
    if (!name.ptr || !s)
        return load_out_of_memory(l);
    if (!topic)
        return true; /* its name was faulty */
    e->platform = a->platform;
    e->application = a->name;
    *s = (struct topic_subscription){.target = gateway, .name = STR("push"), .endpoint = e, .pending = !e->enabled};
    ((struct topic_options *)topic->options)->subscriptions = (struct option_list){s, 1};
    topic->made = gateway->made;
    return true;
}

static bool fill(struct load *l, const struct node_pair *pair)
{
    struct topic_application a = {.platform = {NULL, 0}};
    const struct target_def *gateway = references_find(&l->names, STR("http"), pair->key->text);
    if (!gateway || !read_one(l, pair, &a))
        return !l->diags->out_of_memory;
    struct topic_endpoint *e = a.endpoints.items;
    for (size_t i = 0; i < a.endpoints.count; i++)
        if (!fill_endpoint(l, &a, &e[i], gateway))
            return false;
    return true;
}

bool load_endpoints(struct load *l)
{
    return each(l, fill);
}

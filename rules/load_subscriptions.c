/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions that stand by themselves, in the section `subscriptions`: those of the APIs, and of files that would
 * add to a topic of another file. Each is hung on its topic behind those that the topic itself names, so everybody who
 * asks a topic for its subscriptions sees them all.
 *
 * One that names a URL gets an http target of its own, which has the subscription's name. That is declared before
 * options are read, as all targets are; the subscriptions are read when the options of topics are whole, and before
 * anything is checked.
 *
 * A document whose topic is not there any more says nothing: the topic may come back with its file.
 */
#include "rules/load_int.h"

#include <stdio.h>

#include "rules/tables.h"
#include "targets/topic.h"

#define SECTION   "subscriptions"
#define WHAT_SIZE 300

struct hanging { /* a subscription and the topic it is to hang on */
    struct topic_subscription subscription;
    const struct target_def *topic;
};

/* ---- targets of URLs ---- */

/* {url: …} out of the entry, at the entry's place. */
static const struct node *http_node(struct load *l, const struct node_pair *entry, const struct node_pair *url)
{
    struct node *n = arena_new(&l->temp, struct node);
    struct node_pair *pair = arena_new(&l->temp, struct node_pair);
    if (!n || !pair)
        return NULL;
    *pair = *url;
    *n = *entry->value;
    n->pairs = pair;
    n->count = 1;
    return n;
}

static bool declare_url(struct load *l, const struct node_pair *entry)
{
    const struct node *map = entry->value;
    for (uint32_t i = 0; map->type == NODE_MAP && i < map->count; i++)
        if (str_is(map->pairs[i].key->text, "url") && str_starts(map->pairs[i].value->text, STR("http"))) {
            const struct node *n = http_node(l, entry, &map->pairs[i]);
            return (n && load_target_add(l, target_adapter_find(STR("http")), entry->key->text, entry->key->pos, n)) ||
                   load_out_of_memory(l);
        }
    return true;
}

bool load_subscription_targets(struct load *l)
{
    for (const struct load_file *f = l->files; f; f = f->next) {
        const struct node *section = load_section(l, f, SECTION);
        for (uint32_t i = 0; section && i < section->count; i++)
            if (load_check_name(l, "subscription", section->pairs[i].key->text, ADAPTER_NAME_MAX,
                                section->pairs[i].key->pos) &&
                !declare_url(l, &section->pairs[i]))
                return false;
    }
    return true;
}

/* ---- subscriptions ---- */

/* The gateway behind the endpoint; a document's may be gone. */
static bool find_endpoint(struct load *l, const struct node_pair *pair, struct topic_subscription_entry *e)
{
    const struct target_def *topic = references_find(&l->names, STR("arn"), e->endpoint);
    const struct topic_endpoint *endpoint = topic && topic->adapter == &topic_adapter ? topic_endpoint(topic) : NULL;
    if (!endpoint && load_made(pair->value).ptr) {
        e->subscription.target = load_missing(l, e->endpoint);
        return e->subscription.target || load_out_of_memory(l);
    }
    if (!endpoint)
        return diag_error(l->diags, pair->key->pos, "subscription '%.*s': unknown endpoint '%.*s'",
                          STR_ARG(pair->key->text), STR_ARG(e->endpoint));
    const struct topic_subscription *push = ((const struct topic_options *)topic->options)->subscriptions.items;
    e->subscription.target = push->target;
    e->subscription.endpoint = endpoint;
    e->subscription.pending |= !endpoint->enabled;
    return true;
}

static bool check_target(struct load *l, const struct node_pair *pair, struct topic_subscription_entry *e)
{
    bool several =
        (e->url.ptr && e->subscription.target) || (e->endpoint.ptr && (e->url.ptr || e->subscription.target));
    const char *wrong = several ? "has more than one of target, url and endpoint"
                        : !e->url.ptr && !e->endpoint.ptr && !node_get(pair->value, "target")
                            ? "needs a target or a url"
                            : NULL;
    if (e->endpoint.ptr && !wrong)
        return find_endpoint(l, pair, e);
    if (e->url.ptr)
        e->subscription.target = references_find(&l->names, STR("http"), pair->key->text);
    return !wrong || diag_error(l->diags, pair->key->pos, "subscription '%.*s' %s", STR_ARG(pair->key->text), wrong);
}

static void read_one(struct load *l, const struct node_pair *pair, struct hanging *out)
{
    struct topic_subscription_entry e = {.topic = {NULL, 0}};
    const struct node *topic = pair->value->type == NODE_MAP ? node_get(pair->value, "topic") : NULL;
    char what[WHAT_SIZE];
    snprintf(what, sizeof(what), "subscription '%.*s'", STR_ARG(pair->key->text));
    if (pair->value->type != NODE_MAP) {
        diag_error(l->diags, pair->value->pos, "%s must be a mapping, not %s", what, node_type_name(pair->value));
        return;
    }
    if (!options_fill(&l->options, topic_subscription_options, pair->value, pair->key->pos, what, NULL, &e) ||
        !check_target(l, pair, &e))
        return;
    e.subscription.name = arena_str(&l->set->keep, pair->key->text);
    e.subscription.url = e.url;
    e.subscription.made = load_made(pair->value);
    out->subscription = e.subscription;
    out->topic = references_find(&l->names, str_from(topic_adapter.type), e.topic);
    if (!out->topic && !e.subscription.made.ptr)
        out->topic = references_find_target(&l->names, topic_adapter.type, e.topic, topic->pos, l->diags);
}

static bool read_all(struct load *l, struct hanging *out)
{
    size_t count = 0;
    for (const struct load_file *f = l->files; f; f = f->next) {
        const struct node *section = load_section(l, f, SECTION);
        for (uint32_t i = 0; section && i < section->count; i++)
            read_one(l, &section->pairs[i], &out[count++]);
    }
    return !l->diags->out_of_memory;
}

/* Those of one topic behind its own; they are taken out of the list. */
static bool hang(struct load *l, const struct target_def *topic, struct hanging *all, size_t count)
{
    struct topic_options *o = topic->options;
    size_t more = 0;
    for (size_t i = 0; i < count; i++)
        more += all[i].topic == topic;
    struct topic_subscription *list = arena_array(&l->set->keep, o->subscriptions.count + more, sizeof(*list));
    if (!list)
        return load_out_of_memory(l);
    if (o->subscriptions.count)
        memcpy(list, o->subscriptions.items, o->subscriptions.count * sizeof(*list));
    for (size_t i = 0; i < count; i++)
        if (all[i].topic == topic) {
            list[o->subscriptions.count++] = all[i].subscription;
            all[i].topic = NULL;
        }
    o->subscriptions.items = list;
    return true;
}

bool load_subscriptions(struct load *l)
{
    size_t count = load_section_count(l, SECTION);
    struct hanging *all = arena_array(&l->temp, count, sizeof(*all));
    if (!all)
        return load_out_of_memory(l);
    if (!read_all(l, all))
        return false;
    for (size_t i = 0; i < count; i++)
        if (all[i].topic && !hang(l, all[i].topic, all + i, count - i))
            return false;
    return true;
}
